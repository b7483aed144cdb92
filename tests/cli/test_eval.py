"""``saccade eval``: scores against figures computed by hand, and everything printed is in the JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.cli import main
from saccade.datasets.world import write_cityscapes_tree
from saccade.evaluation.protocols import PROTOCOLS

CPU = ("--device", "cpu", "--precision", "fp32")
SKY, BUILDING, VOID = 0, 1, 11


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Two frames of 8 x 16, left half white, right half black; labels as in ``test_scores_...``."""
    root = tmp_path / "camvid"
    (root / "val").mkdir(parents=True)
    (root / "valannot").mkdir()
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, :8] = 255
    right = np.repeat([[SKY] * 8 + [BUILDING] * 8], 8, axis=0).astype(np.uint8)
    half_wrong = right.copy()
    half_wrong[4:, 8:] = SKY  # 32 dark pixels that the network calls building
    half_wrong[0, :8] = VOID  # 8 bright pixels that do not count
    for number, label in ((7959, right), (7961, half_wrong)):
        Image.fromarray(image).save(root / "val" / f"0016E5_{number:05d}.png")
        Image.fromarray(label).save(root / "valannot" / f"0016E5_{number:05d}.png")
    return root


def test_scores_are_those_computed_by_hand(tmp_path, camvid, network, capsys):
    out = tmp_path / "new" / "x.json"
    assert (
        main(["eval", "camvid", "--root", str(camvid), "--json", str(out), "--network", network, *CPU]) == 0
    )
    row = json.loads(out.read_text())
    # Sky: 64 + 56 right, 32 missed. Building: 64 + 32 right, 32 too many. Nothing else is there.
    sky, building = 120 / 152, 96 / 128
    assert row["iou_per_class"]["sky"] == pytest.approx(sky)
    assert row["iou_per_class"]["building"] == pytest.approx(building)
    assert row["iou_per_class"]["car"] is None
    assert row["miou"] == pytest.approx((sky + building) / 2)
    assert row["pixel_accuracy"] == pytest.approx(216 / 248)
    assert (row["dataset"], row["split"], row["frames"], row["labelled_frames"]) == ("camvid", "val", 2, 2)
    captured = capsys.readouterr()
    assert f"wrote {out}" in captured.out
    assert captured.err == ""


def test_everything_printed_is_in_the_json(tmp_path, camvid, network, capsys):
    out = tmp_path / "x.json"
    assert (
        main(["eval", "camvid", "--root", str(camvid), "--json", str(out), "--network", network, *CPU]) == 0
    )
    row = json.loads(out.read_text())
    text = capsys.readouterr().out
    flat = " ".join(text.split())
    assert f"mIoU {row['miou']:.4f} over {row['labelled_frames']} labelled frames" in flat
    assert f"pixel accuracy {row['pixel_accuracy']:.4f}" in flat
    assert (
        f"consistency {row['temporal_consistency']:.4f} along DIS flow, {row['temporal_pairs']} pairs" in flat
    )
    assert f"{100 * row['temporal_pixels']:.1f} % of the pixels" in flat
    assert f"protocol {row['protocol']}" in flat
    assert f"boundary IoU {row['boundary_iou']:.4f}, {row['boundary_width']} pixels wide" in flat
    assert f"flicker {100 * row['flicker']:.2f} % of the pixels that stand still" in flat
    assert f"{100 * row['still_fraction']:.1f} % of all stand still" in flat
    assert row["placement"] in flat
    for name, iou in row["iou_per_class"].items():
        assert re.search(rf"^ +{name} +{'-' if iou is None else f'{iou:.4f}'}\s*$", text, re.MULTILINE)


def test_cityscapes_protocol_with_clips_to_warm_up_on(tmp_path, capsys):
    write_cityscapes_tree(tmp_path / "street", snippets=1, frames=20, size=(16, 32))
    (tmp_path / "street.py").write_text("import torch\nmake = lambda: torch.nn.Conv2d(3, 19, 1)\n")
    out = tmp_path / "x.json"
    words = ["eval", "cityscapes", "--root", str(tmp_path / "street"), "--warmup-clips", "1"]
    words += ["--method", "blockcopy", "--policy", "change", "--target", "0.25", "--block-size", "8"]
    assert main([*words, "--network", f"{tmp_path / 'street.py'}:make", "--json", str(out), *CPU]) == 0
    row = json.loads(out.read_text())
    assert (row["clips"], row["frames"], row["labelled_frames"]) == (1, 20, 1)
    assert (row["warmup_clips"], row["warmup_frames"]) == (1, 20)
    assert row["protocol"] == "blockcopy"
    assert len(row["miou_by_block_age"]) > 1
    executed, later = row["executed_fraction"], row["executed_fraction_without_first"]
    assert later == pytest.approx(0.25, abs=0.01)
    assert executed == pytest.approx((1 + 19 * later) / 20)
    assert row["gmacs"]["network"] == pytest.approx(row["gmacs"]["dense"] * executed, rel=0.01)
    without = row["gmacs_without_first"]
    assert without["network"] == pytest.approx(without["dense"] * later, rel=0.01)
    text = " ".join(capsys.readouterr().out.split())
    assert "20 of 16x32 (height x width); before them 20 in 1 clips to warm up" in text
    assert f"{100 * executed:.1f} % computed, {100 * later:.1f} % without first frames" in text


