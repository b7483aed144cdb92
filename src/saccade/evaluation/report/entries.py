"""The rows of a bench as the report speaks of them: a name, a look, and numbers that are numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
"""An object of the contract, as ``Record.to_dict`` gives it or as it was read from its JSON."""

DENSE = "frame"
"""The method that everything is compared with."""
SWEEP = "target"
"""The setting along which rows of a method are one series."""
_SETUP = ("network", "weights", "size", "precision", "device_name", "threads", "streams", "seed", "work")


@dataclass(frozen=True, eq=False)
class Entry:
    """A row to be shown.

    Attributes:
        index: Its place among the rows.
        row: What was measured.
        label: What it is called; no two entries have the same.
        series: Entries that differ in their target only have the same.
        target: As text, where that tells them apart.
        look: Number of the series, for colour and shape; None for frame-by-frame execution.
        short: The label without what all entries but frame-by-frame share.
    """

    index: int
    row: Row
    label: str
    series: str
    target: str | None
    look: int | None
    short: str

    @property
    def dense(self) -> bool:
        """Whether it is frame-by-frame execution."""
        return bool(self.row["method"] == DENSE)

    def number(self, *path: str) -> float | None:
        """A value of the row, None where it is not known or is no number."""
        return number(self.row, *path)


def number(row: Row, *path: str) -> float | None:
    """A number out of nested objects; None where it is missing, null, NaN or infinite."""
    value: Any = row
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return finite(value)


def finite(value: Any) -> float | None:
    """A number as it is, None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value


def numbers(values: Any) -> list[float | None]:
    """A list of numbers and None; empty where it is no list."""
    return [finite(value) for value in values] if isinstance(values, (list, tuple)) else []


def entries_of(rows: Sequence[Row]) -> list[Entry]:
    """Names and looks for rows, in their order."""
    setups = [_setup(row) for row in rows]
    differing = [key for key in _SETUP if len({setup[key] for setup in setups}) > 1]
    methods = {row["method"] for row in rows if row["method"] != DENSE}
    entries: list[Entry] = []
    looks: dict[str, int] = {}
    taken: dict[str, int] = {}
    for index, (row, setup) in enumerate(zip(rows, setups, strict=True)):
        where = [_said(key, setup[key]) for key in differing if setup[key] is not None]
        settings = _settings(row, [other for other in rows if other["method"] == row["method"]])
        target = settings.pop(SWEEP, None)
        name = "frame by frame" if row["method"] == DENSE else row["method"]
        series = " ".join([name, *settings.values(), *where])
        label = " ".join([name, *settings.values(), *([target] if target else []), *where])
        taken[label] = taken.get(label, 0) + 1
        if taken[label] > 1:
            label += f" ({taken[label]})"
        dense = row["method"] == DENSE
        shared = not dense and len(methods) == 1 and label.startswith(f"{name} ")
        entries.append(
            Entry(
                index,
                row,
                label,
                series,
                target,
                None if dense else looks.setdefault(series, len(looks)),
                label.removeprefix(f"{name} ") if shared else label,
            )
        )
    return entries


def groups_of(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries of the same network on the same work, which can be compared pixel by pixel."""
    groups: list[list[Entry]] = []
    for entry in entries:
        same = (group for group in groups if _setup(group[0].row) == _setup(entry.row))
        group = next(same, None)
        if group is None:
            groups.append([entry])
        else:
            group.append(entry)
    return groups


def dense_of(entry: Entry, entries: Sequence[Entry]) -> Entry | None:
    """Frame-by-frame execution in the group of an entry; None where it was not measured."""
    found = [other for other in entries if other.dense and _setup(other.row) == _setup(entry.row)]
    return found[0] if found else None


def work_of(row: Row) -> str:
    """What was measured on."""
    if row.get("dataset"):
        return f"{row['dataset']}, split {row['split']}" if row.get("split") else str(row["dataset"])
    return ", ".join(map(str, row.get("sources") or ())) or "unnamed frames"


def size_of(row: Row) -> str | None:
    """Width x height of the frames, None where they differ."""
    return f"{row['width']}x{row['height']}" if row.get("width") and row.get("height") else None


def _setup(row: Row) -> dict[str, Any]:
    own = {"size": size_of(row), "work": work_of(row)}
    return {key: own[key] if key in own else row.get(key) for key in _SETUP}


def _settings(row: Row, same_method: Sequence[Row]) -> dict[str, str]:
    """Those in which the rows of a method differ; words stand alone, numbers after their name."""
    config = row.get("config") or {}
    return {
        key: _said(key, value)
        for key, value in config.items()
        if key != "seed" and any((other.get("config") or {}).get(key) != value for other in same_method)
    }


def _said(key: str, value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return f"{key.replace('_', ' ')} {'on' if value else 'off' if value is False else 'none'}"
    if isinstance(value, str) or key == SWEEP:
        return str(value)
    return f"{key.replace('_', ' ')} {value}"
