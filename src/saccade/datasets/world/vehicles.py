"""Cars, vans, lorries, buses, motorcycles and bicycles: a fleet of models, and copies of them in any colour.

A model's faces are in its own coordinates: x to the right, y ahead, z up, its middle at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from saccade.datasets.world.faces import DISC, FaceBuilder, FaceTable
from saccade.datasets.world.site import ID
from saccade.datasets.world.textures import atlas

CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = (
    ID[n] for n in ("car", "truck", "bus", "train", "motorcycle", "bicycle")
)

Footprint = tuple[float, float, float]
"""Width, length and height of a vehicle, metres."""

_BLACK = (0.1, 0.1, 0.1)
_PAINTS = np.array([
    (0.88, 0.89, 0.9), (0.95, 0.95, 0.95), (0.62, 0.64, 0.67), (0.45, 0.47, 0.5), (0.16, 0.17, 0.19),
    (0.08, 0.08, 0.1), (0.1, 0.15, 0.35), (0.16, 0.27, 0.5), (0.5, 0.08, 0.09), (0.66, 0.1, 0.1),
    (0.12, 0.28, 0.2), (0.55, 0.42, 0.25), (0.7, 0.66, 0.55), (0.75, 0.6, 0.15), (0.3, 0.32, 0.34),
])  # fmt: skip


@dataclass(frozen=True)
class _Body:
    """Shape of a car. Heights in metres; places along the car as fractions of its length from the rear."""

    length: float
    width: float
    belt: float
    roof: float
    nose: float
    rear_belt: float
    rear_roof: float
    front_roof: float
    front_belt: float
    panelled: bool = False


_BODIES = {
    "hatchback": _Body(3.9, 1.72, 0.92, 1.46, 0.74, 0.01, 0.14, 0.56, 0.76),
    "saloon": _Body(4.5, 1.78, 0.92, 1.43, 0.72, 0.17, 0.33, 0.6, 0.76),
    "estate": _Body(4.6, 1.78, 0.93, 1.48, 0.73, 0.0, 0.07, 0.6, 0.76),
    "suv": _Body(4.6, 1.88, 1.1, 1.74, 0.92, 0.0, 0.06, 0.62, 0.77),
    "van": _Body(5.2, 1.98, 1.2, 2.15, 0.95, 0.0, 0.015, 0.74, 0.9, True),
    "small van": _Body(4.2, 1.75, 1.1, 1.82, 0.85, 0.0, 0.02, 0.62, 0.82, True),
}


@dataclass(frozen=True, eq=False)
class Model:
    """One vehicle of the fleet.

    Attributes:
        kind: A key of ``fleet``.
        faces: In the vehicle's own coordinates, unpainted.
        painted: ``(F,)`` bool, faces that take the vehicle's colour.
        footprint: Its size.
    """

    kind: str
    faces: FaceTable
    painted: np.ndarray
    footprint: Footprint

    def copy(self, actor: int, thing: int, colour: np.ndarray) -> FaceTable:
        """The faces of one vehicle of this model."""
        n = len(self.faces)
        tint = np.where(self.painted[:, None], self.faces.tint * colour, self.faces.tint)
        return replace(
            self.faces, tint=tint, actor=np.full(n, actor, np.int32), thing=np.full(n, thing, np.int32)
        )


def paint(rng: np.random.Generator) -> np.ndarray:
    """A colour for a vehicle, RGB factors."""
    return np.clip(_PAINTS[rng.integers(len(_PAINTS))] * rng.uniform(0.85, 1.1), 0.03, 1)


@lru_cache(maxsize=1)
def fleet() -> dict[str, tuple[Model, ...]]:
    """All models by kind (drawn on first use; the same for every seed)."""
    rng = np.random.default_rng(4711)
    models = {kind: tuple(_model(rng, kind, _car, body) for _ in range(12)) for kind, body in _BODIES.items()}
    for kind, draw, count in (("bus", _bus, 8), ("tram", _tram, 4), ("lorry", _lorry, 8),
                              ("bicycle", _bicycle, 6), ("motorcycle", _motorcycle, 6)):  # fmt: skip
        models[kind] = tuple(_model(rng, kind, draw) for _ in range(count))
    return models


def _model(rng: np.random.Generator, kind: str, draw: Any, *shape: _Body) -> Model:
    builder = FaceBuilder()
    footprint = draw(builder, rng, *shape)
    faces, groups = builder.build(), atlas().groups
    return Model(kind, faces, np.isin(faces.texture, groups["paint"] + groups["bus"]), footprint)


def _mirrored(outline: np.ndarray) -> np.ndarray:
    return (outline * [-1, 1] + [1, 0])[::-1]


def _wheels(
    b: FaceBuilder, ys: tuple[float, ...], half: float, radius: float, texture: int, label: int
) -> None:
    """Discs on both sides, and tyres that show from the front and the rear."""
    plain = atlas().groups["plain"][0]
    for y in ys:
        for side in (1, -1):
            x = side * (half + 0.012)
            b.panel((x, y - side * radius, 0), (0, side * 2 * radius, 0), (0, 0, 2 * radius), texture, label,
                    outline=DISC)  # fmt: skip
            left = min(side * (half - 0.22), x)
            b.panel(
                (left, y - radius * 0.8, 0),
                (0.22, 0, 0),
                (0, 0, 1.6 * radius),
                plain,
                label,
                tint=_BLACK,
                sided=False,
            )


def _car(b: FaceBuilder, rng: np.random.Generator, shape: _Body) -> Footprint:
    pages = atlas()
    stretch = rng.uniform(0.93, 1.07)
    body = replace(shape, length=shape.length * stretch, roof=shape.roof * rng.uniform(0.96, 1.05))
    skin: dict[str, Any] = {"texture": pages.pick(rng, "paint"), "label": CAR}
    glass: dict[str, Any] = {"texture": pages.pick(rng, "car_glass"), "label": CAR}
    dark: dict[str, Any] = {"texture": pages.groups["plain"][0], "label": CAR, "tint": _BLACK}
    length, wide, half = body.length, body.width, body.width / 2
    rear, front, base, inset = -length / 2, length / 2, 0.26, 0.13 * body.width
    ends = (body.rear_belt, body.rear_roof, body.front_roof, body.front_belt)
    y_rb, y_rr, y_rf, y_fb = (rear + f * length for f in ends)
    rise, trunk = body.roof - body.belt, body.belt - base
    drop = (body.nose - base) / trunk
    lower = np.array([[0, 0.12], [0.02, 0], [0.98, 0], [1, 0.15], [1, drop * 0.85], [0.985, drop],
                      [body.front_belt, 1], [body.rear_belt, 1], [0, 0.93]])  # fmt: skip
    cabin = np.array([[body.rear_belt, 0], [body.front_belt, 0], [body.front_roof, 1], [body.rear_roof, 1]])
    window = cabin + np.array([[0.05, 0.06], [-0.05, 0.06], [-0.005, -0.1], [0.03, -0.1]])
    if body.panelled:
        window[[0, 3], 0] = body.front_roof - 0.12
    pillar = np.array([[0.475, 0], [0.5, 0], [0.49, 1], [0.47, 1]])
    sill = np.array([[0.2, 0], [0.8, 0], [0.8, 0.1], [0.2, 0.1]])
    arches = [
        np.array([[c - 0.085, 0], [c + 0.085, 0], [c + 0.06, 0.42], [c - 0.06, 0.42]]) for c in (0.19, 0.82)
    ]
    for side in (1, -1):

        def flip(outline: np.ndarray, side: int = side) -> np.ndarray:
            return outline if side == 1 else _mirrored(outline)

        along, slope = (0, side * length, 0), (-side * inset, 0, rise)

        def wall(
            z: float,
            out: float,
            up: tuple[float, float, float],
            outline: np.ndarray,
            look: dict[str, Any],
            side: int = side,
            along: Any = along,
            flip: Any = flip,
        ) -> None:
            b.panel((side * (half + out), side * rear, z), along, up, outline=flip(outline), **look)

        wall(base, 0, (0, 0, trunk), lower, skin)
        wall(body.belt, 0, slope, cabin, skin)
        wall(body.belt, 0.012, slope, window, glass)
        if not body.panelled:
            wall(body.belt, 0.02, slope, pillar, dark)
        for outline in (sill, *arches):
            wall(base, 0.005, (0, 0, trunk), outline, dark)
    taper = inset / wide
    trapezoid = np.array([[0, 0], [1, 0], [1 - taper, 1], [taper, 1]])
    pane = np.array([[0.07, 0.1], [0.93, 0.1], [0.9 - taper, 0.9], [0.1 + taper, 0.9]])
    b.panel((-half, y_rb, body.belt), (wide, 0, 0), (0, y_rr - y_rb, rise), outline=trapezoid, **skin)
    b.panel((half, y_fb, body.belt), (-wide, 0, 0), (0, y_rf - y_fb, rise), outline=trapezoid, **skin)
    if not (body.panelled and rng.random() < 0.5):
        b.panel((-half, y_rb - 0.015, body.belt), (wide, 0, 0), (0, y_rr - y_rb, rise), outline=pane, **glass)
    b.panel((half, y_fb + 0.015, body.belt), (-wide, 0, 0), (0, y_rf - y_fb, rise), outline=pane, **glass)
    top = {**skin, "tint": (1.08, 1.08, 1.08)}
    b.panel((-half + inset, y_rr, body.roof), (wide - 2 * inset, 0, 0), (0, y_rf - y_rr, 0), **top)
    b.panel((-half, y_fb, body.belt), (wide, 0, 0), (0, front - y_fb, body.nose - body.belt), **top)
    if body.rear_belt > 0.05:
        b.panel((-half, rear, body.belt * 0.97), (wide, 0, 0), (0, y_rb - rear, body.belt * 0.03), **top)
    b.panel((-half, rear, base), (wide, 0, 0), (0, 0, trunk), **skin)
    b.panel((half, front, base), (-wide, 0, 0), (0, 0, body.nose - base), **skin)
    bumper = skin if rng.random() < 0.5 else {**dark, "tint": (0.2, 0.2, 0.21)}
    b.panel((-half, rear - 0.01, base), (wide, 0, 0), (0, 0, 0.2), **bumper)
    b.panel((half, front + 0.01, base), (-wide, 0, 0), (0, 0, 0.17), **bumper)
    b.panel((half - 0.45, front + 0.012, base + 0.25), (-(wide - 0.9), 0, 0), (0, 0, 0.13), **dark)
    _car_lights(b, rng, body, base)
    radius = 0.3 if body.roof < 1.7 else 0.34
    _wheels(b, (rear + 0.19 * length, rear + 0.82 * length), half, radius, pages.pick(rng, "wheel"), CAR)
    return wide, length, body.roof


def _car_lights(b: FaceBuilder, rng: np.random.Generator, body: _Body, base: float) -> None:
    pages, half, front = atlas(), body.width / 2, body.length / 2
    tail, head, plate = pages.groups["tail"][0], pages.groups["head"][0], pages.pick(rng, "plate")
    tall = rng.uniform(0.14, 0.4) if not body.panelled else 0.45
    broad = rng.uniform(0.16, 0.34) if tall < 0.25 else 0.16
    up = body.belt - tall - rng.uniform(0.02, 0.15)
    braking = 0.5 * (rng.random() < 0.3)
    for x in (-half + 0.02, half - 0.02 - broad):
        b.panel((x, -front - 0.014, up), (broad, 0, 0), (0, 0, tall), tail, CAR, glow=braking)
    for x in (half - 0.05, -half + 0.39):
        b.panel((x, front + 0.014, body.nose - 0.24), (-0.34, 0, 0), (0, 0, 0.17), head, CAR, glow=0.25)
    b.panel((-0.26, -front - 0.016, base + 0.24), (0.52, 0, 0), (0, 0, 0.115), plate, CAR)
    b.panel((0.26, front + 0.016, base + 0.06), (-0.52, 0, 0), (0, 0, 0.115), plate, CAR)


def _box(b: FaceBuilder, low: tuple[float, ...], high: tuple[float, ...], **face: Any) -> None:
    """The four sides and the top of a box; ``face`` goes to every side."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    w, d, h = x1 - x0, y1 - y0, z1 - z0
    b.panel((x0, y0, z0), (w, 0, 0), (0, 0, h), **face)
    b.panel((x1, y1, z0), (-w, 0, 0), (0, 0, h), **face)
    b.panel((x1, y0, z0), (0, d, 0), (0, 0, h), **face)
    b.panel((x0, y1, z0), (0, -d, 0), (0, 0, h), **face)
    b.panel((x0, y0, z1), (w, 0, 0), (0, d, 0), **face)


