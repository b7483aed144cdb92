"""Preparing a measurement by steps that leave no trace in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from saccade.evaluation.determinism import seed_all
from saccade.evaluation.meter import Meter
from saccade.methods.base import VideoMethod


@contextmanager
def without_trace(method: VideoMethod, seed: int) -> Iterator[None]:
    """Steps within it leave no trace in the method.

    In the end it forgets the videos and what it learned (its ``state_dict``, but for that of the network),
    and the random generators begin again. What was prepared stays: compiled programs, memory, tuning.
    """
    state = method.state_dict()
    learned = copy.deepcopy({name: state[name] for name in state if not name.startswith("network.")})
    yield
    method.reset()
    method.load_state_dict(learned, strict=False)
    seed_all(seed)


@contextmanager
def rehearsal(meter: Meter, seed: int) -> Iterator[Meter]:
    """A meter of the same method, to step before the measurement begins; the baselines too, the first time.

    As in ``without_trace``, and the baselines forget what was measured. So the measurement can begin with the
    first frame of a video and include it, and answers as it would have without the rehearsal.

    Args:
        meter: What is going to measure.
        seed: Of the random generators.
    """
    baseline = meter.baseline
    unprepared = baseline is not None and not baseline.prepared
    with without_trace(meter.method, seed):
        yield Meter(meter.method, compare=baseline if baseline is not None and unprepared else False)
    if baseline is not None:
        baseline.prepared = True
        baseline.restart(meter)
