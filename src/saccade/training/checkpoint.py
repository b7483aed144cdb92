"""Checkpoints that resume bit-exactly: everything the next step depends on, in one file."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saccade.errors import TrainingError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` and the random states; the old file stays whole until the new one is."""
    version, keys, position, has_gauss, cached = np.random.get_state()
    state = {
        **state,
        "random": {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": [version, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
            "python": list(random.getstate()),
        },
    }
    partial = path.with_suffix(".partial")
    try:
        torch.save(state, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"cannot write {path}: {error}; free some space, then go on with --resume"
        ) from error


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read what ``save_checkpoint`` wrote and put the random states back.

    Raises:
        TrainingError: No such file, or it is damaged.
    """
    if not path.exists():
        raise TrainingError(f"nothing to resume: {path} does not exist; start without --resume")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        saved = state.pop("random")
        torch.set_rng_state(saved["torch"])
        if saved["cuda"] and device.type == "cuda":
            torch.cuda.set_rng_state_all(saved["cuda"])
        version, keys, *rest = saved["numpy"]
        np.random.set_state((version, keys.numpy().astype(np.uint32), *rest))
        number, words, gauss = saved["python"]
        random.setstate((number, tuple(words), gauss))
    except Exception as error:
        raise TrainingError(
            f"{path} is damaged ({type(error).__name__}); delete it and start again"
        ) from error
    return state