def _bus(b: FaceBuilder, rng: np.random.Generator) -> Footprint:
    """A bus with one or two decks."""
    decks = 2 if rng.random() < 0.4 else 1
    return _coach(b, rng, BUS, decks, rng.uniform(9.5, 12), 4.25 if decks == 2 else 3.0)


def _tram(b: FaceBuilder, rng: np.random.Generator) -> Footprint:
    return _coach(b, rng, TRAIN, 1, rng.uniform(20, 30), 3.5)


def _coach(
    b: FaceBuilder, rng: np.random.Generator, label: int, decks: int, length: float, roof: float
) -> Footprint:
    """A long box with rows of windows."""
    pages, half, base = atlas(), 1.25, 0.35
    side: dict[str, Any] = {"texture": pages.pick(rng, "bus"), "label": label, "seed": int(rng.integers(99))}
    rear, height, bays = -length / 2, roof - base, round(length / 1.6)
    up = (0, 0, height)
    b.panel((half, rear, base), (0, length, 0), up, tiles=(bays, decks), **side)
    b.panel((-half, -rear, base), (0, -length, 0), up, tiles=(bays, decks), **side)
    b.panel((-half, rear, base), (2 * half, 0, 0), up, tiles=(1, decks), **side)
    b.panel((half, -rear, base), (-2 * half, 0, 0), up, tiles=(1, decks), **side)
    b.panel((-half, rear, roof), (2 * half, 0, 0), (0, length, 0), pages.groups["paint"][0], label)
    glass, tail, head = pages.pick(rng, "car_glass"), pages.groups["tail"][0], pages.groups["head"][0]
    b.panel((half - 0.1, -rear + 0.02, 1.1), (-2 * half + 0.2, 0, 0), (0, 0, 1.4), glass, label)
    b.panel((-half + 0.4, rear - 0.02, roof - 1.3), (2 * half - 0.8, 0, 0), (0, 0, 0.9), glass, label)
    for x in (-half + 0.03, half - 0.28):
        b.panel((x, rear - 0.02, 0.7), (0.25, 0, 0), (0, 0, 0.5), tail, label)
        b.panel((x + 0.25, -rear + 0.02, 0.6), (-0.25, 0, 0), (0, 0, 0.25), head, label, glow=0.3)
    axles = (rear + 0.22 * length, rear + 0.78 * length)
    _wheels(b, axles, half, 0.48, pages.pick(rng, "wheel"), label)
    return 2 * half, length, roof


