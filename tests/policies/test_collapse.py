from math import nan

import pytest
import torch

from saccade.policies.collapse import CollapseWatch, all_or_nothing, nothing_to_draw, separation
from saccade.policies.sampling import Draw


def of(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, -1)


def drawn(sampled: torch.Tensor, due: torch.Tensor | None = None) -> Draw:
    executed = sampled if due is None else sampled | due
    return Draw(executed, sampled, order=torch.empty(0))


NO, YES = False, True


@pytest.mark.parametrize(
    ("probabilities", "collapsed"),
    [([0.0, 0.0005], YES), ([1.0, 0.9995], YES), ([0.0, 1.0], NO), ([0.0, 0.01], NO), ([0.5, 0.5], NO)],
)
def test_all_or_nothing_is_all_blocks_at_one_end(probabilities: list[float], collapsed: bool) -> None:
    assert bool(all_or_nothing(of(*probabilities))) == collapsed


@pytest.mark.parametrize(
    ("logits", "collapsed"),
    [
        ([3.0, 1.0, 2.0, 0.0], NO),
        ([1.0, 1.0, 1.0, 1.0], YES),  # noise decides everything
        ([90.0, 80.0, 1.0, 0.0], YES),  # noise decides nothing: 79 between sampled and skipped
        ([90.0, 1.0, 2.0, 0.0], NO),
        ([0.0, 1.0, 80.0, 90.0], NO),
    ],
)
def test_a_draw_needs_logits_that_differ_and_leave_room_for_noise(logits: list[float], collapsed) -> None:
    first_two = drawn(torch.tensor([[[YES, YES, NO, NO]]]))
    assert bool(nothing_to_draw(of(*logits), of(0, 0, 0, 0), first_two)) == collapsed


def test_what_is_certain_before_anything_is_learned_is_no_collapse() -> None:
    first_two = drawn(torch.tensor([[[YES, YES, NO, NO]]]))
    assert not nothing_to_draw(of(0, 0, 0, 0), of(90, 80, 1, 0), first_two)
    assert nothing_to_draw(of(0, 0, 0, 0), of(3, 3, 3, 3), first_two)


def test_streams_without_a_choice_say_nothing_of_a_draw() -> None:
    logits = torch.tensor([[[90.0, 0.0, 0.0]], [[1.0, 0.0, 2.0]]])
    none, due = torch.zeros(2, 1, 3), torch.tensor([[[NO, YES, NO]], [[YES, NO, NO]]])
    everything = torch.tensor([[[YES, NO, YES]], [[NO, NO, NO]]])
    assert not nothing_to_draw(logits, none, drawn(everything, due))  # nothing left to skip; nothing sampled
    one = torch.tensor([[[YES, NO, NO]], [[NO, NO, NO]]])
    assert nothing_to_draw(logits, none, drawn(one, due))  # in the first stream, the first block is certain


def test_separation_is_between_the_means_of_executed_and_skipped_blocks() -> None:
    executed = torch.tensor([[[YES, YES, NO, NO]]])
    assert separation(of(0.9, 0.5, 0.1, 0.3), executed).item() == pytest.approx(0.5)
    assert separation(of(0.9, 0.5, 0.1, 0.3), executed | True).isnan()


def test_counts_frames_in_a_row() -> None:
    watch = CollapseWatch(patience=3, separation=0.3)
    seen = []
    for collapsed in (YES, YES, NO, YES, YES, YES):
        watch.look(collapsed)
        seen.append(watch.undecided)
    assert seen == [NO, NO, NO, NO, NO, YES]


def test_separation_that_is_not_a_number_does_not_count() -> None:
    watch = CollapseWatch(patience=2, separation=0.3)
    for apart, weak in [(0.1, 1), (nan, 1), (0.4, 0), (0.2, 1), (nan, 1), (0.2, 2)]:
        watch.look(NO, apart)
        assert watch.weak == weak
    assert watch.indifferent
    assert watch.was_strong
