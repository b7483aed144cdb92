"""The world as a source of video: ``world`` or ``world:SEED``."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import numpy as np

from saccade.datasets.world.dataset import world_seed
from saccade.datasets.world.film import Film
from saccade.errors import SourceError
from saccade.video.source import ReadOptions, Source

FRAMES = 200
"""Length of the video where ``max_frames`` does not ask for another one."""

FPS = 25.0
SIZE = (512, 1024)
"""``(height, width)`` of the video where no other size is asked for."""


class WorldSource(Source):
    """A drive down a street of the validation split: the first clip of
    ``WorldDataset(seed=seed, split="val", mode="driving", fps=25, frames=length)``.

    Args:
        seed: Same seed, same video.
        options: How to read it. The street is drawn at the wanted size, not resized, and is as long as
            ``max_frames`` asks for.
    """

    def __init__(self, seed: int, options: ReadOptions) -> None:
        length = options.max_frames or FRAMES
        super().__init__(f"world:{seed}", fps=FPS, size=SIZE, length=length, options=options)
        self.seed = seed

    def read(self, stop: threading.Event) -> Iterator[tuple[np.ndarray, float | None]]:
        frames = self.options.max_frames or FRAMES
        film = Film(
            world_seed(self.seed, "val", 0, 0), frames, self.fps, (self.height, self.width), "driving"
        )
        for index in range(frames):
            if stop.is_set():
                return
            yield film.develop(film.view(index), index), None


def open_world(
    rest: str, *, size: tuple[int, int] | None, scale: float | None, max_frames: int | None, prefetch: int
) -> WorldSource:
    """Open what follows ``world:`` in the name of a source: nothing, or a seed.

    Raises:
        SourceError: It is not a whole number.
    """
    if not re.fullmatch(r"\d*", rest, re.ASCII):
        raise SourceError(f"world:{rest} names no world; give a whole number from 0 up, for example world:3")
    return WorldSource(int(rest or 0), ReadOptions(size, scale, max_frames, prefetch))
