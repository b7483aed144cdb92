"""``saccade bench``: a row for each method, the same figures printed and written, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.cli import main
from saccade.cli.progress import StepProgress
from saccade.cli.summary import number

from .conftest import half_bright

CPU = ("--device", "cpu", "--precision", "fp32")
BLOCKS = ("--block-size", "16", "--policy", "change", "--savings", "0")
KEYS = {
    *("latency_ms", "fps", "fps_with_io", "gmacs", "executed_fraction", "executed_fraction_without_first"),
    *("dense_eager_ms", "dense_best_ms", "speedup_vs_dense_eager", "speedup_vs_dense_best", "realised"),
    *("agreement_with_dense", "miou", "miou_min", "temporal_consistency"),
}


@pytest.fixture(autouse=True)
def _compiling_takes_a_minute_and_is_tested_where_it_is_done(monkeypatch):
    monkeypatch.setattr("saccade.methods.frame.compile_dense", lambda module: module)


@pytest.fixture
def frames(make_images) -> Path:
    """Six images of 32 x 64 whose bright part grows by 8 columns."""
    return make_images(*(half_bright(8 * (i + 1)) for i in range(6)))


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Frames of 32 x 64 in CamVid's layout; their label is right for the network, but for a row."""
    root = tmp_path / "camvid"
    for folder in ("train", "trainannot", "val", "valannot"):
        (root / folder).mkdir(parents=True)
    for split, indices in (("val", range(7959, 7967, 2)), ("train", (1, 31))):
        for i, index in enumerate(indices):
            image = half_bright(8 * (i + 1))
            label = (image[:, :, 0] == 0).astype(np.uint8)
            label[0] = 2
            Image.fromarray(image).save(root / split / f"0016E5_{index:05d}.png")
            Image.fromarray(label).save(root / f"{split}annot" / f"0016E5_{index:05d}.png")
    return root


def bench(out: Path, *words: object) -> list[dict]:
    """The rows that a call writes."""
    assert main(["bench", *map(str, words), "--json", str(out), *CPU]) == 0
    found = json.loads(out.read_text())
    assert found["schema"] == 1
    return found["rows"]


def test_rows_have_every_key_and_frame_is_the_first(tmp_path, network, frames):
    rows = bench(tmp_path / "x.json", frames, "--methods", "blockcopy", "--network", network, *BLOCKS)
    assert [row["method"] for row in rows] == ["frame", "blockcopy"]
    for row in rows:
        assert row.keys() >= KEYS
        assert (row["frames"], row["height"], row["width"]) == (6, 32, 64)
        assert row["speedup_vs_dense_best"] == pytest.approx(row["dense_best_ms"] / row["latency_ms"]["mean"])
        assert row["dense_best_ms"] <= row["dense_eager_ms"]
        assert row["latency_ms"]["max"] >= row["latency_ms"]["keyframe_p50"]
    frame, blockcopy = rows
    assert frame["agreement_with_dense"] == 1
    assert frame["executed_fraction"] is None
    assert blockcopy["config"]["block_size"] == 16
    assert blockcopy["config"]["target"] == 0.5
    # Two of eight blocks change from frame to frame; four are executed.
    assert blockcopy["agreement_with_dense"] == 1
    assert blockcopy["executed_fraction_without_first"] == 0.5
    assert blockcopy["executed_fraction"] == pytest.approx((8 + 5 * 4) / 48)
    assert blockcopy["latency_ms"]["keyframe_p50"] is not None  # the first frame is timed


def test_targets_are_rows_of_the_methods_that_have_one(tmp_path, network, frames, capsys):
    words = [frames, "--methods", "frame,blockcopy", "--targets", "0.5,0.25", "--network", network, *BLOCKS]
    rows = bench(tmp_path / "x.json", *words)
    assert [(row["method"], row["config"].get("target")) for row in rows] == [
        ("frame", None),
        ("blockcopy", 0.5),
        ("blockcopy", 0.25),
    ]
    assert [row["executed_fraction_without_first"] for row in rows] == [None, 0.5, 0.25]
    text = capsys.readouterr().out
    assert "blockcopy 0.5 " in text
    assert "blockcopy 0.25 " in text


