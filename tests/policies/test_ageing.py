"""No block gets older than allowed, and deadlines do not come together."""

import torch

from saccade.policies.ageing import Ageing

GRID = (6, 8)


def run(most, frames, choose):
    """Executed blocks per frame after a first one in full, and the largest age there was."""
    ageing = Ageing(GRID, most, torch.device("cpu"))
    ageing.resize(1)
    whole = torch.ones(1, *GRID, dtype=torch.bool)
    ageing.update(whole, torch.tensor([True]))
    counts, oldest = [], 0
    for number in range(frames):
        executed = ageing.due | choose(number)
        counts.append(int(executed.sum()))
        ageing.update(executed, executed.flatten(1).all(1))
        oldest = max(oldest, int(ageing.age.max()))
    return counts, oldest


def nothing(number):
    return torch.zeros(1, *GRID, dtype=torch.bool)


def test_left_alone_blocks_come_due_evenly():
    counts, oldest = run(12, 100, nothing)
    assert oldest <= 12
    assert max(counts) == 4  # 48 blocks in 12 frames
    assert min(counts[12:]) == 4


def test_without_a_limit_nothing_comes_due():
    counts, oldest = run(0, 40, nothing)
    assert sum(counts) == 0
    assert oldest == 41


def test_ages_count_frames_since_execution():
    ageing = Ageing(GRID, 0, torch.device("cpu"))
    ageing.resize(2)
    ageing.update(torch.ones(2, *GRID, dtype=torch.bool), torch.tensor([True, True]))
    one = torch.zeros(2, *GRID, dtype=torch.bool)
    one[1, 2, 3] = True
    ageing.update(one, torch.tensor([False, False]))
    assert ageing.age[0].unique().tolist() == [2]
    assert ageing.age[1, 2, 3] == 1
    ageing.keep([1])
    assert ageing.age.shape == (1, *GRID)
    assert ageing.age[0, 2, 3] == 1
    ageing.resize(3)
    assert ageing.age.shape == (3, *GRID)
