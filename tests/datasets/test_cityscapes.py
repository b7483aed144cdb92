from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.classes import CITYSCAPES, IGNORE
from saccade.datasets.cityscapes import open_cityscapes, read_label
from saccade.errors import ConfigError, DatasetError

# (name, label id, train id) of every class of the published label table; 255 is not evaluated.
TABLE = [
    ("unlabeled", 0, 255), ("ego vehicle", 1, 255), ("rectification border", 2, 255), ("out of roi", 3, 255),
    ("static", 4, 255), ("dynamic", 5, 255), ("ground", 6, 255), ("road", 7, 0), ("sidewalk", 8, 1),
    ("parking", 9, 255), ("rail track", 10, 255), ("building", 11, 2), ("wall", 12, 3), ("fence", 13, 4),
    ("guard rail", 14, 255), ("bridge", 15, 255), ("tunnel", 16, 255), ("pole", 17, 5),
    ("polegroup", 18, 255), ("traffic light", 19, 6), ("traffic sign", 20, 7), ("vegetation", 21, 8),
    ("terrain", 22, 9), ("sky", 23, 10), ("person", 24, 11), ("rider", 25, 12), ("car", 26, 13),
    ("truck", 27, 14), ("bus", 28, 15),
    ("caravan", 29, 255), ("trailer", 30, 255), ("train", 31, 16), ("motorcycle", 32, 17),
    ("bicycle", 33, 18),
]  # fmt: skip

SIZE = (4, 8)


