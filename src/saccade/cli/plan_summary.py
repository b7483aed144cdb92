"""A plan for people: its steps module by module, what forces dense work, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console

from saccade.blocks.plan import Plan, PlannedStep, percent
from saccade.cli.tables import print_facts, print_rows

MOST_ROWS = 40
"""Longer networks are shown by module, in as much detail as fits."""

WIDE = 120
"""Columns of a terminal from which on there is room for operators, canvases and batches."""

NARROW_COLUMNS = ("module", "class", "halo", "MB", "GMACs", "per block", "runs on")
WIDE_COLUMNS = ("module", "operators", "class", "halo", "canvases", "MB", "GMACs", "per block", "runs on")
NUMBERS = ("halo", "MB", "GMACs", "per block", "of all")


def print_plan(network: str, plan: Plan) -> None:
    """The tables of ``saccade plan``: steps, what forces dense work, totals."""
    wide = Console().width >= WIDE
    rows = [row(name, steps, plan, wide) for name, steps in by_module(plan.steps).items()]
    total = figures(plan.steps, plan)
    rows.append(("total", "", "", "", "", *total, "") if wide else ("total", "", "", *total, ""))
    print_rows(
        "what runs how (canvases in MB for each stream, MACs per block in millions)",
        WIDE_COLUMNS if wide else NARROW_COLUMNS,
        rows,
        numbers=NUMBERS,
    )
    if plan.forcing:
        print_rows(
            "what forces dense work at every frame",
            ("module", "operator", "class", "GMACs", "of all"),
            forcing_rows(plan),
            numbers=NUMBERS,
        )
    print_facts(network, plan.facts())


def by_module(steps: Sequence[PlannedStep]) -> dict[str, list[PlannedStep]]:
    """Steps by the module that they are in: as deep in the network as ``MOST_ROWS`` allow.

    Networks whose operations are not in modules come out step by step.
    """
    deepest = max(step.where.count(".") + 1 for step in steps)
    if len(steps) <= MOST_ROWS:
        deepest += 1  # every step for itself
    groups: dict[str, list[PlannedStep]] = {}
    for depth in range(deepest, 0, -1):
        groups = {}
        for step in steps:
            groups.setdefault(".".join(step.where.split(".")[:depth]), []).append(step)
        if len(groups) <= MOST_ROWS:
            break
    return groups


def row(name: str, steps: Sequence[PlannedStep], plan: Plan, wide: bool) -> tuple[str, ...]:
    """A line of the table of steps, or one for each way in which they run."""
    ways: dict[tuple[str, str], list[PlannedStep]] = {}
    for step in steps:
        ways.setdefault((step.kind, step.execution), []).append(step)
    classes = "\n".join(kind for kind, _ in ways)
    runs = "\n".join(execution + batches(found) * wide for (_, execution), found in ways.items())
    halo = str(max((max(step.halo) for step in steps if step.halo), default=0) or "")
    if not wide:
        return name, classes, halo, *figures(steps, plan), runs
    operators = times(short(operator) for step in steps for operator in step.operations)
    canvases = times("x".join(map(str, step.canvas)) for step in steps if step.canvas)
    return name, operators, classes, halo, canvases, *figures(steps, plan), runs


def figures(steps: Iterable[PlannedStep], plan: Plan) -> tuple[str, str, str]:
    """Memory of the canvases in MB, dense GMACs, millions of MACs per block; empty where there are none."""
    memory = macs = on_blocks = 0
    for step in steps:
        memory += step.canvas_bytes
        macs += step.macs
        on_blocks += step.macs if step.execution != "dense" else 0
    return (
        f"{memory / 1e6:.1f}" if memory else "",
        f"{macs / 1e9:.3f}" if macs else "",
        f"{on_blocks / plan.blocks / 1e6:.2f}" if on_blocks else "",
    )


def batches(steps: Iterable[PlannedStep]) -> str:
    """``" by 8-16"``: how many cells at a time."""
    sizes = [step.batch for step in steps if step.batch is not None]
    if not sizes:
        return ""
    return f" by {min(sizes)}" if min(sizes) == max(sizes) else f" by {min(sizes)}-{max(sizes)}"


def forcing_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Module, operator, class, GMACs and share of what forces dense work; the same within a module once."""
    forced = {step.name: macs for step, macs in plan.forcing}
    rows: list[tuple[str, ...]] = []
    for module, steps in by_module([step for step, _ in plan.forcing]).items():
        found: dict[tuple[str, str], list[int]] = {}
        for step in steps:
            found.setdefault((step.operations[0], step.kind), []).append(forced[step.name])
        for (operator, kind), macs in found.items():
            text = times([short(operator)] * len(macs))
            share = percent(sum(macs) / plan.macs) if plan.macs else "-"
            rows.append((module, text, kind, f"{sum(macs) / 1e9:.4f}", share))
    return rows


def times(names: Iterable[str]) -> str:
    """``"2 conv2d, relu"``: each name once, with how often it comes."""
    return ", ".join(f"{n} {name}" if n > 1 else name for name, n in Counter(names).items())


def short(operator: str) -> str:
    """An operator without the namespace of torch."""
    return operator.removeprefix("aten.")
