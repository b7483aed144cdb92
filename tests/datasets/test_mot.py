from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.datasets import open_dataset
from saccade.datasets.mot import open_mot
from saccade.errors import ConfigError, DatasetError
from saccade.video import VideoWriter

SEQUENCE = "[Sequence]\nname=plaza\nimDir=img1\nframeRate=7\nseqLength=9\nimExt=.png\n"


def write_sequence(
    root: Path, name: str, rows: list[str], frames: range, size: tuple[int, int] = (24, 32)
) -> Path:
    folder = root / name
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
    (folder / "img1").mkdir()
    for number in frames:
        Image.fromarray(np.full((*size, 3), 10 * number, np.uint8)).save(
            folder / "img1" / f"{number:06d}.png"
        )
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    old = [
        "1,7,3,5,4,10,1,-4.1,7.2,0",
        "3,7,4,5,4,10,1,-1,-1,-1",
        "3,8,11,2,6.5,12,0,-1,-1,-1",
        "9,7,1,1,4,9,1,-1,-1,-1",
    ]
    new = ["2,1,1,1,10,20,1,1,0.4", "2,2,5,1,10,20,1,3,1", "2,3,6,1,10,20,1,7,0.9", "2,4,7,1,10,20,0,1,0.8"]
    folder = write_sequence(tmp_path, "plaza", old, range(1, 6))
    (folder / "seqinfo.ini").write_text(SEQUENCE)
    write_sequence(tmp_path, "street", new, range(1, 4))
    return tmp_path


def test_boxes_count_pixels_from_0_and_flags_of_0_are_ignored(root: Path) -> None:
    (clip,) = open_dataset("mot", root, sequences=["plaza"]).clips()
    assert (clip.name, clip.fps, len(clip)) == ("plaza", 7.0, 5)
    samples = list(clip)
    assert [sample.frame.image[0, 0, 0] for sample in samples] == [10, 20, 30, 40, 50]
    assert [len(sample.boxes) for sample in samples] == [1, 0, 2, 0, 0]
    first, second = samples[2].boxes
    assert (first.x1, first.y1, first.x2, first.y2) == (3, 4, 7, 14)
    assert (first.label, first.identity, first.ignore) == ("person", 7, False)
    assert (second.x2, second.ignore) == (16.5, True)
    assert samples[0].frame.timestamp == 0
    assert samples[1].frame.timestamp == pytest.approx(1 / 7)


def test_newer_files_say_class_and_visibility(root: Path) -> None:
    (clip,) = open_mot(root, sequences="street").clips()
    boxes = list(clip)[1].boxes
    assert [(box.identity, box.visible, box.ignore) for box in boxes] == [
        (1, 0.4, False),
        (3, 0.9, True),
        (4, 0.8, True),
    ]


def test_all_sequences_or_one_folder_or_those_of_a_split(root: Path) -> None:
    assert [clip.name for clip in open_mot(root).clips()] == ["plaza", "street"]
    assert [clip.name for clip in open_mot(root / "street").clips()] == ["street"]
    (root / "train").mkdir()
    (root / "plaza").rename(root / "train" / "plaza")
    assert [clip.name for clip in open_mot(root, "train").clips()] == ["plaza"]


@pytest.mark.parametrize("frames", ["2-4", [2, 4], (2, 4)])
def test_frames_are_numbered_as_in_the_data_set(root: Path, frames: object) -> None:
    dataset = open_mot(root, sequences=["plaza"], frames=frames)
    samples = list(dataset.clips()[0])
    assert [sample.frame.image[0, 0, 0] for sample in samples] == [20, 30, 40]
    assert [len(sample.boxes) for sample in samples] == [0, 2, 0]
    assert [len(item.load()[1]) for item in dataset.boxed()] == [0, 2, 0]


def test_a_video_in_place_of_images(root: Path) -> None:
    (root / "plaza" / "img1").rename(root / "elsewhere")
    with VideoWriter(root / "plaza" / "plaza.mp4", 7, (24, 32)) as writer:
        for number in range(1, 6):
            writer.write(np.full((24, 32, 3), 40 * number, np.uint8))
    dataset = open_mot(root, sequences=["plaza"], frames="2-4")
    grey = [float(sample.frame.image.mean()) for sample in dataset.clips()[0]]
    assert grey == pytest.approx([80, 120, 160], abs=4)
    last, first = dataset.boxed()[2], dataset.boxed()[0]
    assert last.load()[0].mean() == pytest.approx(160, abs=4)
    assert first.load()[0].mean() == pytest.approx(80, abs=4)


def test_frames_and_boxes_can_be_resized_together(root: Path) -> None:
    item = open_mot(root, sequences=["plaza"], scale=0.5).boxed()[0]
    image, (box,) = item.load()
    assert image.shape == (12, 16, 3)
    assert (box.x1, box.y1, box.x2, box.y2) == (1, 2, 3, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": "4-2"}, "are no range"),
        ({"frames": "all"}, "are no range"),
        ({"frames": "0-2"}, "are no range"),
        (
            {"sequences": ["plaza"], "frames": "2-9"},
            r"plaza does not have all frames 2 to 9: there are 5, 1 to 5",
        ),
        ({"sequences": ["alley"]}, "no sequence 'alley'.*there are plaza, street"),
        ({"scale": 0}, "scale 0 is not possible"),
    ],
)
def test_mistakes_in_the_call_are_named(root: Path, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_mot(root, **options)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2,3", "line 1: 3 columns"),
        ("1,7,a,5,4,10,1,-1,-1,-1", "line 1: could not convert"),
        ("1,7,3,5,0,10,1,-1,-1,-1", "a box of 0.0 by 10.0 pixels"),
    ],
)
def test_lines_that_cannot_be_read_are_named(root: Path, row: str, message: str) -> None:
    (root / "plaza" / "gt" / "gt.txt").write_text(row)
    with pytest.raises(DatasetError, match=message):
        open_mot(root)


def test_what_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="mot needs the folder it lies in"):
        open_mot(None)
    (root / "plaza" / "img1").rename(root / "elsewhere")
    with pytest.raises(DatasetError, match="no frames of plaza"):
        open_mot(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no sequence in"):
        open_mot(tmp_path / "empty")
