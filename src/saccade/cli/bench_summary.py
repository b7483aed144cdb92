"""A bench for people: every method against the network on every frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saccade.cli.notes import say
from saccade.cli.summary import Values, frames_text, network_text, number, settings_text, share
from saccade.cli.tables import print_facts, print_rows

SPEED = ("method", "mean", "p50", "p95", "max", "dense", "speed-up", "realised")
WORK = ("method", "GMACs", "later", "blocks", "later ", "equal pixels")
ACCURACY = ("mIoU", "lowest")

Named = Sequence[tuple[str, Mapping[str, Any]]]
"""Method and configuration of every row."""


def varying(rows: Named, method: str) -> list[str]:
    """Settings in which the rows of a method differ."""
    configs = [config for name, config in rows if name == method]
    return [key for key in configs[0] if any(config[key] != configs[0][key] for config in configs)]


def labels_of(rows: Named) -> list[str]:
    """What to call each row: ``blockcopy``; ``blockcopy 0.5`` and ``blockcopy 0.25`` if there are several."""
    return [
        " ".join([method, *(str(config[key]) for key in varying(rows, method))]) for method, config in rows
    ]


def print_bench(rows: Sequence[Values]) -> None:
    """The tables of ``saccade bench``."""
    first = rows[0]
    named = [(row["method"], row["config"]) for row in rows]
    labels = labels_of(named)
    facts = {"network": network_text(first), "runs on": first["placement"], "frames": frames_text(first)}
    for method, config in named:
        if method not in facts:
            facts[method] = settings_text(
                {key: value for key, value in config.items() if key not in varying(named, method)}
            )
    print_facts(_title(first), {name: text for name, text in facts.items() if text})
    print_rows(
        "milliseconds of a frame, the first included; and of dense execution at its best",
        SPEED,
        [(label, *_speed(row)) for label, row in zip(labels, rows, strict=True)],
        numbers=SPEED[1:],
    )
    scored = first["miou"] is not None
    print_rows(
        "what a frame takes, on average, and later frames alone (without the first); answers",
        WORK + ACCURACY * scored,
        [
            (label, *_work(row), *(_score(row) if scored else ()))
            for label, row in zip(labels, rows, strict=True)
        ],
        numbers=(*WORK[1:], *ACCURACY),
    )
    for note in dict.fromkeys(note for row in rows for note in row["warnings"]):
        say(note)


def _title(row: Values) -> str:
    return f"{row['dataset']}, split {row['split']}" if "dataset" in row else ", ".join(row["sources"])


def _speed(row: Values) -> tuple[str, ...]:
    latency = row["latency_ms"]
    times = [*(latency[key] for key in ("mean", "p50", "p95", "max")), row["dense_best_ms"]]
    ratios = row["speedup_vs_dense_best"], row["realised"]
    return (*map(_or_dash, times), *("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios))


def _work(row: Values) -> tuple[str, ...]:
    later = row["gmacs_without_first"] or {"mean": None}
    return (
        _or_dash(row["gmacs"]["mean"]),
        _or_dash(later["mean"]),
        share(row["executed_fraction"]),
        share(row["executed_fraction_without_first"]),
        share(row["agreement_with_dense"]),
    )


def _score(row: Values) -> tuple[str, ...]:
    return tuple("-" if row[key] is None else f"{row[key]:.4f}" for key in ("miou", "miou_min"))


def _or_dash(value: float | None) -> str:
    return "-" if value is None else number(value)
