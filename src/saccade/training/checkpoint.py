"""Checkpoints that resume bit-exactly: everything the next step depends on, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from saccade.errors import TrainingError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` and torch's random states; the old file stays whole until the new one is.

    Crops are drawn from generators of their own (``training/data.py``), so nothing else is random.
    """
    state = {
        **state,
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    partial = path.with_suffix(".partial")
    try:
        torch.save(state, partial)
        partial.replace(path)
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
        torch.set_rng_state(state.pop("random"))
        on_cuda = state.pop("random_cuda")
        if on_cuda and device.type == "cuda":
            torch.cuda.set_rng_state_all(on_cuda)
    except Exception as error:
        raise TrainingError(
            f"{path} is damaged ({type(error).__name__}); delete it and start again"
        ) from error
    return state
