"""Clips for the policy `trained`: real videos, the built-in world, and stills made to move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import saccade
from saccade.datasets.world.dataset import world_seed
from saccade.datasets.world.film import Film

SIZE = (360, 480)
"""Height and width of clips."""

MOST = 5.0
"""Metres that a still is driven through; further on, little is left of it."""

KINDS = ("drive", "world", "video", "drive", "still", "world", "video", "drive")
"""Of clips, in turn."""


def clips(
    stills: Path, people: Path, videos: list[str], count: int, random: np.random.Generator
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Kind and frames ``(H, W, 3)`` uint8 RGB of clips of 12 to 24 frames.

    Args:
        stills: Folder of street scenes, as a car sees them.
        people: Folder of Penn-Fudan, with pictures of pedestrians in a folder beside their PedMasks.
        videos: Files or folders that saccade.open_video opens; all of their frames are held.
        count: Clips.
        random: Of everything.
    """
    scenes = sorted(stills.glob("*.*"))
    pictures = sorted(people.glob("*Images/*"))
    walkers = [_cut_out(path) for path in pictures]
    films = [[frame.image for frame in saccade.open_video(name)] for name in videos]
    for number in range(count):
        length = int(random.integers(12, 25))
        kind = KINDS[number % len(KINDS)]
        if kind == "world":
            mode = str(random.choice(["driving", "driving", "static", "panning"]))
            seed = world_seed(int(random.integers(1 << 20)), "train", 0, 0)
            film = Film(seed, length, float(random.choice([12, 25])), SIZE, mode)
            yield f"world {mode}", [film.develop(film.view(t), t) for t in range(length)]
        elif kind == "video":
            yield kind, _excerpt(films[int(random.integers(len(films)))], length, random)
        elif kind == "drive":
            scene = _read(scenes[int(random.integers(len(scenes)))])
            yield (
                kind,
                _with_walkers(_drive(scene, length, random), walkers, int(random.integers(0, 2)), random),
            )
        else:
            backgrounds = scenes if random.random() < 0.5 else pictures
            scene = _read(backgrounds[int(random.integers(len(backgrounds)))])
            yield (
                kind,
                _with_walkers(_stand(scene, length, random), walkers, int(random.integers(1, 4)), random),
            )


def _drive(scene: np.ndarray, length: int, random: np.random.Generator) -> list[np.ndarray]:
    """What a camera sees that drives through a tunnel with the still on its walls, floor and ceiling.

    In a tunnel, what is seen at a pixel is always equally far away, at depth Z. With the camera s further on,
    it is what was seen at depth Z + s before: nearer to the vanishing point by Z / (Z + s).
    """
    height, width = scene.shape[:2]
    vanishing = np.array([width * random.uniform(0.35, 0.65), height * random.uniform(0.35, 0.5)])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across, down = x - vanishing[0], y - vanishing[1]
    wall, ceiling = random.uniform(3, 8), random.uniform(4, 12)
    depth = width / np.maximum.reduce(
        [np.abs(across) / wall, down / 1.5, -down / ceiling, np.full_like(x, width / 80)]
    )
    depth *= 0.8  # of the focal length, in widths
    speed = random.choice([0.05, 0.15, 0.3, 0.6])  # metres per frame
    length = min(length, max(8, round(MOST / speed)))
    turn = random.normal(0, 1) * random.choice([0, 0.3, 1.0, 2.5])  # pixels per frame
    shake = random.choice([0.1, 0.3, 0.8])
    frames = []
    for t in range(length):
        nearer = depth / (depth + speed * t)
        dx, dy = random.normal(0, shake, 2) + np.array([turn * (t - length / 2), 0])
        at = (vanishing[0] + across * nearer + dx, vanishing[1] + down * nearer + dy)
        moved = cv2.remap(
            scene, *(c.astype(np.float32) for c in at), cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT
        )
        frames.append(moved)
    return _noisy(frames[:: random.choice([-1, 1])] if random.random() < 0.2 else frames, random)


