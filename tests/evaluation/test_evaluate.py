"""``evaluate`` on painted videos: every figure is computed by hand."""

import dataclasses

import jsonschema
import numpy as np
import pytest
import torch

import saccade
from saccade.classes import CAMVID, CITYSCAPES
from saccade.datasets.clip import Sample
from saccade.errors import ConfigError, DatasetError, NetworkError
from saccade.evaluation import baseline, meter
from saccade.evaluation.evaluate import evaluate
from saccade.networks.registry import NetworkInfo

from .contract import SCHEMA
from .painted import CLASSES, Hold, HoldConfig, PaintedClip, PaintedDataset, paint, painted_network

FIRST = [[0, 0, 1, 1], [0, 0, 1, 1]]
SECOND = [[0, 0, 0, 1], [0, 0, 0, 1]]  # all moved one pixel to the right
THIRD = [[0, 0, 0, 1], [0, 2, 0, 1]]  # nothing moved, one pixel changed
LABEL_1 = [[255, 0, 1, 1], [0, 0, 1, 1]]
LABEL_3 = [[0, 0, 0, 1], [0, 0, 1, 1]]


def label(ids: list[list[int]]) -> np.ndarray:
    return np.array(ids, np.uint8)


def flow(dx: float) -> np.ndarray:
    return np.tile(np.array([dx, 0], np.float32), (2, 4, 1))


def three_frames() -> PaintedClip:
    entered = np.zeros((2, 4), bool)
    entered[:, 0] = True
    return PaintedClip(
        [
            Sample(paint(FIRST), label(LABEL_1)),
            Sample(paint(SECOND, 1), None, flow(-1), entered),
            Sample(paint(THIRD, 2), label(LABEL_3), flow(0), np.zeros((2, 4), bool)),
        ]
    )


def test_every_figure_of_three_painted_frames(clock):
    clock([300, 200, 30])
    record = evaluate(saccade.wrap(painted_network()), PaintedDataset([three_frames()]), seed=5)
    # Labelled pixels, true by predicted: 0 as 0: 3 + 4, 0 as 2: 1, 1 as 1: 4 + 2, 1 as 0: 1.
    iou = {"sky": 7 / 9, "road": 6 / 7, "car": 0, "tree": None}
    assert record.iou_per_class == pytest.approx(iou)
    assert record.miou == pytest.approx((7 / 9 + 6 / 7 + 0) / 3)
    assert record.pixel_accuracy == pytest.approx(13 / 15)
    assert record.miou_by_distance == [record.miou]
    assert record.miou_min == record.miou
    # First pair: equal everywhere that was visible. Second: 0 in 5 of 6, 1 in 2 of 2, 2 in 0 of 1.
    assert record.temporal_consistency == pytest.approx((1 + (5 / 6 + 1 + 0) / 3) / 2)
    assert record.extra["temporal_pixels"] == pytest.approx((1 + 7 / 8) / 2)
    assert record.extra["temporal_flow"] == "exact"
    assert record.extra["temporal_pairs"] == 2
    assert record.extra["labelled_frames"] == 2
    # Nothing moved in the second pair, and one of 8 pixels changed; in the first all 8 moved or were hidden.
    assert record.flicker == 1 / 8
    assert record.extra["still_fraction"] == 8 / 16
    # Boundaries reach one pixel: every pixel of so small an image is near one.
    assert (record.boundary_iou, record.extra["boundary_width"]) == (pytest.approx(record.miou), 1)
    assert record.protocol == "clip"
    # Two steps of warm-up, one of 30 ms.
    assert record.latency_ms["mean"] == record.latency_ms["max"] == 30
    assert record.fps == pytest.approx(1000 / 30)
    assert record.gmacs == pytest.approx(
        {
            "mean": 96e-9,
            "dense": 96e-9,
            "network": 96e-9,
            "policy": 0,
            "policy_training": 0,
            "flow": 0,
            "halo": 0,
        }
    )
    assert (record.frames, record.streams, record.height, record.width) == (3, 1, 2, 4)
    assert (record.extra["dataset"], record.extra["split"], record.seed) == ("painted", "val", 5)
    found = record.to_dict()
    jsonschema.validate(found, SCHEMA)
    for key in (
        "fps_with_io",
        "executed_fraction",
        "miou_by_block_age",
        "dense_best_ms",
        "agreement_with_dense",
        "ap50",
    ):
        assert found[key] is None


