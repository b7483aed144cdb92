import itertools
from math import exp, log, prod

import pytest
import torch

from saccade.policies.sampling import (
    bernoulli_log_prob,
    draw_bernoulli,
    draw_top_k,
    gumbel,
    promote,
    top_k_log_prob,
)

LOGITS = [0.5, -1.0, 2.0, 0.0]


def grid(*values: float) -> torch.Tensor:
    """Values of one stream with one row of blocks."""
    return torch.tensor(values).view(1, 1, -1)


def none_due(blocks: int) -> torch.Tensor:
    return torch.zeros(1, 1, blocks, dtype=torch.bool)


def drawn_in_order(order: tuple[int, ...], blocks: int, due: torch.Tensor | None = None):
    """What is drawn where the noisy logits come in this order."""
    noisy = torch.full((1, 1, blocks), -50.0)
    for place, block in enumerate(order):
        noisy[0, 0, block] = -place
    due = none_due(blocks) if due is None else due
    return draw_top_k(noisy, due, torch.tensor([len(order) + int(due.sum())]))


def probability_of_order(order: tuple[int, ...], weights: dict[int, float]) -> float:
    """Draws without replacement, each with probabilities in proportion to the weights that are left."""
    left, probability = dict(weights), 1.0
    for block in order:
        probability *= left[block] / sum(left.values())
        del left[block]
    return probability


# Exactly k


def test_draws_due_blocks_and_then_the_highest() -> None:
    due = none_due(5)
    due[0, 0, 1] = True
    draw = draw_top_k(grid(0.3, -9.0, 0.9, 0.5, 0.1), due, torch.tensor([3]))
    assert draw.executed.int().tolist() == [[[0, 1, 1, 1, 0]]]
    assert draw.sampled.int().tolist() == [[[0, 0, 1, 1, 0]]]


def test_each_stream_has_its_own_budget() -> None:
    noisy = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]).expand(4, 2, 2)
    due = torch.zeros(4, 2, 2, dtype=torch.bool)
    due[3, 0, 0] = True
    draw = draw_top_k(noisy, due, torch.tensor([0, 1, 4, 1]))
    assert draw.executed.int().flatten(1).tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1], [1, 0, 0, 0]]


def test_log_probabilities_are_those_of_drawing_without_replacement() -> None:
    weights = {block: exp(logit) for block, logit in enumerate(LOGITS)}
    total = 0.0
    for order in itertools.permutations(range(4), 2):
        log_prob = top_k_log_prob(grid(*LOGITS), drawn_in_order(order, 4))
        expected = probability_of_order(order, weights)
        assert log_prob.sum().exp().item() == pytest.approx(expected, rel=1e-5)
        assert log_prob[0, 0, order[0]].item() == pytest.approx(
            log(weights[order[0]] / sum(weights.values())), rel=1e-5
        )
        total += log_prob.sum().exp().item()
    assert total == pytest.approx(1.0, rel=1e-5)  # nothing else can be drawn


def test_due_blocks_are_not_part_of_the_log_probability() -> None:
    due = none_due(4)
    due[0, 0, 2] = True  # the likeliest
    weights = {block: exp(logit) for block, logit in enumerate(LOGITS) if block != 2}
    log_prob = top_k_log_prob(grid(*LOGITS), drawn_in_order((3, 0), 4, due))
    assert log_prob.sum().exp().item() == pytest.approx(probability_of_order((3, 0), weights), rel=1e-5)
    assert log_prob[0, 0, [1, 2]].tolist() == [0.0, 0.0]


