"""``saccade plan``: the table, the JSON with everything in it, and what cannot be planned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from saccade.blocks import convert
from saccade.cli import main
from saccade.cli.plan_summary import MOST_ROWS, by_module, times
from saccade.networks import load_network

SMALL = '''
"""A stem, and a head that looks at the whole map."""

import torch


class Head(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = torch.nn.Conv2d(4, 4, 1)
        self.scores = torch.nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.scores(x * self.gate(x.mean((2, 3), keepdim=True)))


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.head = Head()

    def forward(self, frames):
        return self.head(self.stem(frames))


class Undecided(Small):
    def forward(self, frames):
        return super().forward(frames if frames.mean() > 0 else -frames)


class Narrow(Small):
    def forward(self, frames):
        if frames.shape[2] % 32:
            raise ValueError("give a height that 32 divides")
        return super().forward(frames)
'''


@pytest.fixture
def small(tmp_path: Path) -> str:
    """``NETWORK`` of a network whose plan anyone can work out."""
    (tmp_path / "small.py").write_text(SMALL)
    return f"{tmp_path / 'small.py'}:Small"


def test_json_holds_the_whole_plan(small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "plan.json"
    assert main(["plan", small, "--size", "32x64", "--block-size", "16", "--json", str(out)]) == 0
    plan = json.loads(out.read_text())
    assert f"wrote {out}" in capsys.readouterr().out
    assert plan["schema"] == 1
    assert plan["torch"] == torch.__version__
    assert plan["network"] == small
    assert (plan["height"], plan["width"], plan["block_size"], plan["grid"]) == (32, 64, 16, [2, 4])
    on_blocks = 16 * 32 * (4 * 27 + 2 * 4)
    assert (plan["macs"], plan["block_macs"], plan["whole_macs"]) == (on_blocks + 16, on_blocks, 16)
    assert plan["macs_per_block"] == on_blocks / 8
    (forcing,) = plan["forcing"]
    assert (forcing["where"], forcing["operations"], forcing["kind"]) == ("head", ["aten.mean"], "global")
    assert forcing["macs"] == 16
    stem = next(step for step in plan["steps"] if step["where"] == "stem")
    assert stem["halo"] == [1, 0, 1, 0]
    assert stem["canvas"] == [16, 32, 4]
    assert stem["execution"] == "windows"


def test_table_says_what_forces_dense_work(
    small: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["plan", small, "--size", "512x1024"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    words = [line.split() for line in lines]
    on_blocks = 256 * 512 * (4 * 27 + 2 * 4)
    gmacs = f"{on_blocks / 1e9:.3f}"
    megabytes = (512 * 1024 * 3 + 256 * 512 * 4 + 256 * 512 * 2) * 4 / 1e6
    assert ["total", f"{megabytes:.1f}", gmacs, f"{on_blocks / 32 / 1e6:.2f}"] in words
    assert ["head", "mean", "global", "0.0000", "0.0001", "%"] in words  # 16 of 15 204 368
    assert ["because", "of", "aten.mean", "(global)"] in words
    assert ["canvases", f"{megabytes:.1f}", "MB", "for", "each", "stream"] in words


def test_wide_terminals_show_operators_and_canvases(
    small: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    assert main(["plan", small, "--size", "512x1024"]) == 0
    stem = next(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("    stem"))
    assert stem[:5] == ["stem", "conv2d", "window", "1", "256x512x4"]


def test_long_networks_are_shown_by_module(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["plan", "swiftnet-rn18", "--size", "256x512", "--block-size", "64"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""  # nobody asked for weights
    lines = captured.out.splitlines()
    assert max(len(line) for line in lines) <= 80
    first = [line.split()[0] for line in lines if line.strip()]
    assert "backbone.layer3.0" in first
    assert "backbone.layer3.0.conv1" not in first


def test_groups_hold_every_step_once() -> None:
    plan = convert(load_network("swiftnet-rn50", weights=None), torch.zeros(1, 3, 64, 64), 32).plan
    groups = by_module(plan.steps)
    assert 1 < len(groups) <= MOST_ROWS < len(plan.steps)
    assert sorted(s.name for g in groups.values() for s in g) == sorted(s.name for s in plan.steps)
    for module, steps in groups.items():
        assert all(f"{step.where}.".startswith(f"{module}.") for step in steps)


def test_operations_outside_modules_are_shown_one_by_one() -> None:
    class Functions(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(MOST_ROWS + 5):
                x = torch.relu(x) * 2
            return x

    plan = convert(Functions(), torch.zeros(1, 3, 32, 32), 16).plan
    assert len(by_module(plan.steps)) == len({step.where for step in plan.steps})


def test_names_are_counted() -> None:
    assert times(["relu", "conv2d", "relu"]) == "2 relu, conv2d"


def test_weights_name_their_network(tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    arguments = ["--size", "64x128", "--block-size", "32", "--json", str(out)]
    assert main(["plan", "swiftnet-rn18-street", *arguments]) == 0
    eleven = json.loads(out.read_text())["macs"]
    assert main(["plan", "swiftnet-rn18", *arguments]) == 0
    assert json.loads(out.read_text())["macs"] - eleven == (19 - 11) * 128 * 16 * 32


def test_unknown_networks_are_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "swiftnet"]) == 2
    assert "swiftnet-rn18" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--size", "512"], "512x1024"),
        (["--block-size", "0"], "at least 1"),
        (["--block-size", "half"], "whole number"),
    ],
)
def test_sizes_that_cannot_be_are_refused(
    small: str, words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", small, *words]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1


def test_a_network_that_cannot_be_followed_names_the_line(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = small.rpartition(":")[0]
    assert main(["plan", f"{file}:Undecided", "--size", "32x64"]) == 2
    error = capsys.readouterr().err
    number = next(i for i, line in enumerate(SMALL.splitlines(), 1) if "frames.mean()" in line)
    assert f"{file}:{number}" in error
    assert error.count("\n") == 1


def test_a_size_that_the_network_refuses_is_said(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = small.rpartition(":")[0]
    assert main(["plan", f"{file}:Narrow", "--size", "40x64"]) == 2
    assert "give a height that 32 divides" in capsys.readouterr().err


def test_a_json_file_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "swiftnet", "--json", str(tmp_path)]) == 2  # the network is not even looked for
    assert "it is a folder" in capsys.readouterr().err
