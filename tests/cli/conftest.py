"""A network whose answer anyone can check, and small videos for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.video import VideoWriter

NETWORK = '''
"""Bright pixels are sky (0), dark ones building (1)."""

import torch
from saccade.classes import CAMVID
from saccade.networks.registry import NetworkInfo


class Brightness(torch.nn.Module):
    info = NetworkInfo("brightness", CAMVID)

    def __init__(self):
        super().__init__()
        self.scores = torch.nn.Conv2d(3, 11, kernel_size=1)
        with torch.no_grad():
            self.scores.weight.zero_()
            self.scores.weight[0] = 1.0
            self.scores.weight[1] = -1.0
            self.scores.bias[:] = torch.tensor([0.0, 0.0] + [-1000.0] * 9)

    def forward(self, frames):
        return self.scores(frames)


def make():
    return Brightness()
'''


@pytest.fixture
def network(tmp_path: Path) -> str:
    """``--network`` of a network whose answer anyone can check."""
    (tmp_path / "brightness.py").write_text(NETWORK)
    return f"{tmp_path / 'brightness.py'}:make"


def half_bright(edge: int, height: int = 32, width: int = 64) -> np.ndarray:
    """White left of column ``edge``, black from there on."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :edge] = 255
    return image


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Writes a video in which the bright part grows by 8 columns per frame."""

    def make(name: str = "in.mp4", frames: int = 4) -> Path:
        path = tmp_path / name
        with VideoWriter(path, 10, (32, 64)) as writer:
            for i in range(frames):
                writer.write(half_bright(8 * (i + 1)))
        return path

    return make


@pytest.fixture
def make_images(tmp_path: Path) -> Callable[..., Path]:
    """Writes arrays as a folder of PNG files."""

    def make(*images: np.ndarray, name: str = "frames") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{i}.png")
        return folder

    return make
