"""Video for the tests of methods with key frames."""

import torch
import torch.nn.functional as F
from torch import nn

SIZE = (64, 96)


def video(frames, dx=4, seed=0, streams=1):
    """A texture that moves to the right, in each stream another."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(streams, 3, 8, 28, generator=random)
    wide = F.interpolate(coarse, size=(SIZE[0], 224), mode="bicubic")
    for t in range(frames):
        left = 64 - dx * t
        yield wide[..., left : left + SIZE[1]]


class Counted(nn.Module):
    """A network that counts the frames it sees."""

    def __init__(self, classes=4):
        super().__init__()
        self.layer = nn.Conv2d(3, classes, 4, stride=4)
        self.frames = 0

    def forward(self, x):
        self.frames += len(x)
        return self.layer(x)
