"""Turning published checkpoints into files of ours (``saccade import``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from saccade.errors import WeightsError
from saccade.networks import correction
from saccade.networks.block_policy import add_block_policy, has_block_policy
from saccade.networks.checkpoint import read_checkpoint
from saccade.networks.fitting import fill
from saccade.networks.flow import build_flow, list_flows
from saccade.networks.published import recognise
from saccade.networks.registry import NetworkInfo, attach_info, build_network
from saccade.networks.weights import save_weights


@dataclass(frozen=True)
class ImportSummary:
    """What an import did.

    Attributes:
        source: System that the checkpoint comes from: ``"SegBlocks"``, ``"BlockCopy"``, ``"Pedestron"``,
            ``"GSVNet"`` or ``"TDNet"``.
        network: Registered name of the network.
        classes: Number of classes; None for optical flow.
        tensors: Number of tensors taken over.
        policy: Whether it has a policy, which says what blocks are worth full resolution.
        ignored: Names in the checkpoint that are not part of the network.
        path: The file written.
        size: Its bytes.
    """

    source: str
    network: str
    classes: int | None
    tensors: int
    policy: bool
    ignored: tuple[str, ...]
    path: Path
    size: int


def import_checkpoint(path: str | Path, out: str | Path, *, segnet: str = "swiftnet") -> ImportSummary:
    """Convert a published checkpoint to safetensors that ``load_network`` takes.

    Where published weights expect frames with other statistics than ours, the per-channel affine map between
    the two is stored with the weights, so the network takes frames like any other.

    Args:
        path: Checkpoint of BlockCopy (names without prefix) or of SegBlocks (``net.`` and ``policy.``), or a
            CSP of Pedestron (``neck.`` and ``bbox_head.``), which BlockCopy runs its detection on; a BiSeNet
            as GSVNet has it (``spatial_path.`` and ``context_path.``); a TDNet (``pretrained1.``); the
            correction of GSVNet (``grm.``) or its light flow network (``conv_dilate_1.``).
        out: File to write, ``.safetensors``.
        segnet: Of a GSVNet, which network it was trained beside, ``swiftnet`` or ``bisenet``: it sees frames
            with the statistics of that one.

    Raises:
        WeightsError: The file cannot be read, is of no known format, or is incomplete.
        OutputError: ``out`` cannot be written.
    """
    tensors = read_checkpoint(path).tensors
    try:
        found = recognise(tensors, segnet)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    if found is None or found.source == "Saccade":
        what = "is a Saccade file already" if found else "is of no known format"
        raise WeightsError(
            f"{path} {what}; known are the SwiftNet checkpoints of BlockCopy (backbone.*, spp.spp.*, "
            "upsample.*, logits.*) and of SegBlocks (the same after net., with policy.*), CSP of Pedestron "
            "(backbone.*, neck.p3.*, bbox_head.csp_cls.*), BiSeNet as in GSVNet (spatial_path.*), TDNet "
            "(pretrained1.*) and GSVNet (grm.*, or conv_dilate_1.* of its flow). Its first names: "
            f"{', '.join(list(tensors)[:5])}"
        )
    options = dict(found.options)
    classes = options.pop("classes", None)
    network: nn.Module
    if found.network == correction.NAME:
        network = correction.GuidedCorrection(classes, **options)
        known = NetworkInfo(correction.NAME, found.class_set, None, found.options)
        attach_info(network, known)
    elif found.network in list_flows():
        network = build_flow(found.network, **options)
    else:
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
