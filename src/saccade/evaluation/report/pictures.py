"""Frames side by side: what was executed and what came out, under what frame-by-frame execution gives."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from xml.etree.ElementTree import Element

from saccade.evaluation.report.entries import Entry
from saccade.evaluation.report.figures import percent
from saccade.evaluation.report.marks import key
from saccade.evaluation.report.markup import element
from saccade.evaluation.report.strips import Strip, StripFrame
from saccade.video.comparison import DIFFERENT


def picture_strip(group: Sequence[Entry], strips: Mapping[int, Strip]) -> list[Element]:
    """Frames to the right; downwards the frame, its labels (or boxes) frame by frame, and two lines for each
    entry.

    Args:
        group: Entries of one network on the same work.
        strips: By the index of the entry, of those that have one.
    """
    shown = [entry for entry in group if entry.index in strips]
    if not shown:
        return []
    lines: list[Element] = []
    others = [entry for entry in shown if not entry.dense]
    dense = [entry for entry in shown if entry.dense]
    seen: list[list[int]] = []
    for entry in others or dense:
        frames = strips[entry.index].frames
        what = "boxes" if strips[entry.index].boxes else "labels"
        if [frame.index for frame in frames] not in seen:  # usually all rows kept the same frames
            seen.append([frame.index for frame in frames])
            lines += _line(
                None, "the frame", frames, lambda frame: frame.image, lambda frame: f"frame {frame.index}"
            )
            lines += _line(None, f"{what} frame by frame", frames, lambda frame: frame.dense, _nothing)
        if entry in others:
            lines += _line(entry, "executed blocks", frames, lambda frame: frame.blocks, _executed)
        if entry in others or all(frame.dense is None for frame in frames):
            lines += _line(entry, what, frames, lambda frame: frame.labels, _agreement)
    return [
        element(
            "div", *lines, class_="strip scroll", tabindex="0", role="group", aria_label="frames in pictures"
        ),
        _legend(strips[shown[0].index]),
    ]


def _line(
    entry: Entry | None,
    what: str,
    frames: Sequence[StripFrame],
    picture: Callable[[StripFrame], bytes | None],
    said: Callable[[StripFrame], str],
) -> list[Element]:
    if all(picture(frame) is None for frame in frames):
        return []
    name = what if entry is None else f"{entry.label}: {what}"
    title = [what] if entry is None else [key(entry.look), element("b", entry.label), f" {what}"]
    return [element("h3", *title), element("div", *(_figure(f, picture(f), name, said(f)) for f in frames))]


def _figure(frame: StripFrame, picture: bytes | None, name: str, said: str) -> Element:
    if picture is None:
        return element("figure")
    source = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
    return element(
        "figure",
        element("img", src=source, alt=f"{name}, frame {frame.index}"),
        element("figcaption", said) if said else None,
    )


def _nothing(_: StripFrame) -> str:
    return ""


def _executed(frame: StripFrame) -> str:
    return "" if frame.executed is None else f"{percent(frame.executed)} executed"


def _agreement(frame: StripFrame) -> str:
    return "" if frame.agreement is None else f"{percent(frame.agreement)} as frame by frame"


def _legend(strip: Strip) -> Element:
    """Colours of the classes and of what is marked."""
    marked = "not there frame by frame" if strip.boxes else "differs from frame by frame"
    named = [*zip(strip.classes.names, strip.classes.colours, strict=True), (marked, DIFFERENT)]
    return element(
        "p",
        *(
            element("span", element("i", style=f"background:rgb({r},{g},{b})"), name)
            for name, (r, g, b) in named
        ),
        class_="legend",
    )
