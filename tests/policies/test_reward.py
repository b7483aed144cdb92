from math import inf, log, nan

import pytest
import torch

from saccade.policies.reward import (
    advantages,
    block_max,
    cost_reward,
    information_gain,
    policy_gradient_loss,
    ranking_loss,
    running_mean,
    signed,
)


def scores(*probabilities: float) -> torch.Tensor:
    """``(1, K, 4, 4)`` logits with these probabilities at every pixel, and any sum of logits."""
    return torch.tensor(probabilities).log().add(3.0).view(1, -1, 1, 1).expand(-1, -1, 4, 4)


# Information gain


def test_gain_is_the_divergence_of_the_scores_from_those_before_divided_by_the_classes() -> None:
    gain = information_gain(previous=scores(0.5, 0.3, 0.2), current=scores(0.1, 0.1, 0.8))
    divergence = 0.5 * log(0.5 / 0.1) + 0.3 * log(0.3 / 0.1) + 0.2 * log(0.2 / 0.8)
    assert gain.shape == (1, 1, 1)
    assert gain.item() == pytest.approx(divergence / 3, rel=1e-5)


def test_gain_is_not_symmetric() -> None:
    gain = information_gain(previous=scores(0.1, 0.9), current=scores(0.5, 0.5))
    assert gain.item() == pytest.approx((0.1 * log(0.1 / 0.5) + 0.9 * log(0.9 / 0.5)) / 2, rel=1e-5)


def test_gain_is_of_logits_reduced_bilinearly_by_four() -> None:
    previous = torch.full((1, 2, 8, 8), 50.0)  # of each 4 x 4 pixels, the four in the middle count
    current = torch.full((1, 2, 8, 8), -50.0)
    for row in (1, 2, 5, 6):
        for column in (1, 2, 5, 6):
            previous[0, :, row, column] = current[0, :, row, column] = 0.0
    current[0, 0, 1, 5] = 4 * log(9.0)  # their mean is log 9: probabilities 0.9 and 0.1
    gain = information_gain(previous, current)
    expected = (0.5 * log(0.5 / 0.9) + 0.5 * log(0.5 / 0.1)) / 2
    torch.testing.assert_close(gain, torch.tensor([[[0.0, expected], [0.0, 0.0]]]))


def test_scores_that_are_not_finite_have_no_gain() -> None:
    broken = torch.zeros(1, 2, 4, 12)
    broken[0, 0, :, 4:8] = inf
    broken[0, 1, :, 8:] = nan
    assert information_gain(broken, torch.ones(1, 2, 4, 12)).tolist() == [[[0.0, 0.0, 0.0]]]
    assert information_gain(torch.ones(1, 2, 4, 12), broken).tolist() == [[[0.0, 0.0, 0.0]]]


# Per block


def test_reward_of_a_block_is_its_largest() -> None:
    maps = torch.tensor([[[1.0, 2.0, 0.0, 7.0], [3.0, 0.0, 0.0, -1.0]]])
    assert block_max(maps, (1, 2), (16, 32), 16).tolist() == [[[3.0, 7.0]]]


def test_blocks_that_are_cut_off_have_fewer_pixels() -> None:
    maps = torch.arange(10.0).view(1, 2, 5)  # of a frame of 8 x 20 pixels: centres at 2, 6, 10, 14, 18
    assert block_max(maps, (1, 3), (8, 20), 8).tolist() == [[[6.0, 8.0, 9.0]]]


def test_a_map_with_less_than_a_pixel_per_block_gives_the_nearest() -> None:
    maps = torch.tensor([[[5.0, 3.0]]])  # of a frame of 8 x 32 pixels: centres at 8 and 24
    assert block_max(maps, (1, 4), (8, 32), 8).tolist() == [[[5.0, 5.0, 3.0, 3.0]]]


# Cost


