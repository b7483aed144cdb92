"""The loop of ``run``: painted sources through a method into sinks."""

import jsonschema
import numpy as np
import pytest
import torch

import saccade
from saccade.errors import ConfigError, OutputError, SourceError
from saccade.evaluation.stream import Interrupted, process

from .contract import SCHEMA
from .painted import CONVOLUTION_MACS, HoldConfig, PaintedSource, painted_network


class Collect:
    """A sink that remembers what it was given."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.seen: list[tuple[int, int, np.ndarray]] = []
        self.results = []
        self.dense = []
        self.closed = 0
        self.fail_at = fail_at

    def write(self, stream, frame, result, labels, dense=None):
        if self.fail_at == len(self.seen):
            raise OutputError("disk full")
        self.seen.append((stream, frame.index, labels.copy()))
        self.results.append(result)
        self.dense.append(dense)

    def close(self):
        self.closed += 1

    def labels_of(self, stream: int) -> list[np.ndarray]:
        return [labels for s, _, labels in self.seen if s == stream]


def painted(seed: int, length: int, size: tuple[int, int] = (4, 6), name: str = "painted") -> PaintedSource:
    generator = np.random.default_rng(seed)
    return PaintedSource([generator.integers(0, 4, size) for _ in range(length)], name)


def test_every_frame_reaches_every_sink_in_order():
    source, sinks, steps = painted(0, 4), [Collect(), Collect()], []
    record = process(
        saccade.wrap(painted_network()),
        [source],
        sinks,
        progress=lambda done, total: steps.append((done, total)),
    )
    for sink in sinks:
        assert [(stream, index) for stream, index, _ in sink.seen] == [(0, 0), (0, 1), (0, 2), (0, 3)]
        assert all(np.array_equal(a, b) for a, b in zip(sink.labels_of(0), source.predictions, strict=True))
        assert sink.closed == 1
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (record.frames, record.streams, record.height, record.width) == (4, 1, 4, 6)
    assert record.gmacs["mean"] == pytest.approx(CONVOLUTION_MACS * 24 / 1e9)
    loop = record.extra["loop_ms"]
    assert set(loop) == {"read", "step", "labels", "write"}
    assert record.fps_with_io == pytest.approx(1000 / sum(loop.values()))
    assert record.fps_with_io < record.fps
    assert record.miou is None
    jsonschema.validate(record.to_dict(), SCHEMA)


@pytest.mark.parametrize("sizes", [[(4, 6)] * 3, [(4, 6), (8, 8), (4, 6)], [(4, 6), (2, 3), (9, 5)]])
def test_streams_side_by_side_get_what_each_gets_alone(sizes):
    lengths = [5, 3, 6]
    sources = [painted(i, length, size) for i, (length, size) in enumerate(zip(lengths, sizes, strict=True))]
    together = Collect()
    record = process(saccade.wrap(painted_network(), HoldConfig(2)), sources, [together])
    assert record.frames == sum(lengths)
    assert record.streams == 3
    keyframes = 0
    for stream, source in enumerate(sources):
        alone = Collect()
        process(saccade.wrap(painted_network(), HoldConfig(2)), [source], [alone])
        own = together.labels_of(stream)
        assert len(own) == lengths[stream]
        assert all(np.array_equal(a, b) for a, b in zip(own, alone.labels_of(0), strict=True))
        # Held frames repeat the keyframe before them: the past of streams is not mixed up.
        assert all(np.array_equal(own[i], source.predictions[i - i % 2]) for i in range(lengths[stream]))
        keyframes += sum(bool(result.keyframe.all()) for result in alone.results)
    assert record.executed_fraction == pytest.approx((keyframes * 4 + (14 - keyframes)) / (14 * 4))
    later = 14 - 3
    assert record.executed_fraction_without_first == pytest.approx(
        ((keyframes - 3) * 4 + (14 - keyframes)) / (later * 4)
    )
    assert (record.height is None) == (len(set(sizes)) > 1)


def test_streams_of_one_size_are_one_batch():
    shapes = []
    network = painted_network()
    method = saccade.wrap(network)
    network.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(inputs[0].shape)))
    process(method, [painted(0, 2), painted(1, 1)])
    assert shapes[0] == (2, 3, 4, 6)
    assert shapes[-1] == (1, 3, 4, 6)


def test_operations_are_per_frame_and_stream():
    record = process(saccade.wrap(painted_network()), [painted(0, 3), painted(1, 3), painted(2, 1)])
    assert record.gmacs["mean"] == pytest.approx(CONVOLUTION_MACS * 24 / 1e9)


def test_a_sink_gets_the_result_of_its_stream_alone():
    sink = Collect()
    process(saccade.wrap(painted_network(), HoldConfig(2)), [painted(0, 2), painted(1, 2)], [sink])
    assert all(len(result.keyframe) == len(result.actions) == 1 for result in sink.results)


def test_max_frames_ends_every_stream():
    sink, steps = Collect(), []
    record = process(
        saccade.wrap(painted_network()),
        [painted(0, 5), painted(1, 5)],
        [sink],
        max_frames=2,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert record.frames == 4
    assert steps == [(1, 2), (2, 2)]
    with pytest.raises(ConfigError, match="max_frames -3"):
        process(saccade.wrap(painted_network()), [painted(0, 5)], max_frames=-3)


def test_ctrl_c_finishes_the_sinks_and_keeps_the_record():
    sinks = [Collect(), Collect()]

    def stop(done: int, total: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="interrupted after 3 frames; what was finished is kept") as caught:
        process(saccade.wrap(painted_network()), [painted(0, 9)], sinks, progress=stop)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert [sink.closed for sink in sinks] == [1, 1]
    assert [len(sink.seen) for sink in sinks] == [3, 3]
    record = caught.value.record
    assert record.frames == 3
    assert record.extra["interrupted"] is True
    jsonschema.validate(record.to_dict(), SCHEMA)


def test_ctrl_c_before_the_first_frame_has_a_record_of_nothing():
    class Stubborn(PaintedSource):
        def __iter__(self):
            raise KeyboardInterrupt
            yield

    sink = Collect()
    with pytest.raises(Interrupted) as caught:
        process(saccade.wrap(painted_network()), [Stubborn([np.zeros((2, 2))])], [sink])
    assert sink.closed == 1
    assert caught.value.record.frames == 0
    jsonschema.validate(caught.value.record.to_dict(), SCHEMA)


def test_a_sink_that_fails_ends_the_run_and_the_others_are_finished():
    good, bad = Collect(), Collect(fail_at=2)
    with pytest.raises(OutputError, match="disk full"):
        process(saccade.wrap(painted_network()), [painted(0, 9)], [good, bad])
    assert (good.closed, bad.closed) == (1, 1)
    assert len(good.seen) == 3


def test_a_sink_that_cannot_finish_is_an_error_and_the_others_are_finished():
    class Late(Collect):
        def close(self):
            super().close()
            raise OutputError("no index")

    late, good = Late(), Collect()
    with pytest.raises(OutputError, match="no index"):
        process(saccade.wrap(painted_network()), [painted(0, 2)], [late, good])
    assert good.closed == 1


def test_sources_without_frames():
    sink = Collect()
    with pytest.raises(SourceError, match="nothing: no frames"):
        process(saccade.wrap(painted_network()), [PaintedSource([], "nothing")], [sink])
    assert sink.closed == 1
    with pytest.raises(ConfigError, match="no source"):
        process(saccade.wrap(painted_network()), [])


def test_a_source_that_is_empty_leaves_the_others_running():
    sink = Collect()
    record = process(saccade.wrap(painted_network()), [PaintedSource([]), painted(1, 2)], [sink])
    assert [stream for stream, _, _ in sink.seen] == [1, 1]
    assert record.frames == 2


def test_frames_that_change_size_are_an_error():
    source = PaintedSource([np.zeros((2, 4), int), np.zeros((4, 4), int)], "odd")
    with pytest.raises(SourceError, match=r"frame size changes from 2x4 .* within odd; give a size"):
        process(saccade.wrap(painted_network()), [source])


def test_what_sources_warn_of_and_drop_is_recorded():
    first, second = painted(0, 2, name="a"), painted(1, 2, name="b")
    first.warnings.append("a: damaged")
    first.dropped, second.dropped = 3, 4
    record = process(saccade.wrap(painted_network()), [first, second])
    assert record.extra["warnings"] == ["a: damaged"]
    assert record.extra["dropped"] == 7
    assert record.extra["sources"] == ["a", "b"]


def test_comparison_with_dense_execution(clock, compiler):
    clock([99, 99, 10, 20], [99] * 4 + [40, 36, 50, 24])
    source = PaintedSource([np.full((2, 4), 1), np.full((2, 4), 1), np.full((2, 4), 1), np.full((2, 4), 2)])
    record = process(saccade.wrap(painted_network(), HoldConfig(2)), [source], compare=True)
    assert (record.dense_eager_ms, record.dense_best_ms) == (45, 30)
    assert record.speedup_vs_dense_best == 2
    assert record.agreement_with_dense == 3 / 4
    # Half the network, 8 MACs of policy per frame: 96 of 56 are saved.
    assert record.realised == pytest.approx(2 / (96 / 56))
    assert record.fps_with_io is None
    jsonschema.validate(record.to_dict(), SCHEMA)


def test_sinks_get_what_frame_by_frame_execution_answers(compiler):
    sources = [painted(0, 4), painted(1, 3, (5, 3)), painted(2, 2)]
    sink = Collect()
    process(saccade.wrap(painted_network(), HoldConfig(2)), sources, [sink], compare=True)
    assert len(sink.seen) == 9
    for (stream, index, labels), dense in zip(sink.seen, sink.dense, strict=True):
        assert np.array_equal(dense, sources[stream].predictions[index])
        assert np.array_equal(labels, sources[stream].predictions[index - index % 2])
    process(saccade.wrap(painted_network()), sources, [sink])
    assert all(dense is None for dense in sink.dense[9:])


def test_the_timeline_follows_share_latency_and_agreement(clock, compiler):
    clock([99, 99, 10, 20], [9] * 8)
    a, b = np.full((2, 4), 1), np.array([[1, 1, 2, 2], [1, 1, 2, 2]])
    record = process(
        saccade.wrap(painted_network(), HoldConfig(2)), [PaintedSource([a, b, b, a])], compare=True
    )
    assert record.to_dict()["timeline"] == {
        "frames_per_point": 1,
        "executed_fraction": [1, 0.25, 1, 0.25],
        "latency_ms": [None, None, 10, 20],
        "agreement_with_dense": [1, 0.5, 1, 0.5],
    }


def test_the_timeline_of_streams_side_by_side_is_that_of_all_blocks_and_pixels(clock, compiler):
    clock([99, 99, 10], [9] * 6)
    a, b = np.full((2, 4), 1), np.full((2, 4), 2)
    large = [np.full((4, 4), 1)] * 3
    sources = [PaintedSource([a, b, b]), PaintedSource(large), PaintedSource([b])]
    record = process(saccade.wrap(painted_network(), HoldConfig(2)), sources, compare=True)
    timeline = record.extra["timeline"]
    assert timeline["executed_fraction"] == [1, 0.25, 1]
    assert timeline["agreement_with_dense"] == pytest.approx([1, 16 / 24, 1], abs=1e-6)


def test_the_timeline_of_frame_by_frame_execution_has_no_blocks():
    timeline = process(saccade.wrap(painted_network()), [painted(0, 5)]).extra["timeline"]
    assert timeline["executed_fraction"] is timeline["agreement_with_dense"] is None
    assert [ms is None for ms in timeline["latency_ms"]] == [True, True, False, False, False]


def test_the_seed_is_set_and_recorded():
    def draw(seed: int) -> float:
        assert process(saccade.wrap(painted_network()), [painted(0, 1)], seed=seed).seed == seed
        return float(torch.rand(()))

    assert draw(3) == draw(3) != draw(4)