def write(path: Path, pixels: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def city(name: str) -> str:
    return name.split("_")[0]


def frame_file(root: Path, folder: str, name: str, suffix: str = ".png") -> Path:
    return root / folder / "val" / city(name) / f"{name}_leftImg8bit{suffix}"


def label_file(root: Path, name: str, kind: str = "labelIds") -> Path:
    return root / "gtFine" / "val" / city(name) / f"{name}_gtFine_{kind}.png"


def write_snippet(root: Path, prefix: str, label_at: int, frames: range, suffix: str = ".png") -> str:
    """A frame of number n is grey of value n % 256; the label is car (26) everywhere."""
    for n in frames:
        name = f"{prefix}_{n:06d}"
        write(frame_file(root, "leftImg8bit_sequence", name, suffix), np.full((*SIZE, 3), n % 256))
    name = f"{prefix}_{label_at:06d}"
    write(frame_file(root, "leftImg8bit", name), np.full((*SIZE, 3), label_at % 256))
    write(label_file(root, name), np.full(SIZE, 26))
    return name


def test_clips_end_on_the_labelled_frame_whatever_its_number(tmp_path: Path) -> None:
    write_snippet(tmp_path, "lindau_000003", 19, range(30))
    write_snippet(tmp_path, "frankfurt_000001", 47561, range(47542, 47572))
    write_snippet(tmp_path, "munster_000000", 19, range(30), ".jpg")
    dataset = open_cityscapes(tmp_path)
    assert (dataset.name, dataset.split, dataset.classes) == ("cityscapes", "val", CITYSCAPES)
    names = [
        "frankfurt/frankfurt_000001_047561",
        "lindau/lindau_000003_000019",
        "munster/munster_000000_000019",
    ]
    assert [clip.name for clip in dataset.clips()] == names
    assert {(len(clip), clip.fps) for clip in dataset.clips()} == {(20, 17.0)}
    for clip, first in zip(dataset.clips(), (47542, 0, 0), strict=True):
        samples = list(clip)
        assert [int(s.frame.image[0, 0, 0]) for s in samples] == [(first + i) % 256 for i in range(20)]
        assert [s.frame.index for s in samples] == list(range(20))
        assert samples[17].frame.timestamp == 1.0
        assert all(s.label is None for s in samples[:-1])
        assert samples[-1].label is not None
        assert (samples[-1].label == 13).all()
    assert [item.name for item in dataset.labelled()] == names
    image, label = dataset.labelled()[1].load()
    assert (image == 19).all()
    assert (label == 13).all()


def test_a_trimmed_tree_needs_only_the_frames_of_the_clips(tmp_path: Path) -> None:
    write_snippet(tmp_path, "frankfurt_000000", 294, range(290, 295))
    (clip,) = open_cityscapes(tmp_path, clip_length=5).clips()
    assert [int(s.frame.image[0, 0, 0]) for s in clip] == [34, 35, 36, 37, 38]  # 290 % 256 = 34
    assert len(open_cityscapes(tmp_path, clip_length=2).clips()[0]) == 2


def test_missing_frames_of_clips_are_named(tmp_path: Path) -> None:
    write_snippet(tmp_path, "frankfurt_000000", 294, range(292, 295))
    frame_file(tmp_path, "leftImg8bit_sequence", "frankfurt_000000_000293").unlink()
    with pytest.raises(DatasetError, match="problems with 3 files") as caught:
        open_cityscapes(tmp_path, clip_length=5)
    missing = re.findall(
        r"leftImg8bit_sequence/val/frankfurt/frankfurt_000000_(\d+)_leftImg8bit\.png", str(caught.value)
    )
    assert missing == ["000293", "000291", "000290"]
    assert "smaller clip_length than 5 or allow_short" in str(caught.value)


def test_allow_short_starts_a_clip_after_the_last_missing_frame(tmp_path: Path) -> None:
    write_snippet(tmp_path, "frankfurt_000000", 294, range(280, 295))
    frame_file(tmp_path, "leftImg8bit_sequence", "frankfurt_000000_000290").unlink()
    (clip,) = open_cityscapes(tmp_path, allow_short=True).clips()
    assert [s.name[-6:] for s in clip.stills] == ["000291", "000292", "000293", "000294"]


def test_frames_before_number_zero_are_missing(tmp_path: Path) -> None:
    write_snippet(tmp_path, "lindau_000003", 19, range(30))
    with pytest.raises(DatasetError, match=r"problems with 1 file;.*lindau_000003_-00001_leftImg8bit"):
        open_cityscapes(tmp_path, clip_length=21)
    assert len(open_cityscapes(tmp_path, clip_length=21, allow_short=True).clips()[0]) == 20


def test_without_snippets_each_labelled_frame_is_a_clip(tmp_path: Path) -> None:
    write_snippet(tmp_path, "lindau_000003", 19, range(0))
    write_snippet(tmp_path, "lindau_000004", 19, range(0))
    dataset = open_cityscapes(tmp_path)
    assert [len(clip) for clip in dataset.clips()] == [1, 1]
    assert [s.label is not None for clip in dataset.clips() for s in clip] == [True, True]
    with pytest.raises(DatasetError, match="lindau_000003_000018_leftImg8bit"):
        open_cityscapes(tmp_path, clip_length=2)


def test_the_labelled_frame_may_lie_in_either_tree(tmp_path: Path) -> None:
    name = write_snippet(tmp_path, "lindau_000003", 19, range(17, 20))
    frame_file(tmp_path, "leftImg8bit", name).unlink()
    assert [int(s.frame.image[0, 0, 0]) for s in open_cityscapes(tmp_path, clip_length=3).clips()[0]] == [
        17,
        18,
        19,
    ]
    name = write_snippet(tmp_path, "lindau_000003", 19, range(17, 20))
    frame_file(tmp_path, "leftImg8bit_sequence", name).unlink()
    assert [int(s.frame.image[0, 0, 0]) for s in open_cityscapes(tmp_path, clip_length=3).clips()[0]] == [
        17,
        18,
        19,
    ]


@pytest.mark.parametrize("clip_length", [0, 31])
def test_clip_length_is_at_most_a_snippet(tmp_path: Path, clip_length: int) -> None:
    write_snippet(tmp_path, "lindau_000003", 19, range(30))
    with pytest.raises(ConfigError, match=rf"clip_length is {clip_length}; expected 1\.\.30"):
        open_cityscapes(tmp_path, clip_length=clip_length)


def test_label_ids_become_train_ids_and_the_file_stays(tmp_path: Path) -> None:
    assert [name for name, _, train in TABLE if train != 255] == list(CITYSCAPES.names)
    path = tmp_path / "a_gtFine_labelIds.png"
    ids = [[i for _, i, _ in TABLE] + [255]]
    write(path, ids)
    assert read_label(path)[0].tolist() == [train for _, _, train in TABLE] + [IGNORE]
    assert np.asarray(Image.open(path)).tolist() == ids


def test_train_id_files_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a_gtFine_labelTrainIds.png"
    write(path, [[*range(19), 255]])
    assert read_label(path)[0].tolist() == [*range(19), IGNORE]
    write(path, [[19, 0, 33]])
    with pytest.raises(DatasetError, match=r"a_gtFine_labelTrainIds\.png has unknown class ids 19, 33"):
        read_label(path)


def test_unknown_label_ids_are_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a_gtFine_labelIds.png"
    write(path, [[7, 34, 200, 255]])
    with pytest.raises(DatasetError, match=r"a_gtFine_labelIds\.png has unknown class ids 34, 200; expected"):
        read_label(path)


def test_label_ids_go_before_train_ids_and_other_files_of_gtfine_are_passed_over(tmp_path: Path) -> None:
    name = write_snippet(tmp_path, "lindau_000003", 19, range(0))
    write(label_file(tmp_path, name, "labelTrainIds"), np.full(SIZE, 5))
    write(label_file(tmp_path, name, "color"), np.zeros((*SIZE, 3)))
    write(label_file(tmp_path, name, "instanceIds"), np.zeros(SIZE))
    assert (open_cityscapes(tmp_path).labelled()[0].load()[1] == 13).all()
    label_file(tmp_path, name).unlink()
    assert (open_cityscapes(tmp_path).labelled()[0].load()[1] == 5).all()


def test_one_error_names_every_missing_and_mismatched_file(tmp_path: Path) -> None:
    names = [write_snippet(tmp_path, f"lindau_{n:06d}", 19, range(0)) for n in range(4)]
    frame_file(tmp_path, "leftImg8bit", names[0]).unlink()
    label_file(tmp_path, names[1]).unlink()
    write(label_file(tmp_path, names[2]), np.zeros((2, 4)))
    write(tmp_path / "leftImg8bit/val/lindau/oddity_leftImg8bit.png", np.zeros((*SIZE, 3)))
    with pytest.raises(DatasetError, match="problems with 4 files") as caught:
        open_cityscapes(tmp_path)
    message = str(caught.value)
    assert "no frame for: gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png" in message
    assert "no label for: leftImg8bit/val/lindau/lindau_000001_000019_leftImg8bit.png" in message
    assert "lindau_000002_000019_gtFine_labelIds.png (4x2, frame 8x4)" in message
    assert "not named <city>_<sequence>_<frame>: leftImg8bit/val/lindau/oddity_leftImg8bit.png" in message


def test_a_missing_split_says_what_was_expected_and_found(tmp_path: Path) -> None:
    write_snippet(tmp_path, "lindau_000003", 19, range(0))
    with pytest.raises(
        DatasetError, match=r"no split 'train' in .*_gtFine_labelIds\.png.*found gtFine/, leftImg8bit/"
    ):
        open_cityscapes(tmp_path, "train")
    with pytest.raises(DatasetError, match="nowhere does not exist; expected a folder with leftImg8bit"):
        open_cityscapes(tmp_path / "nowhere")


def test_a_split_without_labelled_frames_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "gtFine/val").mkdir(parents=True)
    (tmp_path / "leftImg8bit/val").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"expected labelled frames"):
        open_cityscapes(tmp_path)
