"""Planar faces that the world is made of: the builder that collects them and the table that poses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from saccade.datasets.world.camera import Camera

Triple = Sequence[float] | np.ndarray

QUAD = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
"""Outline of a whole rectangular face, in its own coordinates (0..1 to the right and up)."""

_ANGLES = np.arange(14) / 14 * 2 * np.pi
DISC = np.stack([0.5 + 0.5 * np.cos(_ANGLES), 0.5 + 0.5 * np.sin(_ANGLES)], 1)
TRIANGLE = np.array([[0, 0.03], [1, 0.03], [0.5, 0.9]])
LIMB = np.array([[0.22, 0], [0.78, 0], [0.9, 0.25], [1, 0.85], [0.8, 1], [0.2, 1], [0, 0.85], [0.1, 0.25]])
TORSO = np.array([[0.12, 0], [0.88, 0], [0.9, 0.4], [1, 0.8], [0.9, 0.95], [0.62, 1], [0.38, 1],
                  [0.1, 0.95], [0, 0.8], [0.1, 0.4]])  # fmt: skip
COAT = np.array([[0, 0], [1, 0], [0.88, 0.5], [1, 0.85], [0.9, 0.96], [0.62, 1], [0.38, 1], [0.1, 0.96],
                 [0, 0.85], [0.12, 0.5]])  # fmt: skip


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of the rows of ``(F, 3)`` arrays (``numpy.cross`` is several times slower)."""
    a0, a1, a2 = a[:, 0], a[:, 1], a[:, 2]
    b0, b1, b2 = b[:, 0], b[:, 1], b[:, 2]
    return np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], 1)


@dataclass(frozen=True, eq=False)
class FaceTable:
    """F planar faces as arrays.

    A panel is the world points ``origin + a * u + b * v`` with ``a`` in 0..tiles[0] and ``b`` in 0..tiles[1];
    one unit of ``a`` or ``b`` is one repetition of its texture. A ribbon is a strip from one point to another
    that turns about this axis towards the camera: poles, trunks, limbs, tree crowns.

    Attributes:
        points: ``(F, 3, 3)`` metres, in the coordinates of the actor: origin, u, v of a panel; bottom, top
            and (width, 0, 0) of a ribbon.
        tiles: ``(F, 2)`` texture repetitions across the face.
        texture: ``(F,)`` index in the atlas.
        mask: ``(F,)`` index of an alpha mask in the atlas, -1 for solid faces.
        tint: ``(F, 3)`` RGB factor on the tintable parts of the texture.
        label: ``(F,)`` Cityscapes train id.
        thing: ``(F,)`` number of the object the face belongs to.
        seed: ``(F,)`` which variant of a texture each of its repetitions shows.
        sided: ``(F,)`` 1 where only the front is visible, 0 where both sides are.
        glow: ``(F,)`` 0 for surfaces that need light, 1 for those that shine by themselves.
        ribbon: ``(F,)`` bool.
        actor: ``(F,)`` row of the actor whose pose moves the face, -1 for the static world.
        row: ``(F,)`` position in the table that these faces were taken from.
        corners: ``(C, 2)`` corners of all outlines one after the other, in 0..1.
        first, count: ``(F,)`` where the outline of a face starts in ``corners``, and its number of corners.
    """

    points: np.ndarray
    tiles: np.ndarray
    texture: np.ndarray
    mask: np.ndarray
    tint: np.ndarray
    label: np.ndarray
    thing: np.ndarray
    seed: np.ndarray
    sided: np.ndarray
    glow: np.ndarray
    ribbon: np.ndarray
    actor: np.ndarray
    row: np.ndarray
    corners: np.ndarray
    first: np.ndarray
    count: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    @staticmethod
    def join(parts: Sequence[FaceTable]) -> FaceTable:
        """All faces of several tables, in order."""
        joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(FaceTable)}
        starts = np.cumsum([0] + [len(p.corners) for p in parts[:-1]])
        joined["first"] = np.concatenate([p.first + at for p, at in zip(parts, starts, strict=True)])
        joined["row"] = np.arange(len(joined["row"]))
        return FaceTable(**joined)

    def take(self, rows: np.ndarray) -> FaceTable:
        """A table of some of the faces."""
        kept = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "corners"}
        return FaceTable(**kept, corners=self.corners)

    def extent(self) -> np.ndarray:
        """``(F,)`` an upper bound on the size of each face in metres."""
        p = self.points
        panel = np.linalg.norm(p[:, 1], axis=1) + np.linalg.norm(p[:, 2], axis=1)
        return np.where(self.ribbon, np.linalg.norm(p[:, 1] - p[:, 0], axis=1) + p[:, 2, 0], panel)

    def pose(self, camera: Camera, turn: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, ...]:
        """World planes of all faces as one camera sees them.

        Args:
            camera: Ribbons turn towards it.
            turn: ``(A, 3, 3)`` rotation of each actor.
            shift: ``(A, 3)`` position of each actor.

        Returns:
            ``origin, u, v``, each ``(F, 3)`` metres; u and v for one repetition of the texture.
        """
        p = self.points.copy()
        moved = np.flatnonzero(self.actor >= 0)
        ribbon = np.flatnonzero(self.ribbon)
        width = p[ribbon, 2, 0]
        if len(moved):
            who = self.actor[moved]
            p[moved] = p[moved] @ turn[who].transpose(0, 2, 1)
            p[moved, 0] += shift[who]
        if len(ribbon):
            bottom, top = p[ribbon, 0], p[ribbon, 1]
            on_actor = self.actor[ribbon] >= 0
            top[on_actor] += shift[self.actor[ribbon][on_actor]]
            axis = top - bottom
            side = cross((bottom + top) / 2 - np.asarray(camera.position), axis)
            side *= (width / np.maximum(np.linalg.norm(side, axis=1), 1e-9))[:, None]
            p[ribbon, 0] = bottom - side / 2
            p[ribbon, 1] = side
            p[ribbon, 2] = axis
        return p[:, 0], p[:, 1] / self.tiles[:, :1], p[:, 2] / self.tiles[:, 1:]


