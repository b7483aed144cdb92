"""Frame by frame and other methods on real clips: ``saccade bench``, with a report of each.

    python benchmarks/clips.py --data DIR [--only camvid ...] [--resume]

The clips are not ours to pass on, so DIR is yours: CamVid's ``camvid/``, a Cityscapes snippet in
``cityscapes_clip/leftImg8bit/``, and two videos of static cameras in ``videos/``. Clips that are not there
are left out. Results are ``benchmarks/results/<machine>/bench_CLIP.json`` and ``.html``, without pictures.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch
from machine import results_folder

from saccade.cli import main as saccade

ALL = "--precision fp32 --seed 0"
POLICIES = "--methods frame,blockcopy --policies trained,change,online,random"

CLIPS = {
    "camvid": ("camvid", f"--dataset camvid --split val --targets 0.5,0.25 {POLICIES}"),
    "cityscapes": ("cityscapes_clip/leftImg8bit", f"--targets 0.25 {POLICIES}"),
    "plaza": ("videos/opencv_vtest_480x360.mp4", f"--max-frames 80 --targets 0.15 {POLICIES}"),
    "corridor": ("videos/intel_one_by_one_person.mp4", f"--max-frames 80 --targets 0.15 {POLICIES}"),
    "cityscapes_csp": (
        "cityscapes_clip/leftImg8bit",
        "--methods frame,blockcopy --network csp-rn50 --weights random --max-frames 8 --targets 0.3",
    ),
    "cityscapes_keyframes": (
        "cityscapes_clip/leftImg8bit",
        "--methods frame,dff,gsvnet,accel --interval 3 --max-frames 18",
    ),
    "cityscapes_segblocks": ("cityscapes_clip/leftImg8bit", "--methods frame,segblocks"),
}
"""Where each clip is in DIR, and the options of its bench."""


def main() -> None:
    """Measure one clip after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("SACCADE_DATA"), help="folder of the clips"
    )
    parser.add_argument("--only", nargs="+", choices=CLIPS, help="these clips")
    parser.add_argument("--resume", action="store_true", help="go on with what was interrupted")
    arguments = parser.parse_args()
    if arguments.data is None:
        print("benchmarks/clips.py: no --data DIR (or SACCADE_DATA) with real clips; nothing to measure")
        return
    folder = results_folder(torch.device("cuda" if torch.cuda.is_available() else "cpu")).resolve()
    os.chdir(arguments.data)  # clips are named as in the data: no path of this machine is in the results
    for name in arguments.only or CLIPS:
        place, options = CLIPS[name]
        if not Path(place).exists():
            print(f"{name}: there is no {place} in the data; left out")
            continue
        files = ["--json", str(folder / f"bench_{name}.json"), "--html", str(folder / f"bench_{name}.html")]
        words = ["bench", place, *ALL.split(), *options.split(), *files, "--no-pictures"]
        if code := saccade([*words, *["--resume"] * arguments.resume]):
            sys.exit(code)
        for path in files[1::2]:
            Path(path).write_text(
                Path(path).read_text().replace(str(folder), f"benchmarks/results/{folder.name}")
            )


if __name__ == "__main__":
    main()
