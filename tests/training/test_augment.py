import pytest
import torch
from torch import Generator, Tensor

from saccade.classes import IGNORE
from saccade.training.augment import augment, change_colours, window


def generator(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def scene(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Four quadrants; the image's value is 60 times the label, so that crops can be checked."""
    label = torch.zeros(height, width, dtype=torch.uint8)
    label[: height // 2, width // 2 :] = 1
    label[height // 2 :, : width // 2] = 2
    label[height // 2 :, width // 2 :] = 3
    return (label * 60)[None].expand(3, -1, -1).contiguous(), label


@pytest.mark.parametrize("seed", range(8))
def test_image_and_label_stay_aligned(seed: int) -> None:
    image, label = scene(80, 120)
    crop, crop_label = augment(
        image, label, crop=(48, 64), scale=(0.5, 2.0), colour=0, generator=generator(seed)
    )
    assert crop.shape == (3, 48, 64)
    assert crop_label.shape == (48, 64)
    inside = crop_label != IGNORE
    wrong = (crop[0] - crop_label.float() * 60).abs()[inside] > 1
    assert wrong.float().mean() < 0.12  # only the two borders between quadrants are blended
    assert (crop[:, ~inside] == 127).all()


def test_same_seed_same_crop_other_seed_other_crop() -> None:
    image, label = scene(64, 64)
    image = torch.randint(0, 256, image.shape, dtype=torch.uint8, generator=generator(9))

    def make(seed: int) -> Tensor:
        return augment(image, label, crop=(32, 32), scale=(0.5, 2), colour=1, generator=generator(seed))[0]

    assert torch.equal(make(1), make(1))
    assert not torch.equal(make(1), make(2))


def test_small_image_is_padded_with_ignored_grey() -> None:
    image, label = torch.zeros(3, 1, 1, dtype=torch.uint8), torch.zeros(1, 1, dtype=torch.uint8)
    crop, crop_label = window(image, label, (4, 6), 2.0, generator())
    assert (crop_label[:2, :2] == 0).all()
    assert (crop_label == IGNORE).sum() == 24 - 4
    assert (crop[:, crop_label == IGNORE] == 127).all()


def test_window_without_resizing_is_a_plain_cut() -> None:
    image = torch.arange(10 * 12, dtype=torch.uint8).view(1, 10, 12).expand(3, -1, -1).contiguous()
    cut, cut_label = window(image, image[0], (4, 5), 1.0, generator(3))
    top, left = divmod(int(cut_label[0, 0]), 12)
    assert torch.equal(cut[0], image[0, top : top + 4, left : left + 5].float())
    assert torch.equal(cut_label, image[0, top : top + 4, left : left + 5])


def test_colours_stay_in_range_and_strength_zero_point_changes_nothing_much() -> None:
    image = torch.rand(3, 20, 20, generator=generator()) * 255
    changed = change_colours(image, 1.0, generator(5))
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert (change_colours(image, 1e-6, generator(5)) - image).abs().max() < 0.05
