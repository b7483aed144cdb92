"""What the policies of BlockCopy lose against frame by frame, on real clips and the built-in world.

    python benchmarks/policies.py --data DIR [--only camvid ...] [--rows change online]

Frame by frame runs once on each clip; then every policy, with every seed where it draws at random. Motion,
shift of scores, ages, budget and scene cuts are as by default; rows that go without one of them say so. DIR
is your data, as for ``benchmarks/clips.py``; clips that are not there are left out. Results are
``benchmarks/results/<machine>/policies.json``, written after every clip; rows that are measured again replace
the old ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from machine import results_folder
from torch import Tensor, nn

import saccade
from saccade.datasets.clip import Clip, Dataset
from saccade.evaluation.agreement import Agreement
from saccade.evaluation.confusion import ConfusionMatrix
from saccade.evaluation.determinism import seed_all
from saccade.video.atomic import write_atomic

NETWORK = "swiftnet-rn18"

WORLD = {"clips": 2, "frames": 100, "mode": "static", "size": [360, 480]}
"""A street with a camera that stands still; every frame has labels."""

CLIPS: dict[str, tuple[str | None, tuple[float, ...]]] = {
    "camvid": ("camvid", (0.5, 0.25)),
    "world static": (None, (0.15,)),
    "plaza": ("videos/opencv_vtest_480x360.mp4", (0.15,)),
    "corridor": ("videos/intel_one_by_one_person.mp4", (0.15,)),
}
"""Where each clip is in DIR, and the shares of the blocks."""

FRAMES = 200
"""Of a video at most."""

DRAW = ("online",)
"""Rows that draw at random."""

ROWS: dict[str, dict[str, Any]] = {
    "change": {"policy": "change"},
    "trained": {"policy": "trained"},
    "trained, not shifted": {"policy": "trained", "score_shift": False},
    "trained, not moved": {"policy": "trained", "motion": False},
    "online": {"policy": "online"},
}
"""What is measured, and its settings. Scores that do not move are not shifted either."""

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Row:
    """One policy on one clip.

    Attributes:
        clip: Its name.
        policy: One of ``ROWS``; ``frame`` for frame by frame.
        target: Share of the blocks that may be executed.
        frames: Of the clip, or of all clips of a data set.
        seeds: With which the lists were measured.
        executed: Share of the blocks without first frames.
        agreement: Share of the pixels with the label of frame by frame, over all frames.
        miou: Mean IoU over the labelled frames; empty without labels.
    """

    clip: str
    policy: str
    target: float
    frames: int
    seeds: tuple[int, ...]
    executed: tuple[float, ...]
    agreement: tuple[float, ...]
    miou: tuple[float, ...]


Labels = list[list[Tensor]]
"""For every clip, those of every frame, ``(H, W)`` uint8."""


def open_work(name: str, data: Path) -> Dataset | Path | None:
    """A data set with labels, or a video; None where it is not there."""
    place, _ = CLIPS[name]
    if place is None:
        return saccade.open_dataset("world", None, "val", **WORLD)
    path = data / place
    if not path.exists():
        return None
    return saccade.open_dataset(place, path, "val") if path.is_dir() else path


def run(method: Any, work: Dataset | Path) -> tuple[Labels, list[float]]:
    """Labels of all frames, and the share of the blocks in every frame but the first of each clip."""
    labels: Labels = []
    shares: list[float] = []
    for clip in _clips(work):
        method.reset()
        labels.append([])
        for number, frame in enumerate(clip):
            result = method.step(frame.tensor)
            labels[-1].append(result.prediction.labels()[0].clone())
            if number and result.actions is not None:
                shares.append(float((result.actions != 0).float().mean()))
    return labels, shares


def _clips(work: Dataset | Path) -> Any:
    if isinstance(work, Path):
        return [islice(saccade.open_video(work), FRAMES)]
    return [(sample.frame for sample in clip) for clip in work.clips()]


def truth_of(work: Dataset | Path) -> list[list[Tensor | None]]:
    """Labels made by people or by the world, for every frame of every clip; None where there are none."""
    if isinstance(work, Path):
        return []

    def of_clip(clip: Clip) -> list[Tensor | None]:
        return [None if sample.label is None else torch.from_numpy(sample.label) for sample in clip]

    return [of_clip(clip) for clip in work.clips()]


def scores(found: Labels, dense: Labels, truth: list[list[Tensor | None]], classes: int) -> tuple[float, ...]:
    """Agreement with frame by frame, and the mean IoU where there is truth."""
    agreement, confusion = Agreement(), ConfusionMatrix(classes)
    for mine, theirs in zip(found, dense, strict=True):
        for label, other in zip(mine, theirs, strict=True):
            agreement.update(label, other)
    for mine, right in zip(found, truth, strict=False):
        for label, known in zip(mine, right, strict=True):
            if known is not None:
                confusion.update(label, known)
    return (float(agreement.compute()), *([confusion.miou()] if truth else []))


def measure(name: str, work: Dataset | Path, network: nn.Module, wanted: Sequence[str]) -> list[Row]:
    """Frame by frame, then all rows that are wanted, at all targets."""
    classes = 0 if isinstance(work, Path) else len(work.classes.names)
    dense, _ = run(saccade.wrap(network, saccade.FrameConfig()), work)
    frames, truth = sum(len(clip) for clip in dense), truth_of(work)
    agreement, *miou = scores(dense, dense, truth, classes)
    rows = [Row(name, "frame", 1.0, frames, (0,), (1.0,), (agreement,), tuple(miou))]
    for policy in wanted:
        for target in CLIPS[name][1]:
            seeds = SEEDS if policy in DRAW else SEEDS[:1]
            executed, agreements, mious = [], [], []
            for seed in seeds:
                seed_all(seed)
                config = saccade.BlockCopyConfig(target=target, seed=seed, **ROWS[policy])
                labels, shares = run(saccade.wrap(network, config), work)
                agreement, *miou = scores(labels, dense, truth, classes)
                executed.append(round(statistics.fmean(shares), 5))
                agreements.append(agreement)
                mious += miou
            found = tuple(executed), tuple(agreements), tuple(mious)
            rows.append(Row(name, policy, target, frames, seeds, *found))
            show(rows[-1])
    return rows


def _key(row: Row) -> tuple[str, str, float]:
    return row.clip, row.policy, row.target


def in_order(rows: Sequence[Row]) -> list[Row]:
    """As in ``CLIPS`` and ``ROWS``, larger targets first."""
    names = ["frame", *ROWS]
    return sorted(rows, key=lambda r: (list(CLIPS).index(r.clip), names.index(r.policy), -r.target))


def show(row: Row) -> None:
    """One line on the terminal."""
    words = [
        f"{row.clip:13} {row.policy:22} {row.target:4.2f}  executed {statistics.fmean(row.executed):.4f}"
    ]
    for what in ("agreement", "miou"):
        values = getattr(row, what)
        if values:
            words.append(f"{what} {statistics.fmean(values):.4f} ({max(values) - min(values):.4f} apart)")
    print("  ".join(words), flush=True)


def main() -> None:
    """Measure one clip after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--only", nargs="+", choices=CLIPS, default=list(CLIPS), help="these clips")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="these rows")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="default: fp32")
    arguments = parser.parse_args()
    network = saccade.load_network(NETWORK).eval()
    network = network.to(torch.bfloat16) if arguments.precision == "bf16" else network
    path = results_folder(torch.device("cpu")) / "policies.json"
    rows = [Row(**row) for row in json.loads(path.read_text())["rows"]] if path.exists() else []
    for name in arguments.only:
        work = open_work(name, arguments.data)
        if work is None:
            print(f"{name}: there is no {CLIPS[name][0]} in the data; left out")
            continue
        new = measure(name, work, network, arguments.rows)
        rows = in_order([*(old for old in rows if _key(old) not in map(_key, new)), *new])
        results = {
            "schema": 1,
            "benchmark": "policies",
            "command": "benchmarks/policies.py",
            "network": NETWORK,
            "precision": arguments.precision,
            "saccade": saccade.__version__,
            "torch": torch.__version__,
            "rows": [asdict(row) for row in rows],
        }
        write_atomic(path, json.dumps(results, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