def _lorry(b: FaceBuilder, rng: np.random.Generator) -> Footprint:
    """A cab and a box body on wheels."""
    pages = atlas()
    length, half, roof = rng.uniform(6, 10.5), rng.uniform(1.05, 1.25), rng.uniform(2.8, 3.9)
    rear, front, slim = -length / 2, length / 2, half * 0.96
    colour = paint(rng) if rng.random() < 0.3 else rng.uniform(0.55, 1.0) * np.array([1, 1, 0.98])
    _box(
        b,
        (-half, rear, 0.75),
        (half, front - 2.0, roof),
        texture=pages.pick(rng, "lorry"),
        label=TRUCK,
        tint=colour,
    )
    _box(
        b,
        (-slim, front - 1.8, 0.45),
        (slim, front, min(roof, 2.7)),
        texture=pages.pick(rng, "paint"),
        label=TRUCK,
    )
    glass: dict[str, Any] = {"texture": pages.pick(rng, "car_glass"), "label": TRUCK}
    b.panel((half * 0.85, front + 0.02, 1.5), (-half * 1.7, 0, 0), (0, 0, 0.9), **glass)
    for side in (1, -1):
        corner = (side * (slim + 0.02), front - 0.9 - side * 0.6, 1.5)
        b.panel(corner, (0, side * 1.2, 0), (0, 0, 0.8), **glass)
    _box(
        b,
        (-half * 0.8, rear, 0.45),
        (half * 0.8, front - 1.8, 0.75),
        texture=pages.groups["plain"][0],
        label=TRUCK,
        tint=_BLACK,
    )
    for x in (-half + 0.03, half - 0.33):
        b.panel((x, rear - 0.02, 0.55), (0.3, 0, 0), (0, 0, 0.18), pages.groups["tail"][0], TRUCK)
    _wheels(b, (rear + 0.2 * length, front - 1.0), half * 0.97, 0.45, pages.pick(rng, "wheel"), TRUCK)
    return 2 * half, length, roof


