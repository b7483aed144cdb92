import numpy as np
import pytest
import torch

from saccade.datasets.clip import Box
from saccade.training.detection_augment import augment_boxes
from saccade.training.detection_data import BoxCrops, BoxImages, learns, share_inside
from saccade.training.recipe import BoxConfig, DataConfig, StageConfig, TrainConfig

BOX = np.array([[40.0, 20, 60, 70]])


def picture() -> torch.Tensor:
    """Black, and white in ``BOX``."""
    image = torch.zeros(3, 90, 120, dtype=torch.uint8)
    image[:, 20:70, 40:60] = 255
    return image


def crops(count: int, **options) -> list[tuple[torch.Tensor, np.ndarray]]:
    settings = {"crop": (64, 80), "scale": (0.5, 1.5), "colour": 0.0} | options
    return [
        augment_boxes(
            picture(), BOX, np.array([True]), generator=torch.Generator().manual_seed(seed), **settings
        )
        for seed in range(count)
    ]


def test_boxes_go_where_their_pixels_go() -> None:
    widths = []
    for image, boxes in crops(40):
        assert image.shape == (3, 64, 80)
        white = image.mean(0) > 191  # paving is 127
        if not white.any():
            left, top, right, bottom = boxes[0]
            assert right < 1 or bottom < 1 or left > 79 or top > 63
            continue
        rows, columns = white.any(1).nonzero().flatten(), white.any(0).nonzero().flatten()
        left, top, right, bottom = np.clip(boxes[0], 0, [80, 64, 80, 64])
        found = [columns[0].item(), rows[0].item(), columns[-1].item() + 1, rows[-1].item() + 1]
        assert found == pytest.approx([left, top, right, bottom], abs=1.5)
        widths.append(boxes[0, 2] - boxes[0, 0])
    assert min(widths) < 13  # 20 pixels by 0.5 to 1.5
    assert max(widths) > 25


def test_the_middle_of_a_wanted_box_is_in_three_of_four_crops() -> None:
    middles = np.array([(boxes[0, :2] + boxes[0, 2:]) / 2 for _, boxes in crops(200, crop=(24, 24))])
    inside = ((middles >= -1) & (middles <= 25)).all(1).mean()
    assert 0.65 < inside < 0.9  # and in few of those that are cut anywhere


def test_small_frames_are_put_somewhere_on_grey() -> None:
    places = set()
    for image, boxes in crops(10, crop=(128, 160), scale=(1, 1)):
        grey = (image == 127).all(0)
        assert (~grey).sum() == 90 * 120
        assert (boxes[0, 2:] - boxes[0, :2]).tolist() == [20, 50]
        places.add(tuple(boxes[0].tolist()))
    assert len(places) > 5


def test_half_of_the_crops_are_flipped() -> None:
    marked = picture()
    marked[0, :, :60] = 200  # red on the left
    flipped = 0
    for seed in range(60):
        image, _ = augment_boxes(
            marked, BOX, np.array([False]), crop=(90, 120), scale=(1, 1), colour=0.0,
            generator=torch.Generator().manual_seed(seed),
        )  # fmt: skip
        flipped += int(image[0, 0, -1] > image[0, 0, 0])
    assert 18 <= flipped <= 42


def test_colours_change_and_stay_in_range() -> None:
    means = {
        round(float(image.mean()), 3) for image, _ in crops(8, colour=0.5, scale=(1, 1), crop=(128, 160))
    }
    assert len(means) == 8
    assert all(image.min() >= 0 and image.max() <= 255 for image, _ in crops(8, colour=1.0))


def test_which_boxes_are_learned() -> None:
    config = BoxConfig(min_height=50, min_visible=0.5)

    def person(height: float = 50, visible: float = 0.5, label: str = "person", ignore: bool = False) -> Box:
        return Box(0, 0, 20, height, label, 0, visible, ignore)

    cases = [person(), person(height=49), person(visible=0.4), person(label="rider"), person(ignore=True)]
    assert [learns(box, ("person",), config) for box in cases] == [True, False, False, False, False]


def test_share_inside_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [-5, 0, 5, 10], [-5, -5, 5, 5], [30, 0, 40, 10]], float)
    assert share_inside(boxes, (20, 20)).tolist() == [1, 0.5, 0.25, 0]


class OneFrame:
    name = "one"

    def load(self) -> tuple[np.ndarray, tuple[Box, ...]]:
        boxes = (Box(40, 20, 60, 70, "person", 1, 1.0), Box(0, 0, 30, 30, "person", 2, 1.0, True))
        return picture().permute(1, 2, 0).numpy(), boxes


def test_crops_come_with_targets_and_are_the_same_every_time() -> None:
    stage = StageConfig(1, (96, 128), scale=(1, 1), colour=0.3)
    wanted = DataConfig("mot")
    config = TrainConfig(
        name="t", network="csp-rn18", class_set="pedestrians", data=(wanted,), stages=(stage,),
        task="detection", boxes=BoxConfig(min_height=40),
    )  # fmt: skip
    images = BoxImages([OneFrame()], {str(wanted): [0, 0]}, config)
    epoch = BoxCrops(images, stage, config.boxes, seed=0, epoch=3)
    assert len(epoch) == 2
    image, targets = epoch[1]
    assert (image.shape, targets.shape) == ((3, 96, 128), (8, 24, 32))
    assert targets[0].sum() == 1  # the crop is larger than the frame
    assert (targets[2] == 0).sum() in (64, 72, 81)  # 30 pixels touch 8 or 9 positions each way
    again = BoxCrops(images, stage, config.boxes, seed=0, epoch=3)[1]
    assert torch.equal(image, again[0])
    assert torch.equal(targets, again[1])
    assert not torch.equal(image, epoch[0][0])