def _stand(scene: np.ndarray, length: int, random: np.random.Generator) -> list[np.ndarray]:
    """A camera that stands still, or shakes a little."""
    shake = random.choice([0, 0, 0.3])
    frames = []
    for _ in range(length):
        shift = np.float32([[1, 0, random.normal(0, shake)], [0, 1, random.normal(0, shake)]])
        frames.append(cv2.warpAffine(scene, shift, scene.shape[1::-1], borderMode=cv2.BORDER_REFLECT))
    return _noisy(frames, random)


def _with_walkers(
    frames: list[np.ndarray], walkers: list[np.ndarray], count: int, random: np.random.Generator
) -> list[np.ndarray]:
    """So many people walk through the picture."""
    height, width = frames[0].shape[:2]
    for _ in range(count):
        walker = walkers[int(random.integers(len(walkers)))]
        tall = height * random.uniform(0.15, 0.6)
        scale = tall / walker.shape[0]
        walker = cv2.resize(walker, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        left, top = random.uniform(-0.1, 1) * width, height * random.uniform(0.45, 0.6) - tall / 3
        pace = random.normal(0, 1) * tall * random.choice([0.01, 0.03])
        for t, frame in enumerate(frames):
            _paste(frame, walker, round(left + pace * t), round(top + np.sin(t) * tall * 0.005))
    return frames


def _paste(frame: np.ndarray, walker: np.ndarray, left: int, top: int) -> None:
    rows = slice(max(0, top), min(frame.shape[0], top + walker.shape[0]))
    columns = slice(max(0, left), min(frame.shape[1], left + walker.shape[1]))
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    part = walker[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left].astype(
        np.float32
    )
    alpha = part[..., 3:] / 255
    frame[rows, columns] = (alpha * part[..., :3] + (1 - alpha) * frame[rows, columns]).astype(np.uint8)


def _cut_out(picture: Path) -> np.ndarray:
    """The first person of a picture of Penn-Fudan, ``(h, w, 4)`` uint8 RGB and opacity."""
    mask = picture.parent.parent / "PedMasks" / f"{picture.stem}_mask.png"
    image = cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB)
    inside = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED) == 1
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    opacity = cv2.GaussianBlur(inside.astype(np.uint8) * 255, (3, 3), 0)
    return np.dstack((image, opacity))[box]


def _excerpt(film: list[np.ndarray], length: int, random: np.random.Generator) -> list[np.ndarray]:
    """A part of a video: random frames, speed, direction, crop and mirror."""
    step = int(random.choice([1, 1, 2])) if len(film) > 30 else 1
    first = int(random.integers(max(1, len(film) - length * step)))
    frames = film[first : first + length * step : step][:: int(random.choice([-1, 1, 1]))]
    height, width = frames[0].shape[:2]
    scale = max(SIZE[0] / height, SIZE[1] / width) * random.uniform(1.0, 1.5)
    scale = min(scale, 1.0) if min(height / SIZE[0], width / SIZE[1]) >= 1 else scale
    frames = [cv2.resize(f, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for f in frames]
    top, left = (int(random.integers(n - m + 1)) for n, m in zip(frames[0].shape[:2], SIZE, strict=True))
    frames = [f[top : top + SIZE[0], left : left + SIZE[1]] for f in frames]
    return [f[:, ::-1] for f in frames] if random.random() < 0.5 else frames


def _noisy(frames: list[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """With the noise of a camera, and light that changes slowly."""
    sigma, light = random.uniform(0, 3), random.normal(0, 0.002)
    brightness = [1 + light * t for t in range(len(frames))]
    return [
        np.clip(frame * b + random.normal(0, sigma, frame.shape[:2])[..., None], 0, 255).astype(np.uint8)
        for frame, b in zip(frames, brightness, strict=True)
    ]


def _read(path: Path) -> np.ndarray:
    """A picture, cropped and resized to the size of clips."""
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    scale = max(SIZE[0] / image.shape[0], SIZE[1] / image.shape[1])
    image = cv2.resize(image, None, fx=scale + 1e-6, fy=scale + 1e-6, interpolation=cv2.INTER_AREA)
    top, left = ((n - m) // 2 for n, m in zip(image.shape[:2], SIZE, strict=True))
    return image[top : top + SIZE[0], left : left + SIZE[1]]
