"""The networks of TDNet (Hu et al., CVPR 2020): several of one shape that take turns, tied by attention.

Frame t is seen by sub-network t mod m alone. What the sub-networks saw in the m - 1 frames before is brought
to it by attention, so that every frame has a full answer at the cost of a part. Two of the published forms:
four sub-networks on ResNet-18 (td4-psp18) and two on ResNet-50 (td2-psp50).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.bisenet import PointNorm
from saccade.networks.dilated_resnet import DilatedResNet

BINS = (1, 2, 3, 6)
"""Rows and columns of the pyramid's grids."""

KEYS, VALUES = 64, 512
"""Channels of keys and queries, and of values."""

DROPOUT = 0.1


@dataclass(frozen=True)
class Form:
    """One of the published networks.

    Attributes:
        layers: Of the ResNet.
        paths: Number m of sub-networks.
        subsampling: Keys and values of earlier frames are taken at every n-th pixel.
        hidden: Channels of the head.
    """

    layers: int
    paths: int
    subsampling: int
    hidden: int


FORMS = {"td4-psp18": Form(18, 4, 4, 128), "td2-psp50": Form(50, 2, 3, 256)}


@dataclass(frozen=True, eq=False)
class Seen:
    """What a sub-network leaves of a frame for those after it, at every n-th pixel.

    Attributes:
        query, key: ``(N, 64, h, w)``.
        value: ``(N, 512, h, w)``.
    """

    query: Tensor
    key: Tensor
    value: Tensor


class HalfPyramid(nn.Module):
    """Pyramid pooling that keeps one half of the channels of the features and of every branch.

    Args:
        inputs: Channels C of the features.
        second: Keep the second half.
    """

    def __init__(self, inputs: int, second: bool) -> None:
        super().__init__()
        self.second = second
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, inputs // 4, 1, bias=False),
                PointNorm(inputs // 4),
                nn.ReLU(inplace=True),
            )
            for _ in BINS
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, h, w)`` from as many channels: half of them, and a half of each of four branches."""
        kept = [self._half(x)]
        for bins, level in zip(BINS, self.levels, strict=True):
            pooled = self._half(level(F.adaptive_avg_pool2d(x, bins)))
            kept.append(F.interpolate(pooled, size=x.shape[2:], mode="bilinear", align_corners=True))
        return torch.cat(kept, 1)

    def _half(self, x: Tensor) -> Tensor:
        return x.chunk(2, 1)[int(self.second)]


class SpatialNorm(nn.Module):
    """Every channel to mean 0 and variance 1 over the map, then scaled and shifted by channel.

    The original scales and shifts every pixel, which ties it to one frame size.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, len(self.weight), self.weight, self.bias)


class Path(nn.Module):
    """One sub-network: features at stride 8, half a pyramid, keys, queries, values, and a head of its own.

    Args:
        form: Of the network.
        number: Which sub-network; odd ones keep the second half of the channels.
        classes: Number of classes K.
    """

    def __init__(self, form: Form, number: int, classes: int) -> None:
        super().__init__()
        self.backbone = DilatedResNet(form.layers)
        channels = self.backbone.channels
        self.pyramid = HalfPyramid(channels, second=number % 2 == 1)
        self.key, self.query = (
            nn.Sequential(
                nn.Conv2d(channels, KEYS, 1), nn.BatchNorm2d(KEYS), nn.LeakyReLU(), nn.Conv2d(KEYS, KEYS, 1)
            )
            for _ in range(2)
        )
        self.value = nn.Conv2d(channels, VALUES, 1)
        self.norm = SpatialNorm(VALUES)
        self.head = nn.Sequential(
            nn.Conv2d(VALUES, form.hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(form.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(DROPOUT),
            nn.Conv2d(form.hidden, classes, 1),
        )

    def encode(self, frames: Tensor) -> Seen:
        """Queries, keys and values at every pixel of the map at stride 8."""
        z = self.pyramid(self.backbone(frames))
        return Seen(self.query(z), self.key(z), self.value(z))

    def answer(self, values: Tensor) -> Tensor:
        """Logits ``(N, K, h, w)`` from values ``(N, 512, h, w)``."""
        logits: Tensor = self.head(self.norm(values))
        return logits


class Attention(nn.Module):
    """Values of one frame at the places of another, by the likeness of query and key."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(VALUES, VALUES, 1)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """``(N, 512, h, w)`` where ``query`` is ``(N, 64, h, w)``; key and value are of another size."""
        gathered = F.scaled_dot_product_attention(
            query.flatten(2).transpose(1, 2), key.flatten(2).transpose(1, 2), value.flatten(2).transpose(1, 2)
        )  # (N, hw, 512)
        gathered = gathered.transpose(1, 2).unflatten(2, query.shape[2:])
        moved: Tensor = self.dropout(self.project(gathered))
        return moved


class TDNet(nn.Module):
    """All sub-networks, and attention from each to the one after it.

    Args:
        form: ``"td4-psp18"`` or ``"td2-psp50"``.
        classes: Number of classes K.
    """

    def __init__(self, form: str = "td4-psp18", classes: int = 19) -> None:
        super().__init__()
        if form not in FORMS:
            raise NetworkError(f"TDNet has no form {form!r}; choose one of {', '.join(FORMS)}")
        if classes < 1:
            raise NetworkError(f"a segmentation network needs at least one class, not {classes}")
        self.classes, self.form = classes, FORMS[form]
        m = self.form.paths
        self.paths = nn.ModuleList(Path(self.form, number, classes) for number in range(m))
        # For the answer of path i, the attention that ends at its k-th predecessor, k = m - 1 ... 1.
        self.attention = nn.ModuleList(nn.ModuleList(Attention() for _ in range(m - 1)) for _ in range(m))

    def forward(self, x: Tensor) -> Tensor:
        """What the first sub-network says alone: logits ``(N, K, H / 8, W / 8)``."""
        return self.step(x, 0, ())[0]

    def step(self, frames: Tensor, number: int, past: Sequence[Seen]) -> tuple[Tensor, Seen]:
        """The answer to a frame, and what is left of it for the next ones.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames.
            number: Of the frame; sub-network ``number mod m`` sees it.
            past: What was left of the m - 1 frames before, the oldest first. With fewer of them the
                sub-network answers alone.

        Returns:
            Logits ``(N, K, H / 8, W / 8)``, and what to put at the end of ``past``.
        """
        index = number % self.form.paths
        path = self.paths[index]
        assert isinstance(path, Path)
        full = path.encode(frames)
        values = full.value
        if len(past) >= self.form.paths - 1:
            values = self._propagated(index, full, past[-(self.form.paths - 1) :])
        every = slice(None, None, self.form.subsampling)
        seen = Seen(*(part[:, :, every, every] for part in (full.query, full.key, full.value)))
        return path.answer(values), seen

    def _propagated(self, index: int, full: Seen, past: Sequence[Seen]) -> Tensor:
        """Values of the current frame with those of the past ones, handed on from the oldest."""
        steps = self.attention[index]
        assert isinstance(steps, nn.ModuleList)
        values = past[0].value
        for step, source, target in zip(steps, past, [*past[1:], full], strict=True):
            values = step(target.query, source.key, values) + target.value
        return values
