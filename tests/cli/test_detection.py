"""Detectors on the command line: ``saccade run`` and ``saccade eval``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.cli import main
from saccade.video import open_video

CPU = ("--device", "cpu", "--precision", "fp32")

NETWORK = '''
"""One box, as wide and high as what is bright."""

import torch
from saccade.classes import PEDESTRIANS
from saccade.networks.detector import Boxes
from saccade.networks.registry import NetworkInfo


class Bright(torch.nn.Module):
    info = NetworkInfo("bright", PEDESTRIANS)

    def __init__(self):
        super().__init__()
        self.mean = torch.nn.Conv2d(3, 1, 1, bias=False)
        torch.nn.init.ones_(self.mean.weight)

    def forward(self, frames):
        return self.mean(frames)

    def decode(self, maps, size):
        found = []
        for grey in maps[:, 0]:
            rows, columns = (grey > 0).any(1).nonzero(), (grey > 0).any(0).nonzero()
            if len(rows):
                box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
                found.append(Boxes(torch.tensor([box]).float(), torch.tensor([0.9]), torch.tensor([0])))
            else:
                found.append(Boxes(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64)))
        return found


def make():
    return Bright()
'''


@pytest.fixture
def network(tmp_path: Path) -> str:
    (tmp_path / "bright.py").write_text(NETWORK)
    return f"{tmp_path / 'bright.py'}:make"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sequence of 4 frames with a person of 20x50; in the third one nobody is marked there."""
    folder = tmp_path / "mot" / "plaza"
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    rows = []
    for number in range(1, 5):
        image = np.zeros((64, 96, 3), np.uint8)
        image[6:56, 10 * number : 10 * number + 20] = 255
        Image.fromarray(image).save(folder / "img1" / f"{number:06d}.png")
        left = 10 * number + 1 if number != 3 else 70
        rows.append(f"{number},1,{left},7,20,50,1,-1,-1,-1")
    (folder / "gt" / "gt.txt").write_text("\n".join(rows))
    return tmp_path / "mot"


def test_scores_on_chosen_sequences_and_frames(tmp_path: Path, network: str, root: Path, capsys) -> None:
    out = tmp_path / "x.json"
    words = [
        "eval",
        "mot",
        "--root",
        str(root),
        "--sequences",
        "plaza",
        "--frames",
        "2-3",
        "--json",
        str(out),
    ]
    assert main([*words, "--network", network, *CPU]) == 0
    row = json.loads(out.read_text())
    assert (row["dataset"], row["frames"], row["labelled_frames"], row["people"]) == ("mot", 2, 2, 2)
    # One of two is found. Both boxes have the same score; the first frame is taken first.
    assert row["ap50"] == pytest.approx(51 / 101)
    assert row["miss_rate"]["reasonable"] == pytest.approx(0.5)
    assert (row["miou"], row["iou_per_class"], row["agreement_with_dense"]) == (None, None, None)
    text = " ".join(capsys.readouterr().out.split())
    assert f"AP50 {row['ap50']:.4f} over 2 people in 2 frames" in text
    assert "miss rate 50.00 % reasonable, 50.00 % reasonable, small, 50.00 % all" in text


def test_a_run_draws_and_writes_boxes(tmp_path: Path, network: str, root: Path, capsys) -> None:
    video, lines, stats = tmp_path / "o.mp4", tmp_path / "b.jsonl", tmp_path / "s.json"
    words = [
        "run",
        str(root / "plaza" / "img1"),
        "-o",
        str(video),
        "--boxes",
        str(lines),
        "--stats",
        str(stats),
    ]
    assert main([*words, "--network", network, *CPU]) == 0
    assert len(list(open_video(video))) == 4
    found = [json.loads(line)["boxes"] for line in lines.read_text().splitlines()]
    assert [boxes[0]["box"] for boxes in found] == [[10 * n, 6, 10 * n + 20, 56] for n in range(1, 5)]
    assert json.loads(stats.read_text())["frames"] == 4
    assert f"wrote {lines}" in capsys.readouterr().out


def test_only_some_blocks_are_executed(tmp_path: Path, network: str, root: Path) -> None:
    stats, lines, scores = tmp_path / "s.json", tmp_path / "b.jsonl", tmp_path / "e.json"
    blocks = ["--method", "blockcopy", "--target", "0.5", "--block-size", "16", "--savings", "0"]
    source = str(root / "plaza" / "img1")
    out = ["-o", str(tmp_path / "o.mp4"), "--boxes", str(lines), "--stats", str(stats)]
    assert main(["run", source, *out, "--network", network, *blocks, *CPU]) == 0
    row = json.loads(stats.read_text())
    # 24 blocks of 3 * 256 multiplications: all of the first frame, 12 of each of the other three.
    assert row["gmacs"]["dense"] == pytest.approx(24 * 3 * 256 / 1e9)
    assert row["gmacs"]["flow"] > 0  # matching of what is in boxes
    assert row["gmacs"]["mean"] - row["gmacs"]["flow"] == pytest.approx((24 + 3 * 12) / 4 * 3 * 256 / 1e9)
    assert row["executed_fraction_without_first"] == pytest.approx(0.5)
    found = [json.loads(line)["boxes"] for line in lines.read_text().splitlines()]
    assert found[0][0]["box"] == [10, 6, 30, 56]
    words = ["eval", "mot", "--root", str(root), "--json", str(scores), "--network", network, "--no-motion"]
    assert main([*words, *blocks, *CPU]) == 0
    row = json.loads(scores.read_text())
    assert (row["method"], row["frames"], row["gmacs"]["policy"]) == ("blockcopy", 4, 0)
    assert row["gmacs"]["mean"] == pytest.approx((24 + 3 * 12) / 4 * 3 * 256 / 1e9)
    assert row["ap50"] is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["run", "{root}/plaza/img1", "--labels", "{root}/l"],
            "gives boxes and no class ids: use --boxes FILE",
        ),
        (["eval", "mot", "--root", "{root}", "--sequences", "alley"], "no sequence 'alley'"),
        (["eval", "mot", "--root", "{root}", "--frames", "2-9"], "does not have all frames 2 to 9"),
        (["eval", "mot", "--root", "{root}", "--protocol", "dff"], "a detector is scored by protocol clip"),
        (["eval", "world", "--sequences", "a"], "data set 'world' has no option 'sequences'"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str, network: str, root: Path, capsys) -> None:
    words = [word.format(root=root) for word in words]
    assert main([*words, "--network", network, *CPU]) == 2
    error = capsys.readouterr().err
    assert message in " ".join(error.split())
    assert "Traceback" not in error


def test_boxes_of_a_segmentation_network_are_refused(tmp_path: Path, root: Path, capsys) -> None:
    words = ["run", str(root / "plaza" / "img1"), "--boxes", str(tmp_path / "b.txt"), "--max-frames", "1"]
    assert main([*words, *CPU]) == 2
    assert "gives no boxes: use --labels DIR, or --network csp-rn18" in " ".join(
        capsys.readouterr().err.split()
    )


def test_the_light_detector_runs_on_the_world(tmp_path: Path) -> None:
    text = tmp_path / "boxes.txt"
    words = ["run", "world:1", "--network", "csp-rn18", "--weights", "random", "--size", "64x96"]
    assert main([*words, "--max-frames", "2", "--boxes", str(text), *CPU]) == 0
    assert text.is_file()
