"""How well BlockCopy meets its target: the executed share on real clips, for targets from 0.1 to 0.9.

    python benchmarks/shares.py --data DIR [--only plaza ...]

Frames are halved (the share does not depend on their size), and the first is left out. Where little moves, at
most what two frames in full need beyond their share (``savings``) may be left at the end. DIR is your data,
as for ``benchmarks/clips.py``; clips that are not there are left out. Results are
``benchmarks/results/<machine>/shares.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from machine import results_folder

import saccade

TARGETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

CLIPS = {
    "camvid": "camvid/val",
    "dashcam": "videos/dashcam_vehicle_test.mp4",
    "plaza": "videos/opencv_vtest_480x360.mp4",
    "corridor": "videos/intel_one_by_one_person.mp4",
    "pets": "mot/PETS09-S2L1/img1",
    "campus": "mot/TUD-Campus/TUD-Campus.mp4",
}
"""Where each clip is in DIR."""

FRAMES = 300
"""Of each clip at most."""


def share(network: torch.nn.Module, clip: Path, config: saccade.BlockCopyConfig) -> tuple[int, float]:
    """Frames of a clip after the first, and the mean share of the blocks executed in them."""
    method = saccade.wrap(network, config)
    shares = []
    with saccade.open_video(clip, scale=0.5, max_frames=FRAMES) as video:
        for frame in video:
            actions = method.step(frame.tensor).actions
            assert actions is not None
            shares.append(float((actions != 0).float().mean()))
    return len(shares) - 1, sum(shares[1:]) / (len(shares) - 1)


def main() -> None:
    """Measure one clip after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--only", nargs="+", choices=CLIPS, help="these clips")
    parser.add_argument("--policy", default="change", help="default: change")
    arguments = parser.parse_args()
    network = saccade.load_network("swiftnet-rn18").to(torch.bfloat16)
    rows = []
    for name in arguments.only or CLIPS:
        clip = arguments.data / CLIPS[name]
        if not clip.exists():
            print(f"{name}: there is no {CLIPS[name]} in the data; left out")
            continue
        for target in TARGETS:
            config = saccade.BlockCopyConfig(target=target, policy=arguments.policy)
            frames, found = share(network, clip, config)
            rows.append({"clip": name, "frames": frames, "target": target, "share": round(found, 5)})
            print(f"{name:10} {frames:4} frames  target {target:.1f}  executed {found:.4f}", flush=True)
    results = {
        "schema": 1,
        "benchmark": "shares",
        "network": "swiftnet-rn18",
        "precision": "bf16",
        "policy": arguments.policy,
        "seed": 0,
        "saccade": saccade.__version__,
        "torch": torch.__version__,
        "rows": rows,
    }
    path = results_folder(torch.device("cpu")) / "shares.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
