"""The two charts of accuracy against what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from xml.etree.ElementTree import Element

from saccade.evaluation.report.entries import Entry, groups_of
from saccade.evaluation.report.figures import three
from saccade.evaluation.report.frontier_chart import Cost, frontier_chart
from saccade.evaluation.report.markup import element
from saccade.evaluation.report.measures import Measure

WIDE, NARROW = (570, 400), (360, 380)
"""Width and height of a chart on a desk and in a hand; the style sheet shows one of the two."""
UNSTEADY = 1.1
"""Longest over shortest time of the same dense execution beside different rows; more is a warning."""


def about_charts(measure: Measure) -> str:
    """How to read them."""
    return (
        f"Accuracy ({measure.axis}) against what a frame costs on average. Filled: nothing "
        "else is both cheaper and at least as accurate; hollow: something is. The grey stairs are this "
        "frontier; a coloured line joins the targets of one method."
    )


def cost_charts(entries: Sequence[Entry], measure: Measure) -> list[Element]:
    """Accuracy against MACs and against milliseconds, and a warning where the latter mislead.

    Args:
        entries: Measured on the same frames.
        measure: Of the accuracy.
    """
    made = [_chart(entries, measure, cost) for cost in (_macs(entries), _milliseconds(entries))]
    charts = [chart for chart in made if chart is not None]
    warnings = [warning for group in groups_of(entries) if (warning := _unsteady(group)) is not None]
    return [element("div", *charts, class_="charts"), *warnings] if charts else []


def _chart(entries: Sequence[Entry], measure: Measure, cost: Cost) -> Element | None:
    wide = frontier_chart(entries, measure, cost, *WIDE)
    narrow = frontier_chart(entries, measure, cost, *NARROW)
    if wide is None or narrow is None:
        return None
    parts = []
    for (picture, unnamed), where in ((wide, "wide"), (narrow, "narrow")):
        note = f"There is no room for {unnamed} more names: point at the points." if unnamed else ""
        parts.append(
            element("div", picture, element("p", note, class_="unnamed") if note else None, class_=where)
        )
    return element("figure", *parts, class_="frontier-chart")


def _macs(entries: Sequence[Entry]) -> Cost:
    return Cost(
        of=lambda entry: entry.number("gmacs", "mean"),
        axis="GMACs per frame",
        text=lambda value: f"{three(value)} GMACs",
        limit=_limit(entries, "gmacs", "dense"),
        beyond="more work",
    )


def _milliseconds(entries: Sequence[Entry]) -> Cost:
    return Cost(
        of=lambda entry: entry.number("latency_ms", "mean"),
        axis="milliseconds per frame",
        text=lambda value: f"{three(value)} ms",
        limit=_limit(entries, "dense_best_ms"),
        beyond="slower",
    )


def _limit(entries: Sequence[Entry], *path: str) -> tuple[float, str] | None:
    """Of dense execution, the median of all rows; None for several networks or sizes."""
    if len(groups_of(entries)) > 1:
        return None
    known = [value for entry in entries if (value := entry.number(*path)) is not None]
    return (median(known), "best dense" if path == ("dense_best_ms",) else "dense") if known else None


def _unsteady(group: Sequence[Entry]) -> Element | None:
    """A warning where dense execution took other times beside other rows: milliseconds mislead then."""
    beside = [value for entry in group if (value := entry.number("dense_best_ms")) is not None]
    if not beside or max(beside) <= UNSTEADY * min(beside):
        return None
    return element(
        "p",
        "The machine was not equally fast all the time: the best dense execution, timed beside each "
        f"row, took {three(min(beside))} to {three(max(beside))} ms. Trust the speed-ups, which are of "
        "times in turns, more than milliseconds of different rows.",
        class_="unsteady",
    )