def test_segblocks_says_which_policy_ran_and_how_many_blocks_were_at_half_resolution(
    tmp_path, network, frames, capsys
):
    words = ("--methods", "segblocks", "--target", "0.25", "--network", network, "--block-size", "16")
    rows = bench(tmp_path / "x.json", frames, *words)
    assert [row["policy"] for row in rows] == [None, "heuristic"]
    assert rows[1]["config"]["policy"] == "auto"
    # Two of eight blocks are in full.
    assert (rows[1]["executed_fraction"], rows[1]["low_fraction"]) == (1, 0.75)
    text = capsys.readouterr().out
    assert "policy auto (heuristic)" in text
    assert "at half" in text
    assert "75.0 %" in text


def test_figures_printed_are_those_of_the_json(tmp_path, network, frames, capsys):
    rows = bench(tmp_path / "x.json", frames, "--methods", "blockcopy", "--network", network, *BLOCKS)
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines() if "wrote" not in line and "frames" not in line) <= 92
    for row in rows:
        lines = [line.split() for line in text.splitlines() if line.strip().startswith(f"{row['method']} ")]
        printed = {word for line in lines for word in line}
        latency = row["latency_ms"]
        for value in (*(latency[key] for key in ("mean", "p50", "p95", "max")), row["gmacs"]["mean"]):
            assert f"{value:.3g}" in printed
        for key in ("speedup_vs_dense_best", "realised"):
            assert f"{row[key]:.2f}" in printed
        for key in ("fps", "fps_with_io", "peak_memory_mb"):
            assert row[key] is None or number(row[key]) in printed
        assert f"{100 * row['agreement_with_dense']:.1f}" in printed
    assert rows[0]["placement"] in " ".join(text.split())
    assert f"wrote {tmp_path / 'x.json'}" in text


def test_settings_that_nobody_chose_are_not_printed(tmp_path, network, frames, capsys):
    words = [frames, "--methods", "blockcopy", "--network", network, "--block-size", "16", "--max-age", "9"]
    bench(tmp_path / "x.json", *words)
    text = " ".join(capsys.readouterr().out.split())
    assert "blockcopy target 0.5, block size 16, policy trained, max age 9 " in text
    assert "learning rate" not in text


