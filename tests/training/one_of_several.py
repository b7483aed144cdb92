"""One of the processes of ``torchrun``: trains recipes, and writes down the parameters that it ends with."""

import os
import sys
from pathlib import Path

import torch

from saccade.training import load_recipe, loop

train_epoch = loop.train_epoch


def remember_network(**arguments) -> float:
    loss = train_epoch(**arguments)
    folder, rank = arguments["config"].folder, os.environ["RANK"]
    torch.save(dict(arguments["network"].named_parameters()), folder / f"parameters_{rank}.pt")
    return loss


loop.train_epoch = remember_network
torch.set_num_threads(1)
for recipe in sys.argv[1:]:
    steps: list[tuple[int, int]] = []
    config = load_recipe(Path(recipe))
    loop.train(config, report=lambda text, done, total, steps=steps: steps.append((done, total)))
    (config.folder / f"steps_{os.environ['RANK']}.txt").write_text(str(steps))
