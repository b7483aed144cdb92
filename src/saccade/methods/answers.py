"""What the output of a network says: class scores at every pixel, or boxes."""

from __future__ import annotations

from typing import Any

from torch import nn

from saccade.errors import NetworkError
from saccade.methods.base import Detections, Prediction, Segmentation
from saccade.methods.scores import scores_of
from saccade.networks.detector import Detector


def prediction_of(network: nn.Module, output: Any, frames: int, size: tuple[int, int]) -> Prediction:
    """The answer to N frames.

    Args:
        network: Whose output it is; one with ``decode`` is a detector.
        output: What its ``forward`` returned.
        frames: N.
        size: ``(H, W)`` of the frames.

    Raises:
        NetworkError: It holds neither scores nor boxes for N frames.
    """
    if not isinstance(network, Detector):
        return Segmentation(scores_of(output, frames), size)
    boxes = tuple(network.decode(output, size))
    if len(boxes) != frames:
        raise NetworkError(f"decode of the network gives boxes of {len(boxes)} frames for {frames}")
    return Detections(boxes, size)
