"""Finding the class scores in whatever a network returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from saccade.classes import IGNORE
from saccade.errors import NetworkError

KEYS = ("out", "logits")
"""Where torchvision and transformers put the scores in a dictionary."""


def scores_of(output: Any, frames: int) -> Tensor:
    """The logits in the output of a segmentation network.

    Args:
        output: ``(N, K, h, w)`` logits; or a dictionary with them under ``"out"`` or ``"logits"``; or a tuple
            or list whose first element they are.
        frames: N, the number of frames the network was given.

    Returns:
        ``(N, K, h, w)``.

    Raises:
        NetworkError: There are none, or they are not of this shape.
    """
    scores = output
    if isinstance(scores, Mapping):
        scores = next((scores[key] for key in KEYS if key in scores), scores)
    elif isinstance(scores, (tuple, list)) and scores:
        scores = scores[0]
    if not isinstance(scores, Tensor):
        raise NetworkError(
            f"the network returned {_describe(output)}; expected logits (N, K, h, w), a dictionary with them "
            f"under {' or '.join(map(repr, KEYS))}, or a tuple with them first"
        )
    if scores.ndim != 4 or len(scores) != frames or 0 in scores.shape:
        raise NetworkError(
            f"the network returned a tensor of shape {tuple(scores.shape)} for {frames} frames; expected "
            f"logits of shape ({frames}, classes, height, width)"
        )
    if scores.shape[1] > IGNORE:
        raise NetworkError(f"the network scores {scores.shape[1]} classes; label maps hold at most {IGNORE}")
    return scores


def _describe(output: Any) -> str:
    if isinstance(output, Mapping):
        return f"a dictionary with the keys {', '.join(map(repr, output)) or '(none)'}"
    if isinstance(output, (tuple, list)):
        return f"a {type(output).__name__} of {len(output)}" + (
            f" that begins with a {type(output[0]).__name__}" if output else ""
        )
    return f"a {type(output).__name__}"
