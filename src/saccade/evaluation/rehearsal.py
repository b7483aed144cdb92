"""Preparing a measurement by steps that leave no trace in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from saccade.evaluation.determinism import seed_all
from saccade.evaluation.meter import Meter

REHEARSED_STEPS = 6
"""Enough for a first frame, for those after it, for a policy to learn, and for a key frame at interval 5."""


@contextmanager
def rehearsal(meter: Meter, seed: int) -> Iterator[Meter]:
    """A meter of the same method and baseline, to step before the measurement begins.

    In the end the method forgets the videos and what it learned (its ``state_dict``, but for that of the
    network), the baselines what was measured, and the random generators begin again. What was prepared
    stays: compiled programs, memory, tuning. So the measurement can begin with the first frame of a video and
    include it, and answers as it would have without the rehearsal.

    Args:
        meter: What is going to measure.
        seed: Of the random generators.
    """
    method = meter.method
    state = method.state_dict()
    learned = copy.deepcopy({name: state[name] for name in state if not name.startswith("network.")})
    yield Meter(method, compare=meter.baseline or False)
    method.reset()
    method.load_state_dict(learned, strict=False)
    if meter.baseline is not None:
        meter.baseline.restart()
    seed_all(seed)
