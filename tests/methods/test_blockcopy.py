"""BlockCopy on small networks and drawn frames."""

import copy

import pytest
import torch
from torch import nn

import saccade
from saccade.errors import ConfigError
from saccade.methods.block_size import suitable_block_size

SIZE, BLOCK = (96, 128), 16  # 6 x 8 blocks


class Net(nn.Module):
    """Two strided convolutions, one of a larger view, class scores."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.Conv2d(8, 5, 1),
        )

    def forward(self, x):
        return self.body(x)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Net().eval()


def wrapped(network, **settings):
    plain = {"block_size": BLOCK, "policy": "change", "savings": 0, "scene_cuts": False, "motion": False}
    return saccade.wrap(network, saccade.BlockCopyConfig(**plain | settings))


def video(frames, seed=0, streams=1):
    """A square that moves over a still background, in each stream another."""
    random = torch.Generator().manual_seed(seed)
    background = torch.randn(streams, 3, *SIZE, generator=random) * 0.3
    for t in range(frames):
        picture = background.clone()
        for n in range(streams):
            left = 5 * t % 100 + 3 * n
            picture[n, :, 20 + 10 * n : 50 + 10 * n, left : left + 24] = 1.5
        yield picture


def executed(result):
    return (result.actions != 0).flatten(1).float().mean(1)


@torch.no_grad()
def test_the_first_frame_is_the_networks(network):
    method = wrapped(network, target=0.25)
    frame = next(video(1))
    result = method.step(frame)
    assert result.keyframe.tolist() == [True]
    assert (result.actions == 2).all()
    assert result.block_size == BLOCK
    assert result.cost.network == result.cost.dense
    torch.testing.assert_close(result.prediction.logits, network(frame), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("policy", ["random", "change"])
@pytest.mark.parametrize("target", [0.1, 0.25, 0.5, 0.9])
def test_the_target_is_met(network, policy, target):
    method = wrapped(network, target=target, policy=policy)
    shares = [float(executed(method.step(frame))) for frame in video(60)]
    assert shares[0] == 1.0
    assert sum(shares[1:]) / len(shares[1:]) == pytest.approx(target, abs=0.01)


def test_a_still_scene_saves_blocks_for_when_everything_changes(network):
    method = wrapped(network, target=0.25, savings=2, max_age=0)
    still = next(video(1))
    shares = [float(executed(method.step(still))) for _ in range(30)]
    assert shares[1:4] == [0.0625] * 3  # a quarter of the usual
    assert 29 * 0.25 - sum(shares[1:]) == pytest.approx(1.5, abs=0.1)  # what two frames in full lack is saved
    assert shares[-1] == 0.25  # and no more
    shares += [float(executed(method.step(still + 0.5 + 0.1 * t))) for t in range(4)]
    assert shares[30:32] == [1.0, 1.0]
    assert sum(shares[1:]) / 33 == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("net", ["small", "resnet8"])
def test_the_online_policy_meets_the_target_and_learns(network, net):
    method = wrapped(network, target=0.25, policy="online", policy_net=net)
    results = [method.step(frame) for frame in video(8)]
    assert [float(executed(result)) for result in results[1:]] == [0.25] * 7
    assert all(result.cost.policy > 0 for result in results[1:])
    assert sum(result.cost.policy_training > 0 for result in results) >= 3
    weights = {name: value.clone() for name, value in method.policy.state_dict().items() if "weight" in name}
    method.reset()
    after = {name: value for name, value in method.policy.state_dict().items() if name in weights}
    assert all(torch.equal(weights[name], after[name]) for name in weights)  # what was learned stays


def test_a_frozen_online_policy_does_not_learn(network):
    method = wrapped(network, target=0.25, policy="online", freeze=True)
    assert all(method.step(frame).cost.policy_training == 0 for frame in video(6))


def test_the_legacy_policy_runs(network):
    method = wrapped(network, target=0.5, policy="online", legacy=True)
    results = [method.step(frame) for frame in video(10)]
    assert len({int((result.actions != 0).sum()) for result in results[1:]}) > 1  # sampled, not exact


def test_costs_follow_the_executed_blocks(network):
    method = wrapped(network, target=0.25)
    for frame in video(5):
        result = method.step(frame)
    assert result.cost.network < 0.4 * result.cost.dense
    assert result.cost.halo < 0.2 * result.cost.network
    assert not bool(result.keyframe)


@torch.no_grad()
def test_kept_blocks_keep_their_output_and_executed_ones_are_new(network):
    method = wrapped(network, target=0.25, max_age=0)
    frames = list(video(4))
    before = method.step(frames[0]).prediction.logits
    for frame in frames[1:]:
        result = method.step(frame)
        kept = (result.actions == 0)[0].repeat_interleave(4, 0).repeat_interleave(4, 1)
        assert torch.equal(result.prediction.logits[0, :, kept], before[0, :, kept])
        before = result.prediction.logits
    assert not torch.equal(before, network(frames[0]))


@torch.no_grad()
def test_a_scene_that_stands_still_stays_as_it_is(network):
    method = wrapped(network, target=0.5, policy="random")
    frame = next(video(1))
    first = method.step(frame).prediction.logits
    for _ in range(8):
        torch.testing.assert_close(method.step(frame).prediction.logits, first, atol=1e-5, rtol=1e-5)


def test_no_blocks_at_all(network):
    method = wrapped(network, policy="none", max_age=0)
    first, *later = (method.step(frame) for frame in video(4))
    for result in later:
        assert result.actions.sum() == 0
        assert result.cost.total == 0
        assert torch.equal(result.prediction.logits, first.prediction.logits)


def test_all_blocks_are_the_network(network):
    method = wrapped(network, policy="all")
    for frame in video(3):
        result = method.step(frame)
        with torch.no_grad():
            torch.testing.assert_close(result.prediction.logits, network(frame), atol=1e-5, rtol=1e-5)


def test_blocks_are_not_older_than_allowed(network):
    method = wrapped(network, policy="none", max_age=10)
    age = torch.zeros(1, 6, 8)
    counts = []
    for frame in video(60):
        actions = method.step(frame).actions
        age = torch.where(actions != 0, 0, age + 1)
        counts.append(int((actions != 0).sum()))
        assert age.max() < 10
    assert max(counts[1:]) <= 8  # 48 blocks in 10 frames, evenly


def test_another_scene_is_executed_in_full_and_paid_for_later(network):
    method = wrapped(network, target=0.25, scene_cuts=True)
    frames = [*video(10), *(frame * 0.7 + 1.5 for frame in video(18, seed=1))]
    results = [method.step(frame) for frame in frames]
    keyframes = [number for number, result in enumerate(results) if bool(result.keyframe)]
    assert keyframes == [0, 10]
    assert float(executed(results[12])) < 0.25
    assert float(executed(results[12])) > 0.1
    without = wrapped(network, target=0.25)
    assert sum(bool(without.step(frame).keyframe) for frame in frames) == 1


@pytest.mark.parametrize("policy", ["random", "change"])
def test_streams_together_are_as_alone(network, policy):
    together = wrapped(network, target=0.3, policy=policy, scene_cuts=True)
    alone = [wrapped(network, target=0.3, policy=policy, scene_cuts=True) for _ in range(4)]
    for frames in video(8, streams=4):
        result = together.step(frames)
        for n, method in enumerate(alone):
            single = method.step(frames[n : n + 1])
            assert torch.equal(result.actions[n], single.actions[0])
            torch.testing.assert_close(
                result.prediction.logits[n], single.prediction.logits[0], atol=1e-5, rtol=1e-5
            )


def test_streams_come_and_go(network):
    method, alone = wrapped(network, target=0.3), wrapped(network, target=0.3)
    for number, frames in enumerate(video(9, streams=3)):
        if number < 3:
            method.step(frames[:2])
        elif number < 6:
            assert method.step(frames).keyframe.tolist() == [False, False, number == 3]
        else:
            if number == 6:
                method.drop([0])
            result = method.step(frames[1:])
        single = alone.step(frames[1:2])
    assert torch.equal(result.actions[:1], single.actions)
    torch.testing.assert_close(result.prediction.logits[:1], single.prediction.logits, atol=1e-5, rtol=1e-5)


def test_one_stream_is_reset(network):
    method = wrapped(network, target=0.3)
    frames = list(video(4, streams=2))
    for frame in frames[:3]:
        method.step(frame)
    method.reset([1])
    assert method.step(frames[3]).keyframe.tolist() == [False, True]
    method.reset()
    assert method.step(frames[3]).keyframe.tolist() == [True, True]


def test_state_goes_on_elsewhere(network, tmp_path):
    method = wrapped(network, target=0.3)
    frames = list(video(8))
    for frame in frames[:4]:
        method.step(frame)
    torch.save(method.get_state(), tmp_path / "state.pt")
    other = wrapped(network, target=0.3)
    other.set_state(torch.load(tmp_path / "state.pt"))
    for frame in frames[4:]:
        here, there = method.step(frame), other.step(frame)
        assert torch.equal(here.actions, there.actions)
        assert torch.equal(here.prediction.logits, there.prediction.logits)


def test_two_sizes_in_turns(network):
    """As the meter does with sources of two sizes."""
    method, alone = wrapped(network, target=0.3), wrapped(network, target=0.3)
    states = [{}, {}]
    for frame in video(5):
        results = []
        for i, batch in enumerate((frame, frame[:, :, :64, :96].contiguous())):
            method.set_state(states[i])
            results.append(method.step(batch))
            states[i] = method.get_state()
        single = alone.step(frame)
    assert torch.equal(results[0].actions, single.actions)
    torch.testing.assert_close(results[0].prediction.logits, single.prediction.logits)
    assert results[1].actions.shape == (1, 4, 6)


def test_sizes_that_do_not_divide(network):
    method = wrapped(network, target=0.5, block_size=32)
    for frame in video(3):
        result = method.step(frame[:, :, :90, :117].contiguous())
    assert result.actions.shape == (1, 3, 4)
    assert result.prediction.labels().shape == (1, 90, 117)


def test_frames_that_are_not_numbers(network):
    method = wrapped(network, target=0.25)
    frames = list(video(4))
    frames[1] = torch.full_like(frames[1], torch.nan)
    shares = [float(executed(method.step(frame))) for frame in frames]
    assert shares[1:] == [0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    ("size", "side"), [((1024, 2048), 128), ((1080, 1920), 128), ((720, 1280), 128), ((360, 480), 64)]
)
def test_blocks_suit_the_frames(size, side):
    assert suitable_block_size(*size) == side


@pytest.mark.parametrize(
    ("size", "side"), [((1024, 2048), 128), ((720, 1280), 64), ((576, 768), 32), ((360, 480), 32)]
)
def test_blocks_suit_boxes(size, side):
    assert suitable_block_size(*size, boxes=True) == side


@pytest.mark.parametrize("wrong", [{"target": 0}, {"target": 1.5}, {"block_size": 0}, {"max_age": -1}])
def test_settings_that_cannot_be(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        saccade.BlockCopyConfig(**wrong)


def test_unknown_policies_are_named(network):
    with pytest.raises(ConfigError, match="change"):
        saccade.wrap(network, saccade.BlockCopyConfig(policy="oracle"))


def spent(result):
    """Blocks, those at half resolution as a quarter."""
    return ((result.actions == 2).float() + (result.actions == 1).float() / 4).flatten(1).mean(1)


@pytest.mark.parametrize("policy", ["change", "online", "random"])
def test_two_levels_share_one_budget(network, policy):
    method = wrapped(network, target=0.25, policy=policy, levels=2)
    results = [method.step(frame) for frame in video(60)]
    assert results[0].keyframe.tolist() == [True]
    shares = [float(spent(result)) for result in results[1:]]
    assert sum(shares) / len(shares) == pytest.approx(0.25, abs=0.01)
    assert {1, 2} & {int(a) for result in results[1:] for a in result.actions.unique()}
    for result in results[1:]:
        cost, blocks = result.cost, float(spent(result))
        assert cost.network - cost.halo == pytest.approx(blocks * cost.dense, rel=1e-4)


def test_two_levels_choose_both_where_the_picture_asks_for_both(network):
    method = wrapped(network, target=0.3, levels=2)
    seen = {int(a) for frame in video(20) for a in method.step(frame).actions.unique()}
    assert seen == {0, 1, 2}


@torch.no_grad()
def test_scores_at_half_resolution_meet_those_that_moved_half_way(network):
    frames = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(3))
    first, second = (scores_of_answer(network, frames, motion) for motion in (True, False))
    before = network(frames[:1])
    low = nn.functional.avg_pool2d(frames[1:], 2)
    enlarged = nn.functional.interpolate(network(low), scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(second, enlarged, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first, (before + enlarged) / 2, atol=1e-5, rtol=1e-5)


def scores_of_answer(network, frames, motion):
    """Of a second frame all of whose blocks are at half resolution; nothing moves."""
    method = wrapped(network, levels=2, motion=motion)
    method.policy.decide = lambda view: torch.ones_like(view.actions)
    method.step(frames[:1])
    (memory,) = [method._memory]
    memory.motion.flow = lambda frames: [None]
    return method.step(frames[1:]).prediction.logits


def test_two_levels_go_on_from_a_saved_state(network):
    frames = list(video(12))
    one, other = (wrapped(network, target=0.3, levels=2) for _ in range(2))
    for frame in frames[:6]:
        one.step(frame)
    other.set_state(copy.deepcopy(one.get_state()))
    for frame in frames[6:]:
        mine, theirs = one.step(frame), other.step(frame)
        assert torch.equal(mine.actions, theirs.actions)
        torch.testing.assert_close(mine.prediction.logits, theirs.prediction.logits)


def test_blocks_that_can_be_halved_are_chosen():
    assert suitable_block_size(200, 300) == 32
    assert suitable_block_size(200, 300, levels=2) == 64
    assert suitable_block_size(1024, 2048, levels=2) == 128


def test_two_levels_need_a_budget():
    with pytest.raises(ConfigError, match="legacy knows no budget"):
        saccade.BlockCopyConfig(levels=2, legacy=True)
    with pytest.raises(ConfigError, match="1 or 2 levels"):
        saccade.BlockCopyConfig(levels=3)
