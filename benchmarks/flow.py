"""End-point errors of optical flow on pairs of real and rendered frames, as JSON.

    python benchmarks/flow.py DATA [--flows dis,zero] [--weights light=FILE,flownet-s=FILE] [-o FILE.json]

DATA is a folder with any of these in it:

- FlyingChairs as published: ``NAME-img0.png``, ``NAME-img1.png``, ``NAME-gt.flo``;
- KITTI: ``NAME_10.png``, ``NAME_11.png``, and beside them 16-bit ground truth with ``noc_`` or ``occ_``
  put in somewhere, ``NAME_noc_10.png`` or the like.

Every flow is read on the grid of the first frame and leads to the second one, whichever is earlier. Flows of
another resolution are resized to the frames. Pixels without ground truth do not count.
"""

from __future__ import annotations

import argparse
import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from saccade.evaluation.latency import timed
from saccade.evaluation.record import name_of_device
from saccade.networks.flow import FlowEstimator, list_flows, load_flow, resize_flow
from saccade.video.frame import normalise

FLO_MAGIC = 202021.25
ROUNDS = 3


@dataclass(frozen=True)
class Pair:
    """Two frames and the flow between them.

    Attributes:
        name: Of the files.
        first, second: ``(1, 3, H, W)`` normalised frames.
        flow: ``(H, W, 2)`` pixels, on the grid of the first frame.
        valid: ``(H, W)`` bool.
        part: ``all`` pixels, or the ``visible`` ones of them.
    """

    name: str
    first: Tensor
    second: Tensor
    flow: np.ndarray
    valid: np.ndarray
    part: str


@dataclass(frozen=True)
class Row:
    """One flow on one data set.

    Attributes:
        flow: Name, or ``zero``.
        data: ``flyingchairs`` or ``kitti``.
        part: Which pixels count: ``all`` with ground truth, or only those ``visible`` in both frames.
        pairs: How many.
        epe: Mean end-point error in pixels.
        outliers: Share of pixels that are off by more than 3 pixels and by more than 5 % (KITTI's Fl).
        gmacs: Of one pair; for DIS an upper estimate.
        ms: Median time of a pair.
    """

    flow: str
    data: str
    part: str
    pairs: int
    epe: float
    outliers: float
    gmacs: float
    ms: float


class Zero(FlowEstimator):
    """Says that nothing moves."""

    def forward(self, now: Tensor, before: Tensor) -> Tensor:
        return now.new_zeros(len(now), 2, 1, 1)


def read_flo(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Flow ``(H, W, 2)`` and where it is known ``(H, W)``, of Middlebury's format."""
    data = path.read_bytes()
    magic, width, height = struct.unpack("<fii", data[:12])
    if magic != FLO_MAGIC or len(data) != 12 + 8 * width * height:
        raise SystemExit(f"{path} is not a .flo file")
    flow = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)
    return flow, np.abs(flow).max(2) < 1e9


def read_kitti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Flow ``(H, W, 2)`` and where it is known ``(H, W)``, of KITTI's 16-bit PNG."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)  # valid, v, u: OpenCV has the colours reversed
    if image is None or image.dtype != np.uint16 or image.ndim != 3:
        raise SystemExit(f"{path} is not KITTI's flow: 16 bits, three channels")
    flow = (image[..., :0:-1].astype(np.float32) - 2**15) / 64
    return flow, image[..., 0] > 0


def read_frame(path: Path) -> Tensor:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{path} cannot be read")
    return normalise(torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)[None])


def find_pairs(folder: Path) -> Iterator[tuple[str, Pair]]:
    """Every pair below a folder, with the name of its data set."""
    for truth in sorted(folder.rglob("*-gt.flo")):
        name = truth.name.removesuffix("-gt.flo")
        frames = [read_frame(truth.with_name(f"{name}-img{i}.png")) for i in (0, 1)]
        yield "flyingchairs", Pair(name, *frames, *read_flo(truth), part="all")
    for kind, part in (("occ", "all"), ("noc", "visible")):
        for truth in sorted(folder.rglob(f"*{kind}*_10.png")):
            name = truth.name.replace(f"{kind}_", "").removesuffix("_10.png")
            frames = [read_frame(truth.with_name(f"{name}_{i}.png")) for i in (10, 11)]
            yield "kitti", Pair(name, *frames, *read_kitti(truth), part=part)


@torch.inference_mode()
def measure(name: str, estimator: FlowEstimator, data: str, pairs: list[Pair]) -> Row:
    """Errors over all pixels of all pairs, and the time and cost of a pair."""
    device = next((p.device for p in estimator.parameters()), torch.device("cpu"))
    errors, lengths, times = [], [], []
    for pair in pairs:
        first, second = pair.first.to(device), pair.second.to(device)
        rounds = [timed(lambda a=first, b=second: estimator(a, b), device) for _ in range(ROUNDS)]  # type: ignore[misc]
        times.append(float(np.median([ms for _, ms in rounds])))
        size = (first.shape[2], first.shape[3])
        found = resize_flow(rounds[-1][0].float(), size)[0].permute(1, 2, 0).cpu().numpy()
        errors.append(np.linalg.norm(found - pair.flow, axis=2)[pair.valid])
        lengths.append(np.linalg.norm(pair.flow, axis=2)[pair.valid])
    error, length = np.concatenate(errors), np.concatenate(lengths)
    return Row(
        flow=name,
        data=data,
        part=pairs[0].part,
        pairs=len(pairs),
        epe=float(error.mean()),
        outliers=float(((error > 3) & (error > 0.05 * length)).mean()),
        gmacs=float(np.mean([estimator.macs(pair.first.shape) for pair in pairs])) / 1e9,
        ms=float(np.median(times)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--flows", default="zero,dis", help=f"of zero, {', '.join(list_flows())}")
    parser.add_argument("--weights", default="", help="NAME=FILE,... for flows that have none of their own")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    files = dict(item.split("=", 1) for item in arguments.weights.split(",") if item)
    groups: dict[tuple[str, str], list[Pair]] = {}
    for data, pair in find_pairs(arguments.data):
        groups.setdefault((data, pair.part), []).append(pair)
    if not groups:
        raise SystemExit(f"{arguments.data} holds neither FlyingChairs (*-gt.flo) nor KITTI (*occ*_10.png)")
    rows = []
    for name in dict.fromkeys([*arguments.flows.split(","), *files]):
        estimator = Zero() if name == "zero" else load_flow(name, weights=files.get(name, "default"))
        estimator = estimator.to(arguments.device)
        for (data, _), pairs in groups.items():
            row = measure(name, estimator, data, pairs)
            rows.append(row)
            print(
                f"{row.flow:12} {row.data:12} {row.part:8} EPE {row.epe:6.2f}  off {row.outliers:6.1%}  "
                f"{row.gmacs:7.3f} GMACs  {row.ms:8.1f} ms"
            )
    device = torch.device(arguments.device)
    record = {
        "schema": 1,
        "device_name": name_of_device(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "rows": [asdict(row) for row in rows],
    }
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
