"""The share of the blocks meets the target."""

import pytest

from saccade.policies.budget import Budget

TARGETS = [0.1, 0.15, 0.25, 0.37, 0.5, 0.72, 0.9]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("blocks", [48, 128, 180])
@pytest.mark.parametrize("dense_above", [1.0, 0.85])
def test_the_mean_is_the_target(target, blocks, dense_above):
    budget = Budget(target, blocks, round, dense_above)
    spent = []
    for _ in range(100):
        spent.append(budget.next())
        budget.spend(spent[-1])
    assert sum(spent) / len(spent) / blocks == pytest.approx(target, abs=0.005)
    assert all(count == blocks or count <= dense_above * blocks for count in spent)


@pytest.mark.parametrize("target", TARGETS)
def test_rounding_to_numbers_without_waste_averages_out(target):
    budget = Budget(target, 180, lambda wanted: 16 * round(wanted / 16))
    spent = []
    for _ in range(200):
        spent.append(budget.next())
        budget.spend(spent[-1])
    assert {count % 16 for count in spent} <= {0, 180 % 16}
    assert sum(spent) / len(spent) / 180 == pytest.approx(target, abs=0.005)


def test_a_frame_in_full_is_paid_back_little_by_little():
    budget = Budget(0.25, 100, round)
    budget.spend(100)  # nobody asked
    spent = []
    for _ in range(60):
        spent.append(budget.next())
        budget.spend(spent[-1])
    assert min(spent) >= 18  # a quarter less than usual, not nothing
    assert spent[-1] == 25
    assert 100 + sum(spent) == pytest.approx(61 * 25, abs=1)


def test_what_a_still_scene_does_not_need_is_spent_when_it_moves():
    budget = Budget(0.2, 100, round, savings=200)
    demands = [0] * 10 + [100] * 3 + [0]
    spent = []
    for demand in demands:
        spent.append(budget.next(demand))
        budget.spend(spent[-1])
    assert spent[:10] == [5] * 10  # a quarter of the usual 20; 150 are saved
    assert spent[10:13] == [100, 90, 20]  # 80 and the other 70 of the savings
    assert spent[13] == 5
    assert budget.saved == 15


def test_when_the_savings_are_full_the_usual_blocks_are_executed():
    budget = Budget(0.2, 100, round, savings=40)
    spent = []
    for _ in range(20):
        spent.append(budget.next(0))
        budget.spend(spent[-1])
    assert sum(spent) == 20 * 20 - 40
    assert spent[-1] == 20


def test_a_scene_that_always_moves_executes_its_usual_blocks():
    budget = Budget(0.2, 100, round, savings=200)
    for _ in range(20):
        assert budget.next(100) == 20
        budget.spend(20)
