"""Percentiles by hand, warm-up, and the clock."""

import pytest
import torch

from saccade.evaluation.latency import Latency, timed
from saccade.evaluation.warm_up import WarmUp


def test_percentiles_of_a_hand_computed_case():
    latency = Latency()
    for ms, keyframe in ((40, True), (10, False), (20, False), (30, False), (60, True)):
        latency.update(ms, keyframe)
    found = latency.compute()
    assert found["mean"] == 32
    assert found["p50"] == 30
    assert found["p95"] == pytest.approx(56)  # position 3.8 of 10, 20, 30, 40, 60
    assert found["max"] == 60
    assert found["keyframe_p50"] == 50
    assert found["other_p50"] == 20


def test_warm_up_is_left_out():
    latency = Latency()
    latency.update(900, warm_up=True)
    latency.update(10)
    assert latency.compute() == {
        "mean": 10, "p50": 10, "p95": 10, "max": 10, "keyframe_p50": 10, "other_p50": None,
    }  # fmt: skip


def test_the_last_step_of_the_warm_up_stands_in_where_there_is_no_other():
    latency = Latency()
    latency.update(900, keyframe=True, warm_up=True)
    latency.update(30, keyframe=False, warm_up=True)
    found = latency.compute()
    assert (found["mean"], found["other_p50"], found["keyframe_p50"]) == (30, 30, None)


def test_nothing_measured_is_none():
    assert set(Latency().compute().values()) == {None}


def test_every_shape_has_its_own_warm_up():
    warm_up = WarmUp(2)
    small, large = [(1, 3, 8, 8)], [(1, 3, 16, 16)]
    assert [warm_up.step(s) for s in (small, small, large, small, large, large)] == [
        True, True, True, False, True, False,
    ]  # fmt: skip
    assert not WarmUp(0).step(small)


def test_the_clock_waits_for_the_device_before_and_after(monkeypatch):
    order = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: order.append(f"wait {device}"))
    result, ms = timed(lambda: order.append("call"), torch.device("cuda:1"))
    assert order == ["wait cuda:1", "call", "wait cuda:1"]
    assert result is None
    assert ms >= 0


def test_the_clock_gives_milliseconds(monkeypatch):
    times = iter([5.0, 5.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    assert timed(lambda: "answer", torch.device("cpu")) == ("answer", 250.0)
