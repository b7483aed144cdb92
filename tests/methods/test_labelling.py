"""Labels from coarse scores against ``F.interpolate`` and argmax."""

import pytest
import torch
import torch.nn.functional as F

from saccade.methods.base import Segmentation
from saccade.methods.labelling import labels_from_logits


def reference(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False).argmax(1)


def smooth_scores(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Scores with regions, as networks give them: boundary cells and uniform cells both occur."""
    n, k, h, w = shape
    torch.manual_seed(seed)
    coarse = torch.randn(n, k, max(1, h // 4), max(1, w // 4))
    return F.interpolate(coarse, size=(h, w), mode="bicubic", align_corners=False)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2, 11, 24, 32), (96, 128)),
        ((1, 5, 24, 30), (91, 117)),  # as many pixels in a cell as do not divide
        ((1, 3, 9, 50), (10, 51)),  # barely larger
        ((1, 4, 1, 1), (7, 5)),
        ((1, 4, 1, 6), (9, 6 * 32)),
        ((1, 2, 40, 40), (1280, 80)),
        ((1, 1, 4, 4), (16, 16)),  # one class
    ],
)
def test_enlarged_scores_give_the_labels_of_interpolation_and_argmax(shape, size):
    for seed in range(3):
        logits = smooth_scores(shape, seed)
        for memory_format in (torch.contiguous_format, torch.channels_last):
            labels = labels_from_logits(logits.to(memory_format=memory_format), size)
            assert labels.dtype == torch.uint8
            assert torch.equal(labels.long(), reference(logits, size))


@pytest.mark.parametrize("size", [(24, 32), (12, 20), (24, 64), (10, 64)])
def test_scores_that_are_not_enlarged_both_ways_too(size):
    logits = smooth_scores((1, 6, 24, 32), 5)
    assert torch.equal(labels_from_logits(logits, size).long(), reference(logits, size))


def test_equal_scores_go_to_the_first_class_as_in_argmax():
    # Small integers and a factor of four: every interpolated value is exact, so ties are real.
    for seed in range(5):
        logits = torch.randint(0, 3, (1, 7, 20, 20), generator=torch.Generator().manual_seed(seed)).float()
        assert torch.equal(labels_from_logits(logits, (80, 80)).long(), reference(logits, (80, 80)))


def test_a_class_can_win_between_scores_where_it_is_second_at_each():
    # (10, 0, 7) and (0, 10, 7): halfway both leaders have 5 and the third has 7.
    logits = torch.tensor([[[[10.0, 0.0]], [[0.0, 10.0]], [[7.0, 7.0]]]])
    assert labels_from_logits(logits.expand(1, 3, 1, 2), (2, 8))[0, 0].tolist() == [0, 0, 0, 2, 2, 1, 1, 1]


def test_half_precision_scores_are_interpolated_in_float32():
    logits = smooth_scores((1, 8, 16, 16), 2).bfloat16()
    assert torch.equal(labels_from_logits(logits, (64, 64)).long(), reference(logits, (64, 64)))


def test_segmentation_gives_labels_at_the_size_of_its_frames_or_another():
    segmentation = Segmentation(smooth_scores((2, 3, 8, 8), 1), (32, 40))
    assert segmentation.labels().shape == (2, 32, 40)
    assert segmentation.labels((16, 16)).shape == (2, 16, 16)