def test_consistency_and_past_end_with_the_clip():
    alone = evaluate(saccade.wrap(painted_network()), PaintedDataset([three_frames()]))
    twice = evaluate(saccade.wrap(painted_network()), PaintedDataset([three_frames(), three_frames()]))
    assert twice.extra["temporal_pairs"] == 4
    assert twice.temporal_consistency == pytest.approx(alone.temporal_consistency)
    held = evaluate(saccade.wrap(painted_network(), HoldConfig(100)), PaintedDataset([three_frames()] * 2))
    assert held.miou_by_distance[0] == 1  # both clips begin with a keyframe


def test_distance_to_the_keyframe_counts_from_the_last_one():
    # Held from the first frame: frame 1 repeats FIRST, frame 2 is a keyframe again.
    clip = three_frames()
    clip.samples[1] = dataclasses.replace(clip.samples[1], label=label(SECOND))
    record = evaluate(saccade.wrap(painted_network(), HoldConfig(2)), PaintedDataset([clip]))
    # Distance 1: FIRST against SECOND: 0 is right 4 of 6, 1 is right 2 of 4.
    assert record.miou_by_distance[1] == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert record.miou_by_distance[0] == pytest.approx((7 / 9 + 6 / 7 + 0) / 3)
    assert record.miou_min == record.miou_by_distance[0]
    # In frame 1 only the last of 2 x 2 blocks is fresh: 2 of its pixels, columns 2 and 3 of the second row.
    # Those of the first row and the left half, age 1: 0 is right 4 of 5, 1 is right 1 of 2.
    # Fresh: those two, a wrong 1 and a right one, beside frames 0 and 2: 0 is 7 of 10, 1 is 7 of 9, 2 wrong.
    assert record.miou_by_block_age == pytest.approx([(7 / 10 + 7 / 9 + 0) / 3, (4 / 5 + 1 / 2) / 2])
    # Blocks: 4 of 4, 1 of 4, 4 of 4.
    assert record.executed_fraction == pytest.approx(9 / 12)
    assert record.executed_fraction_without_first == pytest.approx(5 / 8)
    # Two keyframes of three, and 8 MACs of policy each time.
    assert record.gmacs["network"] == pytest.approx(96e-9 * 2 / 3)
    assert record.gmacs["mean"] == pytest.approx(96e-9 * 2 / 3 + 8e-9)


def test_without_exact_flow_dis_is_used_and_said():
    frames = [paint(np.zeros((20, 20), int), i) for i in range(3)]
    clip = PaintedClip([Sample(frame, np.zeros((20, 20), np.uint8)) for frame in frames])
    record = evaluate(saccade.wrap(painted_network()), PaintedDataset([clip]))
    assert record.extra["temporal_flow"] == "dis"
    assert record.temporal_consistency == 1
    clip.samples[1] = dataclasses.replace(clip.samples[1], flow=np.zeros((20, 20, 2), np.float32))
    mixed = evaluate(saccade.wrap(painted_network()), PaintedDataset([clip]))
    assert mixed.extra["temporal_flow"] == "dis+exact"


def test_single_frames_have_no_temporal_consistency():
    clips = [PaintedClip([Sample(paint(FIRST), label(FIRST))]) for _ in range(2)]
    record = evaluate(saccade.wrap(painted_network()), PaintedDataset(clips))
    assert record.temporal_consistency is None
    assert record.extra["temporal_flow"] is None
    assert record.miou == 1


