"""Random crops, flips and colours, on tensors, each from its own generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from saccade.classes import IGNORE


def uniform(low: float, high: float, generator: Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def augment(
    image: Tensor,
    label: Tensor,
    *,
    crop: tuple[int, int],
    scale: tuple[float, float],
    colour: float,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """One training crop.

    The image is resized by a random factor, a random window is cut out of it, flipped half of the
    time, and its colours are changed. Where the resized image is smaller than the crop, the rest
    is grey and ignored.

    Args:
        image: ``(3, H, W)`` uint8.
        label: ``(H, W)`` uint8.
        crop: ``(height, width)`` of the result.
        scale: Smallest and largest factor; drawn uniformly in its logarithm.
        colour: Strength of the colour changes, 0 to 1.
        generator: Source of randomness.

    Returns:
        Image ``(3, *crop)`` float32 in 0..255 and label ``(*crop)`` uint8.
    """
    low, high = (torch.log(torch.tensor(s)).item() for s in scale)
    factor = float(torch.exp(torch.tensor(uniform(low, high, generator))))
    image, label = window(image, label, crop, factor, generator)
    if torch.rand((), generator=generator) < 0.5:
        image, label = image.flip(-1), label.flip(-1)
    if colour > 0:
        image = change_colours(image, colour, generator)
    return image, label


def window(
    image: Tensor, label: Tensor, crop: tuple[int, int], factor: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """A random window of ``crop / factor`` source pixels, resized to ``crop``."""
    height, width = label.shape
    want = [min(max(1, round(c / factor)), side) for c, side in zip(crop, (height, width), strict=True)]
    top = int(torch.randint(height - want[0] + 1, (), generator=generator))
    left = int(torch.randint(width - want[1] + 1, (), generator=generator))
    rows, columns = slice(top, top + want[0]), slice(left, left + want[1])
    size = [min(max(1, round(w * factor)), c) for w, c in zip(want, crop, strict=True)]
    cut = F.interpolate(
        image[None, :, rows, columns].float(), size=size, mode="bilinear", antialias=factor < 1
    )[0]
    cut_label = F.interpolate(label[None, None, rows, columns], size=size, mode="nearest-exact")[0, 0]
    if tuple(size) == tuple(crop):
        return cut, cut_label
    padding = (0, crop[1] - size[1], 0, crop[0] - size[0])
    return F.pad(cut, padding, value=127.0), F.pad(cut_label, padding, value=IGNORE)


def change_colours(image: Tensor, strength: float, generator: Generator) -> Tensor:
    """Brightness, contrast, saturation, colour cast and gamma, each by up to about ``strength / 2``."""
    half = strength / 2
    x = image / 255
    x = x.clamp(0, 1) ** (2 ** uniform(-half, half, generator))
    x = x * uniform(1 - half, 1 + half, generator)
    mean = x.mean()
    x = (x - mean) * uniform(1 - half, 1 + half, generator) + mean
    grey = x.mean(0, keepdim=True)
    x = (x - grey) * uniform(1 - strength, 1 + strength, generator) + grey
    cast = 1 + (torch.rand(3, 1, 1, generator=generator) - 0.5) * 0.3 * strength
    return (x * cast).clamp(0, 1) * 255
