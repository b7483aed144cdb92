"""Times several ways of doing the same work in turns, so that all of them meet the same machine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from saccade.evaluation.latency import synchronise, timed


@dataclass(frozen=True)
class Contestant:
    """One way of doing the work.

    Attributes:
        name: Unique among those that are timed together.
        call: Does the work once. Gets the number of the call, counted from 0, to vary its input by.
        warm_up: Calls before the first that counts; at least as many as there are different inputs that
            memory or kernels are prepared for.
    """

    name: str
    call: Callable[[int], object]
    warm_up: int = 2


def time_in_turns(
    contestants: Sequence[Contestant],
    device: torch.device,
    *,
    seconds: float,
    least: int,
    most: int,
    seed: int,
) -> dict[str, list[float]]:
    """Milliseconds of every contestant in every round.

    A round times each contestant once, in an order that is drawn anew. Each timed call directly follows
    an untimed one of the same contestant, so that all find caches and memory as they would in a video.

    Args:
        contestants: What to time.
        device: Is waited for before and after each timed call; the second wait is timed.
        seconds: No round begins after so long, once there have been ``least``.
        least, most: Rounds.
        seed: Of the orders.

    Returns:
        By name, one entry per round: entries at the same position were measured within one round.
    """
    order = random.Random(seed)
    calls = dict.fromkeys((contestant.name for contestant in contestants), 0)

    def call(contestant: Contestant) -> object:
        number = calls[contestant.name]
        calls[contestant.name] += 1
        return contestant.call(number)

    for contestant in contestants:
        for _ in range(contestant.warm_up):
            call(contestant)
        synchronise(device)
    times: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    begin = time.perf_counter()
    for done in range(most):
        if done >= least and time.perf_counter() - begin > seconds:
            break
        for contestant in order.sample(list(contestants), len(contestants)):
            call(contestant)
            _, ms = timed(lambda contestant=contestant: call(contestant), device)
            times[contestant.name].append(ms)
    return times


def median(values: Sequence[float]) -> float:
    """Half of the values are below it."""
    return float(np.median(values))


def quartiles(values: Sequence[float]) -> list[float]:
    """A quarter of the values are below the first, and above the second; interpolated linearly."""
    return [float(q) for q in np.percentile(values, (25, 75))]
