"""Steps before a measurement prepare it and leave no trace in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import saccade
from saccade.evaluation.evaluate import evaluate
from saccade.evaluation.stream import Interrupted, process
from saccade.methods import registry
from saccade.methods.base import Cost, Segmentation, StepResult, VideoMethod
from saccade.methods.configs import BlockCopyConfig
from saccade.policies.online import OnlinePolicy
from saccade.policies.online_settings import OnlineSettings

from .painted import HoldConfig, PaintedClip, PaintedDataset, PaintedSource, Sample, paint, painted_network


@dataclass(frozen=True)
class LearnConfig:
    """Learns from every frame, and guesses."""


class Learn(VideoMethod):
    """Counts the frames it has seen in what it learned, and adds that and noise to the scores."""

    def __init__(self, network: nn.Module, config: LearnConfig) -> None:
        super().__init__()
        self.network, self.config = network, config
        self.register_buffer("learned", torch.zeros(()))
        self.scores: list[float] = []

    def reset(self, streams: Sequence[int] | None = None) -> None:
        pass

    def drop(self, streams: Sequence[int]) -> None:
        pass

    def step(self, frames: Tensor) -> StepResult:
        self.learned += 1
        logits = self.network(frames) + 100 * self.learned + torch.rand(())
        self.scores.append(float(logits[0, 0, 0, 0]))
        return StepResult(
            Segmentation(logits, tuple(frames.shape[2:])),
            None,
            torch.ones(len(frames), dtype=torch.bool),
            Cost(),
        )


@pytest.fixture
def learner(monkeypatch):
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    registry.register_method("learn", LearnConfig, Learn)
    return lambda: saccade.wrap(painted_network(), LearnConfig())


def source(*classes: int) -> PaintedSource:
    return PaintedSource([np.full((2, 4), value) for value in classes])


class Collect:
    def __init__(self) -> None:
        self.frames, self.closed = [], False

    def write(self, stream, frame, result, labels, dense=None):
        self.frames.append(frame.index)

    def close(self):
        self.closed = True


def test_the_first_frame_is_timed_and_nothing_before_it(clock, compiler):
    # Three steps that are forgotten; then a keyframe, its repetition, and a keyframe.
    clock([900] * 3 + [40, 20, 36], [900] * 6 + [80, 60, 100, 64, 90, 68])
    sink = Collect()
    record = process(
        saccade.wrap(painted_network(), HoldConfig(2)), [source(1, 2, 3)], [sink], compare=True, rehearse=3
    )
    assert (record.latency_ms["mean"], record.latency_ms["max"]) == (32, 40)
    assert (record.latency_ms["keyframe_p50"], record.latency_ms["other_p50"]) == (38, 20)
    assert (record.dense_eager_ms, record.dense_best_ms) == (90, 64)
    assert record.speedup_vs_dense_best == 2
    assert record.frames == 3
    assert record.agreement_with_dense == pytest.approx(2 / 3)
    assert sink.frames == [0, 1, 2]
    assert len(compiler) == 1


def test_a_video_shorter_than_the_rehearsal(clock):
    clock([900, 7])
    record = process(saccade.wrap(painted_network()), [source(1)], rehearse=6)
    assert record.latency_ms["mean"] == 7


def test_what_was_learned_and_drawn_in_the_rehearsal_is_forgotten(learner):
    plain, rehearsed = learner(), learner()
    process(plain, [source(1, 2, 3)])
    process(rehearsed, [source(1, 2, 3)], rehearse=2)
    assert len(rehearsed.scores) == 5
    assert rehearsed.scores[2:] == plain.scores
    assert plain.learned == rehearsed.learned == 3


def test_a_data_set_is_scored_as_without_rehearsal(learner, clock):
    clip = PaintedClip([Sample(paint([[k, k]]), np.array([[1, 2]], np.uint8)) for k in (1, 2, 3)])
    dataset = PaintedDataset([clip, clip])
    clock([1, 2, 3, 4, 5, 6])
    plain = evaluate(saccade.wrap(painted_network(), HoldConfig(2)), dataset)
    clock([900] * 4 + [1, 2, 3, 4, 5, 6])
    rehearsed = evaluate(saccade.wrap(painted_network(), HoldConfig(2)), dataset, rehearse=4)
    for key in ("miou", "miou_by_distance", "executed_fraction", "gmacs", "frames", "temporal_consistency"):
        assert getattr(plain, key) == getattr(rehearsed, key), key
    assert rehearsed.latency_ms["mean"] == 3.5
    assert plain.latency_ms["mean"] == 4.5  # two steps of warm-up are left out
    clock([1] * 20)
    alone, again = learner(), learner()
    evaluate(alone, dataset)
    evaluate(again, dataset, rehearse=4)
    assert again.scores[4:] == alone.scores


def test_a_policy_that_learns_decides_as_without_rehearsal():
    def actions(rehearse: int, saved: dict | None = None) -> tuple[list[list[int]], dict]:
        method = saccade.wrap(painted_network(), BlockCopyConfig(target=0.5, block_size=8))
        method.policy = OnlinePolicy(OnlineSettings(train_interval=1, learning_rate=0.1))
        if saved is not None:
            method.policy.load_state_dict(saved)
        seen: list[list[int]] = []
        evaluate(
            method,
            PaintedDataset([clip]),
            rehearse=rehearse,
            observers=[lambda sample, result, labels: seen.append(result.actions.flatten().tolist())],
        )
        return seen, method.policy.state_dict()

    rng = np.random.default_rng(0)
    images = [rng.integers(0, 4, (32, 32)) for _ in range(6)]
    clip = PaintedClip([Sample(paint(image), image.astype(np.uint8)) for image in images])
    plain, learned = actions(0)
    assert learned["_extra_state"]["steps"] == 5
    assert actions(4)[0] == plain
    assert actions(4, learned)[0] == actions(0, learned)[0] != plain


def test_ctrl_c_in_the_rehearsal_finishes_the_sinks(monkeypatch):
    method = saccade.wrap(painted_network())

    def stop(frames):
        raise KeyboardInterrupt

    monkeypatch.setattr(method, "step", stop)
    sink = Collect()
    with pytest.raises(Interrupted) as caught:
        process(method, [source(1, 2)], [sink], rehearse=2)
    assert caught.value.record.frames == 0
    assert sink.closed
