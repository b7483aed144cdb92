"""The networks of TDNet (Hu et al., CVPR 2020): several of one shape that take turns, tied by attention.

Frame t is seen by sub-network t mod m alone. What the sub-networks saw in the m - 1 frames before is brought
to it by attention, so that every frame has a full answer at the cost of a part. Two of the published forms:
four sub-networks on ResNet-18 (td4-psp18) and two on ResNet-50 (td2-psp50). And a small one of ours: two
SwiftNets on a ResNet-18 without its last stage (td2-swiftnet-rn18).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.bisenet import PointNorm
from saccade.networks.dilated_resnet import DilatedResNet
from saccade.networks.swiftnet import PyramidPooling, Upsample

BINS = (1, 2, 3, 6)
"""Rows and columns of the pyramid's grids."""

KEYS, VALUES = 64, 512
"""Channels of keys and queries, and of values in the published forms."""

WIDTH = 128
"""Channels of SwiftNet's ladder, and of values in our form."""

DROPOUT = 0.1


@dataclass(frozen=True)
class Form:
    """One of the networks.

    Attributes:
        layers: Of the ResNet.
        paths: Number m of sub-networks.
        subsampling: Keys and values of earlier frames are taken at every n-th pixel.
        hidden: Channels of the head.
        values: Channels V of the values.
        ladder: Sub-networks are SwiftNets without the last stage of the ResNet, else PSPNets.
    """

    layers: int
    paths: int
    subsampling: int
    hidden: int
    values: int = VALUES
    ladder: bool = False


FORMS = {
    "td4-psp18": Form(18, 4, 4, 128),
    "td2-psp50": Form(50, 2, 3, 256),
    "td2-swiftnet-rn18": Form(18, 2, 4, WIDTH, WIDTH, ladder=True),
}


