"""mIoU by how long ago something was computed: each row in front of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from saccade.evaluation.report.axes import across, along, upwards, whole
from saccade.evaluation.report.entries import Entry, dense_of, numbers
from saccade.evaluation.report.figures import score
from saccade.evaluation.report.lines import line
from saccade.evaluation.report.marks import colour_class, key
from saccade.evaluation.report.markup import element
from saccade.evaluation.report.placing import spread
from saccade.evaluation.report.scale import Scale, around, without_stragglers

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 360, 38, 318, 12, 132
"""Of a panel; to the right of the lines is room for what they are of."""


@dataclass(frozen=True)
class Curves:
    """What is drawn.

    Attributes:
        key: List of mIoUs in a row, from 0 frames on.
        what: The mIoU is by.
    """

    key: str
    what: str


BY_DISTANCE = Curves("miou_by_distance", "frames since the last keyframe")
BY_AGE = Curves("miou_by_block_age", "frames since the block was executed")


def curve_panels(entries: Sequence[Entry], curves: Curves) -> list[Element]:
    """A panel for each series of rows with more than one value, all with the same axes."""
    values = {entry: numbers(entry.row.get(curves.key)) for entry in entries}
    shown = [entry for entry in entries if sum(value is not None for value in values[entry]) > 1]
    if not shown:
        return []
    references = [miou for entry in entries if entry.dense and (miou := entry.number("miou")) is not None]
    known = [value for entry in shown for value in values[entry] if value is not None]
    y = Scale(*around(without_stragglers(known + references), least=0.05), BOTTOM, TOP)
    x = Scale(0, max(len(values[entry]) for entry in shown) - 1, LEFT + 3, RIGHT)
    within = {e: [v if v is None or v >= y.low else None for v in values[e]] for e in shown}
    paths = [element("path", id=_name(entry, curves), d=line(within[entry], x, y)) for entry in shown]
    hidden = element("svg", element("defs", *paths), class_="defs", aria_hidden="true")
    panels = []
    for series in dict.fromkeys(entry.series for entry in shown):
        own = [entry for entry in shown if entry.series == series]
        others = [entry for entry in shown if entry.series != series]
        ends = [_end(within[entry], x, y) for entry in own]
        panels.append(_panel(own, others, ends, dense_of(own[0], entries), curves, x, y))
    return [hidden, *panels]


def _panel(
    own: Sequence[Entry],
    others: Sequence[Entry],
    ends: Sequence[tuple[float, float]],
    dense: Entry | None,
    curves: Curves,
    x: Scale,
    y: Scale,
) -> Element:
    first = own[0]
    reference = None if dense is None else dense.number("miou")
    heights = spread([height for _, height in ends], gap=12.0)
    return element(
        "figure",
        element("figcaption", key(first.look), element("b", first.series), element("span", _summary(own))),
        element(
            "svg",
            *upwards(y, y.ticks(5), LEFT, RIGHT),
            *along(x, whole(x), BOTTOM, "after"),
            *(element("use", href=f"#{_name(other, curves)}", class_="other") for other in others),
            None if reference is None else across(y, reference, LEFT, RIGHT),
            *(element("use", href=f"#{_name(e, curves)}", class_="line", data_row=e.index) for e in own),
            *(
                element("text", entry.target, class_="end", x=end + 5, y=height + 4, data_row=entry.index)
                for entry, (end, _), height in zip(own, ends, heights, strict=True)
                if entry.target is not None
            ),
            viewBox=f"0 0 {WIDTH} {BOTTOM + 20}",
            role="img",
            class_=colour_class(first.look),
            aria_label=f"mIoU of {first.series} by {curves.what}",
        ),
        class_="panel",
    )


def _end(values: Sequence[float | None], x: Scale, y: Scale) -> tuple[float, float]:
    """Where a line ends; at the foot, where all of it is below the axis."""
    known = [(x(i), y(value)) for i, value in enumerate(values) if value is not None]
    return known[-1] if known else (x.end, y.start)


def _name(entry: Entry, curves: Curves) -> str:
    return f"{curves.key}-{entry.index}"


def _summary(own: Sequence[Entry]) -> str:
    """The mIoU of each."""
    known = [(entry.target, miou) for entry in own if (miou := entry.number("miou")) is not None]
    if len(known) == 1:
        return f"mIoU {score(known[0][1])}"
    return " · ".join(f"{target}: {miou:.3f}" for target, miou in known)
