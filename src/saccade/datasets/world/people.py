"""Pedestrians and riders: bodies of ribbons with arms and legs that move."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from saccade.datasets.world.faces import COAT, DISC, LIMB, TORSO, FaceBuilder, FaceTable
from saccade.datasets.world.site import ID
from saccade.datasets.world.textures import atlas

PERSON, RIDER = ID["person"], ID["rider"]

PARTS = 12
"""Ribbons of a body: 2 thighs, 2 shins, torso, head, hair, 2 upper arms, 2 forearms, bag or helmet."""

_SKINS = ((0.95, 0.78, 0.68), (0.9, 0.72, 0.6), (0.75, 0.56, 0.43), (0.5, 0.36, 0.28), (0.32, 0.23, 0.18))
_HAIR = (
    (0.1, 0.08, 0.07),
    (0.22, 0.15, 0.1),
    (0.4, 0.28, 0.15),
    (0.7, 0.6, 0.4),
    (0.55, 0.55, 0.55),
    (0.3, 0.12, 0.08),
)


def _cloth(rng: np.random.Generator, sober: float) -> np.ndarray:
    if rng.random() < sober:
        return rng.uniform(0.06, 0.4) * np.array([1, rng.uniform(0.9, 1.05), rng.uniform(0.85, 1.3)])
    return np.clip(rng.uniform(0.05, 1.0, 3) * rng.uniform(0.5, 1.1), 0.03, 1)


@dataclass
class People:
    """All people of a scene. Positions come from ``Scene``; this class knows bodies and gaits.

    Attributes:
        builder: Collects the ribbons, ``PARTS`` per person.
        height: Body height of each person, metres.
        phase, rate: Of the gait: radians at time 0, radians per second.
        swing: How far the legs swing, radians; 0 stands still.
        seated: True for riders.
    """

    builder: FaceBuilder = field(default_factory=FaceBuilder)
    height: list[float] = field(default_factory=list)
    phase: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    swing: list[float] = field(default_factory=list)
    seated: list[bool] = field(default_factory=list)
    bulk: list[float] = field(default_factory=list)

    def add(self, rng: np.random.Generator, thing: int, speed: float, rider: bool = False) -> None:
        """Add one person; ``speed`` in m/s sets the gait (of a rider: the pedalling)."""
        pages = atlas()
        child = rng.random() < 0.08 and not rider
        height = rng.uniform(1.05, 1.45) if child else rng.normal(1.72, 0.09)
        label = RIDER if rider else PERSON
        cloth = pages.pick(rng, "cloth")
        face, plain = pages.groups["skin"][0], pages.groups["plain"][0]
        trousers, top = _cloth(rng, 0.8), _cloth(rng, 0.5)
        skin, hair = (
            np.array(_SKINS[int(5 * rng.random() ** 1.6)]),
            _HAIR[int(rng.integers(6))],
        )
        sleeves = top if rng.random() < 0.75 else skin
        shins = trousers if rng.random() < 0.85 else skin
        coat = rng.random() < 0.35 and not rider
        here = (0.0, 0.0, 0.0)
        add = self.builder.ribbon
        for tint in (trousers, trousers, shins, shins):
            add(here, here, 1, cloth, label, tint=tint, thing=thing, outline=LIMB)
        add(here, here, 1, cloth, label, tint=top, thing=thing, outline=COAT if coat else TORSO)
        add(here, here, 1, face, label, tint=skin, thing=thing, outline=DISC)
        helmet = rider and rng.random() < 0.6
        add(
            here,
            here,
            1,
            plain,
            label,
            tint=rng.uniform(0.1, 1, 3) if helmet else hair,
            thing=thing,
            outline=DISC,
        )
        for tint in (top, top, sleeves, sleeves):
            add(here, here, 1, cloth, label, tint=tint, thing=thing, outline=LIMB)
        add(here, here, 1, plain, label, tint=_cloth(rng, 0.5), thing=thing, outline=TORSO)
        self.height.append(float(height))
        self.phase.append(float(rng.uniform(0, 2 * np.pi)))
        self.rate.append(
            2 * np.pi * 0.95 * (1.72 / height) ** 0.5 * (1 if rider else max(speed, 0.3) / 1.3) ** 0.6
        )
        self.swing.append(0.45 if rider else 0.48 * min(1.0, speed / 1.2))
        self.seated.append(rider)
        self.bulk.append(
            float(rng.uniform(0.9, 1.15) * (1.15 if coat else 1) * (1 if rng.random() < 0.4 else -1))
        )

    def table(self) -> FaceTable:
        """The ribbons of everyone, not yet posed."""
        return self.builder.build()

    def points(self, time: float, turn: np.ndarray, shift: np.ndarray, view: np.ndarray) -> np.ndarray:
        """Where all ribbons are.

        Args:
            time: Seconds.
            turn: ``(n, 3, 3)`` and
            shift: ``(n, 3)`` pose of each person (feet).
            view: ``(3,)`` camera position; shoulders look narrower from the side.

        Returns:
            ``(n * PARTS, 3, 3)`` for ``FaceTable.with_points``.
        """
        n = len(self.height)
        h = np.array(self.height)[:, None]
        seated = np.array(self.seated)
        bag = np.array(self.bulk)[:, None] > 0
        bulk = np.abs(np.array(self.bulk))
        phi = np.array(self.phase) + np.array(self.rate) * time
        swing = np.array(self.swing)
        hip, shoulder = 0.5 * h, 0.82 * h
        lean = np.where(seated, 0.42, 0.04)[:, None]
        base = np.where(seated, 0.95, 0.0)[:, None] - np.where(seated[:, None], hip * 0.94, 0)
        back = np.where(seated, -0.22, 0.0)[:, None]

        def at(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
            return np.concatenate(np.broadcast_arrays(x + 0 * h, y + back, z + base), 1)

        trunk = shoulder - hip
        sy, sz = trunk * np.sin(lean), hip + trunk * np.cos(lean)
        out = np.zeros((n, PARTS, 3, 3))
        thigh, shin = 0.26 * h, 0.25 * h
        arm, fore = 0.17 * h, 0.19 * h
        for k, sign in enumerate((1.0, -1.0)):
            a = (swing * np.sin(phi) * sign)[:, None]
            bend = np.where(seated, 0.0, 1.1 * swing * np.maximum(0, np.cos(phi) * sign))[:, None]
            # A rider's legs turn the cranks: thighs well forward, shins hanging down.
            a = np.where(seated[:, None], 0.85 + 0.55 * a, a)
            b = np.where(seated[:, None], -0.25 + 0.3 * a - 0.25, a - bend)
            x = sign * 0.052 * h
            kx, ky, kz = x, thigh * np.sin(a), hip - thigh * np.cos(a)
            out[:, k, 1], out[:, k, 0] = at(x, 0 * h, hip), at(kx, ky, kz)
            out[:, 2 + k, 1] = at(kx, ky, kz + 0.01)
            out[:, 2 + k, 0] = at(kx, ky + shin * np.sin(b), kz - shin * np.cos(b))
            c = np.where(seated[:, None], 1.05, -0.8 * a)
            ax = sign * 0.118 * h * bulk[:, None]
            ey, ez = sy + arm * np.sin(c), sz - 0.02 * h - arm * np.cos(c)
            d = c + np.where(seated[:, None], 0.3, 0.35)
            out[:, 7 + k, 1], out[:, 7 + k, 0] = at(ax, sy, sz - 0.015 * h), at(ax, ey, ez)
            out[:, 9 + k, 1] = at(ax, ey, ez + 0.01)
            out[:, 9 + k, 0] = at(ax, ey + fore * np.sin(d), ez - fore * np.cos(d))
        bottom = np.where(
            seated[:, None], hip - 0.02, np.where(bulk[:, None] > 1.15, 0.4 * h, hip - 0.03 * h)
        )
        out[:, 4, 0], out[:, 4, 1] = at(0 * h, 0 * h, bottom), at(0 * h, sy, sz + 0.02 * h)
        out[:, 5, 0], out[:, 5, 1] = at(0 * h, sy + 0.03, sz + 0.03 * h), at(0 * h, sy + 0.04, sz + 0.17 * h)
        out[:, 6, 0], out[:, 6, 1] = at(0 * h, sy - 0.01, sz + 0.095 * h), at(0 * h, sy, sz + 0.185 * h)
        side = np.where(seated[:, None], 0, 0.15 * h)
        out[:, 11, 0] = np.where(bag, at(side, -0.12 * h, hip), out[:, 4, 0])
        out[:, 11, 1] = np.where(bag, at(side, -0.12 * h, hip + 0.18 * h), out[:, 4, 0] + [0, 0, 1e-3])
        world = np.einsum("nij,npkj->npki", turn, out[:, :, :2]) + shift[:, None, None]
        ahead = turn[:, :, 1]
        sight = shift - view
        sight /= np.maximum(np.linalg.norm(sight, axis=1, keepdims=True), 1e-6)
        broad = 0.6 + 0.4 * np.abs(np.einsum("ni,ni->n", ahead, sight))
        widths = np.array([0.088, 0.088, 0.068, 0.068, 0.27, 0.1, 0.115, 0.066, 0.066, 0.054, 0.054, 0.11])
        w = widths * h * np.where(np.isin(np.arange(PARTS), (4,)), (broad * bulk)[:, None], 1.0)
        out[:, :, :2] = world
        out[:, :, 2] = 0
        out[:, :, 2, 0] = w
        return out.reshape(-1, 3, 3)
