"""The correcting network of GSVNet: guided spatially varying convolution (Lee et al., WACV 2021).

Class scores that optical flow brought to a frame are corrected by what the frame shows. A small network
guesses scores from the frame alone (intra); another one says for every pixel how much of its own moved
scores, of those of its neighbours and of the guess it is to be (guide).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.beside import load_beside
from saccade.networks.flow.warp import resized
from saccade.networks.registry import NetworkInfo, attach_info
from saccade.networks.swiftnet import InputAffine

NAME = "guided-correction"
"""What weights files of this network say."""

NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""``(dy, dx)`` of taps 1 to 8; tap 0 is the pixel itself."""

HIDDEN = 32

TRUST = 4.0
"""How sure a new network is of the moved scores: their share of the softmax, before its logarithm."""

FINEST, LARGEST = 4, 256
"""Frames are looked at reduced by 4, or by more where a side would exceed so many pixels."""

LEGACY = 8
"""What the original reduces frames by, whatever their size."""


class ConvNormReLU(nn.Sequential):
    """Convolution of 3x3 with bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        )


class Guide(nn.Module):
    """Two steps down and up again: a value at every pixel for every tap, ``(N, outputs, h, w)``."""

    def __init__(self, inputs: int, outputs: int, *, rectified: bool) -> None:
        super().__init__()
        self.first = ConvNormReLU(inputs, HIDDEN)
        self.down = nn.ModuleList(
            (ConvNormReLU(HIDDEN, 2 * HIDDEN, 2), ConvNormReLU(2 * HIDDEN, 4 * HIDDEN, 2))
        )
        self.up = nn.ModuleList((ConvNormReLU(4 * HIDDEN, 2 * HIDDEN), ConvNormReLU(2 * HIDDEN, HIDDEN)))
        self.last = ConvNormReLU(HIDDEN, outputs) if rectified else nn.Conv2d(HIDDEN, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        full = self.first(x)
        half = self.down[0](full)
        quarter = self.down[1](half)
        values: Tensor = self.last(full + self.up[1](_enlarged(self.up[0](_enlarged(quarter, half)), full)))
        return values


class GuidedCorrection(nn.Module):
    """Corrects moved class scores by what the frame shows.

    The result is, at every pixel and with the same weights for all classes, a weighted mean of the moved
    scores there, of those of the eight pixels around, and of scores guessed from the frame.

    Args:
        classes: Number of classes K.
        legacy: As published: eleven taps, the tenth of which always reads zero (its kernel was made and never
            set); their weights rectified and divided by their sum; nothing said about how well the flow
            explains the frame. By default ten taps and softmax, which starts from the moved scores.
        input_affine: Per-channel ``(scale, shift)`` applied to the picture first, for weights that were
            trained with other statistics; None for ours.
    """

    def __init__(
        self,
        classes: int = 19,
        *,
        legacy: bool = False,
        input_affine: tuple[Sequence[float], Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        if classes < 1:
            raise NetworkError(f"a segmentation network needs at least one class, not {classes}")
        self.classes, self.legacy = classes, legacy
        self.input_affine = InputAffine(*input_affine) if input_affine else None
        self.taps = 1 + len(NEIGHBOURS) + (2 if legacy else 1)
        self.intra = nn.Sequential(
            ConvNormReLU(3, HIDDEN), ConvNormReLU(HIDDEN, HIDDEN), nn.Conv2d(HIDDEN, classes, 3, padding=1)
        )
        self.guide = Guide(classes + (1 if legacy else 2), self.taps, rectified=legacy)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight)
        if isinstance(self.guide.last, nn.Conv2d) and self.guide.last.bias is not None:
            nn.init.normal_(self.guide.last.weight, std=0.01)
            nn.init.zeros_(self.guide.last.bias)
            self.guide.last.bias.data[0] = TRUST
        options: dict[str, Any] = {"classes": classes, "legacy": legacy}
        if input_affine:
            options["input_affine"] = input_affine
        attach_info(self, NetworkInfo(NAME, None, None, options))

    def forward(self, picture: Tensor, scores: Tensor, surprise: Tensor | None = None) -> Tensor:
        """Corrected scores.

        Args:
            picture: ``(N, 3, h, w)`` the normalised frame, reduced (``picture_of``).
            scores: ``(N, K, h', w')`` moved scores, at the resolution of the picture or finer.
            surprise: ``(N, 1, h, w)`` how much the frame differs from the one the scores come from, moved
                along the same flow. Not looked at with ``legacy``.

        Returns:
            ``(N, K, h', w')`` of the type of ``scores``.

        Raises:
            NetworkError: Scores of another number of classes, or no surprise.
        """
        if scores.shape[1] != self.classes:
            raise NetworkError(
                f"this correction is for {self.classes} classes, the scores are of {scores.shape[1]}; "
                "use a correction that was trained with the same network"
            )
        guess = self.intra(picture if self.input_affine is None else self.input_affine(picture))
        weights = self.weights(guess, scores, surprise).to(scores.dtype)
        guess, weights = (_enlarged(maps, scores) for maps in (guess.to(scores.dtype), weights))
        return mixed(scores, guess, weights)

    def weights(self, guess: Tensor, scores: Tensor, surprise: Tensor | None = None) -> Tensor:
        """How much each tap counts, ``(N, taps, h, w)``: the pixel, its neighbours, (zero,) the guess.

        They are not negative, and sum to one; or with ``legacy`` to zero, where all of them are zero.
        """
        size = (guess.shape[2], guess.shape[3])
        if scores.shape[2:] != guess.shape[2:]:
            scores = F.interpolate(scores, size=size, mode="bilinear", align_corners=self.legacy)
        labels = scores.argmax(1, keepdim=True)
        if self.legacy:
            values = self.guide(torch.cat((guess, laplacian(labels).to(guess.dtype)), 1))
            return values / (values.sum(1, keepdim=True) + 1e-9)
        if surprise is None:
            raise NetworkError("this correction wants to know how well the flow explains the frame")
        hints = (boundaries(labels).to(guess.dtype), surprise.to(guess.dtype))
        return self.guide(torch.cat((guess, *hints), 1)).float().softmax(1)


def mixed(scores: Tensor, guess: Tensor, weights: Tensor) -> Tensor:
    """The guided spatially varying convolution.

    Args:
        scores: ``(N, K, h, w)`` moved scores; zero beyond the frame.
        guess: ``(N, K, h, w)`` scores guessed from the frame.
        weights: ``(N, T, h, w)``: of the pixel itself, of its eight neighbours in the order of
            ``NEIGHBOURS``, (with T = 11 one that is left out,) and last of the guess.

    Returns:
        ``(N, K, h, w)``.
    """
    height, width = scores.shape[2:]
    around = F.pad(scores, (1, 1, 1, 1))
    total = weights[:, :1] * scores + weights[:, -1:] * guess
    for tap, (dy, dx) in enumerate(NEIGHBOURS, start=1):
        shifted = around[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        total = torch.addcmul(total, weights[:, tap : tap + 1], shifted)
    return total


def boundaries(labels: Tensor) -> Tensor:
    """Pixels with another class beside or across from them, ``(N, 1, h, w)`` bool.

    Args:
        labels: ``(N, 1, h, w)`` class ids.
    """
    # Without the border, highest and lowest class around each pixel.
    values = labels.float()
    highest = F.max_pool2d(values, 3, 1, 1)
    lowest = -F.max_pool2d(-values, 3, 1, 1)
    return highest != lowest


def laplacian(labels: Tensor) -> Tensor:
    """Where the eight class ids around do not sum to eight times that of the pixel, ``(N, 1, h, w)`` bool.

    The original's edges. Beyond the frame ids are zero, and differences of both signs can cancel.

    Args:
        labels: ``(N, 1, h, w)`` class ids.
    """
    kernel = torch.ones(1, 1, 3, 3, device=labels.device)
    kernel[..., 1, 1] = -8
    return F.conv2d(labels.float(), kernel, padding=1) != 0


def picture_of(frames: Tensor, finest: tuple[int, int], *, legacy: bool = False) -> Tensor:
    """Frames ``(N, 3, H, W)`` reduced to what the correction looks at, ``(N, 3, h, w)``.

    Args:
        frames: Of any size and range.
        finest: Height and width of the scores; the picture is no finer.
        legacy: An eighth of the frame, as the original has it: bilinear with aligned corners, which leaves
            pixels out. By default pixels are averaged.
    """
    height, width = int(frames.shape[2]), int(frames.shape[3])
    if legacy:
        size = (-(-height // LEGACY), -(-width // LEGACY))
        return F.interpolate(frames, size=size, mode="bilinear", align_corners=True)
    factor = max(FINEST, -(-max(height, width) // LARGEST))
    return resized(frames, (min(-(-height // factor), finest[0]), min(-(-width // factor), finest[1])))


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    if maps.shape[2:] == like.shape[2:]:
        return maps
    return F.interpolate(maps, size=like.shape[2:], mode="bilinear", align_corners=True)


def load_correction(name_or_path: str | Path) -> GuidedCorrection:
    """A trained correction in evaluation mode.

    Args:
        name_or_path: Name of shipped weights, or a file that training wrote.

    Raises:
        WeightsError: There are none, or they are of something else.
    """
    hint = "give those that a recipe of recipes/keyframes/ has trained"
    return load_beside(name_or_path, NAME, GuidedCorrection, f"a correction; {hint}")