def test_labels_are_scored_at_their_own_size_whatever_the_network_sees(monkeypatch):
    fine = np.repeat(np.repeat(np.array(FIRST), 8, 0), 8, 1)  # 16 x 32
    dataset = PaintedDataset([PaintedClip([Sample(paint(fine), fine.astype(np.uint8))])])
    shapes = []
    network = painted_network()
    network.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[2:])))
    half = evaluate(saccade.wrap(network), dataset, scale=0.5)
    small = evaluate(saccade.wrap(network), dataset, size=(4, 8))
    assert {(8, 16), (4, 8)} <= set(shapes)
    assert (half.height, half.width) == (8, 16)
    # The boundary between the halves stays where it is, by symmetry.
    assert half.miou == small.miou == 1
    with pytest.raises(ConfigError, match="give only one"):
        evaluate(saccade.wrap(network), dataset, scale=0.5, size=(4, 8))


def test_labels_may_be_finer_than_the_frame():
    fine = np.repeat(np.repeat(np.array(FIRST), 4, 0), 4, 1).astype(np.uint8)
    record = evaluate(
        saccade.wrap(painted_network()), PaintedDataset([PaintedClip([Sample(paint(FIRST), fine)])])
    )
    assert record.miou == 1
    assert (record.height, record.width) == (2, 4)


def test_observers_and_progress_see_every_frame():
    seen, steps = [], []
    evaluate(
        saccade.wrap(painted_network()),
        PaintedDataset([three_frames()]),
        observers=[lambda sample, result, labels: seen.append((sample.frame.index, labels.tolist()))],
        progress=lambda done, total: steps.append((done, total)),
    )
    assert seen == [(0, FIRST), (1, SECOND), (2, THIRD)]
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_max_frames_counts_over_the_whole_split():
    record = evaluate(
        saccade.wrap(painted_network()), PaintedDataset([three_frames(), three_frames()]), max_frames=4
    )
    assert record.frames == 4
    assert record.extra["labelled_frames"] == 3


def test_max_clips_counts_clips():
    dataset = PaintedDataset([three_frames(), three_frames()])
    method = saccade.wrap(painted_network())
    record = evaluate(method, dataset, max_clips=1)
    assert (record.frames, record.extra["clips"]) == (3, 1)
    with pytest.raises(ConfigError, match="0 is no number of clips"):
        evaluate(method, dataset, max_clips=0)


def test_comparison_with_frame_by_frame_execution(clock, compiler):
    # Warm-up twice; then 10 ms for the method, 40 eager, 25 compiled.
    clock([99, 99, 10], [99, 99, 99, 99, 40, 25])
    method = saccade.wrap(painted_network(), HoldConfig(3))
    record = evaluate(method, PaintedDataset([three_frames()]), compare=True)
    assert compiler == [method.network]
    assert (record.dense_eager_ms, record.dense_best_ms) == (40, 25)
    assert (record.speedup_vs_dense_eager, record.speedup_vs_dense_best) == (4.0, 2.5)
    saving = 96 / (96 / 3 + 8)
    assert record.realised == pytest.approx(2.5 / saving)
    # FIRST is held: 8 pixels agree, then 6, then 5.
    assert record.agreement_with_dense == pytest.approx(19 / 24)
    jsonschema.validate(record.to_dict(), SCHEMA)


def test_frame_by_frame_agrees_with_itself_and_a_failing_compiler_is_reported(monkeypatch):
    def broken(module, **options):
        def call(*args):
            raise RuntimeError("no C++ compiler found\nmore lines")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    record = evaluate(saccade.wrap(painted_network()), PaintedDataset([three_frames()]), compare=True)
    assert record.agreement_with_dense == 1
    assert record.dense_best_ms == record.dense_eager_ms > 0
    (warning,) = record.extra["warnings"]
    assert warning.startswith("torch.compile failed")
    assert warning.endswith("no C++ compiler found")


