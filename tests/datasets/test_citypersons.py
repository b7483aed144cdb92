from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from saccade.datasets import open_dataset
from saccade.datasets.citypersons import open_citypersons, read_annotations
from saccade.errors import ConfigError, DatasetError

OFFICIAL = Path(__file__).parents[3] / "shared" / "data" / "citypersons"

NAME = "ulm_000000_000019"
LATER = "ulm_000001_000021"
# class, left, top, width, height, identity, the same of what is visible
PEOPLE = {
    NAME: [[1, 10, 4, 8, 20, 24001, 10, 4, 8, 10], [2, 30, 0, 8, 20, 25000, 30, 0, 8, 20]],
    LATER: [[0, 0, 0, 5, 5, 0, 0, 0, 5, 5]],
}


def write_json(path: Path) -> None:
    images = [{"id": i, "im_name": f"{name}_leftImg8bit.png"} for i, name in enumerate(PEOPLE, start=1)]
    items = []
    for i, rows in enumerate(PEOPLE.values(), start=1):
        for kind, left, top, width, height, _, *visible in rows:
            share = visible[2] * visible[3] / (width * height)
            item = {"id": len(items) + 1, "image_id": i, "category_id": 1, "ignore": int(kind != 1)}
            items.append(item | {"bbox": [left, top, width, height], "vis_ratio": share, "height": height})
    path.write_text(json.dumps({"images": images, "annotations": items, "categories": []}))


def write_mat(path: Path) -> None:
    cells = np.empty((1, len(PEOPLE)), object)
    for i, (name, rows) in enumerate(PEOPLE.items()):
        cells[0, i] = {
            "cityname": "ulm",
            "im_name": f"{name}_leftImg8bit.png",
            "bbs": np.array(rows, np.uint16),
        }
    savemat(path, {"anno_val_aligned": cells})


def frame(root: Path, folder: str, name: str, grey: int) -> None:
    path = root / folder / "val" / "ulm" / f"{name}_leftImg8bit.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((24, 48, 3), grey, np.uint8)).save(path)


@pytest.fixture(params=["json", "mat"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    frame(tmp_path, "leftImg8bit", NAME, 19)
    frame(tmp_path, "leftImg8bit", LATER, 21)
    if request.param == "json":
        write_json(tmp_path / "val_gt.json")
    else:
        (tmp_path / "annotations").mkdir()
        write_mat(tmp_path / "annotations" / "anno_val.mat")
    return tmp_path


def test_both_formats_say_the_same(root: Path) -> None:
    dataset = open_dataset("citypersons", root)
    first, second = ([*clip] for clip in dataset.clips())
    assert [sample.frame.image[0, 0, 0] for sample in first + second] == [19, 21]
    person, rider = first[0].boxes
    assert (person.x1, person.y1, person.x2, person.y2) == (10, 4, 18, 24)
    assert (person.label, person.visible, person.ignore) == ("person", 0.5, False)
    assert (rider.visible, rider.ignore) == (1.0, True)
    assert [box.ignore for box in second[0].boxes] == [True]


def test_frames_before_have_no_boxes_and_the_last_one_is_scored(root: Path) -> None:
    for number in range(17, 22):
        frame(root, "leftImg8bit_sequence", f"ulm_000000_{number:06d}", number)
        frame(root, "leftImg8bit_sequence", f"ulm_000001_{number:06d}", number)
    dataset = open_citypersons(root, clip_length=3)
    samples = [*dataset.clips()[0]]
    assert [sample.frame.image[0, 0, 0] for sample in samples] == [17, 18, 19]
    assert [sample.boxes is None for sample in samples] == [True, True, False]
    assert [item.name for item in dataset.boxed()] == [f"{NAME}/2", f"{LATER}/2"]
    with pytest.raises(DatasetError, match=r"no frame: ulm_000000_000000_leftImg8bit.png, ulm_000000_000001"):
        open_citypersons(root)


def test_mistakes_are_named(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"clip_length is 0"):
        open_citypersons(root, clip_length=0)
    with pytest.raises(DatasetError, match=r"neither train_gt.json nor anno_train.mat"):
        open_citypersons(root, "train")
    (root / "other.json").write_text('{"images": 3}')
    with pytest.raises(DatasetError, match=r"other.json is not of the form of CityPersons"):
        open_citypersons(root, annotations=root / "other.json")


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official annotations are not here")
def test_the_official_annotations_of_the_validation_split() -> None:
    frames = read_annotations(OFFICIAL / "val_gt.json")
    boxes = [box for marked in frames for box in marked.boxes]
    assert (len(frames), len(boxes), sum(box.ignore for box in boxes)) == (500, 5795, 2638)
    first = frames[0].boxes[0]
    assert frames[0].name == "frankfurt_000000_000294"
    assert (first.x1, first.y1, first.x2, first.y2) == (947, 406, 964, 446)
    assert first.visible == pytest.approx(14 * 39 / (17 * 40))
    other = {marked.name: marked for marked in read_annotations(OFFICIAL / "anno_val.mat")}
    assert other.keys() == {marked.name for marked in frames}
    for marked in frames:  # the .mat has the same pedestrians
        counted = [
            sorted((b.x1, b.y1, b.x2, b.y2) for b in each.boxes if not b.ignore)
            for each in (marked, other[marked.name])
        ]
        assert counted[0] == counted[1]