def _bicycle(b: FaceBuilder, rng: np.random.Generator) -> Footprint:
    """Two spoked wheels, tyres seen end-on, frame, fork and handlebar."""
    pages = atlas()
    plain, metal, spokes = pages.groups["plain"][0], pages.groups["paint"][0], pages.mask_groups["spoke"][0]
    for y in (-0.52, 0.52):
        b.panel(
            (0, y - 0.34, 0),
            (0, 0.68, 0),
            (0, 0, 0.68),
            plain,
            BICYCLE,
            tint=_BLACK,
            mask=spokes,
            outline=DISC,
            sided=False,
        )
        b.ribbon((0, y, 0), (0, y, 0.68), 0.045, plain, BICYCLE, tint=_BLACK)
    saddle, crank, head, rear = (0, -0.25, 0.9), (0, -0.05, 0.3), (0, 0.42, 0.85), (0, -0.52, 0.34)
    tube = (0, -0.2, 0.72)
    for p, q in ((rear, crank), (crank, saddle), (crank, head), (tube, head), (rear, tube),
                 ((0, 0.52, 0.34), (0, 0.4, 0.98))):  # fmt: skip
        b.ribbon(p, q, 0.045, metal, BICYCLE)
    b.ribbon((-0.26, 0.4, 1.0), (0.26, 0.4, 1.0), 0.04, plain, BICYCLE, tint=_BLACK)
    b.ribbon((0, -0.36, 0.92), (0, -0.12, 0.92), 0.09, plain, BICYCLE, tint=_BLACK)
    if rng.random() < 0.3:  # a basket
        _box(b, (-0.18, 0.45, 0.75), (0.18, 0.75, 1.0), texture=plain, label=BICYCLE, tint=(0.4, 0.33, 0.22))
    return 0.4, 1.7, 1.0


