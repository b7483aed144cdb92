from math import log, log2

import pytest
import torch

from saccade.policies.base import FULL, PolicyView
from saccade.policies.inputs import policy_inputs


def view_of(
    frames: torch.Tensor,
    *,
    logits: torch.Tensor,
    seen: torch.Tensor | None = None,
    actions: torch.Tensor | None = None,
    age: torch.Tensor | None = None,
    block_size: int = 16,
) -> PolicyView:
    streams, _, height, width = frames.shape
    grid = (streams, -(-height // block_size), -(-width // block_size))
    return PolicyView(
        streams=tuple(range(streams)),
        frames=frames,
        seen=torch.zeros_like(frames) if seen is None else seen,
        logits=logits,
        actions=torch.zeros(grid, dtype=torch.int8) if actions is None else actions,
        age=torch.ones(grid).long() if age is None else age,
        due=torch.zeros(grid, dtype=torch.bool),
        budget=torch.ones(streams).long(),
        block_size=block_size,
    )


def test_inputs_of_the_original_are_nearest_pixels_raw_logits_and_the_last_grid() -> None:
    frames = torch.randn(2, 3, 128, 256)
    logits = torch.randn(2, 19, 32, 64)
    actions = torch.zeros(2, 1, 2, dtype=torch.int8)
    actions[0, 0, 1] = FULL
    view = view_of(frames, seen=-frames, logits=logits, actions=actions, block_size=128)
    inputs = policy_inputs(view, 16, scores="logits", resize="nearest", age=False)
    assert inputs.shape == (2, 26, 16, 32)
    frame, seen, scores, grid = inputs.split([3, 3, 19, 1], 1)
    torch.testing.assert_close(frame, frames[:, :, ::8, ::8])
    torch.testing.assert_close(seen, -frames[:, :, ::8, ::8])
    torch.testing.assert_close(scores, logits[:, :, ::2, ::2] - 0.5)
    assert grid[0, 0, 0, 15:17].tolist() == [-0.5, 0.5]
    assert (grid[1] == -0.5).all()


def test_the_larger_network_sees_twice_the_resolution() -> None:
    view = view_of(torch.zeros(1, 3, 128, 256), logits=torch.zeros(1, 2, 32, 64), block_size=128)
    assert policy_inputs(view, 32, age=False).shape == (1, 9, 32, 64)


def test_our_inputs_are_means_of_four_pixels_probabilities_the_last_grid_and_ages() -> None:
    frames = torch.randn(1, 3, 128, 128)
    logits = torch.tensor([0.0, log(3.0)]).view(1, 2, 1, 1).expand(1, 2, 32, 32)
    age = torch.tensor([[[1, 16], [3, 2]]])
    inputs = policy_inputs(view_of(frames, logits=logits, age=age, block_size=64), 16)
    assert inputs.shape == (1, 10, 32, 32)
    torch.testing.assert_close(inputs[0, 0, 0, 0], frames[0, 0, 1:4:2, 1:4:2].mean())
    assert inputs[0, 6:8, 5, 5].tolist() == pytest.approx([0.25, 0.75])
    assert (inputs[0, 8] == -0.5).all()
    assert inputs[0, 9, ::16, ::16].flatten().tolist() == pytest.approx([0.0, 1.0, log2(3) / 4, 0.25])


def test_blocks_that_are_cut_off_are_continued() -> None:
    frames = torch.rand(1, 3, 40, 56)  # 2.5 x 3.5 blocks of 16 pixels
    inputs = policy_inputs(view_of(frames, logits=torch.rand(1, 2, 10, 14)), 16)
    assert inputs.shape == (1, 10, 48, 64)
    torch.testing.assert_close(inputs[:, :3, :40, :56], frames)
    torch.testing.assert_close(inputs[:, :3, 47, :56], frames[:, :, 39])
    torch.testing.assert_close(inputs[:, :3, :40, 63], frames[:, :, :, 55])


def test_blocks_need_not_be_a_multiple_of_their_pixels() -> None:
    frames = torch.linspace(-1, 1, 60).expand(1, 3, 60, 60)  # 2.5 x 2.5 blocks of 24 pixels, 16 of them each
    inputs = policy_inputs(view_of(frames, logits=torch.rand(1, 2, 15, 15), block_size=24), 16)
    assert inputs.shape == (1, 10, 48, 48)
    torch.testing.assert_close(inputs[0, 0, 0, :40], torch.linspace(-1, 1, 40), atol=0.02, rtol=0)
