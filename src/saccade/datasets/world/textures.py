"""The texture atlas: every surface of the world in one image with mip levels, drawn once per process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from saccade.datasets.world.surfaces.catalogue import draw_all

LEVELS = 7
"""Mip levels of a texture, each half the size of the one before."""

_PAD = 2
_PAGE_WIDTH = 2048


@dataclass(frozen=True, eq=False)
class Atlas:
    """Textures side by side in one image.

    Attributes:
        image: ``(H, W, 4)`` uint8 RGB and, as fourth channel, how far a face's tint applies (0..255).
        corner: ``(T, VARIANTS, LEVELS, 2)`` float32 x and y of the first texel.
        size: ``(T, 2)`` float32 width and height of level 0 in texels.
        variants: ``(T,)`` int32 number of variants less one (a bit mask).
        groups: Texture indices by group name.
        masks: By mask index, the alpha of each level, ``(h, w)`` uint8, and the same of the area that counts
            as the object although it is seen through; None where nothing does.
        mask_groups: Mask indices by group name.
    """

    image: np.ndarray
    corner: np.ndarray
    size: np.ndarray
    variants: np.ndarray
    groups: dict[str, tuple[int, ...]]
    masks: tuple[tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...] | None], ...]
    mask_groups: dict[str, tuple[int, ...]]

    def pick(self, rng: np.random.Generator, group: str) -> int:
        """Any texture of a group."""
        textures = self.groups[group]
        return textures[int(rng.integers(len(textures)))]

    def pick_mask(self, rng: np.random.Generator, group: str) -> int:
        """Any alpha mask of a group."""
        masks = self.mask_groups[group]
        return masks[int(rng.integers(len(masks)))]


def _shrink(image: np.ndarray) -> np.ndarray:
    h, w = image.shape[:2]
    return cv2.resize(image, (max(1, w // 2), max(1, h // 2)), interpolation=cv2.INTER_AREA)


def _pyramid(image: np.ndarray, levels: int) -> tuple[np.ndarray, ...]:
    out = [image]
    for _ in range(levels - 1):
        out.append(_shrink(out[-1]))
    return tuple(out)


MAX_VARIANTS = 4


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """The atlas of this process (drawn on first use; the same for every seed)."""
    drawn = draw_all(np.random.default_rng(20240607))
    tiles: list[tuple[int, int, int, np.ndarray]] = []
    groups: dict[str, tuple[int, ...]] = {}
    size: list[tuple[int, ...]] = []
    variants: list[int] = []
    for name, textures in drawn.textures.items():
        first = len(size)
        for texture in textures:
            for k, image in enumerate(texture):
                tiles += [(len(size), k, level, im) for level, im in enumerate(_pyramid(image, LEVELS))]
            size.append(texture[0].shape[1::-1])
            variants.append(len(texture) - 1)
        groups[name] = tuple(range(first, len(size)))
    corner = np.zeros((len(size), MAX_VARIANTS, LEVELS, 2), np.float32)
    # Shelf packing, tallest first, so that rows waste little.
    x = y = shelf = 0
    places = []
    for texture_index, k, level, image in sorted(tiles, key=lambda t: -t[3].shape[0]):
        h, w = image.shape[0] + 2 * _PAD, image.shape[1] + 2 * _PAD
        if x + w > _PAGE_WIDTH:
            x, y, shelf = 0, y + shelf, 0
        places.append((x, y, image))
        corner[texture_index, k, level] = x + _PAD, y + _PAD
        x, shelf = x + w, max(shelf, h)
    page = np.zeros((y + shelf, _PAGE_WIDTH, 4), np.uint8)
    for x, y, image in places:
        padded = np.pad(image, ((_PAD, _PAD), (_PAD, _PAD), (0, 0)), mode="wrap")
        page[y : y + padded.shape[0], x : x + padded.shape[1]] = padded
    masks: list[tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...] | None]] = []
    mask_groups = {}
    for name, alphas in drawn.masks.items():
        mask_groups[name] = tuple(range(len(masks), len(masks) + len(alphas)))
        for alpha, hull in alphas:
            masks.append((_pyramid(alpha, LEVELS), None if hull is None else _pyramid(hull, LEVELS)))
    return Atlas(
        page,
        corner,
        np.array(size, np.float32),
        np.array(variants, np.int32),
        groups,
        tuple(masks),
        mask_groups,
    )
