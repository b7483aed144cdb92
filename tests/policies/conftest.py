"""Views for policies to look at."""

import pytest
import torch

from saccade.policies import PolicyView


@pytest.fixture
def view_of():
    """Makes a view; what is not given is random, or plain."""

    def make(grid=(3, 4), block=16, streams=1, size=None, **given):
        random = torch.Generator().manual_seed(0)
        height, width = size or (grid[0] * block, grid[1] * block)
        frames = torch.randn(streams, 3, height, width, generator=random)
        values = {
            "streams": tuple(range(streams)),
            "frames": frames,
            "seen": frames.clone(),
            "logits": torch.randn(streams, 5, height // 4, width // 4, generator=random),
            "actions": torch.zeros(streams, *grid, dtype=torch.int8),
            "age": torch.ones(streams, *grid, dtype=torch.int64),
            "due": torch.zeros(streams, *grid, dtype=torch.bool),
            "budget": torch.full((streams,), 4),
            "block_size": block,
        }
        return PolicyView(**(values | given))

    return make
