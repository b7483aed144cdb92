from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.datasets import open_dataset
from saccade.datasets.pennfudan import open_pennfudan
from saccade.errors import DatasetError

ANNOTATION = """# Compatible with PASCAL Annotation Version 1.00
Image filename : "PennFudanPed/PNGImages/{name}.png"
Image size (X x Y x C) : 40 x 30 x 3
Objects with ground truth : 2 {{ "PASpersonWalking" "PASpersonStanding" }}
# Top left pixel co-ordinates : (1, 1)
# Details for pedestrian 1 ("PASpersonWalking")
Original label for object 1 "PASpersonWalking" : "PennFudanPed"
Bounding box for object 1 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : (1, 3) - (10, 24)

# Details for pedestrian 2 ("PASpersonStanding")
Original label for object 2 "PASpersonStanding" : "PennFudanPed"
Bounding box for object 2 "PASpersonStanding" (Xmin, Ymin) - (Xmax, Ymax) : (21, 2) - (40, 30)
"""


@pytest.fixture(params=[("PNGImages", ".png"), ("Images", ".jpg")])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder, suffix = request.param
    (tmp_path / folder).mkdir()
    (tmp_path / "Annotation").mkdir()
    for number in range(1, 11):
        name = f"FudanPed{number:05d}"
        Image.fromarray(np.full((30, 40, 3), 20 * number, np.uint8)).save(
            tmp_path / folder / f"{name}{suffix}"
        )
        (tmp_path / "Annotation" / f"{name}.txt").write_text(ANNOTATION.format(name=name))
    return tmp_path


def test_boxes_reach_to_the_outer_edges_of_their_pixels(root: Path) -> None:
    dataset = open_dataset("pennfudan", root, "all")
    image, (first, second) = dataset.boxed()[1].load()
    assert image.mean() == pytest.approx(40, abs=2)
    assert (first.x1, first.y1, first.x2, first.y2) == (0, 2, 10, 24)
    assert (second.x1, second.y1, second.x2, second.y2) == (20, 1, 40, 30)
    assert (first.label, first.visible, first.ignore) == ("person", 1.0, False)


def test_every_fifth_photograph_is_for_validation(root: Path) -> None:
    names = {
        split: [clip.name for clip in open_pennfudan(root, split).clips()]
        for split in ("train", "val", "all")
    }
    assert names["val"] == ["FudanPed00005", "FudanPed00010"]
    assert sorted(names["train"] + names["val"]) == names["all"]
    assert len(names["all"]) == 10


def test_photographs_and_boxes_can_be_resized_together(root: Path) -> None:
    image, (first, _) = open_pennfudan(root, scale=0.5).boxed()[0].load()
    assert image.shape == (15, 20, 3)
    assert (first.x1, first.y1, first.x2, first.y2) == (0, 1, 5, 12)


def test_what_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no split 'test'"):
        open_pennfudan(root, "test")
    (root / "Annotation" / "FudanPed00003.txt").write_text("nothing")
    with pytest.raises(DatasetError, match=r"FudanPed00003.txt has no line"):
        open_pennfudan(root, "train")
    (root / "Annotation" / "FudanPed00003.txt").unlink()
    with pytest.raises(DatasetError, match=r"no boxes for: .*FudanPed00003"):
        open_pennfudan(root, "val")
