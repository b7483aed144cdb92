"""``saccade demo``: a video and figures from nothing."""

from __future__ import annotations

import json
from pathlib import Path

from saccade.cli import main
from saccade.cli.demo import program
from saccade.video import open_video


def test_demo_writes_a_video_and_a_row_with_its_accuracy(tmp_path, capsys):
    folder = tmp_path / "out"
    assert main(["demo", "-o", str(folder), "--frames", "2"]) == 0
    frames = list(open_video(folder / "demo.mp4"))
    assert len(frames) == 2
    height, width = frames[0].image.shape[:2]
    # Of the street on the left three quarters are kept, which is drawn darker than on the right.
    left, right = frames[1].image[:, : width // 2], frames[1].image[:, width // 2 :]
    assert left.mean() < right.mean() - 0.5
    assert abs(left.astype(int) - right).mean() > 2
    figures = json.loads((folder / "demo.json").read_text())
    assert figures["schema"] == 1
    row, by_blocks = figures["rows"]
    assert row["method"] == "frame"
    assert (by_blocks["method"], by_blocks["config"]["target"]) == ("blockcopy", 0.25)
    assert by_blocks["executed_fraction_without_first"] < 0.4
    assert 0 <= by_blocks["miou"] <= 1
    assert (row["frames"], row["height"], row["width"]) == (2, height, width // 2)
    assert 0 <= row["miou"] <= 1
    assert row["dataset"] == "world"
    text = capsys.readouterr().out
    assert f"mIoU            {row['miou']:.4f}" in text
    assert f"{by_blocks['miou']:.4f}" in text
    for name in ("demo.mp4", "demo.json", "saccade run"):
        assert name in text


def test_demo_into_a_place_that_cannot_be_written(capsys):
    assert main(["demo", "-o", "/proc/out", "--frames", "1"]) == 2
    assert "cannot write /proc/out" in capsys.readouterr().err


def test_the_command_that_is_named_can_be_typed(tmp_path, monkeypatch):
    own = tmp_path / ".venv" / "bin" / "saccade"
    own.parent.mkdir(parents=True)
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(own), "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == str(Path(".venv/bin/saccade"))
    monkeypatch.setenv("PATH", str(own.parent))
    assert program() == "saccade"
    monkeypatch.setattr("sys.argv", ["pytest"])
    assert program() == "saccade"
