"""Is keep / low / full better than keep / full? BlockCopy with one and with two levels at the same GMACs.

    python benchmarks/composition.py --data DIR [--weights NAME ...] [--policies change online] [--resume]

CamVid's ``val`` clip, every frame scored. Budgets are shares of the operations of frame by frame; the first
frame, which is executed whole, is counted in what a run took. Weights that never saw half resolution, and
those of SegBlocks, which did, run under the same policies. DIR is your data, as for ``benchmarks/clips.py``.
Results are ``benchmarks/results/<machine>/composition.json``, written after every run; ``--resume`` leaves
out what is in it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from machine import results_folder

import saccade
from saccade.blocks import FULL, LOW
from saccade.evaluation.confusion import ConfusionMatrix
from saccade.evaluation.determinism import seed_all
from saccade.video.atomic import write_atomic

WEIGHTS = ("swiftnet-rn18-street", "swiftnet-rn18-segblocks")
POLICIES = ("change", "online")
TARGETS = (0.5, 0.25)
LEVELS = (1, 2)


@dataclass(frozen=True)
class Row:
    """One run over the clip.

    Attributes:
        weights: Shipped name.
        policy: Of BlockCopy.
        target: Share of the operations that may be spent.
        levels: 2 for keep / low / full.
        frames: Of the clip.
        cost: MACs of all frames, the policy's included, as a share of those of frame by frame.
        full, low: Share of the blocks that were executed so, without the first frame.
        miou: Over all frames.
    """

    weights: str
    policy: str
    target: float
    levels: int
    frames: int
    cost: float
    full: float
    low: float
    miou: float


def measure(method: Any, dataset: Any) -> tuple[int, float, float, float, float]:
    """Frames, cost, shares of the blocks in full and at half resolution, and mIoU."""
    confusion = ConfusionMatrix(len(dataset.classes.names))
    frames, spent, dense, full, low = 0, 0.0, 0.0, [], []
    for clip in dataset.clips():
        method.reset()
        for number, sample in enumerate(clip):
            result = method.step(sample.frame.tensor)
            frames += 1
            spent += result.cost.total
            dense += result.cost.dense
            if number:
                full.append(float((result.actions == FULL).float().mean()))
                low.append(float((result.actions == LOW).float().mean()))
            if sample.label is not None:
                found = result.prediction.labels(sample.label.shape)[0]
                confusion.update(found, torch.from_numpy(sample.label))
    shares = (sum(values) / len(values) for values in (full, low))
    return frames, spent / dense, *shares, float(confusion.miou())


def main() -> None:
    """Measure one run after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--weights", nargs="+", default=WEIGHTS, help="shipped weights")
    parser.add_argument("--policies", nargs="+", default=POLICIES, help="of BlockCopy")
    parser.add_argument("--resume", action="store_true", help="keep the runs that are in the file")
    arguments = parser.parse_args()
    dataset = saccade.open_dataset("camvid", arguments.data / "camvid", "val")
    path = results_folder(torch.device("cpu")) / "composition.json"
    rows = []
    if arguments.resume and path.exists():
        rows = [Row(**row) for row in json.loads(path.read_text())["rows"]]
    done = {(row.weights, row.policy, row.target, row.levels) for row in rows}
    for weights in arguments.weights:
        network = saccade.load_network(weights).to(torch.bfloat16)
        for policy, target, levels in product(arguments.policies, TARGETS, LEVELS):
            if (weights, policy, target, levels) in done:
                continue
            seed_all(0)
            config = saccade.BlockCopyConfig(target=target, policy=policy, levels=levels)
            rows.append(
                Row(weights, policy, target, levels, *measure(saccade.wrap(network, config), dataset))
            )
            print(rows[-1], flush=True)
            results = {
                "schema": 1,
                "benchmark": "composition",
                "command": "benchmarks/composition.py",
                "precision": "bf16",
                "saccade": saccade.__version__,
                "torch": torch.__version__,
                "rows": [asdict(row) for row in rows],
            }
            write_atomic(path, json.dumps(results, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
