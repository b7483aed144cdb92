"""The benchmark of the block engine: its arithmetic by hand, its file, its baselines, and one small run."""

import importlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a file of the benchmarks."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module
    for name in ("block_results", "blocks", "dense", "interleaved", "machine", "networks"):
        sys.modules.pop(name, None)


def a_row(block_results, **values):
    return block_results.Row(
        **{
            "network": "swiftnet-rn18",
            "height": 1024,
            "width": 2048,
            "block_size": 128,
            "precision": "fp32",
            "winograd": True,
            "fraction": 0.5,
            "executed_fraction": 0.5,
            "dense_ms": {"eager": 500.0, "compiled": 450.0, "frozen": None},
            "dense_quartiles_ms": {"eager": [490.0, 510.0], "compiled": [440.0, 460.0]},
            "dense_best": "compiled",
            "dense_best_ms": 450.0,
            "block_ms": 250.0,
            "block_quartiles_ms": [240.0, 260.0],
            "speedup": 1.8,
            "speedup_quartiles": [1.7, 1.9],
            "saving": 2.0,
            "realised": 0.9,
            "error": 1e-6,
            "dense_errors": {"compiled": 1e-6},
            "gmacs": 103.4,
            "conversion_s": 1.0,
            "first_step_s": 1.0,
            "tuning": {},
            "compile_s": {"compiled": 20.0},
            "rounds": 7,
            "seed": 0,
            "kernels": "native",
            "failed": {"frozen": "no compiler"},
            "device": "cpu",
            "device_name": "a processor",
            "threads": 2,
            "torch": "2.15",
            "saccade": "0.1",
            **values,
        }
    )


def test_every_contestant_is_timed_once_in_every_round_right_after_an_untimed_call(benchmark):
    interleaved = benchmark("interleaved")
    calls = []
    contestants = [
        interleaved.Contestant(name, lambda number, name=name: calls.append((name, number)), warm_up=3)
        for name in ("a", "b")
    ]
    times = interleaved.time_in_turns(contestants, torch.device("cpu"), seconds=0, least=4, most=9, seed=0)
    assert {name: len(ms) for name, ms in times.items()} == {"a": 4, "b": 4}
    names = [name for name, _ in calls]
    assert names[:6] == ["a"] * 3 + ["b"] * 3
    pairs = list(zip(names[6::2], names[7::2], strict=True))
    assert all(one == other for one, other in pairs)
    assert sorted(one for one, _ in pairs) == ["a"] * 4 + ["b"] * 4
    assert [number for name, number in calls if name == "a"] == list(range(3 + 2 * 4))


def test_rounds_end_at_the_most_however_much_time_is_left(benchmark):
    interleaved = benchmark("interleaved")
    contestants = [interleaved.Contestant("a", lambda number: None)]
    times = interleaved.time_in_turns(contestants, torch.device("cpu"), seconds=1e9, least=2, most=5, seed=0)
    assert len(times["a"]) == 5


@pytest.mark.parametrize(("fraction", "count"), [(1.0, 32), (0.5, 16), (0.25, 8), (0.125, 4)])
def test_sets_ask_for_exactly_their_share_of_the_blocks_and_for_different_ones(benchmark, fraction, count):
    blocks = benchmark("blocks")
    sets = blocks.block_sets((4, 8), fraction, torch.Generator().manual_seed(0))
    assert all(actions.shape == (1, 4, 8) and int((actions == 2).sum()) == count for actions in sets)
    assert all(set(actions.flatten().tolist()) <= {0, 2} for actions in sets)
    assert len({tuple(actions.flatten().tolist()) for actions in sets}) == (5 if fraction < 1 else 1)


def test_error_is_the_worst_of_several_results_and_nothing_where_it_is_not_finite(benchmark):
    blocks = benchmark("blocks")
    one = {"a": torch.tensor([1.0, -4.0]), "b": torch.tensor([10.0])}
    other = {"a": torch.tensor([1.5, -4.0]), "b": torch.tensor([8.0])}
    assert blocks.relative_error(one, other) == 0.25  # 0.5 / 4 and 2 / 8
    assert blocks.relative_error(torch.tensor([float("nan")]), torch.tensor([1.0])) is None


