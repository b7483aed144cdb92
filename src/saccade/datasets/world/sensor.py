"""What a camera does to the light: exposure, colour cast, softness, vignette, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    """Gaussian noise of deviation 16 that frames cut their noise from."""
    rng = np.random.default_rng(77)
    fine = rng.standard_normal((1024, 1024, 3)).astype(np.float32)
    return np.rint(16 * fine).astype(np.int16)


@dataclass(frozen=True)
class Sensor:
    """Response of one camera.

    Attributes:
        exposure: Factor on the image.
        drift: Amplitude and rate (1/s) of slow exposure changes.
        cast: RGB factors.
        contrast: Exponent of the tone curve; 1 is neutral.
        lift: Added to black, 0..255.
        blur: Deviation of the lens blur in pixels of a 512 wide image.
        grain: Deviation of the noise, 0..255.
        vignette: How much darker the corners are, 0..1.
        quality: JPEG quality the image passes through, 0 for none.
    """

    exposure: float
    drift: tuple[float, float]
    cast: np.ndarray
    contrast: float
    lift: float
    blur: float
    grain: float
    vignette: float
    quality: int

    @staticmethod
    def draw(rng: np.random.Generator, night: float) -> Sensor:
        """A random camera; at night it is noisier."""
        dark = rng.random() < 0.15
        return Sensor(
            exposure=float(rng.uniform(0.45, 0.9) if dark else rng.uniform(0.95, 1.7)),
            drift=(float(rng.uniform(0, 0.06)), float(rng.uniform(0.3, 1.5))),
            cast=1 + rng.normal(0, 0.025, 3),
            contrast=float(np.exp(rng.normal(0.05, 0.15))),
            lift=float(rng.uniform(0, 14)),
            blur=float(rng.uniform(0.35, 0.8)),
            grain=float(rng.gamma(2.0, 1.2) + 3 * night),
            vignette=float(rng.uniform(0, 0.3)),
            quality=int(rng.integers(55, 96)) if rng.random() < 0.5 else 0,
        )

    def develop(self, image: np.ndarray, time: float, rng: np.random.Generator) -> np.ndarray:
        """The picture ``(H, W, 3)`` uint8 of an image ``(H, W, 3)`` float32, both RGB 0..255."""
        h, w = image.shape[:2]
        blur = self.blur * max(1.0, w / 512) ** 0.5
        image = cv2.GaussianBlur(image, (0, 0), blur)
        gain = self.exposure * (1 + self.drift[0] * np.sin(self.drift[1] * time))
        if self.vignette > 0.02:
            y, x = np.linspace(-1, 1, h, dtype=np.float32)[:, None], np.linspace(-1, 1, w, dtype=np.float32)
            image = image * (1 - np.float32(self.vignette) * (x * x + y * y) / 2)[..., None]
        picture = np.clip(image, 0, 383).astype(np.uint16)
        levels = np.arange(384) / 255.0
        curve = 255 * np.clip(np.outer(levels * gain, self.cast), 0, 1) ** self.contrast
        curve = self.lift + curve * (255 - self.lift) / 255
        out = np.stack([np.take(curve[:, c].astype(np.uint8), picture[..., c]) for c in range(3)], -1)
        if self.grain > 0.1:
            grain = _grain()
            y, x = rng.integers(0, 1024, 2)
            rows, cols = (np.arange(h) + y) % 1024, (np.arange(w) + x) % 1024
            if y + h <= 1024 and x + w <= 1024:
                noise = grain[y : y + h, x : x + w]
            else:
                noise = grain[rows][:, cols]
            scaled = cv2.convertScaleAbs(noise, alpha=0) if False else noise * np.float32(self.grain / 16)
            out = np.clip(out + scaled, 0, 255).astype(np.uint8)
        if self.quality:
            coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
            out = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        return np.ascontiguousarray(out)
