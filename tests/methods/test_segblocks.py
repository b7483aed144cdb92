"""SegBlocks on a small network: which blocks are in full, what they cost, and what comes of them."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import saccade
from saccade.blocks import FULL, LOW
from saccade.blocks.grid import Grid
from saccade.errors import ConfigError, NetworkError
from saccade.methods.block_size import suitable_block_size
from saccade.methods.segblocks import SegBlocks, blocks_in_full
from saccade.networks.block_policy import add_block_policy
from saccade.policies.images import detail, nearness, small_frames

SIZE = (40, 64)
GRID = (3, 4)  # blocks of 16 pixels; the last row is cut off


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1)).eval()


@pytest.fixture
def frames():
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def method(network, **settings):
    return SegBlocks(network, saccade.SegBlocksConfig(**{"block_size": 16, **settings}))


@pytest.mark.parametrize("policy", ["heuristic", "random", "middle", "oracle"])
@pytest.mark.parametrize(("target", "blocks"), [(0.0, 0), (0.4, 4), (1.0, 12)])  # ten blocks make a frame
def test_the_target_is_met_exactly(network, frames, policy, target, blocks):
    wrapped = method(network, policy=policy, target=target)
    result = wrapped.step(frames)
    assert result.actions.shape == (2, *GRID)
    assert (result.actions == FULL).flatten(1).sum(1).tolist() == [blocks] * 2
    assert (result.actions == LOW).flatten(1).sum(1).tolist() == [12 - blocks] * 2
    assert result.keyframe.tolist() == [target == 1] * 2
    assert result.block_size == 16


@torch.no_grad()
def test_everything_in_full_is_frame_by_frame_and_nothing_is_the_averaged_frame(network, frames):
    full = method(network, target=1.0).step(frames).segmentation.logits
    torch.testing.assert_close(full, network(frames), rtol=1e-5, atol=1e-5)
    low = method(network, target=0.0).step(frames).segmentation.logits
    expected = F.interpolate(network(F.avg_pool2d(frames, 2)), scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(low, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_pyramid_that_is_pooled_to_a_size_of_its_own_is_executed_whole():
    torch.manual_seed(0)
    swiftnet = saccade.load_network("swiftnet-rn18", weights=None, classes=5).eval()
    frames = torch.randn(1, 3, 100, 176, generator=torch.Generator().manual_seed(1))
    wrapped = method(swiftnet, block_size=64, target=1.0, policy="middle")
    full = wrapped.step(frames)
    torch.testing.assert_close(full.segmentation.logits, swiftnet(frames), rtol=1e-4, atol=1e-4)
    half = method(swiftnet, block_size=64, target=0.5, policy="middle").step(frames)
    assert half.segmentation.logits.isfinite().all()
    assert half.cost.network < full.cost.network


def test_every_frame_is_for_itself(network, frames):
    wrapped = method(network)
    first = wrapped.step(frames)
    wrapped.step(frames.flip(3))
    again = wrapped.step(frames)
    assert torch.equal(again.actions, first.actions)
    torch.testing.assert_close(again.segmentation.logits, first.segmentation.logits, rtol=1e-6, atol=1e-6)
    assert wrapped.get_state() == {}


def test_a_low_block_costs_a_quarter(network):
    wrapped = method(network, target=0.5)
    cost = wrapped.step(torch.randn(1, 3, 32, 64)).cost  # eight whole blocks
    block = 8 * 8 * (8 * 27 + 4 * 72)
    assert cost.dense == 8 * block
    assert cost.network - cost.halo == 4 * block + 4 * block // 4
    assert cost.policy == 0


def test_the_oracle_pays_for_looking(network):
    wrapped = method(network, target=0.5, policy="oracle")
    cost = wrapped.step(torch.randn(1, 3, 32, 64)).cost
    assert cost.policy == cost.dense + cost.dense // 4


def test_the_oracle_takes_the_block_that_half_resolution_gets_wrong(network):
    frame = torch.zeros(1, 3, 32, 64)
    frame[:, :, ::2, 36:44] = 4.0  # stripes of a pixel, gone in the means, well inside block (0..1, 2)
    actions = method(network, target=0.25, policy="oracle").step(frame).actions
    assert (actions[0] == FULL).nonzero().tolist() == [[0, 2], [1, 2]]


def test_detail_is_what_a_quarter_of_the_resolution_loses():
    frame = torch.ones(1, 3, 16, 32)
    frame[:, :, :8, 8:16] = 5.0  # whole pixels of the reduced frame
    frame[:, 0, :, 16::2] = 3.0  # columns of 3 and 1: 1 away from their mean
    assert torch.allclose(detail(frame, (1, 2), 16), torch.tensor([[[0.0, 1.0]]]))


def test_nearness_to_the_middle_of_a_frame_whose_last_row_is_cut_off():
    rows = nearness((3, 2), 40, 16)[:, 0]
    assert torch.allclose(rows, torch.tensor([16 / 40, 32 / 40, 8 / 40]))  # centres 8, 24, 36; middle 20


class Around(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)


@pytest.fixture(scope="module")
def trained(network):
    """The same network with a policy whose logit is the red of the first pixel of a block."""
    with pytest.raises(NetworkError, match="cannot carry a block policy"):
        add_block_policy(network)
    with_policy = Around(network)
    layers = add_block_policy(with_policy).eval().layers
    for module in layers:
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
            middle = module.weight.shape[2] // 2
            module.weight.data[0, 0, middle, middle] = 1.0
    nn.init.zeros_(layers[-1].bias)
    return with_policy


def test_a_trained_policy_takes_the_blocks_with_the_highest_logits(trained):
    frame = torch.zeros(1, 3, *SIZE)
    frame[0, 0, 16:32] = torch.arange(0.0, 4.0).repeat_interleave(16)  # red rises along the second row
    wrapped = method(trained, target=0.3)
    assert wrapped.policy == "trained"
    result = wrapped.step(frame)
    assert (result.actions[0] == FULL).nonzero().tolist() == [[1, 1], [1, 2], [1, 3]]
    pixels = 3 * 4 * 32 * 32
    macs = pixels / 16 * 64 * (3 * 49) + (pixels / 64 + pixels / 256) * 64 * 64 * 25 + 3 * 4 * 64 * 25
    assert result.cost.policy == macs
    legacy = method(trained, target=0.25, legacy=True).step(frame).actions[0] == FULL  # logits above 0
    assert legacy.nonzero().tolist() == [[1, 1], [1, 2], [1, 3]]


def test_the_trained_policy_sees_the_nearest_pixels_and_continues_blocks_that_are_cut_off():
    frames = torch.arange(24.0 * 32).view(1, 1, 24, 32)
    small = small_frames(frames, (2, 2), 16, 8)
    assert torch.equal(small[0, 0, :12], frames[0, 0, ::2, ::2])
    assert torch.equal(small[0, 0, 12:], frames[0, 0, -1:, ::2].expand(4, 16))


def test_weights_without_a_policy_have_another(network):
    assert method(network).policy == "heuristic"
    with pytest.raises(ConfigError, match="'trained' comes with the weights"):
        method(network, policy="trained")
    with pytest.raises(ConfigError, match="'change' is no policy of segblocks"):
        saccade.SegBlocksConfig(policy="change")


def test_random_blocks_begin_anew_after_a_reset(network, frames):
    wrapped = method(network, policy="random")
    first, second = wrapped.step(frames).actions, wrapped.step(frames).actions
    assert not torch.equal(first, second)
    wrapped.reset()
    assert torch.equal(wrapped.step(frames).actions, first)
    alone = method(network, policy="random").step(frames[:1]).actions
    assert torch.equal(alone, first[:1])


def test_legacy_takes_blocks_above_the_threshold_and_some_more_at_random(network):
    frame = torch.zeros(1, 3, 64, 128)  # 4 x 8 blocks: multiples of two
    frame[:, 0, :16, ::2] = 1.0  # detail 0.5 in the first row
    frame[:, :, 16:32, 0:16:2] = 1.0  # 1.5 in one block of the second
    wrapped = method(network, policy="heuristic", legacy=True, target=0.4)
    result = wrapped.step(frame)
    full = result.actions[0] == FULL
    assert full[0].all()
    assert full[1, 0]
    assert full.sum() == 10
    # Batches are not filled up: nothing is paid for but these blocks, and pixels around them.
    assert result.cost.network - result.cost.halo == pytest.approx((10 + 22 / 4) / 32 * result.cost.dense)
    assert (method(network, legacy=True, target=1.0).step(frame).actions == FULL).sum() == 2


def test_legacy_middle_is_a_band_of_rows(network):
    actions = (
        method(network, policy="middle", legacy=True, target=0.5).step(torch.zeros(1, 3, 64, 64)).actions
    )
    assert (actions[0] == FULL).all(1).tolist() == [False, True, True, False]


def test_blocks_that_are_cut_off_count_as_whole_ones():
    assert blocks_in_full(0.4, Grid(1024, 2048, 128)) == 51  # of 128: 51.2
    assert blocks_in_full(0.4, Grid(360, 480, 64)) == 17  # 42.2 blocks make a frame, and 48 cover it
    assert [blocks_in_full(t, Grid(17, 16, 16)) for t in (0.0, 0.9, 1.0)] == [0, 1, 2]


def test_block_sizes_that_suit():
    assert suitable_block_size(1024, 2048, levels=2) == 128
    assert suitable_block_size(360, 480, levels=2) == 64
    assert suitable_block_size(64, 64, levels=2) == 64


def test_frames_that_are_none_are_refused(network):
    for other in (torch.zeros(3, 40, 64), torch.zeros(1, 1, 3, 40, 64)):
        for wrapped in (method(network), saccade.wrap(network, saccade.FrameConfig())):
            with pytest.raises(NetworkError, match=r"frames must be \(N, 3, H, W\)"):
                wrapped.step(other)


def test_the_trained_policy_sees_colours():
    class Grey(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 4, 3, padding=1)

        def forward(self, x):
            return self.layer(x)

    grey = Grey().eval()
    add_block_policy(grey)
    with pytest.raises(NetworkError, match=r"three channels, and these have 1; .* heuristic"):
        method(grey, policy="trained").step(torch.zeros(1, 1, *SIZE))


def test_mistakes_are_refused(network, frames):
    with pytest.raises(ConfigError, match=r"target 1\.5"):
        saccade.SegBlocksConfig(target=1.5)
    for legacy in (False, True):
        with pytest.raises(ConfigError, match="target nan"):
            saccade.SegBlocksConfig(target=math.nan, legacy=legacy)
    with pytest.raises(ConfigError, match="block_size 0"):
        saccade.SegBlocksConfig(block_size=0)
    with pytest.raises(NetworkError, match="block_size that is a multiple of 4"):
        method(network, block_size=6).step(frames)
