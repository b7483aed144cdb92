"""A video for the networks of ``networks.py``."""

from __future__ import annotations

import pytest
import torch

from .networks import SIZE


@pytest.fixture
def random():
    return torch.Generator().manual_seed(1)


@pytest.fixture
def video(random):
    """Frames of three streams ``(12, 3, 3, H, W)``."""
    return torch.randn(12, 3, 3, *SIZE, generator=random)
