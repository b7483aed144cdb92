"""Tables of README and docs, made from the results that are committed.

    python benchmarks/tables.py             # writes them anew
    python benchmarks/tables.py --check     # writes nothing, says which differ

A table stands between lines ``<!-- table NAME -->`` and ``<!-- end of table -->``. Its name is one of
``TABLES``.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from block_results import Results, markdown, markdown_line, short
from machine import RESULTS

from saccade.cli.bench_summary import labels_of

ROOT = Path(__file__).parents[1]
MARKED = re.compile(r"^(<!-- table ([\w-]+) -->\n)(.*?)^(<!-- end of table -->)$", re.DOTALL | re.MULTILINE)

Row = dict[str, Any]


def blocks(results: Path) -> str:
    """The block engine, a table for each machine."""
    return "\n\n".join(markdown(Results(path).rows) for path in sorted(results.glob("*/blocks.json")))


def shares(results: Path) -> str:
    """How well the target is met, clip by clip, machine by machine."""
    tables = []
    for path in sorted(results.glob("*/shares.json")):
        rows = json.loads(path.read_text())["rows"]
        targets = sorted({row["target"] for row in rows})
        lines = []
        for clip in dict.fromkeys(row["clip"] for row in rows):
            found = {row["target"]: row for row in rows if row["clip"] == clip}
            cells = [f"{100 * found[target]['share']:.1f}" for target in targets]
            lines.append(_line(clip, str(found[targets[0]]["frames"]), *cells))
        tables.append(_table(("clip", "frames", *(f"{100 * target:.0f} %" for target in targets)), lines))
    return "\n\n".join(tables)


def keyframes_camvid(results: Path) -> str:
    """What methods with key frames lose on CamVid over all offsets of them, machine by machine."""
    tables = []
    for dense in sorted(results.glob("*/keyframes_camvid_val_frame.json")):
        others = sorted(path for path in dense.parent.glob("keyframes_camvid_val_*.json") if path != dense)
        rows = [_row(dense), *map(_row, others)]
        # Not every row's own dense cost: that of a TDNet is of one of its sub-networks.
        whole = rows[0]["gmacs"]["dense"]
        lines = [
            _line(
                _keyframe_method(row),
                _percent(row["gmacs"]["mean"] / whole),
                _three(row["miou"]),
                _three(row["miou_min"]),
                *_lost(row, rows[0]["miou"]),
            )
            for row in rows
        ]
        heads = ("method, interval", "GMACs", "mIoU", "lowest, by distance", "lost", "lost at the lowest")
        tables.append(_table(heads, lines))
    return "\n\n".join(tables)


def _lost(row: Row, dense: float) -> tuple[str, str]:
    """What mean and lowest mIoU are below frame by frame, over the same frames.

    Over all offsets those with too few frames before them are not scored; at distance 0 methods are frame by
    frame. Of one pass every distance has frames of its own, so its lowest is compared with nothing.
    """
    if row["method"] == "frame":
        return "", ""
    if row["protocol"] == "clip":
        return f"{dense - row['miou']:.4f}", ""
    dense = row["miou_by_distance"][0]
    return f"{dense - row['miou']:.4f}", f"{dense - row['miou_min']:.4f}"


def dff_flow(results: Path) -> str:
    """Deep Feature Flow on CamVid along one optical flow or another, machine by machine."""
    tables = []
    for machine in sorted({path.parent for path in results.glob("*/dff_flow_camvid_val_*.json")}):
        named = {
            path.stem.removeprefix("dff_flow_camvid_val_"): _row(path)
            for path in machine.glob("dff_flow_camvid_val_*.json")
        }
        lines = [
            _line(
                name,
                _percent(row["gmacs"]["mean"] / row["gmacs"]["dense"]),
                _percent(row["gmacs"]["flow"] / row["gmacs"]["dense"]),
                _three(row["miou"]),
                _three(row["miou_min"]),
            )
            for name, row in sorted(named.items(), key=lambda item: -item[1]["miou"])
        ]
        tables.append(_table(("flow", "GMACs", "of which flow", "mIoU", "lowest, by distance"), lines))
    return "\n\n".join(tables)


def segblocks_camvid(results: Path) -> str:
    """SegBlocks with each policy on CamVid, beside networks frame by frame, machine by machine.

    These are its own network, and what the two parts of its recipe give without blocks.
    """
    tables = []
    for dense in sorted(results.glob("*/segblocks_camvid_val_frame.json")):
        others = [_row(path) for path in dense.parent.glob("segblocks_camvid_val_*.json") if path != dense]
        rows = [_row(dense), *sorted(others, key=lambda row: -row["miou"])]
        lines = [
            _line(
                _segblocks_policy(row),
                _percent(row["gmacs"]["mean"] / row["gmacs"]["dense"]),
                _three(row["miou"]),
            )
            for row in rows
        ]
        tables.append(_table(("policy", "GMACs", "mIoU"), lines))
    return "\n\n".join(tables)


def _segblocks_policy(row: Row) -> str:
    if row["method"] == "frame":
        if "baseline" not in row["weights"]:
            return "frame by frame"
        part = ", both parts" if "further" in row["weights"] else ", first part"
        return f"frame by frame, trained without blocks{part}"
    # Older results do not say what ran for auto; the weights of this table have a policy.
    name: str = row.get("policy") or row["config"]["policy"].replace("auto", "trained")
    return name


def composition(results: Path) -> str:
    """BlockCopy with one and two levels of resolution, machine by machine."""
    tables = []
    for path in sorted(results.glob("*/composition.json")):
        lines = []
        for row in json.loads(path.read_text())["rows"]:
            blocks = "keep / full" if row["levels"] == 1 else "keep / low / full"
            cells = [row["weights"], row["policy"], blocks, _percent(row["cost"]), _percent(row["full"])]
            lines.append(_line(*cells, _percent(row["low"]), f"{row['miou']:.4f}"))
        heads = ("weights", "policy", "blocks", "GMACs", "in full", "low", "mIoU")
        tables.append(_table(heads, lines))
    return "\n\n".join(tables)


def _keyframe_method(row: Row) -> str:
    config = row["config"]
    words = [row["method"], *([str(config["interval"])] if "interval" in config else [])]
    if config.get("schedule", "fixed") != "fixed":
        words.append(f"{config['schedule']}, one pass")
    if config.get("correction") == "none":
        words.append("without correction")
    if config.get("fuse") in ("update", "reference"):
        words.append(f"{config['fuse']} alone")
    elif config.get("fusion", "mean") != "mean":
        words.append("with trained fusion")
    return " ".join(words)


def flow(results: Path) -> str:
    """Errors and cost of optical flow on pairs with known flow, machine by machine."""
    tables = []
    for path in sorted(results.glob("*/flow.json")):
        rows = json.loads(path.read_text())["rows"]
        lines = [
            _line(
                f"{row['data']}, {row['part']} pixels",
                row["flow"],
                f"{row['epe']:.2f}",
                _percent(row["outliers"]),
                f"{row['gmacs']:.3f}",
                _number(row["ms"]),
            )
            for row in sorted(rows, key=lambda row: (row["data"], row["part"]))
        ]
        tables.append(_table(("pairs", "flow", "end-point error", "outliers", "GMACs", "ms"), lines))
    return "\n\n".join(tables)


def policies(results: Path) -> str:
    """What each policy of BlockCopy loses on each clip, means over its seeds, machine by machine."""
    tables = []
    for path in sorted(results.glob("*/policies.json")):
        lines = []
        for row in json.loads(path.read_text())["rows"]:
            who = row["policy"] if row["policy"] != "frame" else "frame by frame"
            executed = _percent(statistics.fmean(row["executed"]))
            scored = [_mean_and_spread(row[name]) for name in ("agreement", "miou")]
            lines.append(_line(row["clip"], str(row["frames"]), who, executed, *scored))
        heads = ("clip", "frames", "policy", "blocks", "equal pixels", "mIoU")
        tables.append(_table(heads, lines))
    return "\n\n".join(tables)


def clips(results: Path) -> str:
    """Methods on clips, a table for each machine and clip."""
    tables = []
    for path in sorted(results.glob("*/bench_*.json")):
        rows = json.loads(path.read_text())["rows"]
        tables += [f"### {_what(path, group)}\n\n{bench_table(group)}" for group in _groups(rows)]
    return "\n\n".join(tables)


def detection_pets(results: Path) -> str:
    """The light detector on unseen frames of PETS09-S2L1, machine by machine."""
    tables = []
    for path in sorted(results.glob("*/detection_pets_frame.json")):
        others = [_row(other) for other in path.parent.glob("detection_pets_[0-9]*.json")]
        others.sort(key=lambda row: -row["config"]["target"])
        lines = []
        for row in [_row(path), *others]:
            target = row["config"].get("target")
            share = row["gmacs"]["mean"] / row["gmacs"]["dense"]
            miss = row["miss_rate"]["reasonable"]
            cells = ["frame by frame" if target is None else f"target {target:g}", _three(row["ap50"])]
            cells += [_three(row["ap"]), _percent(miss), _number(row["gmacs"]["mean"]), _percent(share)]
            lines.append(_line(*cells))
        heads = ("", "AP50", "AP", "miss rate, reasonable", "GMACs", "of frame by frame")
        tables.append(_table(heads, lines))
    return "\n\n".join(tables)


def ghosts(results: Path) -> str:
    """Boxes that are left behind, clip by clip, machine by machine."""
    tables = []
    for path in sorted(results.glob("*/ghosts.json")):
        heads = ("clip", "frames", "target", "GMACs of frame by frame", "F1", "ghosts", "oldest, frames")
        lines = [
            _line(
                *(row["clip"], str(row["frames"]), f"{row['target']:g}", _percent(row["share_of_gmacs"])),
                *(_three(row["f1"]), str(row["ghosts"]), str(row["oldest_ghost"])),
            )
            for row in json.loads(path.read_text())["rows"]
        ]
        tables.append(_table(heads, lines))
    return "\n\n".join(tables)


def batch_norm(results: Path) -> str:
    """What batch norm normalises by, and what networks of two resolutions learn with it: logs of training."""
    lines = []
    for path in sorted(results.glob("*/training/segblocks-statistics-*.csv")):
        kind, seed = path.stem.split("-")[2:]
        with path.open(newline="") as file:
            epochs = list(csv.DictReader(file))
        scores = [float(epoch["validation_miou"]) for epoch in epochs if epoch["validation_miou"]]
        figures = (float(epochs[-1]["loss"]), scores[-1], max(scores))
        lines.append(_line(kind, seed, str(len(epochs)), *map(_three, figures)))
    heads = ("`blocks.statistics`", "seed", "epochs", "loss", "mIoU at the end", "highest mIoU")
    return _table(heads, lines)


def busy(results: Path) -> str:
    """Threads that wait for each other in two ways beside other programs, machine by machine."""
    tables = []
    for path in sorted(results.glob("*/busy.json")):
        rows = json.loads(path.read_text())["rows"]
        lines = [
            _line(str(row["others"]), *(_span(row[way]) for way in ("spin_ms", "sleep_ms"))) for row in rows
        ]
        tables.append(_table(("other programs", "ms per frame by default", "and where they sleep"), lines))
    return "\n\n".join(tables)


def _span(times: Sequence[float]) -> str:
    return f"{min(times):.0f} to {max(times):.0f}"


TABLES: dict[str, Callable[[Path], str]] = {
    "blocks": blocks,
    "shares": shares,
    "flow": flow,
    "keyframes-camvid": keyframes_camvid,
    "dff-flow": dff_flow,
    "policies": policies,
    "segblocks-camvid": segblocks_camvid,
    "composition": composition,
    "clips": clips,
    "detection-pets": detection_pets,
    "ghosts": ghosts,
    "batch-norm": batch_norm,
    "busy": busy,
}


def bench_table(rows: Sequence[Row]) -> str:
    """Rows of ``saccade bench`` with the same network, size and precision: wins and losses."""
    scored = any(row["miou"] is not None for row in rows)
    boxes = any(row.get("f1_with_dense") is not None for row in rows)
    heads = ("method", "blocks", "GMACs", "ms", "p95", "speed-up", "realised", "frames/s with I/O", "MB")
    heads += ("F1 of boxes" if boxes else "equal pixels", *(("mIoU", "lowest") if scored else ()))
    lines = []
    for label, row in zip(labels_of([(r["method"], r["config"]) for r in rows]), rows, strict=True):
        latency = row["latency_ms"]
        cells = [label, _blocks(row), _number(row["gmacs"]["mean"])]
        cells += [_number(latency["mean"]), _number(latency["p95"])]
        cells += [_times(row["speedup_vs_dense_best"]), _times(row["realised"], "")]
        cells += [_number(row["fps_with_io"]), _number(row["peak_memory_mb"])]
        cells += [_three(row["f1_with_dense"]) if boxes else _percent(row["agreement_with_dense"])]
        cells += [_three(row["miou"]), _three(row["miou_min"])] if scored else []
        lines.append(_line(*cells))
    return _table(heads, lines)


def _blocks(row: Row) -> str:
    """Share of the blocks that were executed, without first frames; with half resolution, how, over all."""
    low = row.get("low_fraction")
    if not low:
        return _percent(row["executed_fraction_without_first"])
    return f"{_percent(row['executed_fraction'] - low)} full, {_percent(low)} half"


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        key = row["network"], row["weights"], row["height"], row["width"], row["precision"]
        found.setdefault(key, []).append(row)
    return list(found.values())


def _what(path: Path, rows: Sequence[Row]) -> str:
    row = rows[0]
    words = [path.stem.removeprefix("bench_").replace("_", " "), row["network"], row["precision"]]
    words.insert(2, f"{row['height']}x{row['width']}" if row["height"] else "several sizes")
    threads = f", {row['threads']} threads" if row["device"] == "cpu" else ""
    return f"{', '.join(words)}, {row['frames']} frames, on {row['device_name']}{threads}"


def _row(path: Path) -> Row:
    row: Row = json.loads(path.read_text())
    return row


def _table(heads: Sequence[str], lines: Sequence[str]) -> str:
    return "\n".join([markdown_line(heads), "|" + "---|" * len(heads), *lines])


def _line(*cells: str) -> str:
    return markdown_line(cells)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %".replace("100.0", "100")


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _mean_and_spread(values: Sequence[float]) -> str:
    """Of several seeds also how far the lowest and the highest are apart."""
    if not values:
        return ""
    spread = f" ({max(values) - min(values):.3f} apart)" if len(values) > 1 else ""
    return _three(statistics.fmean(values)) + spread


def _number(value: float | None) -> str:
    return "" if value is None else short(value)


def _times(value: float | None, unit: str = "x") -> str:
    return "" if value is None else f"{value:.2f}{unit}"


def renewed(text: str, results: Path = RESULTS) -> str:
    """A page with its tables as the results have them.

    Raises:
        ValueError: It has a table that nobody makes, or one that does not end.
    """
    if len(MARKED.findall(text)) != len(re.findall(r"^<!-- table ", text, re.MULTILINE)):
        raise ValueError("a table has no <!-- end of table -->")

    def table(match: re.Match[str]) -> str:
        if match[2] not in TABLES:
            raise ValueError(f"there is no table {match[2]!r}; there are {', '.join(TABLES)}")
        made = TABLES[match[2]](results)
        return f"{match[1]}\n{made}\n\n{match[4]}" if made else f"{match[1]}\n{match[4]}"

    return MARKED.sub(table, text)


def pages() -> list[Path]:
    """README and docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main() -> None:
    """Write the tables, or say which differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say which pages differ")
    check = parser.parse_args().check
    differing = []
    for page in pages():
        text = page.read_text()
        new = renewed(text)
        if new != text:
            differing.append(str(page.relative_to(ROOT)))
            if not check:
                page.write_text(new)
    print("\n".join(differing) or "all tables are those of the results")
    if check and differing:
        sys.exit(1)


if __name__ == "__main__":
    main()
