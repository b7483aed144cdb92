"""``saccade import``: published checkpoints of the original systems become weights of Saccade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def command(
    checkpoint: Annotated[
        Path,
        Parameter(
            help="SwiftNet of BlockCopy or SegBlocks, or CSP of Pedestron (.pth, .pt or .safetensors)."
        ),
    ],
    /,
    *,
    output: Annotated[Path, Parameter(["--output", "-o"], metavar="FILE.safetensors", help="File to write.")],
) -> None:
    """Convert a checkpoint; the result works wherever --weights does."""
    from saccade.cli.tables import print_facts
    from saccade.networks import import_checkpoint

    summary = import_checkpoint(checkpoint, output)
    print_facts(
        f"{checkpoint.name} is imported",
        {
            "from": summary.source,
            "network": f"{summary.network}, {summary.classes} classes",
            "tensors": f"{summary.tensors} taken over, {len(summary.ignored)} not part of the network",
            "policy": "trained, for --method segblocks --policy trained" if summary.policy else "none",
            "written to": f"{summary.path} ({summary.size / 1e6:.1f} MB)",
            "use it": f"saccade run world --weights {summary.path} -o out/imported.mp4",
        },
    )
