import pytest
import torch
from torch import nn

from saccade.training.average import MovingAverage


def test_average_follows_by_hand() -> None:
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = MovingAverage(network, decay=0.5)
    values = []
    for value in (1.0, 2.0, 3.0):
        network.weight.data.fill_(value)
        average.update(network)
        values.append(average.average.weight.item())
    # decays: 2/11, 3/12, 4/13
    first = 1 * 9 / 11
    second = first * 3 / 12 + 2 * 9 / 12
    third = second * 4 / 13 + 3 * 9 / 13
    assert values == pytest.approx([first, second, third])


def test_decay_is_bounded_and_integers_are_copied() -> None:
    network = nn.BatchNorm1d(2)
    average = MovingAverage(network, decay=0.0)
    network(torch.randn(4, 2))
    average.update(network)
    assert torch.equal(average.average.running_mean, network.running_mean)
    assert average.average.num_batches_tracked == 1
    assert not average.average.training
