"""Several methods on the same work."""

from __future__ import annotations

import jsonschema
import numpy as np
import pytest

import saccade
from saccade.datasets.clip import Sample
from saccade.errors import ConfigError
from saccade.evaluation.bench import bench_dataset, bench_sources
from saccade.evaluation.evaluate import evaluate
from saccade.methods.configs import FrameConfig

from .contract import SCHEMA
from .painted import HoldConfig, PaintedClip, PaintedDataset, PaintedSource, paint, painted_network


class File(PaintedSource):
    live = False


def source(*classes: int) -> File:
    return File([np.full((2, 4), value) for value in classes])


def test_every_method_is_a_row_with_all_keys_and_the_network_is_compiled_once(compiler):
    network, seen = painted_network(), []
    configs = [FrameConfig(), HoldConfig(2), HoldConfig(4)]
    rows = list(
        bench_sources(
            network, configs, [source(1, 2, 3, 3)], seed=7, progress=lambda *step: seen.append(step)
        )
    )
    assert [row.method for row in rows] == ["frame", "hold", "hold"]
    assert [row.config.get("interval") for row in rows] == [None, 2, 4]
    assert [row.agreement_with_dense for row in rows] == [1, 3 / 4, 1 / 4]  # 1233, 1133, 1111
    assert [row.frames for row in rows] == [4, 4, 4]
    assert compiler == [network]
    for row in rows:
        jsonschema.validate(row.to_dict(), SCHEMA)
        for key in ("dense_eager_ms", "dense_best_ms", "speedup_vs_dense_best", "realised"):
            assert getattr(row, key) > 0
        assert row.seed == 7
    assert seen[:5] == [(0, 0, None), (0, 1, 4), (0, 2, 4), (0, 3, 4), (0, 4, 4)]
    assert [step[0] for step in seen] == [0] * 5 + [1] * 5 + [2] * 5


def test_times_of_a_row_are_its_own(clock, compiler):
    forgotten = [900] * 2
    clock([*forgotten, 10, 10, *forgotten, 4, 6], [*[900] * 4, 20, 10, 20, 10, *[900] * 4, 40, 30, 40, 30])
    frame, hold = bench_sources(painted_network(), [FrameConfig(), HoldConfig(2)], [source(1, 2)])
    assert (frame.dense_eager_ms, frame.dense_best_ms, frame.speedup_vs_dense_best) == (20, 10, 1)
    assert (hold.dense_eager_ms, hold.dense_best_ms, hold.speedup_vs_dense_best) == (40, 30, 6)


def test_a_compiler_that_fails_is_noted_in_every_row(monkeypatch):
    def broken(module, **options):
        raise RuntimeError("no C++ compiler found")

    monkeypatch.setattr("torch.compile", broken)
    rows = list(bench_sources(painted_network(), [FrameConfig(), HoldConfig(2)], [source(1, 2)]))
    for row in rows:
        assert [note for note in row.extra["warnings"] if "no C++ compiler found" in note]
        assert row.dense_best_ms == row.dense_eager_ms


def test_scores_are_those_of_evaluate(compiler):
    clip = PaintedClip([Sample(paint([[k, 3]]), np.array([[1, 3]], np.uint8)) for k in (1, 2, 3, 1, 0)])
    dataset = PaintedDataset([clip, clip])
    configs = [FrameConfig(), HoldConfig(2)]
    rows = list(bench_dataset(painted_network(), configs, dataset, max_frames=8))
    for row, config in zip(rows, configs, strict=True):
        alone = evaluate(saccade.wrap(painted_network(), config), dataset, max_frames=8)
        assert row.miou == alone.miou
        assert row.miou_by_distance == alone.miou_by_distance
        assert row.executed_fraction == alone.executed_fraction
        assert row.gmacs == alone.gmacs
        assert row.frames == alone.frames == 8
        assert row.dense_best_ms > 0
        jsonschema.validate(row.to_dict(), SCHEMA)
    assert rows[1].miou != rows[0].miou


def test_ctrl_c_leaves_the_rows_before(compiler):
    def stop(row: int, done: int, total: int | None) -> None:
        if (row, done) == (1, 2):
            raise KeyboardInterrupt

    rows = bench_sources(painted_network(), [FrameConfig(), HoldConfig(2)], [source(1, 2, 3)], progress=stop)
    assert next(rows).method == "frame"
    with pytest.raises(KeyboardInterrupt):
        next(rows)


def test_live_sources_are_refused():
    class Camera(PaintedSource):
        live = True

    with pytest.raises(ConfigError, match=r"camera:0 is live, .*saccade run camera:0 -o"):
        bench_sources(painted_network(), [FrameConfig()], [Camera([np.zeros((2, 4))], "camera:0")])
