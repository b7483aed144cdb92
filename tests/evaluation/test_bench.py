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
from saccade.evaluation.report import StripRecorder
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
    assert seen[:5] == [(0, 0, 4), (0, 1, 4), (0, 2, 4), (0, 3, 4), (0, 4, 4)]
    assert [step[0] for step in seen] == [0] * 5 + [1] * 5 + [2] * 5


FORGOTTEN = [900.0] * (2 + 2 + 2)
"""Steps of a method on two frames that are not timed: a trial, alone, and a rehearsal."""


def test_times_of_a_row_are_its_own_and_frame_by_frame_is_the_eager_baseline(clock, compiler):
    # The baselines rehearse once. Beside frame by frame only the compiled network runs.
    clock([*FORGOTTEN, 20, 24, *FORGOTTEN, 4, 6], [*[900] * 4, 10, 12, 40, 30, 40, 30])
    frame, hold = bench_sources(painted_network(), [FrameConfig(), HoldConfig(2)], [source(1, 2)])
    assert (frame.latency_ms["mean"], frame.dense_eager_ms, frame.speedup_vs_dense_eager) == (22, 22, 1)
    assert (frame.dense_best_ms, frame.speedup_vs_dense_best) == (11, 0.5)
    assert (hold.dense_eager_ms, hold.dense_best_ms, hold.speedup_vs_dense_best) == (40, 30, 6)
    assert frame.extra["timeline"]["latency_ms"] == [20, 24]
    assert [row.extra["dense"]["best"] for row in (frame, hold)] == ["compiled", "compiled"]
    assert frame.extra["dense"]["eager"]["ms"]["mean"] == 22
    assert frame.extra["dense"]["eager"]["timings"] == hold.extra["dense"]["compiled"]["timings"] == 2


def test_answers_of_frame_by_frame_are_computed_once_for_all_rows(clock, compiler):
    clock([5.0] * 200, [5000.0] * 200)  # so slow that the baselines are timed at every second of 15 frames
    configs = [FrameConfig(), HoldConfig(3), HoldConfig(5)]
    network = painted_network()
    rows = bench_sources(network, configs, [source(*[k % 4 for k in range(15)])])
    calls: list[int] = []
    next(rows)
    network.register_forward_hook(lambda *_: calls.append(1))
    hold = next(rows)
    # Two frames to try, 15 alone, two to rehearse; then 15 frames, and 8 timings of both baselines.
    assert len(calls) == 2 + 15 + 2 + 15 + 8 + 8
    assert hold.agreement_with_dense == 5 / 15  # the frames between two keyframes show another class
    assert hold.extra["dense"]["eager"]["timings"] == hold.extra["dense"]["compiled"]["timings"] == 8
    assert hold.extra["timeline"]["agreement_with_dense"] == [float(k % 3 == 0) for k in range(15)]
    assert next(rows).agreement_with_dense == pytest.approx(6 / 15)  # frames 0, 4, 5, 9, 10, 14


def test_a_method_that_is_resumed_alone_is_compared_at_every_frame(clock, compiler):
    clock([5.0] * 200, [5000.0] * 200)
    (hold,) = bench_sources(painted_network(), [HoldConfig(3)], [source(*[k % 4 for k in range(15)])])
    assert hold.agreement_with_dense == 5 / 15
    timings = {name: hold.extra["dense"][name]["timings"] for name in ("eager", "compiled")}
    assert timings == {"eager": 15, "compiled": 8}


def test_rows_of_a_data_set_have_a_course_and_say_what_reading_adds(compiler):
    clip = PaintedClip(
        [Sample(paint(np.full((32, 32), k)), np.full((32, 32), k, np.uint8)) for k in (1, 2, 3, 1)]
    )
    rows = list(bench_dataset(painted_network(), [FrameConfig(), HoldConfig(2)], PaintedDataset([clip])))
    for row in rows:
        timeline = row.extra["timeline"]
        assert len(timeline["latency_ms"]) == row.frames == 4
        assert np.mean(timeline["latency_ms"]) == pytest.approx(row.latency_ms["mean"], rel=1e-4)
        assert np.mean(timeline["agreement_with_dense"]) == pytest.approx(row.agreement_with_dense)
        assert 0 < row.fps_with_io < row.fps
        assert set(row.extra["loop_ms"]) == {"read", "step", "labels", "write"}
        assert "peak_memory_mb" in row.extra
    assert rows[1].extra["timeline"]["executed_fraction"] == [1, 0.25, 1, 0.25]
    assert rows[1].agreement_with_dense == 0.5


def test_pictures_are_of_the_rows_that_they_are_taken_in(compiler):
    recorders = [StripRecorder(), StripRecorder()]
    frames = File([np.full((32, 32), k) for k in (1, 2, 3)])
    configs = [FrameConfig(), HoldConfig(2)]
    list(bench_sources(painted_network(), configs, [frames], pictures=recorders))
    strips = [recorder.strip for recorder in recorders]
    assert [frame.agreement for frame in strips[0].frames] == [1, 1, 1]
    assert [frame.agreement for frame in strips[1].frames] == [1, 0, 1]


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
