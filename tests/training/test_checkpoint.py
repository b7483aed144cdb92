from pathlib import Path

import pytest
import torch

from saccade.errors import TrainingError
from saccade.training.checkpoint import load_checkpoint, save_checkpoint

CPU = torch.device("cpu")


def draw() -> float:
    return torch.rand(()).item()


def test_random_numbers_continue(tmp_path: Path) -> None:
    draw()
    save_checkpoint(tmp_path / "c.pt", {"epochs": 3})
    expected = draw()
    draw()
    assert load_checkpoint(tmp_path / "c.pt", CPU) == {"epochs": 3}
    assert draw() == expected


def test_failed_write_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"epochs": 1})

    def full_disk(state: object, file: Path) -> None:
        Path(file).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(TrainingError, match="free some space"):
        save_checkpoint(path, {"epochs": 2})
    monkeypatch.undo()
    assert load_checkpoint(path, CPU)["epochs"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]
