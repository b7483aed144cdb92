"""Threads that spin while they wait for each other, and threads that sleep, on a free and on a busy machine.

    python benchmarks/busy.py [--others 0 4]

Other programs are loops in Python, one processor each. A process of its own runs the default network frame by
frame (``step`` of ``saccade.wrap``, precision and compilation as chosen for this machine) with
``GOMP_SPINCOUNT`` unset, and one as the command line sets it where others use the processors
(``saccade.cli.busy``). They take turns, and each turn's median is kept. The load is started before the first
turn of a row and stopped after its last. Results are ``benchmarks/results/<machine>/busy.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from saccade.cli.busy import SETTINGS, SHORT_WAIT

NETWORK = "swiftnet-rn18"
SIZE = (360, 640)
TURNS = 3
FRAMES = 10
WARM_UP = 3
Row = dict[str, object]


def frame_times() -> list[float]:
    """Milliseconds of each ``step``."""
    import torch

    import saccade
    from saccade.methods.placement import choose_placement

    network = saccade.load_network(NETWORK)
    placement = choose_placement(network, size=SIZE)
    method = saccade.wrap(placement.apply(network), saccade.FrameConfig())
    frames = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    times = []
    for _ in range(WARM_UP + FRAMES):
        start = time.perf_counter()
        method.step(frames)
        times.append((time.perf_counter() - start) * 1000)
    return times[WARM_UP:]


def median_ms(spin: str | None) -> float:
    """Median of a process of its own.

    Args:
        spin: ``GOMP_SPINCOUNT`` of the process.
    """
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment |= {} if spin is None else {"GOMP_SPINCOUNT": spin}
    command = [sys.executable, str(Path(__file__).resolve()), "--times"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return statistics.median(json.loads(done.stdout.splitlines()[-1]))


def row(others: int) -> Row:
    """Both ways to wait beside some other programs."""
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
    try:
        turns = [(median_ms(None), median_ms(SHORT_WAIT)) for _ in range(TURNS)]
    finally:
        for process in load:
            process.kill()
            process.wait()
    spin, sleep = zip(*turns, strict=True)
    return {"others": others, "spin_ms": list(spin), "sleep_ms": list(sleep)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--others", type=int, nargs="*", default=[0, 1, 2, 4], help="other programs")
    arguments.add_argument("--times", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.times:
        print(json.dumps(frame_times()))
        return
    rows = []
    for others in given.others:
        rows.append(row(others))
        print(json.dumps(rows[-1]), flush=True)

    import torch
    from machine import results_folder

    import saccade
    from saccade.methods.placement import choose_placement

    placement = choose_placement(saccade.load_network(NETWORK), size=SIZE)
    text = {"size": SIZE, "network": NETWORK, "precision": placement.precision}
    text |= {"threads": torch.get_num_threads(), "rows": rows}
    path = results_folder(placement.device) / "busy.json"
    path.write_text(json.dumps(text, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
