"""How each row went over its frames: latency, and below it the share of the blocks and the agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from saccade.evaluation.report.axes import across, along, upwards, whole
from saccade.evaluation.report.entries import Entry, numbers
from saccade.evaluation.report.figures import percent, three
from saccade.evaluation.report.lines import line
from saccade.evaluation.report.marks import colour_class, key
from saccade.evaluation.report.markup import element
from saccade.evaluation.report.scale import Scale

WIDTH, LEFT, RIGHT = 360, 38, 352
LATENCY = (16, 118)
"""Top and bottom of the largest track."""
SMALL = 30
"""Height of the others."""
ROOM = 22
"""Between two tracks."""
CUT = 4.0
"""The axis of latency ends at so many times what 95 % of the frames take; longer ones are cut off there and
have their duration written to them."""


@dataclass(frozen=True)
class _Course:
    """The timeline of a row, as lists of numbers, and what agreement is of: pixels or boxes."""

    entry: Entry
    per_point: int
    latency: list[float | None]
    executed: list[float | None]
    agreement: list[float | None]
    compared: str

    @property
    def frames(self) -> int:
        return self.per_point * max(map(len, (self.latency, self.executed, self.agreement)))


def time_panels(entries: Sequence[Entry]) -> list[Element]:
    """A panel for each row that has a timeline, all with the same axes."""
    courses = [course for entry in entries if (course := _course(entry)) is not None and any(course.latency)]
    if not courses:
        return []
    known = sorted(value for course in courses for value in course.latency if value is not None)
    usual = known[min(len(known) - 1, int(0.95 * len(known)))]
    high = 1.05 * min(known[-1], CUT * usual)
    low = min((v for course in courses for v in course.agreement if v is not None), default=1.0)
    frames = max(course.frames for course in courses)
    return [_panel(course, frames, high, min(low, 0.99)) for course in courses]


def _course(entry: Entry) -> _Course | None:
    timeline = entry.row.get("timeline")
    if not isinstance(timeline, Mapping):
        return None

    def values(key: str) -> list[float | None]:
        return numbers(timeline.get(key))

    per_point = timeline.get("frames_per_point") or 1
    executed, agreement = values("executed_fraction"), values("agreement_with_dense")
    what = "pixels" if entry.number("f1_with_dense") is None else "boxes"
    return _Course(
        entry, int(per_point), values("latency_ms"), executed, [] if entry.dense else agreement, what
    )


def _panel(course: _Course, frames: int, high: float, low: float) -> Element:
    entry = course.entry
    x = Scale(0, max(frames / course.per_point - 1, 1), LEFT + 3, RIGHT)
    parts, bottom = _latency(course, x, Scale(0, high, LATENCY[1], LATENCY[0])), LATENCY[1]
    for name, values, least in (
        ("share of blocks executed", course.executed, 0.0),
        (f"{course.compared} as frame by frame", course.agreement, low),
    ):
        if any(value is not None for value in values):
            parts += _small(name, values, x, Scale(least, 1.0, bottom + ROOM + SMALL, bottom + ROOM))
            bottom += ROOM + SMALL
    by_frame = Scale(0, x.high * course.per_point, x.start, x.end)
    parts += along(by_frame, whole(by_frame), bottom, "frame")
    return element(
        "figure",
        element("figcaption", key(entry.look), element("b", entry.label), _summary(entry)),
        element(
            "svg", *parts, viewBox=f"0 0 {WIDTH} {bottom + 20}", role="img", class_=colour_class(entry.look),
            aria_label=f"latency of {entry.label} over {course.frames} frames",
        ),
        class_="panel",
        data_row=entry.index,
    )  # fmt: skip


def _summary(entry: Entry) -> Element | None:
    said = [
        f"{three(value)} ms {name}"
        for key, name in (("p50", "median"), ("p95", "at 95 %"), ("max", "longest"))
        if (value := entry.number("latency_ms", key)) is not None
    ]
    return element("span", ", ".join(said)) if said else None


def _latency(course: _Course, x: Scale, y: Scale) -> list[Element]:
    parts = [element("text", "milliseconds", class_="track", x=LEFT + 3, y=LATENCY[0] - 5)]
    parts += upwards(y, y.ticks(4), LEFT, RIGHT)
    dense = course.entry.number("dense_best_ms")
    if dense is not None and dense <= y.high:
        parts.append(across(y, dense, LEFT, RIGHT))
    parts.append(element("path", class_="line", d=line(course.latency, x, y)))
    parts += _keyframes(course, x, y)
    parts += [
        element(
            "text",
            f"\N{UPWARDS ARROW} {three(value)}",
            class_="cut",
            x=min(x(at) + 4, RIGHT - 36),
            y=LATENCY[0] + 9,
        )
        for at, value in enumerate(course.latency)
        if value is not None and value > y.high and value == max(v for v in course.latency if v is not None)
    ][:1]
    return parts


def _keyframes(course: _Course, x: Scale, y: Scale) -> list[Element]:
    """A dot at every frame in which all blocks were executed, of a method that need not."""
    if course.per_point > 1 or all(share is None or share >= 1 for share in course.executed):
        return []
    return [
        element("circle", element("title", f"frame {at}: all blocks, {three(ms)} ms"), class_="keyframe",
                cx=x(at), cy=y(min(ms, y.high)), r=2.6)
        for at, (share, ms) in enumerate(zip(course.executed, course.latency, strict=False))
        if share is not None and share >= 1 and ms is not None
    ]  # fmt: skip


def _small(name: str, values: Sequence[float | None], x: Scale, y: Scale) -> list[Element]:
    ends = y.low, y.high
    texts = [percent(value) if 0.9 < value < 1 else f"{100 * value:.0f} %" for value in ends]
    return [
        element("text", name, class_="track", x=LEFT + 3, y=y.end - 5),
        *upwards(y, ends, LEFT, RIGHT, texts),
        element("path", class_="line", d=line(values, x, y)),
    ]
