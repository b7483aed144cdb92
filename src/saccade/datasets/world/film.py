"""A street filmed by one camera: scene and sensor together, any frame at any time."""

from __future__ import annotations

import numpy as np

from saccade.datasets.world.scene import Scene
from saccade.datasets.world.sensor import Sensor
from saccade.datasets.world.view import View


class Film:
    """Frames of one street. Every frame is computed from its number alone, in any order.

    Args:
        seed: Same seed, same frames, bit for bit on the same machine.
        frames: How many frames there will be; the street is long enough for them.
        fps: Frames per second.
        size: ``(height, width)`` in pixels.
        mode: ``"driving"``, ``"static"`` or ``"panning"``.
    """

    def __init__(
        self, seed: tuple[int, ...], frames: int, fps: float, size: tuple[int, int], mode: str
    ) -> None:
        self.seed, self.fps, self.size = seed, fps, size
        self.scene = Scene((*seed, 0), (frames - 1) / fps, mode)
        self.sensor = Sensor.draw(np.random.default_rng((*seed, 1)), self.scene.light.night)

    def view(self, index: int) -> View:
        """What the camera sees in frame ``index``, without its noise."""
        return View(self.scene, index / self.fps, self.size)

    def develop(self, view: View, index: int) -> np.ndarray:
        """The picture ``(H, W, 3)`` uint8 RGB that the camera delivers of a view."""
        return self.sensor.develop(view.image, view.time, np.random.default_rng((*self.seed, 2, index)))
