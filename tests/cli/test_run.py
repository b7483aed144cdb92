"""``saccade run``: what it writes, what it prints, and how it ends."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.cli import main, summary
from saccade.cli.progress import StepProgress
from saccade.errors import OutputError
from saccade.evaluation.record import Record
from saccade.video import open_video

CPU = ("--device", "cpu", "--precision", "fp32")


def frames_in(path: Path) -> int:
    return len(list(open_video(path)))


def test_labels_video_and_figures_of_one_source(tmp_path, network, make_video, capsys):
    video, out, labels, stats = (
        make_video(),
        tmp_path / "o" / "a.mp4",
        tmp_path / "l",
        tmp_path / "s" / "a.json",
    )
    words = ["run", str(video), "-o", str(out), "--labels", str(labels), "--stats", str(stats), *CPU]
    assert main([*words, "--network", network, "--seed", "7"]) == 0
    assert frames_in(out) == 4
    for i in range(4):
        label = np.asarray(Image.open(labels / f"{i:06d}.png"))
        assert label.shape == (32, 64)
        edge = 8 * (i + 1)
        assert (label[:, : edge - 2] == 0).all()
        assert (label[:, edge + 2 :] == 1).all()
    row = json.loads(stats.read_text())
    assert row["method"] == "frame"
    assert row["network"] == network
    assert (row["frames"], row["height"], row["width"], row["seed"]) == (4, 32, 64, 7)
    assert row["gmacs"]["mean"] == pytest.approx(32 * 64 * 3 * 11 / 1e9)
    assert row["outputs"] == [str(out), str(labels)]
    captured = capsys.readouterr()
    for path in (out, labels, stats):
        assert f"wrote {path}" in captured.out
    assert "\x1b" not in captured.out
    assert captured.err == ""  # no progress bar where nobody looks


def test_figures_printed_are_those_of_the_json(tmp_path, network, make_video, capsys):
    stats = tmp_path / "a.json"
    assert main(["run", str(make_video()), "--stats", str(stats), "--network", network, *CPU]) == 0
    row, text = json.loads(stats.read_text()), " ".join(capsys.readouterr().out.split())
    assert row["placement"] in text
    printed = {word for word in text.replace(";", " ").split() if word[0].isdigit()}
    for value in (row["fps"], row["fps_with_io"], row["latency_ms"]["mean"], row["latency_ms"]["max"]):
        assert (f"{value:.0f}" if value >= 100 else f"{value:.3g}") in printed
    assert "6.76e-05 GMACs" in text or "0.0000676 GMACs" in text


def test_without_output_it_still_measures_and_says_how_to_save(network, make_video, capsys):
    assert main(["run", str(make_video()), "--network", network, *CPU]) == 0
    text = capsys.readouterr().out
    assert "4 of 32x64" in text
    assert "-o OUT.mp4" in text


def test_several_sources_have_a_video_and_a_folder_each(tmp_path, network, make_video, capsys):
    sources = [str(make_video("a.mp4", 2)), str(make_video("b.mp4", 3))]
    words = ["run", *sources, "-o", str(tmp_path / "out.mp4"), "--labels", str(tmp_path / "labels")]
    assert main([*words, "--network", network, *CPU]) == 0
    assert frames_in(tmp_path / "out-a.mp4") == 2
    assert frames_in(tmp_path / "out-b.mp4") == 3
    assert len(list((tmp_path / "labels" / "b").iterdir())) == 3
    assert "2 streams side by side" in capsys.readouterr().out


def test_the_world_is_a_source_and_options_reach_it(tmp_path, network):
    words = ["run", "world:3", "--size", "24x40", "--max-frames", "2", "-o", str(tmp_path / "w.mp4")]
    assert main([*words, "--network", network, *CPU]) == 0
    frames = list(open_video(tmp_path / "w.mp4"))
    assert len(frames) == 2
    assert frames[0].image.shape == (24, 40, 3)


@pytest.mark.parametrize("mode", ["L", "RGBA", "1", "P"])
def test_images_of_any_kind_and_of_one_pixel_are_frames(tmp_path, network, mode):
    (tmp_path / "frames").mkdir()
    for i in range(2):
        Image.new("RGB", (1, 1), (255, 255, 255)).convert(mode).save(tmp_path / "frames" / f"{i}.png")
    words = ["run", str(tmp_path / "frames"), "-o", str(tmp_path / "o.mp4"), "--labels", str(tmp_path / "l")]
    assert main([*words, "--network", network, *CPU]) == 0
    assert np.asarray(Image.open(tmp_path / "l" / "000001.png")).tolist() == [[0]]


def test_the_policy_that_ran_is_said_where_the_user_left_it_to_the_method(
    tmp_path, network, make_video, capsys
):
    stats = tmp_path / "a.json"
    words = ["run", str(make_video()), "--stats", str(stats), "--network", network, *CPU]
    for method, policy, asked, found in (
        ("segblocks", (), "auto", "heuristic"),
        ("segblocks", ("--policy", "middle"), "middle", "middle"),
        ("blockcopy", ("--policy", "change"), "change", "change"),
    ):
        assert main([*words, "--method", method, "--block-size", "16", *policy]) == 0
        row, text = json.loads(stats.read_text()), " ".join(capsys.readouterr().out.split())
        assert (row["config"]["policy"], row["policy"]) == (asked, found)
        assert (f"policy {asked} ({found})" if asked != found else f"policy {asked}, ") in text


def test_compare_times_the_dense_network_and_counts_equal_pixels(tmp_path, network, make_video, monkeypatch):
    # Compiling takes a minute and is tested where it is done.
    monkeypatch.setattr("saccade.methods.frame.compile_dense", lambda module: module)
    stats = tmp_path / "a.json"
    words = ["run", str(make_video()), "--compare", "--stats", str(stats), "--network", network, *CPU]
    assert main(words) == 0
    row = json.loads(stats.read_text())
    assert row["agreement_with_dense"] == 1
    assert row["speedup_vs_dense_best"] == pytest.approx(row["dense_best_ms"] / row["latency_ms"]["mean"])


def test_compare_shows_both_side_by_side_in_the_video(tmp_path, network, make_video, monkeypatch):
    monkeypatch.setattr("saccade.methods.frame.compile_dense", lambda module: module)
    out = tmp_path / "o.mp4"
    assert main(["run", str(make_video()), "--compare", "-o", str(out), "--network", network, *CPU]) == 0
    frames = list(open_video(out))
    assert [frame.image.shape for frame in frames] == [(32, 128, 3)] * 4
    for frame in frames:  # the network frame by frame, beside itself
        left, right = frame.image[:, 1:63].astype(int), frame.image[:, 65:127].astype(int)
        assert np.abs(left - right).mean() < 4


def test_a_timeline_is_printed_and_in_the_figures(tmp_path, network, make_video, capsys, monkeypatch):
    stats = tmp_path / "a.json"
    words = ["run", str(make_video(frames=12)), "--stats", str(stats), "--network", network, *CPU]
    assert main(words) == 0
    timeline = json.loads(stats.read_text())["timeline"]
    assert timeline["frames_per_point"] == 1
    assert timeline["latency_ms"][:2] == [None, None]
    assert all(ms > 0 for ms in timeline["latency_ms"][2:])
    assert timeline["executed_fraction"] is timeline["agreement_with_dense"] is None
    text = capsys.readouterr().out
    course = text.partition("over time, a column per frame\n")[2].splitlines()[0]
    assert course.lstrip().startswith("latency")
    # Two frames of warm-up, then a bar for each, the highest for the slowest.
    bars = course.removeprefix("  latency").strip().partition("  ")[0]
    assert len(bars) == 10
    assert bars[int(np.argmax(timeline["latency_ms"][2:]))] == "█"
    assert "\n  blocks" not in text


def test_timeline_of_a_run_with_blocks(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    timeline = {
        "frames_per_point": 3,
        "executed_fraction": [1.0] + [0.25] * 99,
        "latency_ms": [None, None] + [20.0] * 97 + [40.0],
        "agreement_with_dense": [1.0] * 50 + [0.9] * 50,
    }
    summary._print_timeline(timeline)
    title, *lines = capsys.readouterr().out.strip().splitlines()
    assert title == "over time, 6 frames per column"
    rows = [[part.strip() for part in line.strip().split("  ") if part.strip()] for line in lines]
    assert rows == [
        ["blocks", "▆" + "▃" * 49, "25.0 to 100.0 %"],
        ["latency", "▅" * 48 + "▇", "20 to 40 ms"],
        ["equal pixels", "█" * 25 + "▁" * 25, "90.0 to 100.0 %"],
    ]


def test_a_short_run_has_no_timeline(capsys):
    summary._print_timeline(
        {
            "frames_per_point": 1,
            "executed_fraction": None,
            "latency_ms": [1.0] * 7,
            "agreement_with_dense": None,
        }
    )
    assert capsys.readouterr().out == ""


def test_truncated_video_is_segmented_up_to_the_damage_with_a_note(tmp_path, network, make_video, capsys):
    video, out = make_video(frames=40), tmp_path / "out.mp4"
    data = video.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data)
    whole = frames_in(video)
    # Damage in the middle: the index at the end stays.
    middle = slice(len(data) // 3, len(data) // 2)
    (tmp_path / "cut.mp4").write_bytes(
        data[: middle.start] + bytes(middle.stop - middle.start) + data[middle.stop :]
    )
    assert main(["run", str(tmp_path / "cut.mp4"), "-o", str(out), "--network", network, *CPU]) == 0
    assert 1 < frames_in(out) < whole
    error = capsys.readouterr().err
    assert "saccade: note:" in error
    assert "cut.mp4" in error


BAD_CALLS = {
    "no source": ["run"],
    "missing file": ["run", "none.mp4"],
    "text as video": ["run", "text.mp4"],
    "empty file": ["run", "empty.mp4"],
    "empty folder": ["run", "folder"],
    "no match": ["run", "folder/*.png"],
    "no such camera name": ["run", "camera:front"],
    "no such world": ["run", "world:street"],
    "negative frames": ["run", "in.mp4", "--max-frames", "-3"],
    "no frames": ["run", "in.mp4", "--max-frames", "0"],
    "part of a frame": ["run", "in.mp4", "--max-frames", "1.5"],
    "no size": ["run", "in.mp4", "--size", "0x5"],
    "scale below zero": ["run", "in.mp4", "--scale", "-1"],
    "scale not a number": ["run", "in.mp4", "--scale", "nan"],
    "size and scale": ["run", "in.mp4", "--scale", "2", "--size", "8x8"],
    "unknown option": ["run", "in.mp4", "--max-frame", "3"],
    "option without value": ["run", "in.mp4", "--labels"],
    "unknown method": ["run", "in.mp4", "--method", "nope"],
    "unknown network": ["run", "in.mp4", "--network", "nope"],
    "unknown weights": ["run", "in.mp4", "--weights", "nope"],
    "unknown device": ["run", "in.mp4", "--device", "abacus"],
    "unknown precision": ["run", "in.mp4", "--precision", "fp8"],
    "noise as weights": ["run", "in.mp4", "--weights", "noise.safetensors"],
    "code as weights": ["run", "in.mp4", "--weights", "code.pth"],
    "output of unknown format": ["run", "in.mp4", "-o", "out.gif"],
    "output where nothing can be": ["run", "in.mp4", "-o", "/proc/x.mp4"],
    "labels where nothing can be": ["run", "in.mp4", "--labels", "/proc/labels"],
    "figures where nothing can be": ["run", "in.mp4", "--stats", "/proc/x.json"],
    "figures onto a folder": ["run", "in.mp4", "--stats", "folder"],
    "labels onto a file": ["run", "in.mp4", "--labels", "in.mp4"],
    "output onto the source": ["run", "in.mp4", "-o", "in.mp4"],
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_mistakes_end_in_one_line_and_exit_code_2(case, tmp_path, network, make_video, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = make_video().read_bytes()
    Path("text.mp4").write_text("not a video")
    Path("empty.mp4").touch()
    Path("folder").mkdir()
    Path("noise.safetensors").write_bytes(np.random.default_rng(0).bytes(4096))
    Path("code.pth").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    words = BAD_CALLS[case]
    named = [] if {"--network", "--weights"} & set(words) else ["--network", network]
    placed = [] if {"--device", "--precision"} & set(words) else CPU
    assert main([*words, *named, *placed]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("saccade: ")
    assert captured.err.count("\n") == 1
    assert len(captured.err) > 40
    assert Path("in.mp4").read_bytes() == source


def test_frames_of_changing_size_need_a_size(tmp_path, network, make_images, capsys):
    white = np.full((8, 12, 3), 255, np.uint8)
    folder = make_images(white, white, white[:4], white)
    out = tmp_path / "o.mp4"
    assert main(["run", str(folder), "-o", str(out), "--network", network, *CPU]) == 2
    assert "8x12 to 4x12" in capsys.readouterr().err
    assert frames_in(out) == 2  # what was finished is kept
    words = ["run", str(folder), "-o", str(out), "--size", "8x12", "--network", network, *CPU]
    assert main(words) == 0
    assert frames_in(out) == 4


def test_full_disk_is_a_clear_line_and_what_was_written_plays(tmp_path, network, make_video, capsys):
    out = tmp_path / "out.mp4"
    words = ["run", str(make_video(frames=60)), "-o", str(out), "--network", network, *CPU]
    assert main(words) == 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (out.stat().st_size // 2, hard))
    capsys.readouterr()
    try:
        assert main(words) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = capsys.readouterr().err
    assert f"cannot write {out}" in error
    assert error.count("\n") == 1
    assert 0 < frames_in(out) < 60


def test_figures_that_cannot_be_saved_are_still_printed(network, make_video, capsys, monkeypatch, tmp_path):
    def fail(self, path):
        raise OutputError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr(Record, "save", fail)
    words = ["run", str(make_video()), "--stats", str(tmp_path / "s.json"), "--network", network, *CPU]
    assert main(words) == 2
    captured = capsys.readouterr()
    assert "frames/s" in captured.out
    assert captured.err == f"saccade: cannot write {tmp_path / 's.json'}: the disk is full\n"


def test_device_without_room_is_a_clear_line(tmp_path, network, make_video, capsys):
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    words = ["run", str(make_video()), "-o", str(tmp_path / "full.mp4"), "--network", network, *CPU]
    assert main(words) == 2
    assert "the disk is full" in capsys.readouterr().err


def test_interruption_keeps_and_names_what_is_finished(tmp_path, network, make_video, capsys, monkeypatch):
    def interrupt(self, doing, done, total):
        if done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(StepProgress, "report", interrupt)
    out, stats = tmp_path / "o.mp4", tmp_path / "s.json"
    words = ["run", str(make_video(frames=8)), "-o", str(out), "--stats", str(stats), "--network", network]
    assert main([*words, *CPU]) == 130
    captured = capsys.readouterr()
    assert captured.err == "saccade: interrupted after 3 frames; what was finished is kept\n"
    assert f"wrote {out}" in captured.out
    assert frames_in(out) == 3
    row = json.loads(stats.read_text())
    assert row["frames"] == 3
    assert row["interrupted"] is True


CONTROL_C = """

class ControlC(Brightness):
    def forward(self, frames):
        if (frames > 0).float().mean() > 0.56:
            import signal
            signal.raise_signal(signal.SIGINT)
        return super().forward(frames)
"""
"""Presses it at the first frame that is mostly bright: the fifth of a video."""

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set background jobs to ignore it
from saccade.cli import main
sys.exit(main())
"""


def test_control_c_ends_the_process_with_130_and_all_that_was_finished(tmp_path, network, make_video):
    file = tmp_path / "brightness.py"
    file.write_text(file.read_text() + CONTROL_C)
    out, labels = tmp_path / "o.mp4", tmp_path / "labels"
    words = ["run", str(make_video(frames=8)), "-o", str(out), "--labels", str(labels), *CPU]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words, "--network", f"{file}:ControlC"],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr == "saccade: interrupted after 4 frames; what was finished is kept\n"
    assert f"wrote {out}" in done.stdout
    assert f"wrote {labels}" in done.stdout
    assert frames_in(out) == 4
    assert sorted(path.name for path in labels.iterdir()) == [f"{i:06d}.png" for i in range(4)]
