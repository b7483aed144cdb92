"""The two weights of the guess that schedule `agreement` goes by (saccade/methods/agreement.py).

    python recipes/keyframes/agreement.py recipes/keyframes/gsvnet_street.yaml --every 8

Takes the clips of a recipe for key frames, moves the scores of its frozen network over 1, 2, 3, 5 and 8
frames, and prints the least-squares weights by which how unsure scores are, and how far they were moved, say
how many of their labels are not those of the network. A pair counts the less the more labels differ, so that
calm clips count too.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch

from saccade.methods.agreement import motion_of, unsure
from saccade.networks import load_network
from saccade.networks.flow import load_flow, warp
from saccade.training import load_recipe
from saccade.training.clips import clips_of
from saccade.training.data import class_set
from saccade.training.keyframe_data import answered

DISTANCES = (1, 2, 3, 5, 8)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("--every", type=int, default=1, help="only one clip in so many (default 1)")
    arguments = parser.parse_args()
    config = load_recipe(arguments.recipe)
    network = load_network(config.keyframes.network).eval().to(memory_format=torch.channels_last)
    flow = load_flow(config.keyframes.flow)
    seen, lost = [], []
    for wanted in config.data:
        wanted = replace(wanted, every=wanted.every * arguments.every)
        size, classes = config.stages[0].crop, class_set(config.class_set)
        for footage in clips_of(wanted, size, classes, max(DISTANCES), config.seed):
            clip = answered(*footage.read(), network, flow, max(DISTANCES))
            scores, flows = clip.scores.float(), clip.flows.float()
            for number in range(1, len(scores)):
                for distance in DISTANCES:
                    if distance > number:
                        continue
                    way = flows[number, distance - 1][None]
                    moved = warp(scores[number - distance][None], way, "border")
                    different = moved[0].argmax(0) != scores[number].argmax(0)
                    lost.append(float(different.float().mean()))
                    seen.append((float(unsure(moved)), float(motion_of(way))))
        print(f"{wanted.dataset}: {len(lost)} pairs so far", flush=True)
    x, y = np.array(seen), np.array(lost)
    less = 1 / np.sqrt(y.mean() + y)
    weights = np.linalg.lstsq(x * less[:, None], y * less, rcond=None)[0]
    guessed = x @ weights
    print(
        f"unsure {weights[0]:.3f}, motion {weights[1]:.3f}; correlation {np.corrcoef(guessed, y)[0, 1]:.2f}"
    )


if __name__ == "__main__":
    main()