def test_policies_sizes_and_precisions_are_combined(tmp_path, network, frames, capsys):
    choices = ["--policies", "change,all", "--sizes", "32x64,16x32", "--precisions", "fp32,bf16"]
    words = ["bench", frames, "--methods", "blockcopy", "--network", network, *choices, "--max-frames", "3"]
    out = tmp_path / "x.json"
    assert main([*map(str, words), "--block-size", "16", "--device", "cpu", "--json", str(out)]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert [(row["height"], row["precision"], row["config"].get("policy")) for row in rows] == [
        (height, precision, policy)
        for height in (32, 16)
        for precision in ("fp32", "bf16")
        for policy in (None, "change", "all")
    ]
    assert [row["method"] for row in rows] == ["frame", "blockcopy", "blockcopy"] * 4
    for row in rows:
        if row["config"].get("policy") == "all":
            assert (row["executed_fraction"], row["agreement_with_dense"]) == (1, 1)
    text = capsys.readouterr().out
    assert text.count("milliseconds of a frame") == 4
    assert text.count("runs on") == 0  # it differs: it is in the headings


def test_the_report_is_written_with_the_command_and_without_pictures_where_asked(tmp_path, network, frames):
    page = tmp_path / "x.html"
    words = [frames, "--methods", "blockcopy", "--network", network, *BLOCKS, "--html", page]
    bench(tmp_path / "x.json", *words)
    text = page.read_text()
    assert "data:image/jpeg" in text
    assert "saccade bench" in text
    bench(tmp_path / "x.json", *words, "--no-pictures")
    assert "data:image/jpeg" not in page.read_text()


def test_an_interrupted_bench_goes_on_with_resume(tmp_path, network, frames, capsys, monkeypatch):
    out = tmp_path / "x.json"
    words = ["bench", str(frames), "--methods", "blockcopy", "--targets", "0.5,0.25", "--network", network]
    words += [*BLOCKS, *CPU, "--json", str(out)]
    with monkeypatch.context() as patch:
        patch.setattr(StepProgress, "report", _interrupt_in("blockcopy 0.5"))
        assert main([*words, "--resume"]) == 130
    assert "go on with the same command and --resume" in capsys.readouterr().err
    before = json.loads(out.read_text())
    assert [row["method"] for row in before["rows"]] == ["frame"]
    assert main([*words, "--resume"]) == 0
    after = json.loads(out.read_text())
    assert after["rows"][0] == before["rows"][0]
    assert [row["config"].get("target") for row in after["rows"]] == [None, 0.5, 0.25]
    assert after["command"].startswith(f"saccade bench {frames} --methods blockcopy")
    assert "--resume" not in after["command"]
    # Everything is finished: nothing is measured again, and the table is printed.
    monkeypatch.setattr(StepProgress, "report", _interrupt_in("blockcopy 0.5"))
    capsys.readouterr()
    assert main([*words, "--resume"]) == 0
    assert "blockcopy 0.25" in capsys.readouterr().out
    assert json.loads(out.read_text()) == after


def _interrupt_in(label: str):
    def report(self, doing: str, done: int, total: int | None) -> None:
        if doing == label:
            raise KeyboardInterrupt

    return report


def test_resume_refuses_other_settings_and_says_which(tmp_path, network, frames, capsys):
    out = tmp_path / "x.json"
    call = ["bench", str(frames), "--network", network, *CPU, "--json", str(out)]
    assert main([*call, "--max-frames", "2"]) == 0
    before = out.read_text()
    for changed, told in (
        (["--max-frames", "3"], "max frames 2, and this is 3"),
        (["--max-frames", "2", "--seed", "1"], "seed 0, and this is 1"),
        (["--max-frames", "2", "--size", "16x32"], "setups"),
        (["--max-frames", "2", "--methods", "blockcopy"], "methods"),
    ):
        capsys.readouterr()
        assert main([*call, *changed, "--resume"]) == 2
        assert f"{out} was measured with {told}" in capsys.readouterr().err
        assert out.read_text() == before


def test_resume_needs_a_file_of_a_bench(tmp_path, network, frames, capsys):
    call = ["bench", str(frames), "--network", network, *CPU, "--resume"]
    assert main(call) == 2
    assert "name it with --json" in capsys.readouterr().err
    other = tmp_path / "other.json"
    other.write_text('{"something": "else"}')
    assert main([*call, "--json", str(other)]) == 2
    assert "no file that a bench can go on with" in capsys.readouterr().err
    assert other.read_text() == '{"something": "else"}'


def test_max_frames_and_several_sources(tmp_path, network, make_video):
    words = [make_video("a.mp4"), make_video("b.mp4"), "--max-frames", "2", "--network", network]
    (row,) = bench(tmp_path / "x.json", *words)
    assert (row["streams"], row["frames"]) == (2, 4)


def test_scores_of_a_data_set_are_those_of_eval(tmp_path, network, camvid, capsys):
    words = ["--split", "val", "--network", network, *BLOCKS]
    rows = bench(tmp_path / "x.json", camvid, "--dataset", "camvid", "--methods", "blockcopy", *words)
    assert "mIoU" in capsys.readouterr().out
    for row in rows:
        settings = [] if row["method"] == "frame" else BLOCKS
        evaluation = ["eval", "camvid", "--root", str(camvid), "--method", row["method"], *settings, *CPU]
        assert main([*evaluation, "--network", network, "--json", str(tmp_path / "e.json")]) == 0
        alone = json.loads((tmp_path / "e.json").read_text())
        for key in ("miou", "miou_min", "miou_by_distance", "iou_per_class", "temporal_consistency", "gmacs"):
            assert row[key] == alone[key], key
        assert (row["dataset"], row["split"], row["labelled_frames"]) == ("camvid", "val", 4)
        assert 0 < row["miou"] < 1
        assert row["dense_best_ms"] > 0


def test_methods_may_warm_up_on_another_split(tmp_path, network, camvid):
    words = ["--dataset", "camvid", "--warmup-clips", "2", "--network", network]
    (row,) = bench(tmp_path / "x.json", camvid, *words)
    assert (row["warmup_clips"], row["warmup_frames"], row["frames"]) == (2, 2, 4)


def test_ctrl_c_keeps_the_rows_that_are_finished(tmp_path, network, frames, capsys, monkeypatch):
    def interrupt(self, doing, done, total):
        if doing == "blockcopy" and total and done >= total - 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(StepProgress, "report", interrupt)
    out = tmp_path / "x.json"
    words = ["bench", str(frames), "--methods", "blockcopy", "--json", str(out), "--network", network]
    assert main([*words, *BLOCKS, *CPU]) == 130
    assert [row["method"] for row in json.loads(out.read_text())["rows"]] == ["frame"]
    captured = capsys.readouterr()
    assert captured.err == (
        "saccade: interrupted after 1 of 2 rows; what was finished is kept; go on with the same command and "
        "--resume\n"
    )
    assert f"wrote {out}" in captured.out


def test_rows_before_a_method_that_fails_are_kept(tmp_path, network, frames, capsys):
    out = tmp_path / "x.json"
    words = ["bench", str(frames), "--methods", "blockcopy", "--json", str(out), "--network", network]
    (tmp_path / "broken.py").write_text(
        (tmp_path / "brightness.py").read_text().replace("return self.scores(frames)", BROKEN)
    )
    words[-1] = f"{tmp_path / 'broken.py'}:make"
    assert main([*words, *BLOCKS, *CPU]) == 2
    assert [row["method"] for row in json.loads(out.read_text())["rows"]] == ["frame"]
    assert "frame " in capsys.readouterr().out


BROKEN = "return self.scores(frames if frames.sum() > 0 else -frames)"
"""What no engine can follow: it depends on the values."""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "name something to measure on"),
        (["FRAMES", "--methods", "nope"], "there is no method 'nope'"),
        (["FRAMES", "--target", "0.5"], "--target is not a setting of frame; it is one of blockcopy"),
        (["FRAMES", "--targets", "0.5"], "--target is not a setting of frame; it is one of blockcopy"),
        (["FRAMES", "--methods", "blockcopy", "--target", ".5", "--targets", ".5"], "give only one of them"),
        (["FRAMES", "--methods", "blockcopy", "--policies", "all,best"], "there is no policy 'best'"),
        (["FRAMES", "--precisions", "fp32,int3"], "there is no precision 'int3'"),
        (["FRAMES", "--sizes", "32x64,half"], "half is not a frame size"),
        (["FRAMES", "--sizes", "32x64", "--scale", "0.5"], "sizes and scales both"),
        (["FRAMES", "--networks", "a,b", "--weights", "w.safetensors"], "--networks"),
        (["FRAMES", "--methods", "blockcopy", "--targets", "half"], "'half' are not numbers"),
        (["FRAMES", "--methods", "blockcopy", "--targets", "0.5,2"], "target 2.0"),
        (["FRAMES", "--split", "val"], "--split is of a data set"),
        (["FRAMES", "--warmup-clips", "3"], "--warmup-clips is of a data set"),
        (["FRAMES", "--max-frames", "0"], "max_frames 0"),
        (["/nowhere"], "there is no /nowhere"),
        (["FRAMES", "--json", "/proc/x.json"], "/proc/x.json"),
        (["CAMVID", "FRAMES", "--dataset", "camvid"], "takes one folder"),
        (["CAMVID", "--dataset", "nope"], "no data set 'nope'"),
        (["--dataset", "camvid"], "camvid"),
        (["CAMVID", "--dataset", "camvid", "--warmup-clips", "3"], "split train has only 2 clips"),
        (["CAMVID", "--dataset", "camvid", "--warmup-clips", "-1"], "no number of clips"),
        (
            ["CAMVID", "--dataset", "camvid", "--split", "train", "--warmup-clips", "1"],
            "cannot be scored too",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_end_in_one_line_and_exit_code_2(words, told, network, frames, camvid, capsys):
    places = {"FRAMES": str(frames), "CAMVID": str(camvid)}
    assert main(["bench", *(places.get(word, word) for word in words), "--network", network, *CPU]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("saccade: ")
    assert told in captured.err
    assert captured.err.count("\n") == 1
