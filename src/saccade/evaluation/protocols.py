"""The protocols that video methods were published with: what is run, what is scored, what the figure is.

Let ``M_d`` be the confusion matrix over the labelled frames at distance ``d`` from the last keyframe, ``K``
the keyframe interval, and ``m`` the mean IoU over the classes that occur in predictions or labels.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saccade.errors import ConfigError
from saccade.evaluation.confusion import iou_of
from saccade.methods.configs import FrameConfig
from saccade.methods.registry import list_methods, method_of, registered_method

if TYPE_CHECKING:
    from saccade.datasets.clip import Dataset

BLOCKCOPY_LENGTH = 20
"""Frames of a clip of BlockCopy's protocol: the labelled one is the last."""

Distances = Callable[[int, int], Collection[int]]
"""From the number of a labelled frame in the split and the length of a window: how many frames before the
labelled one to begin, once for each of these."""

Figure = Callable[[Mapping[int, Tensor]], tuple[Tensor, Tensor]]
"""From ``M_d`` by ``d``: the mIoU, and the IoU of each class ``(K,)``."""


def pooled(by_distance: Mapping[int, Tensor]) -> tuple[Tensor, Tensor]:
    """``m`` of the sum of all ``M_d``, and the IoU of each class in it."""
    iou = iou_of(torch.stack(list(by_distance.values())).sum(0))
    return iou.nanmean(), iou


def mean_over_distances(by_distance: Mapping[int, Tensor]) -> tuple[Tensor, Tensor]:
    """The mean of ``m(M_d)`` over ``d``, and that of the IoU of each class."""
    iou = torch.stack([iou_of(counts) for counts in by_distance.values()])  # (D, K)
    return iou.nanmean(1).nanmean(), iou.nanmean(0)


@dataclass(frozen=True)
class Protocol:
    """Which frames are run, which of them are scored, and how confusion matrices become the mIoU.

    Attributes:
        name: Of ``--protocol``.
        summary: What is scored, in a few words.
        distances: Where windows begin that a labelled frame is scored in. None for no windows: clips are run
            as they are, and every labelled frame is scored.
        length: Frames of a window; it goes on to its end, also after the scored frame.
        figure: From confusion matrices to the mIoU.
        interval: Whether a window is a keyframe interval of the method; ``length`` is then its length.
    """

    name: str
    summary: str
    distances: Distances | None = None
    length: int = 0
    figure: Figure = pooled
    interval: bool = False


def _all(number: int, length: int) -> Collection[int]:
    return range(length)


def _farthest(number: int, length: int) -> Collection[int]:
    return (length - 1,)


def _in_turns(number: int, length: int) -> Collection[int]:
    return (number % length,)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("clip", "every labelled frame of every clip"),
        Protocol("blockcopy", "the last of every 20 frames", _farthest, BLOCKCOPY_LENGTH),
        Protocol("dff", "mean of the mIoUs at each distance", _all, 0, mean_over_distances, True),
        Protocol("accel-avg", "labelled frames at each distance in turn", _in_turns, interval=True),
        Protocol("accel-max", "the last frame of a keyframe interval", _farthest, interval=True),
        Protocol("gsvnet-avg", "all distances in one mIoU", _all, interval=True),
        Protocol("gsvnet-min", "the last frame of a keyframe interval", _farthest, interval=True),
    )
}
"""DFF, Accel and GSVNet average over keyframe offsets in three ways, whose results differ."""


def choose_protocol(name: str | None, dataset: Dataset, config: Any) -> Protocol:
    """The protocol of this name, with the length of its windows.

    Args:
        name: One of ``PROTOCOLS``; None for that of the data set: ``blockcopy`` for Cityscapes in clips of 20
            frames, ``clip`` for all others.
        dataset: What is scored.
        config: Of the method. Frame by frame, every frame is a keyframe.

    Raises:
        ConfigError: The name is unknown, or it is about keyframe intervals, and the method has none.
    """
    if name is None:
        snippets = dataset.name == "cityscapes"
        twenty = snippets and all(len(clip) == BLOCKCOPY_LENGTH for clip in dataset.clips())
        return PROTOCOLS["blockcopy" if twenty else "clip"]
    if name not in PROTOCOLS:
        close = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"there is no protocol {name!r}; {hint}Known protocols: {', '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[name]
    return replace(protocol, length=keyframe_interval(config, name)) if protocol.interval else protocol


def keyframe_interval(config: Any, protocol: str) -> int:
    """Frames from one keyframe to the next: the field ``interval`` of a configuration; 1 frame by frame.

    Raises:
        ConfigError: The method has no keyframe interval, or one that is no number of frames.
    """
    interval = 1 if isinstance(config, FrameConfig) else getattr(config, "interval", None)
    if interval is None:
        fitting = [
            name for name in list_methods() if hasattr(registered_method(name).config_class, "interval")
        ]
        raise ConfigError(
            f"protocol {protocol} scores frames by their distance from the last keyframe, and method "
            f"{method_of(config).name} has no keyframe interval; use protocol clip or blockcopy, or a method "
            f"with keyframes: {', '.join(['frame', *fitting])}"
        )
    if interval < 1:
        raise ConfigError(f"interval {interval} is no number of frames between keyframes; give 1 or more")
    return int(interval)
