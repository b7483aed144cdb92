"""Results of ``blocks.py``: what a row says, the file they are kept in, and tables of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from saccade.cli.tables import print_rows
from saccade.video.atomic import write_atomic

SCHEMA = 1

TIMED = (
    "milliseconds of BlockNetwork.step(frames, actions) alone, and of the network's forward alone for dense "
    "execution: from normalised frames on the device and block lists on the CPU to the result on the device; "
    "medians, with quartiles beside them"
)

BARS = {
    "fp32": {1.0: 0.97, 0.5: 1.8, 0.25: 3.6, 0.125: 7.0},
    "bf16": {1.0: 0.97, 0.5: 1.6, 0.25: 3.0, 0.125: 5.0},
}
"""Speed-ups that the engine has to reach on CPUs with ``BAR_WORK``, by precision and share of the blocks."""

BAR_WORK = ("swiftnet-rn18", 1024, 2048, 128)
"""Network, height, width and block size that the bars are for."""


@dataclass(frozen=True)
class Row:
    """One result: a share of the blocks of one network, frame size, block size and precision.

    Attributes:
        network: As ``networks.py`` names it.
        height, width: Of the frames, in pixels.
        block_size: Side of a block, in pixels.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        winograd: The engine was allowed Winograd's algorithm, as it is by default (on CPUs).
        fraction: Share of the blocks that was asked for.
        executed_fraction: Share that was executed; larger where the engine chose to execute densely.
        dense_ms: By baseline; None for one that failed.
        dense_quartiles_ms: By baseline that did not fail.
        dense_best: The fastest baseline.
        block_ms, block_quartiles_ms: Of the block engine.
        speedup: ``dense_best_ms / block_ms``.
        speedup_quartiles: Of the ratios within the rounds.
        saving: MACs of dense execution over those of the blocks that were asked for and of the operations
            that look at the whole map.
        realised: ``speedup / saving``.
        error: Largest difference to eager execution in the same precision with all blocks, over the largest
            absolute value; None where a value is not finite.
        dense_errors: The same of the baselines other than eager: what may be expected of exact execution.
        gmacs: 1e9 MACs of dense execution.
        conversion_s: Seconds of ``convert``, measuring what is fastest on this machine included.
        first_step_s: Seconds of the first step after it.
        tuning: What was found to be fastest, as ``saccade.blocks.tuning.Tuning``.
        compile_s: By baseline, seconds of compiling it (or capturing a graph) and of its first call.
        rounds: Timings behind every median.
        seed: Of weights, frames, sets of blocks, and orders.
        kernels: What copies blocks: ``native`` or ``portable``.
        failed: By baseline, why it is missing.
        device, device_name, threads, torch, saccade: As in ``saccade.evaluation.record.Record``.
    """

    network: str
    height: int
    width: int
    block_size: int
    precision: str
    winograd: bool
    fraction: float
    executed_fraction: float
    dense_ms: dict[str, float | None]
    dense_quartiles_ms: dict[str, list[float]]
    dense_best: str
    dense_best_ms: float
    block_ms: float
    block_quartiles_ms: list[float]
    speedup: float
    speedup_quartiles: list[float]
    saving: float
    realised: float
    error: float | None
    dense_errors: dict[str, float | None]
    gmacs: float
    conversion_s: float
    first_step_s: float
    tuning: dict[str, Any]
    compile_s: dict[str, float]
    rounds: int
    seed: int
    kernels: str
    failed: dict[str, str]
    device: str
    device_name: str
    threads: int
    torch: str
    saccade: str

    @property
    def work(self) -> tuple[str, int, int, int, str, bool]:
        """What rows have in common that differ in nothing but the share of the blocks."""
        return self.network, self.height, self.width, self.block_size, self.precision, self.winograd

    @property
    def bar(self) -> float | None:
        """The speed-up that it has to reach, where there is one."""
        if self.work[:4] != BAR_WORK or not self.winograd or torch.device(self.device).type != "cpu":
            return None
        return BARS.get(self.precision, {}).get(self.fraction)


class Results:
    """The rows of one machine, in a file that is brought up to date after every configuration.

    Args:
        path: The file; rows that it already has stay until they are measured again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[tuple[object, ...], Row] = {}
        if path.exists():
            content = json.loads(path.read_text())
            if content["schema"] != SCHEMA:
                sys.exit(f"{path} has schema {content['schema']}, this is {SCHEMA}: move it away")
            self._put(Row(**row) for row in content["rows"])

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order in which their work was first measured."""
        return list(self._rows.values())

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows, or replace those of the same work and share of the blocks, and write the file."""
        self._put(rows)
        content = {
            "schema": SCHEMA,
            "benchmark": "benchmarks/blocks.py",
            "timed": TIMED,
            "rows": [asdict(row) for row in self.rows],
        }
        write_atomic(self.path, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def _put(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._rows[(*row.work, row.fraction)] = row


def by_work(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows that differ in nothing but the share of the blocks, together; most blocks first."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(row.work, []).append(row)
    return [sorted(group, key=lambda row: -row.fraction) for group in found.values()]


def show(rows: Sequence[Row]) -> None:
    """Print the rows of one work on the terminal."""
    first = rows[0]
    title = f"{first.network} {first.height}x{first.width}, blocks of {first.block_size}, {first.precision}"
    title += "" if first.winograd else ", without Winograd"
    columns = ["blocks", "ran", "ms", "quartiles", "speed-up", "bar", "saving", "realised"]
    lines = []
    for row in rows:
        verdict = ""
        if row.bar is not None:
            verdict = f"{'>=' if row.speedup >= row.bar else '<'} {row.bar:g}x"
        lines.append(
            [
                f"{row.fraction:.1%}",
                f"{row.executed_fraction:.1%}",
                short(row.block_ms),
                "-".join(short(ms) for ms in row.block_quartiles_ms),
                f"{row.speedup:.2f}x",
                verdict,
                f"{row.saving:.2f}x",
                f"{row.realised:.0%}",
            ]
        )
    print_rows(title, columns, lines, numbers=columns)
    compilation = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in first.compile_s.items()) or "none"
    print(f"  dense, ms: {dense_figures(first)}; best: {first.dense_best}")
    errors = {"blocks": first.error, **first.dense_errors}
    print(f"  difference to eager: {', '.join(f'{n} {error_figure(e)}' for n, e in errors.items())}")
    print(f"  conversion: {first.conversion_s:.1f} s; compilation: {compilation}; {first.rounds} rounds")
    for name, reason in first.failed.items():
        print(f"  {name} failed: {reason}")


def dense_figures(row: Row, mark: str = "") -> str:
    """Milliseconds of all baselines; the best between two ``mark``."""
    figures = []
    for name, ms in row.dense_ms.items():
        figure = f"{name} {'failed' if ms is None else short(ms)}"
        figures.append(f"{mark}{figure}{mark}" if name == row.dense_best else figure)
    return ", ".join(figures)


def error_figure(error: float | None) -> str:
    """A relative error, its magnitude and one digit more."""
    return "not finite" if error is None else f"{error:.1e}"


def short(ms: float) -> str:
    """Milliseconds, with tenths where these are worth reading."""
    return f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def markdown(rows: Sequence[Row]) -> str:
    """A heading and a table of one machine's results."""
    machines = {f"{r.device_name}, {r.threads} threads, PyTorch {r.torch}, {r.kernels} kernels" for r in rows}
    fractions = sorted({row.fraction for row in rows}, reverse=True)
    heads = [
        "network",
        "frame",
        "block",
        "precision",
        "engine",
        "dense, ms",
        *(f"{f:.1%}" for f in fractions),
        "error",
    ]
    lines = [f"### {'; '.join(sorted(machines))}", "", markdown_line(heads), "|" + "---|" * len(heads)]
    for group in by_work(rows):
        first, cells = group[0], {row.fraction: markdown_cell(row) for row in group}
        lines.append(
            markdown_line(
                [
                    first.network,
                    f"{first.height}x{first.width}",
                    str(first.block_size),
                    first.precision,
                    "" if first.winograd else "without Winograd",
                    dense_figures(first, "**"),
                    *(cells.get(fraction, "") for fraction in fractions),
                    error_figure(first.error),
                ]
            )
        )
    return "\n".join(lines)


def markdown_line(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def markdown_cell(row: Row) -> str:
    """Speed-up, the share of the saving in MACs that it realises, and the bar where there is one."""
    bar = "" if row.bar is None else f", bar {row.bar:g}x"
    return f"{row.speedup:.2f}x ({row.realised:.0%}{bar})"