def test_the_world_needs_no_root_and_takes_options(tmp_path, network, capsys):
    out = tmp_path / "x.json"
    words = ["eval", "world", "--data", "clips=2", "frames=3", "size=[24, 40]", "--max-frames", "5"]
    assert main([*words, "--json", str(out), "--network", network, *CPU]) == 0
    row = json.loads(out.read_text())
    assert (row["frames"], row["height"], row["width"], row["temporal_flow"]) == (5, 24, 40, "exact")
    assert row["temporal_pairs"] == 3  # frames 0-1-2 of the first clip, 0-1 of the second
    assert "along the exact flow" in capsys.readouterr().out


def test_size_is_that_of_the_network_and_not_of_the_labels(tmp_path, camvid, network):
    out = tmp_path / "x.json"
    words = ["eval", "camvid", "--root", str(camvid), "--json", str(out), "--size", "16x32"]
    assert main([*words, "--network", network, *CPU]) == 0
    row = json.loads(out.read_text())
    assert (row["height"], row["width"]) == (16, 32)
    assert row["pixel_accuracy"] == pytest.approx(216 / 248)


def test_protocols_are_named_options(tmp_path, camvid, network, capsys):
    out = tmp_path / "x.json"
    words = ["eval", "camvid", "--root", str(camvid), "--json", str(out), "--network", network, *CPU]
    assert main(words) == 0
    plain = json.loads(out.read_text())
    assert main([*words, "--protocol", "gsvnet-avg"]) == 0
    row = json.loads(out.read_text())
    assert (plain["protocol"], row["protocol"]) == ("clip", "gsvnet-avg")
    assert row["miou"] == plain["miou"]  # every frame is a keyframe
    assert row["temporal_consistency"] is None
    capsys.readouterr()
    assert main(["eval", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in PROTOCOLS)


def test_protocols_that_cannot_be_followed_are_refused_before_the_network_is_loaded(camvid, capsys):
    words = ["eval", "camvid", "--root", str(camvid), "--network", "/nowhere.py:make"]
    assert main([*words, "--protocol", "dff", "--method", "blockcopy"]) == 2
    assert "method blockcopy has no keyframe interval" in capsys.readouterr().err
    assert main([*words, "--protocol", "acel-avg"]) == 2
    assert "did you mean 'accel-avg'" in capsys.readouterr().err


def larger_label(root: Path) -> None:
    Image.fromarray(np.zeros((8, 18), np.uint8)).save(root / "valannot" / "0016E5_07959.png")


def unknown_class(root: Path) -> None:
    Image.fromarray(np.full((8, 16), 77, np.uint8)).save(root / "valannot" / "0016E5_07959.png")


def missing_label(root: Path) -> None:
    (root / "valannot" / "0016E5_07959.png").unlink()


def damaged_frame(root: Path) -> None:
    (root / "val" / "0016E5_07959.png").write_bytes(b"\x89PNG\r\n\x1a\nno")


@pytest.mark.parametrize("spoil", [larger_label, unknown_class, missing_label, damaged_frame])
def test_labels_that_do_not_fit_are_named_and_nothing_is_written(tmp_path, camvid, network, spoil, capsys):
    spoil(camvid)
    out = tmp_path / "x.json"
    assert (
        main(["eval", "camvid", "--root", str(camvid), "--json", str(out), "--network", network, *CPU]) == 2
    )
    error = capsys.readouterr().err
    assert "0016E5_07959" in error
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["eval"],
        ["eval", "nope"],
        ["eval", "camvid"],
        ["eval", "camvid", "--root", "/nowhere"],
        ["eval", "camvid", "--root", "ROOT", "--split", "night"],
        ["eval", "camvid", "--root", "ROOT", "--data", "clips=2"],
        ["eval", "camvid", "--root", "ROOT", "--max-frames", "0"],
        ["eval", "camvid", "--root", "ROOT", "--warmup-clips", "1"],  # there is no split train
        ["eval", "camvid", "--root", "ROOT", "--warmup-clips", "-1"],
        ["eval", "camvid", "--root", "ROOT", "--json", "/proc/x.json"],
        ["eval", "camvid", "--root", "ROOT", "--protocol", "blockcopy"],  # clips are too short
        ["eval", "world", "--data", "clips"],
        ["eval", "world", "--data", "clips=[1"],
        ["eval", "world", "--data", "frames=0"],
        ["eval", "world", "--data", "classes=cityscapes"],  # the network has other classes
    ],
    ids=" ".join,
)
def test_mistakes_end_in_one_line_and_exit_code_2(words, camvid, network, capsys):
    words = [str(camvid) if word == "ROOT" else word for word in words]
    assert main([*words, "--network", network, *CPU]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("saccade: ")
    assert captured.err.count("\n") == 1