_COLUMNS = 23


@dataclass
class FaceBuilder:
    """Collects faces one by one; ``build`` makes the table."""

    rows: list[tuple[float, ...]] = field(default_factory=list)
    outlines: list[np.ndarray] = field(default_factory=list)

    def panel(
        self,
        origin: Triple,
        u: Triple,
        v: Triple,
        texture: int,
        label: int,
        *,
        tiles: tuple[float, float] = (1.0, 1.0),
        tint: Triple = (1.0, 1.0, 1.0),
        thing: int = 0,
        seed: int = 0,
        mask: int = -1,
        outline: np.ndarray = QUAD,
        sided: bool = True,
        glow: float = 0.0,
        actor: int = -1,
    ) -> None:
        """Add the rectangle ``origin + a * u + b * v``, a and b in 0..1, seen with u right and v up."""
        self.rows.append(
            (*origin, *u, *v, *tiles, texture, mask, *tint, label, thing, seed, sided, glow, 0, actor)
        )
        self.outlines.append(outline)

    def ribbon(
        self,
        bottom: Triple,
        top: Triple,
        width: float,
        texture: int,
        label: int,
        *,
        tiles: tuple[float, float] = (1.0, 1.0),
        tint: Triple = (1.0, 1.0, 1.0),
        thing: int = 0,
        seed: int = 0,
        mask: int = -1,
        outline: np.ndarray = QUAD,
        glow: float = 0.0,
        actor: int = -1,
    ) -> None:
        """Add a strip from ``bottom`` to ``top`` that turns to the camera."""
        self.rows.append(
            (*bottom, *top, width, 0, 0, *tiles, texture, mask, *tint, label, thing, seed, 0, glow, 1, actor)
        )
        self.outlines.append(outline)

    def build(self) -> FaceTable:
        """The collected faces as arrays."""
        rows = np.array(self.rows, float).reshape(-1, _COLUMNS)
        counts = np.array([len(o) for o in self.outlines], int)
        ints = rows[:, [11, 12, 16, 17, 18, 19, 22]].astype(np.int32).T
        return FaceTable(
            points=rows[:, :9].reshape(-1, 3, 3),
            tiles=rows[:, 9:11],
            texture=ints[0],
            mask=ints[1],
            tint=rows[:, 13:16],
            label=ints[2],
            thing=ints[3],
            seed=ints[4],
            sided=ints[5],
            glow=rows[:, 20],
            ribbon=rows[:, 21] > 0,
            actor=ints[6],
            row=np.arange(len(rows)),
            corners=np.concatenate(self.outlines or [np.zeros((0, 2))]),
            first=np.cumsum(counts) - counts,
            count=counts,
        )
