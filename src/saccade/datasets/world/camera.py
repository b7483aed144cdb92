"""The pinhole camera of the world, and where it is at a given time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. World axes: x east, y north, z up (metres); image axes: x right, y down.

    Attributes:
        position: ``(x, y, z)`` of the optical centre.
        yaw: Heading in radians, clockwise from north seen from above.
        pitch: Radians above the horizontal.
        roll: Radians, positive when the right side of the camera is lower.
        focal: Focal length in pixels.
        size: ``(height, width)`` in pixels; pixel centres have whole coordinates.
    """

    position: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    focal: float
    size: tuple[int, int]

    @cached_property
    def rotation(self) -> np.ndarray:
        """``(3, 3)`` rows are the camera's right, down and forward axes in world coordinates."""
        cy, sy = np.cos(self.yaw), np.sin(self.yaw)
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        right = np.array([cy, -sy, 0.0])
        down = np.array([sy * sp, cy * sp, -cp])
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        return np.stack([cr * right + sr * down, cr * down - sr * right, [sy * cp, cy * cp, sp]])

    @cached_property
    def projection(self) -> np.ndarray:
        """``(3, 3)`` from world offsets to the camera to homogeneous pixels ``(x * z, y * z, z)``."""
        h, w = self.size
        intrinsics = np.array([[self.focal, 0, (w - 1) / 2], [0, self.focal, (h - 1) / 2], [0, 0, 1.0]])
        return intrinsics @ self.rotation

    def plane_to_pixel(self, origin: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Homographies from plane coordinates to homogeneous pixels.

        Args:
            origin, u, v: ``(F, 3)`` world points ``origin + a * u + b * v``.

        Returns:
            ``(F, 3, 3)``; applied to ``(a, b, 1)`` it gives ``(x * z, y * z, z)`` with z the depth in metres.
        """
        basis = np.stack([u, v, origin - np.asarray(self.position)], axis=-1)
        return self.projection @ basis
