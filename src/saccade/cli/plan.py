"""``saccade plan``: what the block engine does with each operation of a network."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from saccade import __version__
from saccade.cli.options import read_size, read_whole

SCHEMA = 1


def command(
    network: Annotated[
        str,
        Parameter(
            help="Name from `saccade list networks` or `saccade list weights`, weights FILE, or your own "
            "code as MODULE:CALLABLE."
        ),
    ],
    /,
    *,
    size: Annotated[
        tuple[int, int],
        Parameter(
            metavar="HxW",
            show_default="1024x2048",
            negative="",
            n_tokens=1,
            converter=read_size,
            help="Height and width of the frames.",
        ),
    ] = (1024, 2048),
    block_size: Annotated[int, Parameter(converter=read_whole, help="Side of a block in pixels.")] = 128,
    json: Annotated[
        Path | None,
        Parameter(metavar="FILE.json", show_default="none", help="File for everything about every step."),
    ] = None,
) -> None:
    """Print which operations run on blocks, what they cost, and what has to run densely."""
    from saccade.cli.progress import StepProgress
    from saccade.video import check_file, write_atomic

    if json is not None:
        check_file(json)
    with StepProgress("following the network", "steps"):
        import torch

        from saccade.blocks import convert
        from saccade.cli.plan_summary import print_plan
        from saccade.networks import list_networks, load_network

        # A name stands for the network as it is registered: no values of its weights matter here.
        loaded = load_network(network, weights="random" if network in list_networks() else "default")
        like = next((p for p in loaded.parameters() if p.is_floating_point()), torch.empty(0))
        frame = torch.zeros(1, 3, *size, dtype=like.dtype, device=like.device)
        plan = convert(loaded, frame, block_size, measure=False).plan
    try:
        if json is not None:
            known = {"schema": SCHEMA, "saccade": __version__, "torch": str(torch.__version__)}
            write_atomic(json, dumps(known | {"network": network} | plan.to_dict(), indent=1) + "\n")
    finally:
        print_plan(network, plan)
    if json is not None:
        print(f"\nwrote {json}")
