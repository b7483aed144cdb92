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
        # The tone curve works on bytes at half scale, which leaves room above white; noise hides the steps.
        half = cv2.convertScaleAbs(image, alpha=0.5)
        if self.vignette > 0.02:
            y, x = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)
            corner = np.rint(255 - 127.5 * self.vignette * (x * x + y * y)).astype(np.uint8)
            half = cv2.multiply(half, cv2.merge([corner] * 3), scale=1 / 255)
        half = cv2.GaussianBlur(half, (0, 0), self.blur * max(1.0, w / 512) ** 0.5)
        gain = self.exposure * (1 + self.drift[0] * np.sin(self.drift[1] * time))
        tone = np.clip(np.outer(np.arange(256) * (2 / 255), gain * self.cast), 0, 1) ** self.contrast
        curve = self.lift + (255 - self.lift) * tone
        out = cv2.LUT(half, np.rint(curve).astype(np.uint8)[None])
        if self.grain > 0.1:
            grain = _grain()
            y0, x0 = (int(i) for i in rng.integers(0, len(grain), 2))
            if y0 + h > len(grain) or x0 + w > len(grain):
                rows, columns = (np.arange(h) + y0) % len(grain), (np.arange(w) + x0) % len(grain)
                noise = grain[rows[:, None], columns]
            else:
                noise = grain[y0 : y0 + h, x0 : x0 + w]
            out = cv2.addWeighted(
                out, 1.0, np.ascontiguousarray(noise), self.grain / 16, 0.0, dtype=cv2.CV_8U
            )
        if self.quality:
            coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
            return cv2.imdecode(coded, cv2.IMREAD_COLOR)  # type: ignore[return-value]  # it was just encoded
        return out
