"""``saccade import``: published checkpoints of the original systems become weights of Saccade."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from saccade.networks.importers import ImportSummary


def command(
    checkpoint: Annotated[
        Path,
        Parameter(
            help="SwiftNet of BlockCopy or SegBlocks, CSP of Pedestron, BiSeNet of GSVNet, TDNet, or the "
            "correction or light flow of GSVNet (.pth, .pt or .safetensors)."
        ),
    ],
    /,
    *,
    output: Annotated[Path, Parameter(["--output", "-o"], metavar="FILE.safetensors", help="File to write.")],
    segnet: Annotated[
        Literal["swiftnet", "bisenet"],
        Parameter(help="Of GSVNet's correction and flow, which network they were trained beside."),
    ] = "swiftnet",
) -> None:
    """Convert a checkpoint; the result works wherever --weights does."""
    from saccade.cli.tables import print_facts
    from saccade.networks import import_checkpoint

    summary = import_checkpoint(checkpoint, output, segnet=segnet)
    classes = "no classes" if summary.classes is None else f"{summary.classes} classes"
    print_facts(
        f"{checkpoint.name} is imported",
        {
            "from": summary.source,
            "network": f"{summary.network}, {classes}",
            "tensors": f"{summary.tensors} taken over, {len(summary.ignored)} not part of the network",
            "policy": "trained, for --method segblocks --policy trained" if summary.policy else "none",
            "written to": f"{summary.path} ({summary.size / 1e6:.1f} MB)",
            "use it": f"saccade run {_use(summary)} -o out/imported.mp4",
        },
    )


def _use(summary: ImportSummary) -> str:
    from saccade.networks import correction
    from saccade.networks.flow import list_flows
    from saccade.networks.tdnet import FORMS

    network, path = summary.network, summary.path
    if network == correction.NAME:
        return f"VIDEO --weights NETWORK --method gsvnet --legacy --correction {path}"
    if network in list_flows():
        return f"VIDEO --weights NETWORK --method gsvnet --flow {path}"
    if network in FORMS:
        return f"world --method tdnet --network {path}"
    return f"world --weights {path}" + " --method segblocks" * summary.policy
