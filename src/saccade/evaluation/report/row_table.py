"""All rows with all their figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from xml.etree.ElementTree import Element

from saccade.evaluation.report.entries import Entry
from saccade.evaluation.report.figures import figure, percent, score, three, times
from saccade.evaluation.report.marks import key
from saccade.evaluation.report.markup import element


@dataclass(frozen=True)
class Column:
    """A figure of every row.

    Attributes:
        group: What it is of, over several columns.
        name: At its head.
        path: Where it is in a row.
        text: For people.
        part: Left out where it is zero in all rows.
        even: Below this it is a loss.
    """

    group: str
    name: str
    path: tuple[str, ...]
    text: Callable[[float], str]
    part: bool = False
    even: float | None = None


COLUMNS = (
    Column("accuracy", "mIoU", ("miou",), score),
    Column("accuracy", "lowest", ("miou_min",), score),
    Column("accuracy", "pixels", ("pixel_accuracy",), score),
    Column("accuracy", "boundaries", ("boundary_iou",), score),
    Column("accuracy", "consistency", ("temporal_consistency",), score),
    Column("accuracy", "flicker", ("flicker",), lambda value: f"{100 * value:.2f} %"),
    Column("accuracy", "AP50", ("ap50",), score),
    Column("accuracy", "AP", ("ap",), score),
    Column("accuracy", "miss rate", ("miss_rate", "reasonable"), score),
    Column("accuracy", "miss, small", ("miss_rate", "small"), score),
    Column("accuracy", "miss, heavy", ("miss_rate", "heavy"), score),
    Column("accuracy", "miss, all", ("miss_rate", "all"), score),
    Column("accuracy", "as frame by frame", ("agreement_with_dense",), percent),
    Column("accuracy", "boxes as frame by frame", ("f1_with_dense",), score),
    Column("blocks executed", "all frames", ("executed_fraction",), percent),
    Column("blocks executed", "without first", ("executed_fraction_without_first",), percent),
    Column("blocks executed", "at half resolution", ("low_fraction",), percent, part=True),
    Column("GMACs per frame", "mean", ("gmacs", "mean"), three),
    Column("GMACs per frame", "without first", ("gmacs_without_first", "mean"), three),
    Column("GMACs per frame", "dense", ("gmacs", "dense"), three),
    Column("GMACs per frame", "network", ("gmacs", "network"), three),
    Column("GMACs per frame", "of it halo", ("gmacs", "halo"), three, part=True),
    Column("GMACs per frame", "policy", ("gmacs", "policy"), three, part=True),
    Column("GMACs per frame", "its training", ("gmacs", "policy_training"), three, part=True),
    Column("GMACs per frame", "flow", ("gmacs", "flow"), three, part=True),
    Column("milliseconds of a frame", "mean", ("latency_ms", "mean"), three),
    Column("milliseconds of a frame", "median", ("latency_ms", "p50"), three),
    Column("milliseconds of a frame", "95 %", ("latency_ms", "p95"), three),
    Column("milliseconds of a frame", "longest", ("latency_ms", "max"), three),
    Column("milliseconds of a frame", "keyframes", ("latency_ms", "keyframe_p50"), three),
    Column("milliseconds of a frame", "others", ("latency_ms", "other_p50"), three),
    Column("dense, milliseconds", "eager", ("dense_eager_ms",), three),
    Column("dense, milliseconds", "best", ("dense_best_ms",), three),
    Column("speed-up over dense", "eager", ("speedup_vs_dense_eager",), times, even=1.0),
    Column("speed-up over dense", "best", ("speedup_vs_dense_best",), times, even=1.0),
    Column("speed-up over dense", "realised", ("realised",), times),
    Column("frames per second", "step alone", ("fps",), three),
    Column("frames per second", "whole loop", ("fps_with_io",), three),
    Column("memory", "peak, MB", ("peak_memory_mb",), three),
)


def row_table(entries: Sequence[Entry]) -> Element:
    """The table; columns of which nothing is known are left out."""
    columns = [column for column in COLUMNS if _known(column, entries)]
    groups = [(name, len(list(group))) for name, group in groupby(columns, key=lambda c: c.group)]
    over = element(
        "tr",
        element("td"),
        *(
            element("th", name, scope="colgroup", colspan=str(count), class_="group")
            for name, count in groups
        ),
    )
    first = {next(i for i, column in enumerate(columns) if column.group == name) for name, _ in groups}
    heads = [
        element("th", column.name, scope="col", class_="number" + " first" * (i in first))
        for i, column in enumerate(columns)
    ]
    body = [
        element(
            "tr",
            element("th", key(entry.look), entry.label, scope="row"),
            *(_cell(column, entry, i in first) for i, column in enumerate(columns)),
            data_row=entry.index,
        )
        for entry in entries
    ]
    return element(
        "table",
        element("caption", "Every row; a dash where something does not apply or was not measured"),
        element("thead", over, element("tr", element("th", "row", scope="col"), *heads)),
        element("tbody", *body),
        class_="rows sortable",
    )


def _known(column: Column, entries: Sequence[Entry]) -> bool:
    values = [entry.number(*column.path) for entry in entries]
    return any(value for value in values) if column.part else any(value is not None for value in values)


def _cell(column: Column, entry: Entry, first: bool) -> Element:
    value = entry.number(*column.path)
    loss = column.even is not None and value is not None and value < column.even and not entry.dense
    return element(
        "td",
        figure(value, None if value is None else column.text(value)),
        class_="number" + " first" * first + " worse" * loss,
        data_key=".".join(column.path),
    )