def _motorcycle(b: FaceBuilder, rng: np.random.Generator) -> Footprint:
    """A motorcycle or scooter."""
    pages = atlas()
    plain, skin, tyre = pages.groups["plain"][0], pages.pick(rng, "paint"), pages.pick(rng, "wheel")
    for y in (-0.65, 0.65):
        b.panel((0, y - 0.3, 0), (0, 0.6, 0), (0, 0, 0.6), tyre, MOTORCYCLE, outline=DISC, sided=False)
        b.ribbon((0, y, 0), (0, y, 0.6), 0.13, plain, MOTORCYCLE, tint=_BLACK)
    shell = np.array([[0, 0.5], [0.25, 0.1], [0.7, 0.0], [0.95, 0.7], [0.75, 1], [0.45, 0.75], [0.1, 0.8]])
    for x, outline, side in ((0.14, shell, 1), (-0.14, _mirrored(shell), -1)):
        b.panel((x, -side * 0.85, 0.3), (0, side * 1.6, 0), (0, 0, 0.75), skin, MOTORCYCLE, outline=outline)
    b.panel((-0.14, -0.8, 0.45), (0.28, 0, 0), (0, 0, 0.4), skin, MOTORCYCLE, tint=(0.7, 0.7, 0.7))
    b.panel((-0.06, -0.82, 0.7), (0.12, 0, 0), (0, 0, 0.07), pages.groups["tail"][0], MOTORCYCLE)
    b.panel((0.17, 0.7, 0.45), (-0.34, 0, 0), (0, 0, 0.65), skin, MOTORCYCLE, outline=DISC)
    b.ribbon((0, 0.7, 0.3), (0, 0.5, 1.05), 0.08, plain, MOTORCYCLE, tint=(0.3, 0.3, 0.3))
    b.ribbon((-0.34, 0.5, 1.05), (0.34, 0.5, 1.05), 0.05, plain, MOTORCYCLE, tint=_BLACK)
    return 0.5, 1.9, 1.1
