"""A machine that is busy with other work: the threads of a network must not wait by spinning there.

After every layer the threads of a network wait for the slowest. By default they do so in a loop, which is
best where each has a processor of its own. Where another program has it, they hold up just the thread that
they wait for: ``docs/protocols.md`` has figures.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

SHORT_WAIT = "1000"
"""Rounds of the loop before a thread sleeps; by default some hundred thousand."""

SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""Variables by which users say how threads wait."""

LOOKS = 5
SECONDS_BETWEEN = 0.004


def share_processors(load: Path = Path("/proc/loadavg")) -> None:
    """Let waiting threads sleep soon if there are fewer free processors than threads.

    Must come before PyTorch is imported, whose OpenMP reads the variable; after that it does nothing, nor
    where the user has said how to wait, nor where the system (any but Linux) does not say what is running.
    """
    if "torch" in sys.modules or any(name in os.environ for name in SETTINGS):
        return
    processors = os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdecimal() else processors
    if threads > 1 and others_running(load) + threads > processors:
        os.environ["GOMP_SPINCOUNT"] = SHORT_WAIT


def others_running(load: Path) -> int:
    """How many other threads of this machine are running or want to, the median of some looks; 0 if unknown.

    Args:
        load: File like Linux's ``/proc/loadavg``: ``0.20 0.18 0.12 1/80 11206``, with one thread of 80
            running.
    """
    looks = []
    for _ in range(LOOKS):
        try:
            looks.append(int(load.read_text().split()[3].partition("/")[0]) - 1)  # one is this
        except (OSError, ValueError, IndexError):
            return 0
        time.sleep(SECONDS_BETWEEN)
    return max(0, round(statistics.median(looks)))
