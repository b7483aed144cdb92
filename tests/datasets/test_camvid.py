from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.classes import CAMVID, IGNORE
from saccade.datasets.camvid import decoded_frame_number, open_camvid, read_colour_label, split_of
from saccade.errors import DatasetError

# The published palette (label_colors.txt) beside the class each name is merged into.
PALETTE = """
64 128 64 Animal pedestrian
192 0 128 Archway building
0 128 192 Bicyclist bicyclist
0 128 64 Bridge building
128 0 0 Building building
64 0 128 Car car
64 0 192 CartLuggagePram pedestrian
192 128 64 Child pedestrian
192 192 128 Column_Pole pole
64 64 128 Fence fence
128 0 192 LaneMkgsDriv road
192 0 64 LaneMkgsNonDriv road
128 128 64 Misc_Text sign
192 0 192 MotorcycleScooter bicyclist
128 64 64 OtherMoving car
64 192 128 ParkingBlock sidewalk
64 64 0 Pedestrian pedestrian
128 64 128 Road road
128 128 192 RoadShoulder sidewalk
0 0 192 Sidewalk sidewalk
192 128 128 SignSymbol sign
128 128 128 Sky sky
64 128 192 SUVPickupTruck car
0 0 64 TrafficCone pole
0 64 64 TrafficLight sign
192 64 128 Train car
128 128 0 Tree tree
192 128 192 Truck_Bus car
64 0 64 Tunnel building
192 192 0 VegetationMisc tree
0 0 0 Void void
64 192 0 Wall building
"""


