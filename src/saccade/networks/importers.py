"""Turning published checkpoints into files of ours (``saccade import``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saccade.errors import WeightsError
from saccade.networks.block_policy import add_block_policy, has_block_policy
from saccade.networks.checkpoint import read_checkpoint
from saccade.networks.fitting import fill
from saccade.networks.published import recognise
from saccade.networks.registry import build_network
from saccade.networks.weights import save_weights


@dataclass(frozen=True)
class ImportSummary:
    """What an import did.

    Attributes:
        source: System that the checkpoint comes from: ``"SegBlocks"``, ``"BlockCopy"`` or ``"Pedestron"``.
        network: Registered name of the network.
        classes: Number of classes.
        tensors: Number of tensors taken over.
        policy: Whether it has a policy, which says what blocks are worth full resolution.
        ignored: Names in the checkpoint that are not part of the network.
        path: The file written.
        size: Its bytes.
    """

    source: str
    network: str
    classes: int
    tensors: int
    policy: bool
    ignored: tuple[str, ...]
    path: Path
    size: int


def import_checkpoint(path: str | Path, out: str | Path) -> ImportSummary:
    """Convert a published checkpoint of SwiftNet or of CSP to safetensors that ``load_network`` takes.

    The published weights of SwiftNet expect frames with other statistics than ours; the per-channel affine
    map between the two is stored with the weights, so the network takes frames like any other.

    Args:
        path: Checkpoint of BlockCopy (names without prefix) or of SegBlocks (``net.`` and ``policy.``), or a
            CSP of Pedestron (``neck.`` and ``bbox_head.``), which BlockCopy runs its detection on.
        out: File to write, ``.safetensors``.

    Raises:
        WeightsError: The file cannot be read, is of no known format, or is incomplete.
        OutputError: ``out`` cannot be written.
    """
    tensors = read_checkpoint(path).tensors
    try:
        found = recognise(tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    if found is None or found.source == "Saccade":
        what = "is a Saccade file already" if found else "is of no known format"
        raise WeightsError(
            f"{path} {what}; known are the SwiftNet checkpoints of BlockCopy (backbone.*, spp.spp.*, "
            "upsample.*, logits.*) and of SegBlocks (the same after net., with policy.*), and CSP of "
            "Pedestron (backbone.*, neck.p3.*, bbox_head.csp_cls.*). Its first names: "
            f"{', '.join(list(tensors)[:5])}"
        )
    options = dict(found.options)
    classes = options.pop("classes")
    network = build_network(found.network, found.class_set or classes, **options)
    if policy := has_block_policy(found.tensors):
        add_block_policy(network)
    fill(network, found.tensors, source=str(path), target=found.network)
    out = Path(out)
    save_weights(out, network, {"source": f"{found.source} checkpoint {Path(path).name}"})
    return ImportSummary(
        source=found.source,
        network=found.network,
        classes=classes,
        tensors=len(tensors) - len(found.ignored),
        policy=policy,
        ignored=found.ignored,
        path=out,
        size=out.stat().st_size,
    )