def test_rows_of_the_same_work_are_replaced_and_others_stay(benchmark, tmp_path):
    block_results = benchmark("block_results")
    path = tmp_path / "blocks.json"
    results = block_results.Results(path)
    results.add([a_row(block_results, fraction=f) for f in (1.0, 0.5)])
    results.add([a_row(block_results, precision="bf16")])
    again = block_results.Results(path)
    again.add([a_row(block_results, block_ms=100.0)])
    rows = json.loads(path.read_text())["rows"]
    found = [(row["precision"], row["fraction"], row["block_ms"]) for row in rows]
    assert found == [("fp32", 1.0, 250.0), ("fp32", 0.5, 100.0), ("bf16", 0.5, 250.0)]
    assert asdict(again.rows[2]) == rows[2]


def test_bars_are_for_one_network_size_and_block_on_cpus(benchmark):
    block_results = benchmark("block_results")
    assert a_row(block_results).bar == 1.8
    assert a_row(block_results, precision="bf16", fraction=0.125).bar == 5.0
    for other in (
        {"network": "unet-plain"},
        {"block_size": 64},
        {"device": "cuda:0"},
        {"precision": "fp16"},
        {"winograd": False},
    ):
        assert a_row(block_results, **other).bar is None


def test_the_table_has_a_line_for_each_work_with_the_best_baseline_and_the_bars(benchmark):
    block_results = benchmark("block_results")
    rows = [
        a_row(block_results, fraction=0.25, speedup=3.0, realised=0.75),
        a_row(block_results),
        a_row(block_results, network="unet-plain", error=None),
        a_row(block_results, winograd=False, speedup=1.7),
    ]
    lines = block_results.markdown(rows).splitlines()
    assert lines[0] == "### a processor, 2 threads, PyTorch 2.15, native kernels"
    assert [cell.strip() for cell in lines[4].strip("|").split("|")] == [
        *("swiftnet-rn18", "1024x2048", "128", "fp32", ""),
        "eager 500, **compiled 450**, frozen failed",
        *("1.80x (90%, bar 1.8x)", "3.00x (75%, bar 3.6x)"),
        "1.0e-06",
    ]
    assert [cell.strip() for cell in lines[5].strip("|").split("|")][-3:] == ["1.80x (90%)", "", "not finite"]
    assert "| without Winograd |" in lines[6]
    assert "| 1.70x (90%) |" in lines[6]  # and no bar


@pytest.mark.skipif(sys.platform == "win32", reason="inductor needs a C++ compiler")
def test_only_the_frozen_baseline_has_the_weights_in_its_code(benchmark):
    dense = benchmark("dense")
    network = nn.Conv2d(3, 4, 3, padding=1).eval()
    frames = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        before = network(frames)
        runs = {name: dense.prepare(name, network, frames)[0] for name in dense.EVERYWHERE}
        network.weight.mul_(2)
        network.bias.mul_(2)
        after = {name: run(frames) for name, run in runs.items()}
    torch.testing.assert_close(after["eager"], 2 * before)
    torch.testing.assert_close(after["compiled"], 2 * before)
    torch.testing.assert_close(after["frozen"], before)


def test_a_network_is_measured_from_end_to_end(tmp_path):
    path = tmp_path / "blocks.json"
    script = [sys.executable, str(BENCHMARKS / "blocks.py"), "--out", str(path)]
    command = (
        "--networks unet-plain --sizes 32x64 --block-sizes 16 --precisions fp32 --dense eager --seconds 0"
    )
    subprocess.run([*script, "--device", "cpu", *command.split()], check=True)
    rows = json.loads(path.read_text())["rows"]
    assert [row["fraction"] for row in rows] == [1.0, 0.5, 0.25, 0.125]
    for row in rows:
        assert row["dense_best"] == "eager"
        assert row["error"] < 1e-4
        assert row["saving"] == pytest.approx(1 / row["fraction"])  # nothing in it looks at the whole map
        assert row["realised"] == pytest.approx(row["dense_best_ms"] / row["block_ms"] * row["fraction"])
    table = subprocess.run([*script, "--table"], check=True, capture_output=True, text=True).stdout
    assert "| unet-plain | 32x64 | 16 | fp32 |  | **eager" in table