def write(path: Path, pixels: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def grey_frame(value: int, height: int = 4, width: int = 6) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def segnet(root: Path, split: str, names: list[str], suffix: str = ".png") -> None:
    """Frame i is grey of value 10 i; its label has id i % 12 everywhere."""
    for i, name in enumerate(names):
        write(root / split / f"{name}{suffix}", grey_frame(10 * i))
        write(root / f"{split}annot" / f"{name}.png", np.full((4, 6), i % 12))


def original(root: Path, names: list[str], frames: str = "701_StillsRaw_full") -> None:
    """All frames are road on the left half and wall (merged into building) on the right."""
    label = np.zeros((4, 6, 3), np.uint8)
    label[:, :3], label[:, 3:] = (128, 64, 128), (64, 192, 0)
    for name in names:
        write(root / frames / f"{name}.png", grey_frame(7))
        write(root / "LabeledApproved_full" / f"{name}_L.png", label)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_segnet_val_is_one_15_hz_clip_with_a_label_on_every_frame(tmp_path: Path, suffix: str) -> None:
    segnet(tmp_path, "val", [f"0016E5_{n:05d}" for n in range(7959, 7983, 2)], suffix)
    dataset = open_camvid(tmp_path, "val")
    (clip,) = dataset.clips()
    assert (dataset.name, dataset.split, dataset.classes) == ("camvid", "val", CAMVID)
    assert (clip.name, clip.fps, len(clip)) == ("0016E5_07959", 15.0, 12)
    for _ in range(2):  # may be repeated
        samples = list(clip)
        assert [s.frame.index for s in samples] == list(range(12))
        assert [round(s.frame.timestamp * 15) for s in samples] == list(range(12))
        assert {s.frame.source for s in samples} == {str(tmp_path)}
        for i, sample in enumerate(samples):
            image = sample.frame.image
            assert image.shape == (4, 6, 3)
            assert image.dtype == np.uint8
            assert image.flags.c_contiguous
            assert abs(int(image.mean()) - 10 * i) <= 1  # JPEG may be off by one
            assert sample.label is not None
            assert sample.label.dtype == np.uint8
            assert (sample.label == (IGNORE if i == 11 else i)).all()


def test_labelled_gives_every_frame_with_its_own_label_also_in_another_process(tmp_path: Path) -> None:
    segnet(tmp_path, "train", ["0001TP_006690", "0001TP_006720", "0006R0_f00930"])
    labelled = pickle.loads(pickle.dumps(open_camvid(tmp_path, "train").labelled()))
    assert [item.name for item in labelled] == ["0001TP_006690", "0001TP_006720", "0006R0_f00930"]
    for i, item in enumerate(labelled):
        image, label = item.load()
        assert (image == 10 * i).all()
        assert (label == i).all()


def test_frames_a_second_apart_are_clips_of_one(tmp_path: Path) -> None:
    segnet(tmp_path, "train", ["0016E5_00390", "0016E5_00420", "0016E5_08190"])
    dataset = open_camvid(tmp_path, "train")
    assert [len(clip) for clip in dataset.clips()] == [1, 1, 1]
    assert [clip.fps for clip in dataset.clips()] == [30.0] * 3
    assert len(dataset.labelled()) == 3


def test_a_clip_ends_where_the_id_step_or_the_sequence_changes(tmp_path: Path) -> None:
    names = [f"0016E5_{n:05d}" for n in (1, 3, 5, 6, 7, 9, 12)] + ["0006R0_f00012", "0006R0_f00014"]
    segnet(tmp_path, "train", names)
    clips = [([s.name for s in clip.stills], clip.fps) for clip in open_camvid(tmp_path, "train").clips()]
    assert clips == [
        (["0006R0_f00012", "0006R0_f00014"], 15.0),
        (["0016E5_00001", "0016E5_00003", "0016E5_00005"], 15.0),
        (["0016E5_00006", "0016E5_00007"], 30.0),
        (["0016E5_00009"], 30.0),
        (["0016E5_00012"], 30.0),
    ]


def test_frames_of_unknown_sequences_have_no_neighbours(tmp_path: Path) -> None:
    segnet(tmp_path, "train", ["train_00001", "train_00002", "holiday"])
    assert [len(clip) for clip in open_camvid(tmp_path, "train").clips()] == [1, 1, 1]


def test_split_ranges_reproduce_the_published_counts() -> None:
    ids = (
        [("0001TP", n) for n in range(6690, 10381, 30)]
        + [("0006R0", n) for n in range(930, 3931, 30)]
        + [("Seq05VD", n) for n in range(0, 5101, 30)]
        + [("0016E5", n) for n in range(7959, 8160, 2)]
        + [("0016E5", n) for n in (390, 870, 901, 2400, 4350, 7920, 8190, 8640)]
    )
    counts = Counter((split_of(*i), i[0]) for i in ids)
    assert counts == {
        ("train", "0001TP"): 62, ("test", "0001TP"): 62, ("train", "0006R0"): 101,
        ("test", "Seq05VD"): 171, ("val", "0016E5"): 101, ("train", "0016E5"): 8,
    }  # fmt: skip


def test_original_labels_merge_32_colours_into_11_classes(tmp_path: Path) -> None:
    rows = [line.split() for line in PALETTE.split("\n") if line]
    assert len(rows) == 32
    write(tmp_path / "x_L.png", [[[int(c) for c in row[:3]] for row in rows]])
    label = read_colour_label(tmp_path / "x_L.png")
    named = ["void" if i == IGNORE else CAMVID.names[i] for i in label[0]]
    assert named == [row[4] for row in rows]


@pytest.mark.parametrize("frames", ["701_StillsRaw_full", "rgb"])
def test_original_layout_is_split_by_sequence_and_id(tmp_path: Path, frames: str) -> None:
    names = [
        "0001TP_008520",
        "0001TP_008550",
        "0016E5_07920",
        "0016E5_07959",
        "0016E5_07961",
        "Seq05VD_f00000",
    ]
    original(tmp_path, names, frames)
    (tmp_path / "readme").mkdir()
    found = {s: [item.name for item in open_camvid(tmp_path, s).labelled()] for s in ("train", "val", "test")}
    assert found == {
        "train": ["0001TP_008520", "0016E5_07920"],
        "val": ["0016E5_07959", "0016E5_07961"],
        "test": ["0001TP_008550", "Seq05VD_f00000"],
    }
    (clip,) = open_camvid(tmp_path).clips()
    assert (len(clip), clip.fps) == (2, 15.0)
    image, label = open_camvid(tmp_path).labelled()[0].load()
    assert (image == 7).all()
    assert (label[:, :3] == CAMVID.names.index("road")).all()
    assert (label[:, 3:] == CAMVID.names.index("building")).all()


def test_original_layout_follows_a_list_where_there_is_one(tmp_path: Path) -> None:
    original(tmp_path, ["0001TP_008520", "0001TP_008550", "0016E5_07920"])
    (tmp_path / "train.txt").write_text(
        "/SegNet/CamVid/train/0001TP_008550.png /SegNet/CamVid/trainannot/0001TP_008550.png\n"
        "/SegNet/CamVid/train/0016E5_07920.png /SegNet/CamVid/trainannot/0016E5_07920.png\n"
    )
    assert [item.name for item in open_camvid(tmp_path, "train").labelled()] == [
        "0001TP_008550",
        "0016E5_07920",
    ]
    (tmp_path / "val.txt").write_text("0016E5_07959\n")
    with pytest.raises(DatasetError, match="no label for: 0016E5_07959"):
        open_camvid(tmp_path, "val")


def test_original_frames_of_unknown_sequences_need_a_list(tmp_path: Path) -> None:
    original(tmp_path, ["0016E5_07959", "mine_001"])
    with pytest.raises(DatasetError, match=r"no known sequence.*val\.txt.*: mine_001"):
        open_camvid(tmp_path)


def test_one_error_names_every_missing_and_mismatched_file(tmp_path: Path) -> None:
    segnet(tmp_path, "val", [f"0016E5_{n:05d}" for n in (7959, 7961, 7963, 7965)])
    (tmp_path / "val/0016E5_07959.png").unlink()
    (tmp_path / "valannot/0016E5_07961.png").unlink()
    write(tmp_path / "valannot/0016E5_07963.png", np.zeros((2, 3)))
    (tmp_path / "val/0016E5_07965.png").write_text("not a picture")
    with pytest.raises(DatasetError) as caught:
        open_camvid(tmp_path)
    message = str(caught.value)
    assert "problems with 4 files" in message
    assert "no frame for: valannot/0016E5_07959.png" in message
    assert "no label for: val/0016E5_07961.png" in message
    assert "label of another size than its frame: valannot/0016E5_07963.png (3x2, frame 6x4)" in message
    assert "not readable as an image: val/0016E5_07965.png" in message
    assert "\n" not in message


def test_more_than_20_files_are_counted(tmp_path: Path) -> None:
    for n in range(50):
        write(tmp_path / f"val/0016E5_{n:05d}.png", grey_frame(0))
    (tmp_path / "valannot").mkdir()
    with pytest.raises(DatasetError, match="problems with 50 files") as caught:
        open_camvid(tmp_path)
    assert str(caught.value).count("val/0016E5_") == 20
    assert "and 30 more" in str(caught.value)


def test_an_original_frame_without_label_is_named(tmp_path: Path) -> None:
    original(tmp_path, ["0016E5_07959", "0016E5_07961"])
    (tmp_path / "701_StillsRaw_full/0016E5_07961.png").unlink()
    with pytest.raises(DatasetError, match=r"no frame for: LabeledApproved_full/0016E5_07961_L\.png"):
        open_camvid(tmp_path)


def test_two_images_of_one_name_are_an_error(tmp_path: Path) -> None:
    segnet(tmp_path, "val", ["0016E5_07959"])
    write(tmp_path / "val/0016E5_07959.jpg", grey_frame(0))
    with pytest.raises(
        DatasetError, match=r"second image beside val/0016E5_07959\.jpg: val/0016E5_07959\.png"
    ):
        open_camvid(tmp_path)


def test_unknown_ids_are_named_with_the_file(tmp_path: Path) -> None:
    segnet(tmp_path, "val", ["0016E5_07959", "0016E5_07961"])
    write(tmp_path / "valannot/0016E5_07961.png", [[0, 12, 11, 10, 255, 200]] * 4)
    dataset = open_camvid(tmp_path)
    with pytest.raises(
        DatasetError, match=r"0016E5_07961\.png has unknown class ids 12, 200; expected 0\.\.10"
    ):
        dataset.labelled()[1].load()
    samples = iter(dataset.clips()[0])
    assert next(samples).frame.index == 0  # frames are read one by one
    with pytest.raises(DatasetError, match="unknown class ids 12, 200"):
        next(samples)


def test_colours_outside_the_palette_are_named_with_the_file(tmp_path: Path) -> None:
    write(tmp_path / "a_L.png", [[[128, 64, 128], [129, 64, 128], [0, 192, 0]]])
    with pytest.raises(
        DatasetError, match=r"a_L\.png has 2 colours .*\(0, 192, 0\), \(129, 64, 128\) \(2 pixels\)"
    ):
        read_colour_label(tmp_path / "a_L.png")


def test_an_id_label_in_place_of_a_colour_label_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a_L.png", np.zeros((2, 2)))
    with pytest.raises(DatasetError, match="mode L; expected CamVid's colour labels"):
        read_colour_label(tmp_path / "a_L.png")


def test_a_colour_label_in_place_of_an_id_label_is_an_error(tmp_path: Path) -> None:
    segnet(tmp_path, "val", ["0016E5_07959"])
    write(tmp_path / "valannot/0016E5_07959.png", grey_frame(128))
    with pytest.raises(DatasetError, match="mode RGB; expected one 8-bit channel of class ids"):
        open_camvid(tmp_path).labelled()[0].load()


def test_a_missing_split_says_what_was_expected_and_found(tmp_path: Path) -> None:
    segnet(tmp_path, "train", ["0001TP_006690"])
    with pytest.raises(
        DatasetError, match=r"no split 'val' in .*LabeledApproved_full.*found train/, trainannot/"
    ):
        open_camvid(tmp_path, "val")


@pytest.mark.parametrize("split", ["train", "dev"])
def test_an_empty_folder_has_no_split(tmp_path: Path, split: str) -> None:
    with pytest.raises(DatasetError, match=f"no split '{split}'.*found an empty folder"):
        open_camvid(tmp_path, split)


def test_empty_split_folders_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    (tmp_path / "valannot").mkdir()
    with pytest.raises(DatasetError, match=r"no split 'val'.*expected frames"):
        open_camvid(tmp_path)


def test_decoded_frame_numbers_follow_the_published_lists() -> None:
    assert decoded_frame_number("0001TP_006690") == 30
    assert decoded_frame_number("0006R0_f00930") == 931
    assert decoded_frame_number("0016E5_07959") == 7960
    assert decoded_frame_number("Seq05VD_f00000") == 1
    with pytest.raises(DatasetError, match="not a CamVid frame"):
        decoded_frame_number("frame_0001")
