"""What each class gains or loses against frame-by-frame execution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from saccade.evaluation.report.entries import Entry, finite
from saccade.evaluation.report.figures import figure, score, signed
from saccade.evaluation.report.marks import key
from saccade.evaluation.report.markup import decimal, element


def class_table(group: Sequence[Entry]) -> Element | None:
    """Classes downwards, entries to the right; None without frame-by-frame execution or other entries.

    Args:
        group: Entries of one network on the same work.
    """
    dense = next((entry for entry in group if entry.dense and _scores(entry)), None)
    others = [entry for entry in group if entry is not dense and _scores(entry)]
    if dense is None or not others:
        return None
    reference = _scores(dense)
    differences = {
        name: [_minus(_scores(entry).get(name), reference[name]) for entry in others] for name in reference
    }
    largest = max((abs(d) for row in differences.values() for d in row if d is not None), default=0.0) or 1.0
    names = sorted(reference, key=lambda name: _mean(differences[name]))
    head = element(
        "tr",
        element("th", "class", scope="col"),
        element("th", "frame by frame", scope="col", class_="number"),
        *(
            element("th", key(entry.look), entry.short, scope="col", class_="number", data_row=entry.index)
            for entry in others
        ),
    )
    body = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", figure(reference[name], _text(reference[name])), class_="number"),
            *(
                _cell(difference, largest, entry)
                for difference, entry in zip(differences[name], others, strict=True)
            ),
        )
        for name in names
    ]
    return element(
        "table",
        element("caption", "IoU frame by frame, and by how many points (0.01) each row differs from it"),
        element("thead", head),
        element("tbody", *body),
        class_="classes",
    )


def _cell(difference: float | None, largest: float, entry: Entry) -> Element:
    """The difference, on a ground that grows stronger with its root, so that small ones show."""
    shade = "" if not difference else " loss" if difference < 0 else " gain"
    part = None if not difference else f"--part:{decimal(100 * math.sqrt(abs(difference) / largest))}%"
    text = None if difference is None else signed(100 * difference, 1)
    return element("td", figure(difference, text), class_="number" + shade, style=part, data_row=entry.index)


def _scores(entry: Entry) -> dict[str, float | None]:
    found = entry.row.get("iou_per_class")
    return {str(k): finite(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _mean(values: Sequence[float | None]) -> float:
    """Of those that are known; where none is, more than any other."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 2.0


def _text(value: float | None) -> str | None:
    return None if value is None else score(value)
