"""Where benchmark results of this machine go, and what is recorded of it."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from saccade.evaluation.record import name_of_device

RESULTS = Path(__file__).parent / "results"


def results_folder(device: torch.device) -> Path:
    """``benchmarks/results/<machine>/``, named after the processor or GPU and its number of cores."""
    name = name_of_device(device)
    if device.type == "cpu":
        name += f" {torch.get_num_threads()} threads"
    folder = RESULTS / re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
