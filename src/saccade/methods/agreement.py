"""How many labels the network would give otherwise than moved scores do, guessed without asking it."""

from __future__ import annotations

import torch
from torch import Tensor

UNSURE, MOTION = 0.210, 0.290
"""Weights of the guess, by ``recipes/keyframes/agreement.py`` on every eighth clip of its recipe."""


def lost_agreement(scores: Tensor, motion: Tensor) -> Tensor:
    """Guess of the share ``(n,)`` of the labels that the network would give otherwise.

    Labels change where no class is far ahead, and with the way that they were moved over.

    Args:
        scores: ``(n, K, h, w)`` moved to the frame.
        motion: ``(n,)``, see ``motion_of``.
    """
    return UNSURE * unsure(scores) + MOTION * motion


def unsure(scores: Tensor) -> Tensor:
    """What the best class lacks to be the only one, ``(n,)`` in 0..1: mean of 1 - first + second share.

    Args:
        scores: ``(n, K, h, w)`` before softmax; 0 with a single class.
    """
    if scores.shape[1] < 2:
        return torch.zeros(len(scores), device=scores.device)
    first, second = scores.float().softmax(1).topk(2, 1).values.unbind(1)
    return (1 - first + second).mean((1, 2))


def motion_of(flow: Tensor) -> Tensor:
    """Mean length ``(n,)`` of flow ``(n, 2, h, w)``, in widths of the frame."""
    return flow.float().norm(dim=1).mean((1, 2)) / flow.shape[3]
