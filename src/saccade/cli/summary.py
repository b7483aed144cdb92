"""What a person wants to know of a record: what ran, where, how fast, at what cost, how well."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from typing import Any

from saccade.cli.detection_summary import detection_accuracy, equal_boxes
from saccade.cli.notes import say
from saccade.cli.sparkline import bars_for, in_columns, sparkline
from saccade.cli.tables import print_facts, print_rows

Values = Mapping[str, Any]
"""A record as it stands in its JSON: nothing is printed that is not there."""

SHORTEST_TIMELINE = 8
"""Points; with fewer there is nothing to see in a line of them."""
WIDEST_TIMELINE = 60
"""Columns."""

FOR_SCORES = ("score_shift",)
"""Settings that detectors do not have."""


def print_run(record: Values, *, boxes: bool = False) -> None:
    """The table of ``saccade run``; ``boxes``: with a detector."""
    sources = record["sources"]
    print_facts(", ".join(sources), _what(record, boxes) | _speed(record))
    _print_timeline(record["timeline"])
    _say_notes(record)


def print_evaluation(record: Values) -> None:
    """The tables of ``saccade eval``."""
    title = f"{record['dataset']}, split {record['split']}"
    boxes = record["iou_per_class"] is None
    accuracy = detection_accuracy(record) if boxes else _accuracy(record)
    print_facts(title, _what(record, boxes) | accuracy | _speed(record))
    if not boxes:
        print_rows(
            "IoU per class",
            ("class", "IoU"),
            [(name, "-" if iou is None else f"{iou:.4f}") for name, iou in record["iou_per_class"].items()],
            numbers=("IoU",),
        )
    _say_notes(record)


def _print_timeline(timeline: Values) -> None:
    """How the run went; nothing where it is too short to have a course."""
    known = {key: values for key, values in timeline.items() if key != "frames_per_point" and values}
    points = max((len(values) for values in known.values()), default=0)
    if points < SHORTEST_TIMELINE:
        return
    room = shutil.get_terminal_size().columns - 36  # for names and figures
    per_column = -(-points // min(max(room, 20), WIDEST_TIMELINE))
    bars = bars_for(sys.stdout.encoding)

    facts: dict[str, str] = {}
    for name, key, low, high, text, unit in (
        ("blocks", "executed_fraction", 0.0, 1.0, _percent, "%"),
        ("latency", "latency_ms", 0.0, None, number, "ms"),
        ("equal pixels", "agreement_with_dense", None, 1.0, _percent, "%"),
    ):
        if key in known:
            found = [value for value in known[key] if value is not None]
            least, most = min(found), max(found)
            course = sparkline(
                in_columns(known[key], per_column),
                least if low is None else low,
                most if high is None else high,
                bars,
            )
            texts = dict.fromkeys((text(least), text(most)))
            facts[name] = f"{course}  {' to '.join(texts)} {unit}"
    frames = per_column * timeline["frames_per_point"]
    print_facts(
        "over time, " + ("a column per frame" if frames == 1 else f"{frames} frames per column"), facts
    )


def _say_notes(record: Values) -> None:
    for note in record["warnings"]:
        say(note)


def settings_text(config: Values, *, boxes: bool = False) -> str:
    """A configuration in words; empty for a method without settings.

    Args:
        config: Its fields.
        boxes: Of a run with a detector: what is for class scores is left out.
    """
    words = {True: "yes", False: "no", None: "none"}
    return ", ".join(
        f"{name.replace('_', ' ')} {words[value] if value is None or isinstance(value, bool) else value}"
        for name, value in config.items()
        if not (boxes and name in FOR_SCORES)
    )


def with_policy(config: Values, record: Values) -> Values:
    """A configuration that says which policy ran, where the user left that to the method."""
    chosen = record.get("policy")
    if chosen is None or config.get("policy", chosen) == chosen:
        return config
    return {**config, "policy": f"{config['policy']} ({chosen})"}


def network_text(record: Values) -> str:
    """Network and weights."""
    return record["network"] + (f", weights {record['weights']}" if record["weights"] else "")


def frames_text(record: Values) -> str:
    """How many frames of which size, and of how many streams."""
    size = f"{record['height']}x{record['width']} (height x width)" if record["height"] else "several sizes"
    frames = f"{record['frames']} of {size}"
    if record["streams"] > 1:
        frames += f", {record['streams']} streams side by side"
    if record.get("clips", 1) > 1:
        frames += f", in {record['clips']} clips"
    if record.get("warmup_frames"):
        frames += f"; before them {record['warmup_frames']} in {record['warmup_clips']} clips to warm up"
    if record.get("dropped"):
        frames += f"; {record['dropped']} more came too fast and were dropped"
    return frames


def _what(record: Values, boxes: bool) -> dict[str, str]:
    settings = settings_text(with_policy(record["config"], record), boxes=boxes)
    return {
        "network": network_text(record),
        "method": f"{record['method']} ({settings})" if settings else record["method"],
        "runs on": record["placement"],
        "frames": frames_text(record),
    }


def _speed(record: Values) -> dict[str, str]:
    latency, gmacs = record["latency_ms"], record["gmacs"]
    facts: dict[str, str] = {}
    if latency["mean"] is not None:
        facts["speed"] = f"{number(record['fps'])} frames/s" + " per stream" * (record["streams"] > 1)
        if record["fps_with_io"]:
            facts["speed"] += f"; {number(record['fps_with_io'])} with reading, drawing and writing"
        facts["latency"] = (
            f"{number(latency['mean'])} ms mean, {number(latency['p50'])} median, "
            f"{number(latency['p95'])} at 95 %, {number(latency['max'])} longest"
        )
    if record.get("loop_ms") and record["fps_with_io"]:
        whole = sum(record["loop_ms"].values())
        facts["time goes to"] = ", ".join(
            f"{part} {100 * ms / whole:.0f} %" for part, ms in record["loop_ms"].items()
        )
    if gmacs["mean"] is not None:
        facts["cost"] = f"{number(gmacs['mean'])} GMACs per frame"
        later = record["gmacs_without_first"]
        if later is not None and later["mean"] != gmacs["mean"]:
            facts["cost"] += f", {number(later['mean'])} without first frames"
        if gmacs["policy"] or gmacs["policy_training"]:
            facts["cost"] += (
                f"; in it {number(gmacs['policy'])} of the policy and "
                f"{number(gmacs['policy_training'])} of its training"
            )
        if gmacs["dense"] != gmacs["mean"]:
            facts["cost"] += f"; {number(gmacs['dense'])} frame by frame"
    if record["executed_fraction"] is not None:
        facts["blocks"] = f"{share(record['executed_fraction'])} computed"
        if record["executed_fraction_without_first"] is not None:
            facts["blocks"] += f", {share(record['executed_fraction_without_first'])} without first frames"
        if low := record.get("low_fraction"):
            facts["blocks"] += f"; {share(low)} at half resolution"
    if record["dense_eager_ms"] is not None:
        facts["frame by frame"] = (
            f"{number(record['dense_eager_ms'])} ms eager, {number(record['dense_best_ms'])} ms at best; "
            f"this is {record['speedup_vs_dense_eager']:.2f} and {record['speedup_vs_dense_best']:.2f} "
            "times as fast"
        )
        if record["agreement_with_dense"] is not None:
            facts["equal pixels"] = share(record["agreement_with_dense"])
        facts |= equal_boxes(record)
    return facts


def _accuracy(record: Values) -> dict[str, str]:
    scored = f"over {record['labelled_frames']} labelled frames"
    if record["unscored_labels"]:
        scored += f", without {record['unscored_labels']} that have too few frames before them"
    facts = {
        "protocol": record["protocol"],
        "mIoU": f"{_or_dash(record['miou'])} {scored}",
        "pixel accuracy": _or_dash(record["pixel_accuracy"]),
        "boundary IoU": f"{_or_dash(record['boundary_iou'])}, {record['boundary_width']} pixels wide",
    }
    if len(record["miou_by_distance"]) > 1:
        facts["lowest mIoU"] = f"{_or_dash(record['miou_min'])} at the worst distance from a keyframe"
    if record["temporal_consistency"] is not None:
        flow = {"exact": "along the exact flow", "dis": "along DIS flow"}.get(record["temporal_flow"], "")
        facts["consistency"] = (
            f"{record['temporal_consistency']:.4f} {flow}, {record['temporal_pairs']} pairs of frames; "
            f"{share(record['temporal_pixels'])} of the pixels keep their class"
        )
    if record["flicker"] is not None:
        facts["flicker"] = (
            f"{100 * record['flicker']:.2f} % of the pixels that stand still change their class; "
            f"{share(record['still_fraction'])} of all stand still"
        )
    return facts


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def number(value: float) -> str:
    """Three digits that count, without exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def share(value: float | None) -> str:
    return "-" if value is None else f"{_percent(value)} %"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
