"""Accuracy against what it costs: every row a point, and the frontier that nothing beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from xml.etree.ElementTree import Element

from saccade.evaluation.report.axes import along, upwards
from saccade.evaluation.report.entries import SWEEP, Entry
from saccade.evaluation.report.figures import score
from saccade.evaluation.report.marks import colour_class, mark
from saccade.evaluation.report.markup import decimal, element
from saccade.evaluation.report.measures import Measure, frontier
from saccade.evaluation.report.placing import LETTER, Box, place_names
from saccade.evaluation.report.scale import Scale, around, without_stragglers

TYPE = 12.0
"""Size of the names, in units of the picture; the style sheet has the same."""


@dataclass(frozen=True)
class Cost:
    """What a row needs.

    Attributes:
        of: The value of a row.
        axis: What stands at the axis.
        text: A value with its unit.
        limit: That of dense execution at its best, and what it is called; what lies beyond is worse than not
            using the method at all.
        beyond: What is to be said of it.
    """

    of: Callable[[Entry], float | None]
    axis: str
    text: Callable[[float], str]
    limit: tuple[float, str] | None
    beyond: str


@dataclass(frozen=True)
class _Point:
    entry: Entry
    cost: float
    score: float


@dataclass(frozen=True)
class _Plot:
    x: Scale
    y: Scale

    def place(self, point: _Point) -> tuple[float, float]:
        """Where a point is drawn: at the foot where its score is below the axis."""
        foot = self.y.start - 9 if self.cuts(point) else self.y.start
        return self.x(point.cost), min(self.y(point.score), foot)

    def cuts(self, point: _Point) -> bool:
        """Whether the score is below the axis."""
        return point.score < self.y.low

    @property
    def box(self) -> Box:
        return Box(self.x.start, self.y.end, self.x.end, self.y.start)


def frontier_chart(
    entries: Sequence[Entry], measure: Measure, cost: Cost, width: int, height: int
) -> tuple[Element, int] | None:
    """The chart, and how many points have no name in it for want of room; None where nothing is known.

    Args:
        entries: All rows.
        measure: Of the accuracy, upwards.
        cost: To the right, from zero.
        width, height: Of the picture; letters keep their size.
    """
    points = [
        _Point(entry, x, y)
        for entry in entries
        if (x := cost.of(entry)) is not None and (y := measure.of(entry)) is not None
    ]
    if not points:
        return None
    plot = _plot(points, cost, width, height)
    best = frontier([(point.cost, point.score) for point in points])
    drawn = sorted(range(len(points)), key=lambda i: points[i].entry.dense)  # frame by frame on top
    names, unnamed = _names(points, best, plot)
    picture = element(
        "svg",
        *_ground(plot, cost, measure),
        _staircase([points[i] for i in best], plot),
        *_series(points, plot),
        *names,
        *(_mark(points[i], i in best, plot, measure, cost) for i in drawn),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=f"{measure.axis} against {cost.axis}; the table of all rows has the same figures",
        class_="chart",
    )
    return picture, unnamed


def _plot(points: Sequence[_Point], cost: Cost, width: int, height: int) -> _Plot:
    low, high = around(without_stragglers(point.score for point in points), least=0.03, pad=0.12)
    dearest = max([point.cost for point in points] + ([cost.limit[0]] if cost.limit else []))
    return _Plot(
        Scale(0, 1.08 * (dearest or 1.0), 46, width - 10),
        Scale(max(low, 0.0) if high > 0.05 else low, high, height - 44, 30),
    )


def _ground(plot: _Plot, cost: Cost, measure: Measure) -> list[Element]:
    """Axes, lines at round numbers, and where dense execution is."""
    x, y, box = plot.x, plot.y, plot.box
    xs, ys = x.ticks(6), [tick for tick in y.ticks(6) if tick <= 1]
    parts: list[Element] = []
    if cost.limit is not None:
        at = x(cost.limit[0])
        parts.append(
            element(
                "rect", class_="beyond", x=at, y=box.top, width=box.right - at, height=box.bottom - box.top
            )
        )
        parts.append(element("path", class_="limit", d=f"M{decimal(at)} {box.top}V{box.bottom}"))
        parts.append(
            element("text", cost.limit[1], class_="note", x=at - 5, y=box.top - 7, text_anchor="end")
        )
        if box.right - at > LETTER * TYPE * len(cost.beyond):
            parts.append(element("text", cost.beyond, class_="note", x=at + 5, y=box.top - 7))
    parts += upwards(y, ys, box.left, box.right)
    parts.append(element("path", class_="axis", d=f"M{box.left} {box.bottom}H{box.right}"))
    parts += along(x, xs, box.bottom)
    parts.append(element("text", f"\N{UPWARDS ARROW} {measure.axis}", class_="title", x=4, y=14))
    parts.append(
        element(
            "text",
            f"{cost.axis} \N{RIGHTWARDS ARROW}",
            class_="title",
            x=box.right,
            y=box.bottom + 37,
            text_anchor="end",
        )
    )
    return parts


def _staircase(best: Sequence[_Point], plot: _Plot) -> Element:
    """The best score that can be had for a cost: it rises only where there is a point."""
    path = f"M{decimal(plot.x(best[0].cost))} {plot.box.bottom}"
    for point in best:
        x, y = plot.place(point)
        path += f"H{decimal(x)}V{decimal(y)}"
    return element("path", class_="frontier", d=path + f"H{plot.box.right}")


def _members(points: Sequence[_Point]) -> list[list[_Point]]:
    """Points that differ in their target only, by the target."""
    by_series = sorted((p for p in points if not p.entry.dense), key=lambda p: p.entry.series)
    groups = [list(group) for _, group in groupby(by_series, key=lambda p: p.entry.series)]
    return [sorted(group, key=lambda p: p.entry.number("config", SWEEP) or 0.0) for group in groups]


def _series(points: Sequence[_Point], plot: _Plot) -> list[Element]:
    """A thin line through each series."""
    return [
        element(
            "path",
            class_=f"series {colour_class(members[0].entry.look)}",
            d="M" + "L".join(f"{decimal(x)} {decimal(y)}" for x, y in map(plot.place, members)),
        )
        for members in _members(points)
        if len(members) > 1
    ]


def _lines(points: Sequence[_Point], best: Sequence[_Point], plot: _Plot) -> list[Box]:
    """Small boxes along the lines of the series, and along the frontier."""
    corners = [list(map(plot.place, members)) for members in _members(points)]
    stairs = list(map(plot.place, best))
    corners.append([c for one, (x, y) in zip(stairs, [*stairs[1:], (plot.x.end, 0.0)], strict=True)
                    for c in (one, (x, one[1]))])  # fmt: skip
    boxes = []
    for path in corners:
        for (x0, y0), (x1, y1) in pairwise(path):
            steps = int(max(abs(x1 - x0), abs(y1 - y0)) / 5) + 1
            along = [(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(steps + 1)]
            boxes += [Box(x - 1.5, y - 1.5, x + 1.5, y + 1.5) for x, y in along]
    return boxes


def _names(points: Sequence[_Point], best: Sequence[int], plot: _Plot) -> tuple[list[Element], int]:
    """Names at the points, those of the frontier and of dense execution first.

    Of a series the last has the whole name, the others their target.
    """
    whole = [members[-1] for members in _members(points)]
    order = sorted(range(len(points)), key=lambda i: (i not in best and not points[i].entry.dense, i))
    ordered = [points[i] for i in order]
    said = [
        (p.entry.short if p in whole or not p.entry.target else p.entry.target)
        + (f" \N{DOWNWARDS ARROW} {score(p.score)}" if plot.cuts(p) else "")
        for p in ordered
    ]
    centres = [plot.place(point) for point in ordered]
    room = Box(plot.box.left + 2, plot.box.top, plot.x.end + 8, plot.box.bottom - 2)
    places = place_names(centres, said, room, _lines(points, [points[i] for i in best], plot), TYPE)
    drawn = []
    for point, text, (x, y), place in zip(ordered, said, centres, places, strict=True):
        if place is None:
            continue
        if place.far:
            to = min(max(x, place.box.left), place.box.right), min(max(y, place.box.top), place.box.bottom)
            line = f"M{decimal(x)} {decimal(y)}L{decimal(to[0])} {decimal(to[1])}"
            drawn.append(element("path", class_="leader", d=line))
        drawn.append(
            element(
                "text", text, class_="name", x=place.x, y=place.y, text_anchor=place.anchor,
                data_row=point.entry.index,
            )
        )  # fmt: skip
    return drawn, places.count(None)


def _mark(point: _Point, best: bool, plot: _Plot, measure: Measure, cost: Cost) -> Element:
    entry = point.entry
    said = f"{entry.label}: {measure.name} {score(point.score)}, {cost.text(point.cost)}"
    x, y = plot.place(point)
    return element(
        "g",
        element("title", said),
        element("circle", class_="reach", cx=x, cy=y, r=12.0),
        mark(entry.look, x, y, hollow=not best),
        class_=f"point {colour_class(entry.look)}",
        data_row=entry.index,
        role="img",
        aria_label=said,
    )
