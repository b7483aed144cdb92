"""Boxes that BlockCopy leaves behind where nobody is any more, on clips with a camera that stands still.

    python benchmarks/ghosts.py --data DIR [--only plaza ...] [--frames N]

Of every frame, the boxes of BlockCopy are compared with those that frame-by-frame execution finds: by their
F1 at an IoU of 0.5, both with scores above 0.4, as they are drawn. A ghost is such a box of BlockCopy where
frame by frame finds nobody: its IoU with each box there, down to a score of 0.1, is below 0.3. Its age is for
how many frames it has been one; it is the ghost of the frame before that it overlaps most,
by an IoU of 0.5 or more.

DIR is your data, as for ``benchmarks/clips.py``; clips that are not there are left out. Results are
``benchmarks/results/<machine>/ghosts.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from machine import results_folder
from torchvision.ops import box_iou

import saccade
from saccade.evaluation.detection_scores import SHOWN, BoxAgreement
from saccade.methods.base import Detections, StepResult
from saccade.methods.placement import PRECISIONS
from saccade.networks.detector import Boxes

TARGETS = (0.3, 0.15)

CLIPS = {
    "plaza": "videos/opencv_vtest_480x360.mp4",
    "pets": "mot/PETS09-S2L1/img1",
    "campus": "mot/TUD-Campus/TUD-Campus.mp4",
}
"""Where each clip is in DIR."""

NOBODY = 0.3
"""A box overlaps somebody from this IoU on."""

SAME = 0.5
"""Two ghosts of consecutive frames are one from this IoU on."""


class Ghosts:
    """Follows boxes that are where nobody is.

    Attributes:
        boxes: How many there were, each in each frame.
        oldest: Frames that one of them stayed.
    """

    def __init__(self) -> None:
        self.boxes = 0
        self.oldest = 0
        self._before = torch.zeros(0, 4)
        self._ages = torch.zeros(0, dtype=torch.int64)

    def update(self, found: Boxes, dense: Boxes) -> list[int]:
        """Take the boxes of the next frame.

        Args:
            found: By the method.
            dense: Frame by frame.

        Returns:
            The ages of all ghosts in it.
        """
        shown = found.above(SHOWN).xyxy.float()
        ghosts = shown[_best(shown, dense.xyxy.float())[0] < NOBODY]
        overlap, match = _best(ghosts, self._before)
        ages = torch.ones(len(ghosts), dtype=torch.int64)
        old = overlap >= SAME
        ages[old] += self._ages[match[old]]
        self._before, self._ages = ghosts, ages
        self.boxes += len(ghosts)
        self.oldest = max([self.oldest, *ages.tolist()])
        return ages.tolist()


def _best(boxes: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest IoU of each box ``(n, 4)`` with others, and with which; 0 where there are none."""
    if not len(others):
        return torch.zeros(len(boxes)), torch.zeros(len(boxes), dtype=torch.int64)
    best = box_iou(boxes, others).max(1)
    return best.values, best.indices


def measure(network: torch.nn.Module, clip: Path, frames: int | None, policy: str) -> list[dict[str, Any]]:
    """A row for each target."""
    plain = saccade.wrap(network)
    methods = {
        target: saccade.wrap(network, saccade.BlockCopyConfig(target=target, policy=policy))
        for target in TARGETS
    }
    agreements = {target: BoxAgreement() for target in TARGETS}
    ghosts = {target: Ghosts() for target in TARGETS}
    shares: dict[float, list[float]] = {target: [] for target in TARGETS}
    costs = dict.fromkeys(TARGETS, 0.0)
    dense_cost, people, count = 0.0, 0, 0
    with saccade.open_video(clip, max_frames=frames) as video:
        for frame in video:
            step = plain.step(frame.tensor)
            dense = _boxes(step)
            dense_cost += step.cost.total
            people += len(dense.above(SHOWN))
            count += 1
            for target, method in methods.items():
                step = method.step(frame.tensor)
                assert step.actions is not None
                shares[target].append(float((step.actions != 0).float().mean()))
                costs[target] += step.cost.total
                found = _boxes(step)
                agreements[target].update(found, dense)
                if old := [age for age in ghosts[target].update(found, dense) if age > 3]:
                    print(f"  frame {count - 1}, target {target}: ghosts of {old} frames", flush=True)
    return [
        {
            "target": target,
            "frames": count,
            "boxes_frame_by_frame": people,
            "f1": None if agreements[target].f1 is None else round(agreements[target].f1 or 0.0, 4),
            "ghosts": ghosts[target].boxes,
            "oldest_ghost": ghosts[target].oldest,
            "executed_fraction_without_first": round(sum(shares[target][1:]) / max(1, count - 1), 4),
            "share_of_gmacs": round(costs[target] / dense_cost, 4),
        }
        for target in TARGETS
    ]


def _boxes(step: StepResult) -> Boxes:
    assert isinstance(step.prediction, Detections)
    return step.prediction.frames[0].cpu()


def main() -> None:
    """Measure one clip after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--only", nargs="+", choices=CLIPS, help="these clips")
    parser.add_argument("--frames", type=int, help="of each clip at most; default: all")
    parser.add_argument("--network", default="csp-rn18", help="default: csp-rn18")
    parser.add_argument("--weights", default="default", help="name or file; default: those that are shipped")
    parser.add_argument("--policy", default=saccade.BlockCopyConfig().policy, help="default: BlockCopy's")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default: fp32")
    parser.add_argument("--out", type=Path, help="default: ghosts.json among the results of this machine")
    arguments = parser.parse_args()
    network = saccade.load_network(arguments.network, weights=arguments.weights)
    network = network.to(PRECISIONS[arguments.precision])
    rows = []
    for name in arguments.only or CLIPS:
        clip = arguments.data / CLIPS[name]
        if not clip.exists():
            print(f"{name}: there is no {CLIPS[name]} in the data; left out")
            continue
        for row in measure(network, clip, arguments.frames, arguments.policy):
            rows.append({"clip": name, **row})
            print(f"{name:8} {row}", flush=True)
    results = {
        "schema": 1,
        "benchmark": "ghosts",
        "network": arguments.network,
        "precision": arguments.precision,
        "policy": arguments.policy,
        "seed": 0,
        "saccade": saccade.__version__,
        "torch": torch.__version__,
        "rows": rows,
    }
    path = arguments.out or results_folder(torch.device("cpu")) / "ghosts.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
