"""TDNet's networks over video."""

import pytest
import torch

import saccade
from saccade.errors import NetworkError
from saccade.networks import load_network
from saccade.networks.macs import count_macs

from .moving_textures import SIZE, Counted, video


@pytest.fixture(scope="module")
def td4():
    torch.manual_seed(0)
    return load_network("td4-psp18", weights=None, classes=3)


@pytest.fixture(scope="module")
def td2():
    torch.manual_seed(0)
    return load_network("td2-psp50", weights=None, classes=3)


@torch.no_grad()
def by_hand(network, frames):
    past, answers = [], []
    for number, frame in enumerate(frames):
        logits, seen = network.step(frame, number, past)
        past.append(seen)
        answers.append(logits)
    return answers


@pytest.mark.parametrize("name", ["td4", "td2"])
def test_the_method_is_the_networks_equations_over_a_stream(name, request):
    network = request.getfixturevalue(name)
    frames = list(video(6))
    method = saccade.wrap(network, saccade.TDNetConfig())
    for number, (frame, expected) in enumerate(zip(frames, by_hand(network, frames), strict=True)):
        result = method.step(frame)
        torch.testing.assert_close(result.prediction.logits, expected, rtol=1e-3, atol=1e-4)
        assert result.keyframe.all()
        past = method.get_state()["streams"][0][1]
        assert len(past) == min(number + 1, network.form.paths - 1)  # no more than m - 1 frames are kept


def test_the_first_frames_use_no_attention_and_cost_less(td4):
    method = saccade.wrap(td4, saccade.TDNetConfig())
    costs = [method.step(frame).cost for frame in video(6)]
    alone = count_macs(td4, (1, 3, *SIZE))
    assert [cost.network for cost in costs[:3]] == [alone] * 3
    assert costs[3].network == costs[4].network == costs[5].network > alone
    assert all(cost.dense == alone for cost in costs)


def test_streams_run_as_they_would_alone(td2):
    together, *alone = (saccade.wrap(td2, saccade.TDNetConfig()) for _ in range(3))
    for number, pair in enumerate(video(4, streams=2)):
        if number == 1:  # from here on other sub-networks are their turn
            together.reset([1])
            alone[1].reset()
        logits = together.step(pair).prediction.logits
        for row, method in enumerate(alone):
            own = method.step(pair[row : row + 1]).prediction.logits
            torch.testing.assert_close(logits[row : row + 1], own, rtol=1e-3, atol=1e-4)
    together.drop([0])
    frame = next(video(1, seed=3))
    expected = alone[1].step(frame).prediction.logits
    torch.testing.assert_close(together.step(frame).prediction.logits, expected, rtol=1e-3, atol=1e-4)


def test_state_goes_on_where_it_was_taken(td2):
    first, second = (saccade.wrap(td2, saccade.TDNetConfig()) for _ in range(2))
    frames = list(video(3))
    for frame in frames[:2]:
        first.step(frame)
    second.set_state(first.get_state())
    assert torch.equal(second.step(frames[2]).prediction.logits, first.step(frames[2]).prediction.logits)
    second.set_state({})
    assert second.get_state() == {}
    # another size begins anew
    smaller = [frame[..., :64] for frame in frames[:1]]
    torch.testing.assert_close(
        first.step(smaller[0]).prediction.logits, by_hand(td2, smaller)[0], rtol=1e-3, atol=1e-4
    )


def test_other_networks_are_refused():
    with pytest.raises(NetworkError, match="td4-psp18, td2-psp50, td2-swiftnet-rn18, not Counted"):
        saccade.wrap(Counted(), saccade.TDNetConfig())
