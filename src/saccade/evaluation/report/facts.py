"""How it was measured: what is needed to measure it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from saccade.evaluation.report.entries import Entry, Row, size_of, work_of
from saccade.evaluation.report.marks import key
from saccade.evaluation.report.markup import element


def _device(row: Row) -> str:
    threads = f", {row['threads']} threads" if row.get("threads") and row.get("device") == "cpu" else ""
    return f"{row.get('device_name')} ({row.get('device')}{threads})"


def _network(row: Row) -> str:
    return str(row.get("network")) + (f", weights {row['weights']}" if row.get("weights") else "")


def _frames(row: Row) -> str:
    said = f"{row.get('frames')} of {size_of(row) or 'several sizes'} pixels (width x height)"
    for counted, text in (
        ("labelled_frames", "{} with labels"),
        ("clips", "clips: {}"),
        ("warmup_frames", "after {} to warm up"),
    ):
        said += f", {text.format(row[counted])}" if row.get(counted) else ""
    return said + (f", {row['streams']} streams" if (row.get("streams") or 1) > 1 else "")


_FACTS: tuple[tuple[str, Callable[[Row], Any]], ...] = (
    ("measured on", work_of),
    ("protocol", lambda row: row.get("protocol")),
    ("frames", _frames),
    ("network", _network),
    ("machine", _device),
    ("runs on", lambda row: row.get("placement")),
    ("precision", lambda row: row.get("precision")),
    ("seed", lambda row: row.get("seed")),
    ("saccade", lambda row: row.get("saccade")),
    ("torch", lambda row: row.get("torch")),
)


def facts(entries: Sequence[Entry], command: str | None) -> list[Element]:
    """The command, a list of what the rows say of themselves, their settings, and their warnings."""
    parts = []
    if command:
        parts.append(element("pre", element("code", command), class_="command scroll", tabindex="0"))
    terms = []
    for name, read in _FACTS:
        values = dict.fromkeys(str(v) for entry in entries if (v := read(entry.row)) is not None)
        if values:
            terms.append(element("div", element("dt", name), element("dd", "; ".join(values))))
    parts.append(element("dl", *terms, class_="facts"))
    warnings = dict.fromkeys(str(note) for entry in entries for note in entry.row.get("warnings") or ())
    if warnings:
        parts.append(element("ul", *(element("li", note) for note in warnings), class_="warnings"))
    parts.append(
        element(
            "details",
            element("summary", "Settings of every row"),
            element("dl", *(_settings(entry) for entry in entries), class_="facts wide"),
        )
    )
    return parts


def eyebrow(entries: Sequence[Entry]) -> str:
    """What was measured on what, in a line."""
    said = []
    for read in (work_of, lambda row: row.get("network"), size_of, lambda row: row.get("precision"), _device):
        values = dict.fromkeys(str(v) for entry in entries if (v := read(entry.row)) is not None)
        said.append(next(iter(values)) if len(values) == 1 else f"{len(values)} different" if values else "")
    names = ("work", "networks", "sizes", "precisions", "machines")
    return " · ".join(text.replace("different", name) for text, name in zip(said, names, strict=True) if text)


def _settings(entry: Entry) -> Element:
    config = json.dumps(entry.row.get("config") or {}, ensure_ascii=False)
    return element("div", element("dt", key(entry.look), entry.label), element("dd", element("code", config)))