def test_running_cost_starts_with_the_first_value() -> None:
    cost = None
    for share, expected in [(1.0, 1.0), (0.5, 0.95), (0.25, 0.88)]:
        cost = running_mean(cost, share, 0.9)
        assert cost == pytest.approx(expected)


@pytest.mark.parametrize(("cost", "reward"), [(0.7, -0.04), (0.5, 0.0), (0.2, 0.09)])
def test_cost_reward_is_a_square_with_the_sign_of_what_is_left(cost: float, reward: float) -> None:
    assert cost_reward(cost, 0.5) == pytest.approx(reward)


def test_skipped_blocks_get_the_opposite_of_the_reward() -> None:
    rewards = signed(torch.tensor([0.5, 0.5, -0.2]), torch.tensor([True, False, False]))
    assert rewards.tolist() == pytest.approx([0.5, -0.5, 0.2])


def test_baseline_is_the_mean_of_the_other_sampled_blocks() -> None:
    rewards = torch.tensor([[[1.0, 2.0, 99.0, 6.0]]])
    sampled = torch.tensor([[[True, True, False, True]]])
    expected = [1 - (2 + 6) / 2, 2 - (1 + 6) / 2, 0.0, 6 - (1 + 2) / 2]
    assert advantages(rewards, sampled, alone=3.0).flatten().tolist() == expected


def test_a_block_sampled_alone_is_compared_with_the_given_baseline() -> None:
    rewards = torch.tensor([[[1.0, 5.0]], [[4.0, 8.0]]])
    sampled = torch.tensor([[[False, True]], [[True, True]]])
    assert advantages(rewards, sampled, alone=3.0).tolist() == [[[0.0, 2.0]], [[-4.0, 4.0]]]


# Losses


def test_policy_gradient_is_the_mean_over_blocks_of_minus_log_probability_times_reward() -> None:
    log_prob = torch.tensor([log(0.5), log(0.25), log(0.1)], requires_grad=True)
    rewards = torch.tensor([2.0, -1.0, 0.5], requires_grad=True)
    loss = policy_gradient_loss(log_prob, rewards)
    loss.backward()
    assert loss.item() == pytest.approx(-(log(0.5) * 2 - log(0.25) + log(0.1) * 0.5) / 3)
    assert log_prob.grad is not None
    assert log_prob.grad.tolist() == pytest.approx([-2 / 3, 1 / 3, -0.5 / 3])
    assert rewards.grad is None  # rewards are constants


def test_policy_gradient_can_leave_blocks_out() -> None:
    log_prob = torch.tensor([log(0.5), log(0.25), log(0.1)])
    rewards = torch.tensor([2.0, -1.0, 0.5])
    loss = policy_gradient_loss(log_prob, rewards, torch.tensor([True, False, True]))
    assert loss.item() == pytest.approx(-(log(0.5) * 2 + log(0.1) * 0.5) / 2)
    assert policy_gradient_loss(log_prob, rewards, torch.zeros(3, dtype=torch.bool)).item() == 0


def test_ranking_compares_the_softmax_of_observed_blocks_with_their_share_of_the_gain() -> None:
    logits = torch.tensor([[[0.0, log(3.0), 9.0]], [[1.0, 2.0, 3.0]]])
    gains = torch.tensor([[[0.2, 0.6, 99.0]], [[0.0, 0.0, 0.0]]])
    observed = torch.tensor([[[True, True, False]], [[True, True, True]]])
    first = -(0.2 / 0.8 * log(1 / 4) + 0.6 / 0.8 * log(3 / 4))  # the second stream has no gain
    assert ranking_loss(logits, gains, observed).item() == pytest.approx(first / 2, rel=1e-5)


def test_ranking_is_content_where_logits_are_the_logarithm_of_the_gain() -> None:
    gains = torch.tensor([[[0.1, 0.7, 0.02]]])
    logits = (gains.log() + 5).requires_grad_()
    ranking_loss(logits, gains, torch.ones(1, 1, 3, dtype=torch.bool)).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.zeros(1, 1, 3), atol=1e-6, rtol=0)
