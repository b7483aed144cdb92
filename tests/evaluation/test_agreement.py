"""Share of equal labels."""

import pytest
import torch

from saccade.evaluation.agreement import Agreement


def test_share_of_equal_pixels_over_all_updates():
    metric = Agreement()
    metric.update(torch.tensor([[0, 1], [2, 2]]), torch.tensor([[0, 1], [1, 2]]))
    metric.update(torch.tensor([[3, 3]]), torch.tensor([[3, 0]]))
    assert metric.compute().item() == pytest.approx(4 / 6)


def test_maps_of_different_size_cannot_be_compared():
    with pytest.raises(ValueError, match="cannot be compared"):
        Agreement().update(torch.zeros(2, 2), torch.zeros(2, 3))
