"""A bench for people: every method against the network on every frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from saccade.cli.notes import say
from saccade.cli.summary import Values, frames_text, network_text, number, settings_text, share, with_policy
from saccade.cli.tables import print_facts, print_rows
from saccade.methods.registry import registered_method

SPEED = ("method", "mean", "p50", "p95", "max", "dense", "speed-up", "realised")
WORK = ("method", "GMACs", "later", "blocks", "later ", "equal pixels")
HALF = "at half"
"""Share of all blocks that were executed at half resolution, where any were."""

ACCURACY = {"mIoU": "miou", "lowest": "miou_min", "AP50": "ap50"}
"""Scores against labels, where any row has them."""

LOOP = ("method", "frames/s", "with I/O", "MB", "network")
PARTS = {"policy": "policy", "policy_training": "learning", "flow": "flow", "halo": "halo"}
"""Parts of the MACs besides the network, and what to call them."""

ALWAYS = ("policy", "target", "interval")
"""Settings that are named also where they are the default."""

Named = Sequence[tuple[str, Mapping[str, Any]]]
"""Method and configuration of every row."""


def varying(rows: Named, method: str) -> list[str]:
    """Settings in which the rows of a method differ; the policy first, as all others depend on it."""
    configs = [config for name, config in rows if name == method]
    found = [key for key in configs[0] if any(config[key] != configs[0][key] for config in configs)]
    return sorted(found, key=lambda key: key != "policy")


def labels_of(rows: Named) -> list[str]:
    """What to call each row: ``blockcopy``; ``blockcopy 0.5`` and ``blockcopy 0.25`` if there are several."""
    return [
        " ".join([method, *(str(config[key]) for key in varying(rows, method))]) for method, config in rows
    ]


def chosen_settings(rows: Named, method: str) -> dict[str, Any]:
    """Settings that all rows of a method have in common, without those that nobody chose."""
    config = next(config for name, config in rows if name == method)
    defaults = {f.name: f.default for f in fields(registered_method(method).config_class)}
    return {
        key: value
        for key, value in config.items()
        if key not in varying(rows, method) and (key in ALWAYS or value != defaults.get(key))
    }


def print_bench(groups: Sequence[Sequence[Values]]) -> None:
    """The tables of ``saccade bench``.

    Args:
        groups: Rows of the same network, size and precision together.
    """
    facts = [_facts(rows) for rows in groups]
    common = {name: text for name, text in facts[0].items() if all(f.get(name) == text for f in facts)}
    print_facts(_title(groups[0][0]), common)
    for rows, own in zip(groups, facts, strict=True):
        differing = {name: text for name, text in own.items() if name not in common}
        if differing:
            print_facts("; ".join(differing.values()), {})
        _print_group(rows)
    for note in dict.fromkeys(note for rows in groups for row in rows for note in row["warnings"]):
        say(note)


def _facts(rows: Sequence[Values]) -> dict[str, str]:
    """What all rows have in common."""
    first, named = rows[0], [(row["method"], row["config"]) for row in rows]
    facts = {"network": network_text(first), "runs on": first["placement"], "frames": frames_text(first)}
    for row in rows:
        settings = with_policy(chosen_settings(named, row["method"]), row)
        facts.setdefault(row["method"], settings_text(settings))
    return {name: text for name, text in facts.items() if text}


def _print_group(rows: Sequence[Values]) -> None:
    labels = labels_of([(row["method"], row["config"]) for row in rows])
    labelled = list(zip(labels, rows, strict=True))
    print_rows(
        f"milliseconds of a frame, the first included; and of dense execution at its best{_dense(rows[0])}",
        SPEED,
        [(label, *_speed(row)) for label, row in labelled],
        numbers=SPEED[1:],
    )
    scores = [name for name, key in ACCURACY.items() if any(row[key] is not None for row in rows)]
    low = (HALF,) if any(row.get("low_fraction") for row in rows) else ()
    lines = [
        (
            *(label, *_work(row), *(share(row.get("low_fraction")) for _ in low)),
            *(_score(row[ACCURACY[name]]) for name in scores),
        )
        for label, row in labelled
    ]
    print_rows(
        "what a frame takes, on average, and later frames alone (without the first); answers",
        (*WORK, *low, *scores),
        lines,
        numbers=(*WORK[1:], *low, *scores),
    )
    parts = [key for key in PARTS if any(row["gmacs"][key] for row in rows)]
    columns = (*LOOP, *(PARTS[key] for key in parts))
    print_rows(
        "steps alone, and with reading and drawing; memory at its peak; GMACs by part",
        columns,
        [(label, *_loop(row), *(_or_dash(row["gmacs"][key]) for key in parts)) for label, row in labelled],
        numbers=columns[1:],
    )


def _dense(row: Values) -> str:
    best = row["dense"]["best"]
    return f" ({best})" if best else ""


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


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _loop(row: Values) -> tuple[str, ...]:
    values = row["fps"], row["fps_with_io"], row["peak_memory_mb"], row["gmacs"]["network"]
    return tuple(map(_or_dash, values))


def _or_dash(value: float | None) -> str:
    return "-" if value is None else number(value)
