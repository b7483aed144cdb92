"""Sun, sky and haze of one scene, from bright day to dusk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Light:
    """The light of a scene; colours are RGB factors around 1.

    Attributes:
        sun: Unit vector towards the sun.
        sunlight: What a surface facing the sun gains.
        ambient: What every surface gets from the sky.
        zenith, horizon, cloud: Sky colours, 0..255.
        cover: Clouds start at this level of the cloud texture (0 overcast, 1 clear).
        haze: 1/m, the rate at which distant things fade into the horizon's colour.
        shadow: How dark cast shadows are, 0..1.
        level: Brightness of level ground in full light.
        night: How much lamps outshine daylight, 0 (day) .. 1 (deep dusk).
    """

    sun: np.ndarray
    sunlight: np.ndarray
    ambient: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    cloud: np.ndarray
    cover: float
    haze: float
    shadow: float
    level: float
    night: float

    @property
    def throw(self) -> np.ndarray:
        """``(2,)`` by how much the shadow of a point moves on the ground for each metre of its height."""
        return -self.sun[:2] / self.sun[2]

    @staticmethod
    def draw(rng: np.random.Generator) -> Light:
        """A random time of day and weather."""
        kind = rng.choice(["sunny", "bright", "overcast", "dusk"], p=[0.38, 0.24, 0.2, 0.18])
        azimuth = rng.uniform(0, 2 * np.pi)
        elevation = np.radians(rng.uniform(10, 55) if kind != "dusk" else rng.uniform(3, 12))
        sun = np.array(
            [np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        warm = np.array([1.0, 0.93 - 0.12 * np.cos(elevation) ** 4, 0.82 - 0.25 * np.cos(elevation) ** 6])
        cool = np.array([rng.uniform(0.84, 1.0), rng.uniform(0.95, 1.0), rng.uniform(1.0, 1.12)])
        night = 0.0
        if kind == "sunny":
            power, sky, cover = rng.uniform(0.6, 1.0), rng.uniform(0.42, 0.62), rng.uniform(0.55, 1.2)
            deep = rng.uniform(0, 1)
            zenith = np.array([165 - 75 * deep, 200 - 55 * deep, 246 - 26 * deep])
            horizon = np.array([rng.uniform(195, 250), rng.uniform(215, 250), rng.uniform(235, 255)])
            cloud = np.full(3, rng.uniform(235, 255))
        elif kind == "bright":
            power, sky, cover = rng.uniform(0.15, 0.45), rng.uniform(0.6, 0.85), rng.uniform(0.2, 0.8)
            base = rng.uniform(215, 250)
            zenith = base * np.array([rng.uniform(0.84, 0.98), rng.uniform(0.92, 0.99), 1.0])
            horizon = np.full(3, rng.uniform(238, 256))
            cloud = np.full(3, rng.uniform(240, 256))
        elif kind == "overcast":
            power, sky, cover = rng.uniform(0, 0.08), rng.uniform(0.6, 0.95), rng.uniform(0, 0.35)
            zenith = np.full(3, rng.uniform(120, 200)) * np.array([0.96, 1, 1.04])
            horizon = np.full(3, rng.uniform(195, 245))
            cloud = np.full(3, rng.uniform(190, 240))
        else:
            night = rng.uniform(0.2, 1.0)
            power, sky, cover = rng.uniform(0, 0.2), rng.uniform(0.2, 0.5), rng.uniform(0.1, 0.9)
            blue = rng.uniform(0, 1)
            zenith = rng.uniform(60, 150) * np.array(
                [0.75 + 0.2 * (1 - blue), 0.88 + 0.08 * (1 - blue), 1.05]
            )
            glow = rng.uniform(0, 1)
            horizon = rng.uniform(130, 235) * np.array([1.0, 0.95 - 0.25 * glow, 0.95 - 0.45 * glow])
            cloud = zenith * rng.uniform(0.7, 1.3) + (horizon - zenith) * rng.uniform(0, 0.5)
        haze = 10 ** rng.uniform(-3.6, -2.5)
        shadow = power / (power + sky) * rng.uniform(0.8, 1.0)
        return Light(
            sun, power * warm, sky * cool, zenith, horizon, cloud, float(cover), float(haze), float(shadow),
            float(rng.uniform(0.8, 1.15) * (1 - 0.65 * night)), float(night)
        )  # fmt: skip