def test_method_and_baselines_take_turns_at_being_first(monkeypatch, compiler):
    first = []

    def timed(call, device, name):
        first.append(name)
        return call(), 1.0

    monkeypatch.setattr(meter, "timed", lambda call, device: timed(call, device, "method"))
    monkeypatch.setattr(baseline, "timed", lambda call, device: timed(call, device, "dense"))
    clip = PaintedClip(three_frames().samples * 10)
    evaluate(saccade.wrap(painted_network()), PaintedDataset([clip]), compare=True)
    assert first.count("method") == 30
    assert first.count("dense") == 60
    leading = first[::3].count("method")
    assert 5 <= leading <= 15  # a third of 30, as the draw has it


def test_the_compiled_network_may_be_slower_than_eager(clock, compiler):
    clock([10] * 3, [20, 30] * 3)
    record = evaluate(saccade.wrap(painted_network()), PaintedDataset([three_frames()]), compare=True)
    assert (record.dense_eager_ms, record.dense_best_ms) == (20, 20)


def test_splits_that_cannot_be_scored():
    method = saccade.wrap(painted_network())
    with pytest.raises(DatasetError, match="data set painted, split val: no frames"):
        evaluate(method, PaintedDataset([]))
    bare = PaintedClip([Sample(paint(FIRST))])
    with pytest.raises(DatasetError, match="split val: no labels, so there is nothing to score"):
        evaluate(method, PaintedDataset([bare]))
    with pytest.raises(DatasetError, match="none of the 1 frames has labels; use more frames"):
        evaluate(method, PaintedDataset([bare, three_frames()]), max_frames=1)
    with pytest.raises(DatasetError, match="unknown class ids 9; there are 4 classes"):
        evaluate(method, PaintedDataset([PaintedClip([Sample(paint(FIRST), label([[9] * 4] * 2))])]))
    with pytest.raises(ConfigError, match="max_frames 0"):
        evaluate(method, PaintedDataset([three_frames()]), max_frames=0)


def test_networks_with_other_classes():
    other = torch.nn.Conv2d(3, 19, 1)
    with pytest.raises(
        NetworkError, match=r"Conv2d tells apart 19 classes, data set painted has 4 classes \(sky"
    ):
        evaluate(saccade.wrap(other), PaintedDataset([three_frames()]))
    other.info = NetworkInfo("street", CITYSCAPES)
    with pytest.raises(NetworkError, match="network street tells apart the 19 of cityscapes"):
        evaluate(saccade.wrap(other), PaintedDataset([three_frames()], classes=CAMVID))
    known = painted_network()
    known.info = NetworkInfo("painted", dataclasses.replace(CLASSES, name="another name"))
    assert evaluate(saccade.wrap(known), PaintedDataset([three_frames()])).network == "painted"


def test_what_a_method_notes_is_among_the_warnings(monkeypatch):
    monkeypatch.setattr(Hold, "notes", property(lambda self: [f"{len(self._ages)} held"]))
    record = evaluate(saccade.wrap(painted_network(), HoldConfig()), PaintedDataset([three_frames()]))
    assert record.extra["warnings"] == ["1 held"]


def test_the_same_seed_gives_the_same_figures_and_settings_are_restored():
    class Noise(torch.nn.Conv2d):
        def forward(self, frames):
            return super().forward(frames) + torch.randn(frames.shape[0], 4, *frames.shape[2:])

    network = Noise(3, 4, 1)
    network.load_state_dict(painted_network().state_dict())
    dataset = PaintedDataset([three_frames()])
    first, again, other = (evaluate(saccade.wrap(network), dataset, seed=seed) for seed in (1, 1, 2))
    assert first.miou == again.miou
    assert first.temporal_consistency == again.temporal_consistency
    assert (first.miou, first.temporal_consistency) != (other.miou, other.temporal_consistency)
    assert not torch.are_deterministic_algorithms_enabled()
