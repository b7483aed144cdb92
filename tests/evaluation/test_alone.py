"""What reading and drawing add to a method, and its memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import saccade
from saccade.evaluation.alone import Alone, ClipSource, run_alone
from saccade.evaluation.peak_memory import MEGABYTE, PeakMemory
from saccade.video.source import ReadOptions

from .painted import HoldConfig, PaintedClip, PaintedSource, Sample, paint, painted_network


def test_the_loop_is_the_steps_as_measured_and_what_is_around_them():
    loop = {"read": 3.0, "step": 10.0, "labels": 2.0, "write": 5.0}
    alone = Alone(loop, frames=3, peak_memory_mb=None)
    # Frames 1 and 2 took 10 ms measured, as in the loop; all four took 15 on average.
    assert alone.fps_with_io([40.0, 8.0, 12.0, 0.0]) == pytest.approx(1000 / (15 + 10))
    # In the loop they took twice as long.
    assert alone.fps_with_io([20.0, 5.0, 5.0, 10.0]) == pytest.approx(1000 / (2 * 10 + 10))
    # Where they were faster in the loop, the measured times stand.
    assert alone.fps_with_io([20.0, 20.0, 20.0, 20.0]) == pytest.approx(1000 / (20 + 10))


def test_without_a_second_frame_nothing_is_known_of_the_loop():
    assert Alone(None, 1, None).fps_with_io([3.0]) is None
    assert Alone({"read": 1.0, "step": 1.0, "labels": 1.0, "write": 1.0}, 1, None).fps_with_io([3.0]) is None


@pytest.mark.parametrize(("step_ms", "frames"), [(1000.0, 10), (200.0, 20), (1.0, 60)])
def test_so_many_frames_are_run_alone_as_fit_and_the_method_forgets_them(step_ms, frames, clock):
    clock([step_ms] * 62)
    method = saccade.wrap(painted_network(), HoldConfig(100))
    source = PaintedSource([np.full((32, 32), k % 4) for k in range(70)])
    alone = run_alone(method, [source], PeakMemory(method.network, torch.device("cpu")), seed=0)
    assert alone.frames == frames
    assert set(alone.loop_ms) == {"read", "step", "labels", "write"}
    assert method.get_state() == {"held": [], "ages": []}


def test_a_clip_is_a_source_of_the_size_that_is_asked_for():
    clip = PaintedClip([Sample(paint(np.full((8, 16), k)), None) for k in (1, 2, 3)], "a clip")
    source = ClipSource(clip, ReadOptions(scale=0.5))
    assert (source.name, source.length, source.height, source.width) == ("a clip", 3, 4, 8)
    images = [frame.image for frame in source]
    assert [image.shape for image in images] == [(4, 8, 3)] * 3
    assert [int(image[0, 0, 0]) for image in images] == [60, 120, 180]


@pytest.mark.skipif(
    PeakMemory(nn.Identity(), torch.device("cpu")).megabytes() is None, reason="needs Linux's /proc"
)
def test_memory_that_is_given_back_counts_and_memory_of_others_does_not():
    weights = nn.Linear(4096, 2048, bias=False)  # 32 MB
    others = torch.ones(64 * MEGABYTE // 4)
    memory = PeakMemory(weights, torch.device("cpu"))
    memory.begin()
    before = memory.megabytes()
    passing = torch.ones(128 * MEGABYTE // 4)
    del passing
    peak = memory.megabytes()
    if before is None or peak is None:
        pytest.skip("the peak cannot be reset here")
    assert 30 < before < 60
    assert 120 < peak - before < 140
    assert len(others)
