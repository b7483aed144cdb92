"""Protocols over keyframe offsets, run whole: against every offset of every label, taken by hand."""

from __future__ import annotations

import numpy as np
import pytest

import saccade
from saccade.datasets.clip import Sample
from saccade.errors import DatasetError
from saccade.evaluation.evaluate import evaluate

from .painted import CONVOLUTION_MACS, HoldConfig, PaintedClip, PaintedDataset, paint, painted_network

INTERVAL = 3
FRAME_MACS = CONVOLUTION_MACS * 3 * 5


def random_clip(seed: int, length: int, labelled: range) -> PaintedClip:
    """Random pictures, and labels that are mostly those of the picture."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 4, (length, 3, 5))
    labels = np.where(rng.random(pictures.shape) < 0.7, pictures, rng.integers(0, 4, pictures.shape))
    return PaintedClip(
        [
            Sample(paint(picture, i), labels[i].astype(np.uint8) if i in labelled else None)
            for i, picture in enumerate(pictures)
        ]
    )


VIDEO = PaintedDataset([random_clip(0, 8, range(8)), random_clip(1, 5, range(5))])
SNIPPETS = PaintedDataset([random_clip(seed, 4, range(3, 4)) for seed in range(2, 8)])


def counts_of(label: np.ndarray, picture: np.ndarray) -> np.ndarray:
    counts = np.zeros((4, 4))
    for pair in zip(label.ravel(), picture.ravel(), strict=True):
        counts[pair] += 1
    return counts


def miou(counts: np.ndarray) -> float:
    hits = counts.diagonal()
    return float(np.nanmean(hits / (counts.sum(0) + counts.sum(1) - hits)))


def offsets_of(dataset: PaintedDataset) -> list[list[np.ndarray]]:
    """Of each labelled frame with two frames before it, its confusion with the picture 0, 1 and 2 frames
    before: what a method answers that holds its last keyframe."""
    return [
        [counts_of(sample.label, clip.samples[t - d].frame.image[..., 0] // 60) for d in range(INTERVAL)]
        for clip in dataset.parts
        for t, sample in enumerate(clip.samples)
        if sample.label is not None and t >= INTERVAL - 1
    ]


def run(dataset: PaintedDataset, protocol: str, **options: object):
    return evaluate(
        saccade.wrap(painted_network(), HoldConfig(INTERVAL)), dataset, protocol=protocol, **options
    )


@pytest.mark.parametrize("dataset", [VIDEO, SNIPPETS], ids=["video", "snippets"])
def test_figures_are_those_of_every_offset_taken_by_hand(dataset):
    offsets = np.array(offsets_of(dataset))  # (labels, d, 4, 4)
    curve = [miou(offsets[:, d].sum(0)) for d in range(INTERVAL)]
    expected = {
        "dff": np.mean(curve),
        "accel-avg": miou(sum(offsets[i, i % INTERVAL] for i in range(len(offsets)))),
        "accel-max": curve[-1],
        "gsvnet-avg": miou(offsets.sum((0, 1))),
        "gsvnet-min": curve[-1],
    }
    assert len({round(value, 4) for value in expected.values()}) == 4  # they do differ
    for protocol, value in expected.items():
        record = run(dataset, protocol)
        assert record.miou == pytest.approx(value), protocol
        assert record.protocol == protocol
        assert record.extra["labelled_frames"] == len(offsets)
        if protocol in ("dff", "gsvnet-avg"):
            assert record.miou_by_distance == pytest.approx(curve)
            assert record.miou_min == pytest.approx(min(curve))
        if protocol in ("accel-max", "gsvnet-min"):
            assert record.miou_by_distance == [None, None, pytest.approx(curve[-1])]


def test_costs_are_those_of_whole_intervals_whatever_is_scored():
    for protocol in ("dff", "accel-avg", "accel-max", "gsvnet-avg", "gsvnet-min"):
        record = run(SNIPPETS, protocol)
        assert record.gmacs["network"] == pytest.approx(FRAME_MACS / INTERVAL / 1e9), protocol
        # Of 6 snippets all have a whole interval before the label; in turns, those at the farthest distance.
        assert record.frames == (6 if protocol == "accel-avg" else 18)
        # Four blocks in the keyframe, one in each of the two others.
        assert record.executed_fraction == pytest.approx(6 / 12)


def test_agreement_is_over_whole_intervals_too(compiler):
    clip = PaintedClip([Sample(paint([[k]], k), np.array([[k]], np.uint8)) for k in range(3)])
    record = run(PaintedDataset([clip]), "dff", compare=True)
    assert record.agreement_with_dense == pytest.approx(1 / 3)
    assert record.miou_by_distance == [1, 0, 0]


def test_without_a_whole_interval_there_is_no_cost_and_that_is_said():
    record = run(PaintedDataset(SNIPPETS.parts[:2]), "accel-avg")  # at distances 0 and 1
    assert (record.frames, record.gmacs["mean"], record.latency_ms["mean"], record.fps) == (
        0,
        None,
        None,
        None,
    )
    assert record.miou is not None
    assert (record.streams, record.height, record.width) == (1, 3, 5)
    (warning,) = record.extra["warnings"]
    assert "no clip has a whole keyframe interval of 3 frames" in warning


def test_frame_by_frame_every_protocol_is_the_clip_as_it_is():
    method = saccade.wrap(painted_network())
    plain = evaluate(method, VIDEO)
    for protocol in ("dff", "accel-avg", "accel-max", "gsvnet-avg", "gsvnet-min"):
        record = evaluate(method, VIDEO, protocol=protocol)
        assert record.miou == pytest.approx(plain.miou), protocol
        assert (record.frames, record.extra["labelled_frames"]) == (13, 13)


def test_windows_of_an_interval_have_no_temporal_scores_and_others_have():
    assert run(VIDEO, "clip").temporal_consistency is not None
    record = run(VIDEO, "dff")
    assert (record.temporal_consistency, record.flicker, record.extra["temporal_flow"]) == (None, None, None)


def test_max_frames_is_of_the_data_and_progress_never_goes_back():
    steps = []
    record = run(VIDEO, "dff", max_frames=4, progress=lambda *step: steps.append(step))
    # Frames 2 and 3 are scored, with keyframes at 0, 1, 2 and 3.
    assert (record.extra["labelled_frames"], record.extra["unscored_labels"]) == (2, 2)
    assert (record.extra["clips"], record.frames) == (4, 6)
    assert steps == [(done, 4) for done in (1, 2, 3, 4)]


def test_clips_shorter_than_the_interval_cannot_be_scored():
    short = PaintedDataset([random_clip(9, 2, range(2))])
    with pytest.raises(
        DatasetError, match="frames with 2 frames before them in their clip, and none of the 2 "
    ):
        run(short, "gsvnet-avg")
    with pytest.raises(DatasetError, match="frames with 19 frames before them"):
        run(short, "blockcopy")