def test_gradient_of_the_log_probability_is_what_was_drawn_minus_what_was_expected() -> None:
    due = none_due(4)
    due[0, 0, 1] = True
    logits = grid(*LOGITS).requires_grad_()
    top_k_log_prob(logits, drawn_in_order((0, 3), 4, due)).sum().backward()
    first = exp(0.5) + exp(2.0) + exp(0.0)  # weights of blocks 0, 2, 3
    second = exp(2.0) + exp(0.0)  # weights of blocks 2, 3
    expected = [
        1 - exp(0.5) / first,
        0.0,
        -exp(2.0) / first - exp(2.0) / second,
        1 - exp(0.0) / first - exp(0.0) / second,
    ]
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_gumbel_noise_draws_with_these_probabilities() -> None:
    logits, draws = torch.tensor([1.0, 0.0, -0.5]), 40_000
    noisy = logits + gumbel((draws, 1, 3), torch.Generator().manual_seed(0))
    drawn = draw_top_k(noisy, torch.zeros(draws, 1, 3, dtype=torch.bool), torch.full((draws,), 2))
    weights = {block: exp(logit) for block, logit in enumerate(logits.tolist())}
    for order in itertools.permutations(range(3), 2):
        frequency = (drawn.order[:, :2] == torch.tensor(order)).all(1).float().mean().item()
        assert frequency == pytest.approx(probability_of_order(order, weights), abs=0.01)


def test_hopeless_blocks_have_finite_gradients() -> None:
    logits = grid(0.0, -200.0, 300.0, 1.0).requires_grad_()
    log_prob = top_k_log_prob(logits, drawn_in_order((1, 0, 2, 3), 4))
    log_prob.sum().backward()
    assert log_prob[0, 0].tolist() == pytest.approx([-300.0, -500.0, 0.0, 0.0], abs=1e-3)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


# Each block by itself


def test_bernoulli_draws_each_block_with_its_probability() -> None:
    probabilities = torch.tensor([0.0, 0.2, 0.9, 1.0])
    executed = draw_bernoulli(probabilities.expand(20_000, 1, 4), torch.Generator().manual_seed(0))
    frequencies = executed.float().mean((0, 1)).tolist()
    assert frequencies == pytest.approx(probabilities.tolist(), abs=0.01)
    assert (frequencies[0], frequencies[3]) == (0.0, 1.0)


def test_bernoulli_log_probability_is_of_the_action() -> None:
    logits = grid(0.0, log(3.0), log(3.0))  # probabilities 1/2, 3/4, 3/4
    log_prob = bernoulli_log_prob(logits, torch.tensor([[[True, True, False]]]))
    assert log_prob.flatten().tolist() == pytest.approx([log(0.5), log(0.75), log(0.25)])
    assert prod(log_prob.exp().flatten().tolist()) == pytest.approx(0.5 * 0.75 * 0.25)


# Promotion


def executed_blocks(count: int, blocks: int) -> torch.Tensor:
    return (torch.arange(blocks) < count).view(1, 1, -1)


@pytest.mark.parametrize(
    ("executed", "blocks", "expected"),
    [(0, 32, 0), (1, 32, 2), (5, 32, 6), (6, 32, 6), (31, 32, 32), (32, 32, 32), (33, 48, 33), (34, 48, 36)],
)
def test_promotes_to_a_multiple_of_a_sixteenth(executed: int, blocks: int, expected: int) -> None:
    promoted = promote(executed_blocks(executed, blocks), 1 / 16, torch.rand(1, 1, blocks))
    assert promoted.sum() == expected
    assert promoted[0, 0, :executed].all()


def test_never_promotes_beyond_all_blocks() -> None:
    assert promote(executed_blocks(33, 35), 1 / 16, torch.rand(1, 1, 35)).sum() == 34  # units of 2
    assert promote(executed_blocks(35, 35), 1 / 16, torch.rand(1, 1, 35)).sum() == 35


def test_does_not_promote_where_a_sixteenth_is_less_than_a_block() -> None:
    assert promote(executed_blocks(5, 15), 1 / 16, torch.rand(1, 1, 15)).sum() == 5


def test_promotes_the_skipped_blocks_of_the_highest_ranks() -> None:
    executed = torch.tensor([[[True, False, False]], [[False, False, False]]])  # counted over both streams
    ranks = torch.tensor([[[0.99, 0.1, 0.8]], [[0.3, 0.9, 0.2]]])
    promoted = promote(executed, 0.5, ranks)  # in units of 3
    assert promoted.int().tolist() == [[[1, 0, 1]], [[0, 1, 0]]]
