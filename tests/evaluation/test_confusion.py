"""The confusion matrix against counts made by hand."""

import math

import pytest
import torch

from saccade.errors import DatasetError
from saccade.evaluation.confusion import ConfusionMatrix

TRUTH = torch.tensor([[0, 0, 1], [1, 2, 255]], dtype=torch.uint8)
PREDICTION = torch.tensor([[0, 1, 1], [1, 1, 0]], dtype=torch.uint8)


def test_counts_and_scores_of_a_hand_computed_case():
    matrix = ConfusionMatrix(4)
    matrix.update(PREDICTION, TRUTH)
    assert matrix.counts.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    iou = matrix.iou().tolist()
    # 0: 1 of 2; 1: 2 of 4; 2: 0 of 1; 3 is nowhere.
    assert iou[:3] == [0.5, 0.5, 0.0]
    assert math.isnan(iou[3])
    assert matrix.miou() == pytest.approx(1 / 3)
    assert matrix.pixel_accuracy() == pytest.approx(3 / 5)


def test_a_class_that_is_only_predicted_counts_as_zero():
    matrix = ConfusionMatrix(3)
    matrix.update(torch.tensor([0, 2]), torch.tensor([0, 0]))
    assert matrix.iou()[2] == 0
    assert matrix.miou() == pytest.approx((0.5 + 0) / 2)


def test_updates_add_up_over_maps_of_different_size():
    matrix = ConfusionMatrix(2)
    matrix.update(torch.tensor([[0]]), torch.tensor([[0]]))
    matrix.update(torch.tensor([[1, 0], [1, 1]]), torch.tensor([[1, 1], [0, 255]]))
    assert matrix.counts.tolist() == [[1, 1], [1, 1]]


def test_scores_against_counting_pixel_by_pixel():
    generator = torch.Generator().manual_seed(3)
    truth = torch.randint(0, 6, (40, 30), generator=generator)
    prediction = torch.randint(0, 5, (40, 30), generator=generator)
    truth[truth == 5] = 255
    matrix = ConfusionMatrix(5)
    matrix.update(prediction, truth)
    pairs = [
        (t, p)
        for t, p in zip(truth.flatten().tolist(), prediction.flatten().tolist(), strict=True)
        if t != 255
    ]
    for k in range(5):
        intersection = sum(t == k and p == k for t, p in pairs)
        union = sum(t == k or p == k for t, p in pairs)
        assert matrix.iou()[k].item() == pytest.approx(intersection / union)
    assert matrix.pixel_accuracy() == pytest.approx(sum(t == p for t, p in pairs) / len(pairs))


def test_nothing_counted_is_not_a_score():
    matrix = ConfusionMatrix(2)
    matrix.update(torch.tensor([0, 1]), torch.tensor([255, 255]))
    assert math.isnan(matrix.miou())
    assert math.isnan(matrix.pixel_accuracy())


def test_ids_that_are_no_class_are_named():
    matrix = ConfusionMatrix(2)
    with pytest.raises(DatasetError, match="labels hold the unknown class ids 2, 11; there are 2 classes"):
        matrix.update(torch.tensor([0, 0, 0]), torch.tensor([2, 11, 255]))
    with pytest.raises(DatasetError, match="prediction hold the unknown class ids 7"):
        matrix.update(torch.tensor([7, 0]), torch.tensor([1, 1]))
    with pytest.raises(DatasetError, match="ids from -1 to 300"):
        matrix.update(torch.tensor([0, 0]), torch.tensor([-1, 300]))
    assert matrix.counts.sum() == 0


def test_labels_of_another_size_are_an_error():
    with pytest.raises(DatasetError, match=r"labels of shape \(2, 3\).*prediction of shape \(3, 2\)"):
        ConfusionMatrix(2).update(torch.zeros(3, 2, dtype=torch.uint8), torch.zeros(2, 3, dtype=torch.uint8))
