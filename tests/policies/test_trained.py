"""The policy trained beforehand: what its network sees, and what it decides."""

import math

import pytest
import torch
from safetensors.torch import save_file

from saccade import BlockCopyConfig, wrap
from saccade.errors import SaccadeError, WeightsError
from saccade.networks.weights import weights_info
from saccade.policies.trained import (
    CHANNELS,
    SHIPPED,
    ErrorPredictor,
    TrainedPolicy,
    features,
    rarity,
    read_predictor,
    samples,
    uncertainty,
    visible,
)


def test_samples_are_the_pixels_in_the_middle_of_their_part_of_a_block(view_of):
    view = view_of(grid=(1, 2), block=32)
    rows = torch.arange(32.0).view(1, 1, 32, 1).expand(1, 1, 32, 64)
    assert samples(rows, view)[0, 0, :, 0].tolist() == list(range(1, 32, 2))
    quarter = torch.arange(16.0).view(1, 1, 1, 16).expand(1, 1, 8, 16)
    assert samples(quarter, view)[0, 0, 0].tolist() == [i // 2 for i in range(32)]


def test_samples_go_on_beyond_the_border(view_of):
    view = view_of(grid=(1, 2), block=16, size=(10, 20))
    columns = torch.arange(20.0).view(1, 1, 1, 20).expand(1, 1, 10, 20)
    assert samples(columns, view).shape == (1, 1, 16, 32)
    assert samples(columns, view)[0, 0, 15].tolist() == [*range(20), *[19] * 12]


def test_change_is_seen_in_its_cell(view_of):
    view = view_of()
    view.frames[0, :, 4:8, 8:12] += 0.27  # a fiftieth of it is noise
    x = features(view)[0]
    assert x.shape == (CHANNELS, 12, 16)
    change, root, largest = x[0], x[1], x[11]
    assert change[1, 2].item() == pytest.approx(0.25, abs=1e-5)
    assert root[1, 2].item() == pytest.approx(0.5, abs=1e-5)
    assert largest[1, 2].item() == pytest.approx(0.25, abs=1e-5)
    assert change.sum().item() == pytest.approx(0.25, abs=1e-4)


def test_the_rank_of_the_policy_change_is_among_the_features(view_of):
    flat = torch.zeros(1, 2, 12, 16)
    flat[:, 1] = 1.0
    age = torch.tensor([[[4, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]])
    prior = features(view_of(logits=flat, age=age))[0, -1]
    expected = math.log(4) - math.log(4) / 12  # all else is equal; minus the mean
    assert prior[:4, :4].flatten().tolist() == pytest.approx([expected] * 16, abs=1e-4)
    assert prior[4:].flatten().tolist() == pytest.approx([-math.log(4) / 12] * 128, abs=1e-4)


def test_uncertainty_by_hand():
    scores = torch.tensor([3.0, 1.0]).log().view(1, 2, 1, 1)
    first = torch.zeros(1, 1, 1, dtype=torch.int64)
    assert uncertainty(scores, first).item() == pytest.approx(0.5)  # 3/4 and 1/4
    assert uncertainty(torch.zeros(1, 4, 1, 1), first).item() == pytest.approx(1.0)
    assert uncertainty(torch.zeros(1, 1, 1, 1), first).item() == pytest.approx(0.0)


def test_rarity_by_hand():
    labels = torch.tensor([[[0, 0], [0, 7]]])
    often, seldom = 1 / math.sqrt(0.76), 1 / math.sqrt(0.26)
    mean = (3 * often + seldom) / 4
    assert rarity(labels).flatten().tolist() == pytest.approx([often / mean] * 3 + [seldom / mean])


def test_what_is_visible_of_blocks_that_are_cut_off(view_of):
    view = view_of(size=(40, 60))
    assert visible(view).tolist() == [[1, 1, 1, 0.75], [1, 1, 1, 0.75], [0.5, 0.5, 0.5, 0.375]]


def test_the_order_and_the_number_of_classes_do_not_matter(view_of):
    view = view_of()
    other = view.logits[:, [4, 2, 0, 1, 3]]
    absent = torch.full_like(view.logits, -1e4)
    for logits in (other, torch.cat((absent, view.logits), 1)):
        torch.testing.assert_close(features(view_of(logits=logits)), features(view))


def test_the_size_of_frames_does_not_matter(view_of):
    small = view_of(seen=torch.zeros(1, 3, 48, 64))
    frames, seen, logits = (
        maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
        for maps in (small.frames, small.seen, small.logits)
    )
    large = view_of(block=32, frames=frames, seen=seen, logits=logits)
    assert torch.equal(features(large), features(small))


def test_ranks_are_what_is_wrong_of_what_is_visible_times_age(view_of):
    policy = TrainedPolicy()
    for parameter in policy.predictor.parameters():
        parameter.zero_()
    policy.predictor.blocks[-1].bias.copy_(torch.tensor([0.3, 0.1]).log())
    view = view_of(size=(40, 60), age=torch.tensor([[[3, 1, 1, 1]] * 3]))
    expected = 0.3 * visible(view)
    expected[:, 0] *= 3
    torch.testing.assert_close(policy.rank(view)[0], expected)


@pytest.mark.parametrize(
    ("grid", "block", "size", "classes"),
    [((3, 4), 16, None, 5), ((3, 4), 16, (33, 50), 1), ((1, 1), 128, (70, 90), 2), ((5, 7), 20, None, 150)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_exactly_the_budget_at_all_sizes(view_of, grid, block, size, classes, dtype):
    random = torch.Generator().manual_seed(1)
    height, width = size or (grid[0] * block, grid[1] * block)
    frames, seen = (torch.randn(2, 3, height, width, generator=random).to(dtype) for _ in range(2))
    logits = torch.randn(2, classes, -(-height // 4), -(-width // 4), generator=random).to(dtype)
    blocks = grid[0] * grid[1]
    budget = torch.tensor([blocks // 2, blocks])
    view = view_of(grid, block, 2, (height, width), frames=frames, seen=seen, logits=logits, budget=budget)
    policy = TrainedPolicy()
    actions = policy.decide(view)
    assert (actions != 0).flatten(1).sum(1).tolist() == budget.tolist()
    assert torch.isfinite(policy.rank(view)).all()
    assert torch.equal(TrainedPolicy().decide(view), actions)


def test_streams_do_not_influence_each_other(view_of):
    both = view_of(streams=2, seen=torch.zeros(2, 3, 48, 64))
    alone = view_of(
        frames=both.frames[1:], seen=both.seen[1:], logits=both.logits[1:], actions=both.actions[1:]
    )
    policy = TrainedPolicy()
    torch.testing.assert_close(policy.rank(both)[1:], policy.rank(alone), rtol=1e-4, atol=1e-6)


def test_values_that_are_not_finite_do_no_harm(view_of):
    view = view_of()
    view.frames[0, 0, 0, 0], view.logits[0, :, 5, 5] = torch.nan, torch.inf
    assert torch.isfinite(TrainedPolicy().rank(view)).all()


def test_macs_by_hand(view_of):
    policy = TrainedPolicy()
    policy.decide(view_of(grid=(8, 16)))
    cells, halves, blocks = 32 * 64, 16 * 32, 8 * 16
    expected = cells * 18 * 9 * 32 + halves * 32 * 9 * 48 + blocks * (48 * 9 * 64 + 64 * 9 * 64 + 64 * 2)
    assert policy.macs == expected
    assert policy.macs < 0.03e9  # of 1024x2048 in blocks of 128 pixels


def test_a_method_can_use_it():
    network = torch.nn.Conv2d(3, 4, 3, 1, 1).eval()
    method = wrap(network, BlockCopyConfig(target=0.25, block_size=16, policy="trained", scene_cuts=False))
    video = torch.randn(4, 1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    executed = [(method.step(frame).actions != 0).sum().item() for frame in video]
    assert executed == [12, 3, 3, 3]


def test_the_shipped_weights_are_half_precision_and_say_what_they_are():
    info = weights_info(SHIPPED)
    assert info.size < 250_000
    assert info.metadata["network"] == "policy trained"
    assert {"recipe", "commit", "seed"} <= info.metadata.keys()
    assert SHIPPED.with_suffix(".md").is_file()


def test_weights_that_do_not_fit_are_refused(tmp_path):
    right = {name: value.clone() for name, value in ErrorPredictor().state_dict().items()}
    save_file(right, tmp_path / "right.safetensors")
    read_predictor(tmp_path / "right.safetensors")
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="no weights of the policy `trained`"):
        TrainedPolicy(tmp_path / "other.safetensors")
    right["prior"][0] = torch.nan
    save_file(right, tmp_path / "damaged.safetensors")
    with pytest.raises(WeightsError, match="not finite"):
        TrainedPolicy(tmp_path / "damaged.safetensors")
    with pytest.raises(SaccadeError, match="there is no weights file"):
        TrainedPolicy(tmp_path / "missing.safetensors")