@dataclass(frozen=True, eq=False)
class Seen:
    """What a sub-network leaves of a frame for those after it, at every n-th pixel.

    Attributes:
        query, key: ``(N, 64, h, w)``.
        value: ``(N, V, h, w)``.
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


class ShortLadder(nn.Module):
    """The end of a SwiftNet at stride 8: pyramid pooling at stride 16, and one step of the ladder.

    Args:
        inputs: Channels of the maps at strides 8 and 16.
        width: Channels C of the result.
    """

    def __init__(self, inputs: Sequence[int], width: int = WIDTH) -> None:
        super().__init__()
        skip, deepest = inputs
        self.spp = PyramidPooling(deepest, width)
        self.up = Upsample(skip, width)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """``(N, C, h, w)`` at stride 8."""
        skip, deepest = maps
        result: Tensor = self.up(self.spp(deepest), skip)
        return result


class SpatialNorm(nn.Module):
    """Every channel to mean 0 and variance 1 over the map, then scaled and shifted by channel.

    The original scales and shifts every pixel, alike in all channels, which ties it to one frame size.

    Args:
        channels: Number of channels.
        grid: Scale and shift every pixel of a map of this height and width, resized to the map at hand.
    """

    def __init__(self, channels: int, grid: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.channels, self.grid = channels, grid
        self.weight = nn.Parameter(torch.ones(grid or channels))
        self.bias = nn.Parameter(torch.zeros(grid or channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.grid is None:
            return F.group_norm(x, self.channels, self.weight, self.bias)
        both = torch.stack((self.weight, self.bias))[None]
        if x.shape[2:] != both.shape[2:]:
            both = F.interpolate(both, size=x.shape[2:], mode="bilinear", align_corners=True)
        return F.group_norm(x, self.channels) * both[:, :1] + both[:, 1:]


class Path(nn.Module):
    """One sub-network: features at stride 8 with context, keys, queries, values, and a head of its own.

    Args:
        form: Of the network.
        number: Which sub-network; odd ones keep the second half of the channels.
        classes: Number of classes K.
        norm_grid: As ``grid`` of ``SpatialNorm``.
    """

    def __init__(
        self, form: Form, number: int, classes: int, norm_grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self.backbone: nn.Module
        self.pyramid: nn.Module
        if form.ladder:
            resnet = timm.create_model(f"resnet{form.layers}", features_only=True, out_indices=(2, 3))
            skips: list[int] = resnet.feature_info.channels()  # type: ignore[union-attr, operator]
            self.backbone, self.pyramid, channels = resnet, ShortLadder(skips), WIDTH
        else:
            dilated = DilatedResNet(form.layers)
            channels = dilated.channels
            self.backbone, self.pyramid = dilated, HalfPyramid(channels, second=number % 2 == 1)
        self.key, self.query = (
            nn.Sequential(
                nn.Conv2d(channels, KEYS, 1), nn.BatchNorm2d(KEYS), nn.LeakyReLU(), nn.Conv2d(KEYS, KEYS, 1)
            )
            for _ in range(2)
        )
        self.value = nn.Conv2d(channels, form.values, 1)
        self.norm = SpatialNorm(form.values, norm_grid)
        self.head = nn.Sequential(
            nn.Conv2d(form.values, form.hidden, 3, padding=1, bias=False),
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
        """Logits ``(N, K, h, w)`` from values ``(N, V, h, w)``."""
        logits: Tensor = self.head(self.norm(values))
        return logits


class Attention(nn.Module):
    """Values of one frame at the places of another, by the likeness of query and key."""

    def __init__(self, values: int = VALUES) -> None:
        super().__init__()
        self.project = nn.Conv2d(values, values, 1)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """``(N, V, h, w)`` where ``query`` is ``(N, 64, h, w)``; key and value are of another size."""
        gathered = F.scaled_dot_product_attention(
            query.flatten(2).transpose(1, 2), key.flatten(2).transpose(1, 2), value.flatten(2).transpose(1, 2)
        )  # (N, hw, V)
        gathered = gathered.transpose(1, 2).unflatten(2, query.shape[2:])
        moved: Tensor = self.dropout(self.project(gathered))
        return moved


class TDNet(nn.Module):
    """All sub-networks, and attention from each to the one after it.

    Args:
        form: ``"td4-psp18"``, ``"td2-psp50"`` or ``"td2-swiftnet-rn18"``.
        classes: Number of classes K.
        norm_grid: Height and width at stride 8 of frames that the norms before the heads were trained for,
            as in the original; None for norms of any size.
    """

    def __init__(
        self, form: str = "td4-psp18", classes: int = 19, *, norm_grid: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise NetworkError(f"TDNet has no form {form!r}; choose one of {', '.join(FORMS)}")
        if classes < 1:
            raise NetworkError(f"a segmentation network needs at least one class, not {classes}")
        self.classes, self.form = classes, FORMS[form]
        m = self.form.paths
        grid = None if norm_grid is None else (norm_grid[0], norm_grid[1])
        self.paths = nn.ModuleList(Path(self.form, number, classes, grid) for number in range(m))
        # For the answer of path i, the attention that ends at its k-th predecessor, k = m - 1 ... 1.
        self.attention = nn.ModuleList(
            nn.ModuleList(Attention(self.form.values) for _ in range(m - 1)) for _ in range(m)
        )

    @property
    def backbones(self) -> list[nn.Module]:
        """Of all sub-networks."""
        return [path.backbone for path in self.paths if isinstance(path, Path)]

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
        full = self.encode(frames, number)
        return self.answer(full, number, past), self.kept(full)

    def encode(self, frames: Tensor, number: int) -> Seen:
        """What the sub-network whose turn it is sees in a frame, at every pixel of the map at stride 8."""
        return self._path(number).encode(frames)

    def kept(self, full: Seen) -> Seen:
        """What is left of a frame for the next ones."""
        every = slice(None, None, self.form.subsampling)
        return Seen(*(part[:, :, every, every] for part in (full.query, full.key, full.value)))

    def answer(self, full: Seen, number: int, past: Sequence[Seen]) -> Tensor:
        """Logits of a frame, from what is seen in it and what is left of those before, as in ``step``."""
        values, before = full.value, self.form.paths - 1
        if len(past) >= before:
            values = self._propagated(number % self.form.paths, full, past[-before:])
        return self._path(number).answer(values)

    def _path(self, number: int) -> Path:
        path = self.paths[number % self.form.paths]
        assert isinstance(path, Path)
        return path

    def _propagated(self, index: int, full: Seen, past: Sequence[Seen]) -> Tensor:
        """Values of the current frame with those of the past ones, handed on from the oldest."""
        steps = self.attention[index]
        assert isinstance(steps, nn.ModuleList)
        values = past[0].value
        for step, source, target in zip(steps, past, [*past[1:], full], strict=True):
            values = step(target.query, source.key, values) + target.value
        return values
