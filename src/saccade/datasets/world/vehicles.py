"""Cars, vans, lorries, buses, motorcycles and bicycles as faces in their own coordinates (x right, y ahead, z up)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.datasets.world.faces import DISC, FaceBuilder
from saccade.datasets.world.site import ID
from saccade.datasets.world.textures import atlas

CAR, TRUCK, BUS, MOTORCYCLE, BICYCLE = (ID[n] for n in ("car", "truck", "bus", "motorcycle", "bicycle"))


@dataclass(frozen=True)
class Body:
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


Footprint = tuple[float, float, float]
"""Width, length and height of a vehicle, metres."""

BODIES = {
    "hatchback": Body(3.9, 1.72, 0.92, 1.46, 0.74, 0.01, 0.14, 0.56, 0.76),
    "saloon": Body(4.5, 1.78, 0.92, 1.43, 0.72, 0.17, 0.33, 0.6, 0.76),
    "estate": Body(4.6, 1.78, 0.93, 1.48, 0.73, 0.0, 0.07, 0.6, 0.76),
    "suv": Body(4.6, 1.88, 1.1, 1.74, 0.92, 0.0, 0.06, 0.62, 0.77),
    "van": Body(5.2, 1.98, 1.2, 2.15, 0.95, 0.0, 0.015, 0.74, 0.9, True),
    "small van": Body(4.2, 1.75, 1.1, 1.82, 0.85, 0.0, 0.02, 0.62, 0.82, True),
}

PAINTS = (
    (0.88, 0.89, 0.9), (0.95, 0.95, 0.95), (0.62, 0.64, 0.67), (0.45, 0.47, 0.5), (0.16, 0.17, 0.19),
    (0.08, 0.08, 0.1), (0.1, 0.15, 0.35), (0.16, 0.27, 0.5), (0.5, 0.08, 0.09), (0.66, 0.1, 0.1),
    (0.12, 0.28, 0.2), (0.55, 0.42, 0.25), (0.7, 0.66, 0.55), (0.75, 0.6, 0.15),
)  # fmt: skip


def paint(rng: np.random.Generator) -> np.ndarray:
    """A car colour."""
    return np.clip(np.array(PAINTS[int(rng.integers(len(PAINTS)))]) * rng.uniform(0.85, 1.1), 0.03, 1)


def _wheels(
    b: FaceBuilder, ys: tuple[float, ...], half: float, radius: float, texture: int, label: int, **at: int
) -> None:
    plain = atlas().groups["plain"][0]
    for y in ys:
        for side in (1, -1):
            x = side * (half + 0.012)
            b.panel((x, y - side * radius, 0), (0, side * 2 * radius, 0), (0, 0, 2 * radius), texture, label,
                    outline=DISC, **at)  # fmt: skip
            inner = side * (half - 0.22)
            left = min(inner, x)
            b.panel((left, y - radius * 0.8, 0), (0.22, 0, 0), (0, 0, 2 * radius * 0.8), plain, label,
                    tint=(0.1, 0.1, 0.1), sided=False, **at)  # fmt: skip


def car(
    b: FaceBuilder, rng: np.random.Generator, kind: str, actor: int, thing: int, braking: bool
) -> Footprint:
    """Add one car or van."""
    groups = atlas().groups
    body, colour = (
        BODIES[kind],
        paint(rng) if not (kind == "van" and rng.random() < 0.6) else np.full(3, 0.93),
    )
    at = {"actor": actor, "thing": thing}
    skin = {"texture": int(rng.choice(groups["paint"])), "label": CAR, "tint": colour, **at}
    glass = {"texture": int(rng.choice(groups["car_glass"])), "label": CAR, **at}
    dark = {"texture": groups["plain"][0], "label": CAR, "tint": (0.09, 0.09, 0.1), **at}
    length, half = body.length, body.width / 2
    rear, base, inset = -length / 2, 0.26, 0.13 * body.width
    y_rb, y_rr, y_rf, y_fb = (
        rear + f * length for f in (body.rear_belt, body.rear_roof, body.front_roof, body.front_belt)
    )
    rise = body.roof - body.belt
    drop = (body.nose - base) / (body.belt - base)
    lower = np.array([[0, 0.12], [0.02, 0], [0.98, 0], [1, 0.15], [1, drop * 0.85], [0.985, drop],
                      [body.front_belt, 1], [body.rear_belt, 1], [0, 0.93]])  # fmt: skip
    cabin = np.array([[body.rear_belt, 0], [body.front_belt, 0], [body.front_roof, 1], [body.rear_roof, 1]])
    window = np.array([
        [body.rear_belt + 0.05, 0.06], [body.front_belt - 0.05, 0.06], [body.front_roof - 0.005, 0.9],
        [body.rear_roof + 0.03, 0.9],
    ])  # fmt: skip
    if body.panelled:
        window[[0, 3], 0] = body.front_roof - 0.12
    mirror = np.array([-1.0, 1.0])
    for side in (1, -1):
        flip = (lambda o: o) if side == 1 else (lambda o: (o * mirror + [1, 0])[::-1])
        start, along = (side * half, side * rear, base), (0, side * length, 0)
        b.panel(start, along, (0, 0, body.belt - base), outline=flip(lower), **skin)
        slope = (-side * inset, 0, rise)
        b.panel((side * half, side * rear, body.belt), along, slope, outline=flip(cabin), **skin)
        b.panel((side * (half + 0.012), side * rear, body.belt), along, slope, outline=flip(window), **glass)
        if not body.panelled:
            pillar = np.array([[0.475, 0], [0.5, 0], [0.49, 1], [0.47, 1]])
            b.panel(
                (side * (half + 0.02), side * rear, body.belt), along, slope, outline=flip(pillar), **dark
            )
        sill = np.array([[0.2, 0], [0.8, 0], [0.8, 0.1], [0.2, 0.1]])
        b.panel(
            (side * (half + 0.005), side * rear, base),
            along,
            (0, 0, body.belt - base),
            outline=flip(sill),
            **dark,
        )
    taper = inset / body.width
    trapezoid = np.array([[0, 0], [1, 0], [1 - taper, 1], [taper, 1]])
    pane = np.array([[0.07, 0.1], [0.93, 0.1], [0.9 - taper, 0.9], [0.1 + taper, 0.9]])
    wide = body.width
    b.panel((-half, y_rb, body.belt), (wide, 0, 0), (0, y_rr - y_rb, rise), outline=trapezoid, **skin)
    b.panel((half, y_fb, body.belt), (-wide, 0, 0), (0, y_rf - y_fb, rise), outline=trapezoid, **skin)
    if not (body.panelled and rng.random() < 0.5):
        b.panel((-half, y_rb - 0.015, body.belt), (wide, 0, 0), (0, y_rr - y_rb, rise), outline=pane, **glass)
    b.panel((half, y_fb + 0.015, body.belt), (-wide, 0, 0), (0, y_rf - y_fb, rise), outline=pane, **glass)
    top = {**skin, "tint": colour * 1.08}
    b.panel((-half + inset, y_rr, body.roof), (wide - 2 * inset, 0, 0), (0, y_rf - y_rr, 0), **top)
    b.panel((-half, y_fb, body.belt), (wide, 0, 0), (0, -rear - y_fb, body.nose - body.belt), **top)
    if body.rear_belt > 0.05:
        b.panel((-half, rear, body.belt * 0.97), (wide, 0, 0), (0, y_rb - rear, body.belt * 0.03), **top)
    front = -rear
    b.panel((-half, rear, base), (wide, 0, 0), (0, 0, body.belt - base), **skin)
    b.panel((half, front, base), (-wide, 0, 0), (0, 0, body.nose - base), **skin)
    b.panel((-half, rear - 0.01, base), (wide, 0, 0), (0, 0, 0.2), **dark)
    b.panel((half, front + 0.01, base), (-wide, 0, 0), (0, 0, 0.17), **dark)
    b.panel((half - 0.45, front + 0.012, base + 0.25), (-(wide - 0.9), 0, 0), (0, 0, 0.13), **dark)
    tail, head, plate = groups["tail"][0], groups["head"][0], int(rng.choice(groups["plate"]))
    tall = rng.uniform(0.14, 0.4) if not body.panelled else 0.45
    broad = rng.uniform(0.16, 0.34) if tall < 0.25 else 0.16
    up = body.belt - tall - rng.uniform(0.02, 0.15)
    for x in (-half + 0.02, half - 0.02 - broad):
        b.panel((x, rear - 0.014, up), (broad, 0, 0), (0, 0, tall), tail, CAR, glow=0.5 * braking, **at)
    for x in (half - 0.05, -half + 0.05 + 0.34):
        b.panel((x, front + 0.014, body.nose - 0.24), (-0.34, 0, 0), (0, 0, 0.17), head, CAR, glow=0.25, **at)
    b.panel((-0.26, rear - 0.016, base + 0.24), (0.52, 0, 0), (0, 0, 0.115), plate, CAR, **at)
    b.panel((0.26, front + 0.016, base + 0.06), (-0.52, 0, 0), (0, 0, 0.115), plate, CAR, **at)
    _wheels(b, (rear + 0.19 * length, rear + 0.82 * length), half, 0.3 if body.roof < 1.7 else 0.34,
            int(rng.choice(groups["wheel"])), CAR, **at)  # fmt: skip
    return wide, length, body.roof


def box(b: FaceBuilder, low: tuple[float, float, float], high: tuple[float, float, float], **face) -> None:
    """Add the four sides and the top of a box; ``face`` goes to every side."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    w, d, h = x1 - x0, y1 - y0, z1 - z0
    b.panel((x0, y0, z0), (w, 0, 0), (0, 0, h), **face)
    b.panel((x1, y1, z0), (-w, 0, 0), (0, 0, h), **face)
    b.panel((x1, y0, z0), (0, d, 0), (0, 0, h), **face)
    b.panel((x0, y1, z0), (0, -d, 0), (0, 0, h), **face)
    b.panel((x0, y0, z1), (w, 0, 0), (0, d, 0), **face)


def bus(b: FaceBuilder, rng: np.random.Generator, actor: int, thing: int) -> Footprint:
    """Add a bus with one or two decks."""
    groups = atlas().groups
    decks = 2 if rng.random() < 0.4 else 1
    length, half, roof, base = rng.uniform(9.5, 12), 1.25, 4.25 if decks == 2 else 3.0, 0.35
    colour = np.array(
        [(0.75, 0.09, 0.1), (0.9, 0.9, 0.88), (0.2, 0.4, 0.7), (0.85, 0.7, 0.2), (0.25, 0.5, 0.3)]
    )[int(rng.choice(5, p=[0.4, 0.2, 0.2, 0.1, 0.1]))]
    at = {"actor": actor, "thing": thing}
    side = {
        "texture": int(rng.choice(groups["bus"])),
        "label": BUS,
        "tint": colour,
        **at,
        "seed": int(rng.integers(99)),
    }
    rear, height = -length / 2, roof - base
    b.panel((half, rear, base), (0, length, 0), (0, 0, height), tiles=(7, decks), **side)
    b.panel((-half, -rear, base), (0, -length, 0), (0, 0, height), tiles=(7, decks), **side)
    b.panel((-half, rear, base), (2 * half, 0, 0), (0, 0, height), tiles=(1, decks), **side)
    b.panel((half, -rear, base), (-2 * half, 0, 0), (0, 0, height), tiles=(1, decks), **side)
    b.panel((-half, rear, roof), (2 * half, 0, 0), (0, length, 0), groups["plain"][0], BUS, tint=colour, **at)
    glass = int(rng.choice(groups["car_glass"]))
    b.panel((half - 0.1, -rear + 0.02, 1.1), (-2 * half + 0.2, 0, 0), (0, 0, 1.4), glass, BUS, **at)
    for x in (-half + 0.03, half - 0.28):
        b.panel((x, rear - 0.02, 0.7), (0.25, 0, 0), (0, 0, 0.5), groups["tail"][0], BUS, **at)
        b.panel(
            (x + 0.25, -rear + 0.02, 0.6), (-0.25, 0, 0), (0, 0, 0.25), groups["head"][0], BUS, glow=0.3, **at
        )
    _wheels(
        b,
        (rear + 0.22 * length, rear + 0.78 * length),
        half,
        0.48,
        int(rng.choice(groups["wheel"])),
        BUS,
        **at,
    )
    return 2 * half, length, roof


def lorry(b: FaceBuilder, rng: np.random.Generator, actor: int, thing: int) -> Footprint:
    """Add a lorry: a cab and a box body on wheels."""
    groups = atlas().groups
    length, half, roof = rng.uniform(6, 10.5), rng.uniform(1.05, 1.25), rng.uniform(2.8, 3.9)
    at = {"actor": actor, "thing": thing}
    colour, cab = rng.uniform(0.55, 1.0) * np.array([1, 1, 0.98]), paint(rng)
    rear, front = -length / 2, length / 2
    if rng.random() < 0.3:
        colour = paint(rng)
    b_low, b_high = (-half, rear, 0.75), (half, front - 2.0, roof)
    box(b, b_low, b_high, texture=int(rng.choice(groups["lorry"])), label=TRUCK, tint=colour, **at)
    skin = {"texture": int(rng.choice(groups["paint"])), "label": TRUCK, "tint": cab, **at}
    box(b, (-half * 0.96, front - 1.8, 0.45), (half * 0.96, front, min(roof, 2.7)), **skin)
    glass = {"texture": int(rng.choice(groups["car_glass"])), "label": TRUCK, **at}
    b.panel((half * 0.85, front + 0.02, 1.5), (-half * 1.7, 0, 0), (0, 0, 0.9), **glass)
    for side in (1, -1):
        b.panel(
            (side * (half * 0.96 + 0.02), front - 0.9 - side * 0.6, 1.5),
            (0, side * 1.2, 0),
            (0, 0, 0.8),
            **glass,
        )
    box(b, (-half * 0.8, rear, 0.45), (half * 0.8, front - 1.8, 0.75), texture=groups["plain"][0], label=TRUCK,
        tint=(0.1, 0.1, 0.1), **at)  # fmt: skip
    for x in (-half + 0.03, half - 0.33):
        b.panel((x, rear - 0.02, 0.55), (0.3, 0, 0), (0, 0, 0.18), groups["tail"][0], TRUCK, **at)
    _wheels(
        b,
        (rear + 0.2 * length, front - 1.0),
        half * 0.97,
        0.45,
        int(rng.choice(groups["wheel"])),
        TRUCK,
        **at,
    )
    return 2 * half, length, roof


def bicycle(b: FaceBuilder, rng: np.random.Generator, actor: int, thing: int) -> None:
    """Add a bicycle: two spoked wheels, tyres seen end-on, frame, fork and handlebar."""
    pages = atlas()
    plain, spokes = pages.groups["plain"][0], pages.mask_groups["spoke"][0]
    at = {"actor": actor, "thing": thing}
    colour = paint(rng)
    black = (0.09, 0.09, 0.09)
    for y in (-0.52, 0.52):
        b.panel((0, y - 0.34, 0), (0, 0.68, 0), (0, 0, 0.68), plain, BICYCLE, tint=black, mask=spokes,
                outline=DISC, sided=False, **at)  # fmt: skip
        b.ribbon((0, y, 0), (0, y, 0.68), 0.045, plain, BICYCLE, tint=black, **at)
    saddle, crank, head = (0, -0.25, 0.9), (0, -0.05, 0.3), (0, 0.42, 0.85)
    for p, q in (((0, -0.52, 0.34), crank), (crank, saddle), (crank, head), ((0, -0.2, 0.72), head),
                 ((0, -0.52, 0.34), (0, -0.2, 0.72)), ((0, 0.52, 0.34), (0, 0.4, 0.98))):  # fmt: skip
        b.ribbon(p, q, 0.045, plain, BICYCLE, tint=colour, **at)
    b.ribbon((-0.26, 0.4, 1.0), (0.26, 0.4, 1.0), 0.04, plain, BICYCLE, tint=black, **at)
    b.ribbon((0, -0.36, 0.92), (0, -0.12, 0.92), 0.09, plain, BICYCLE, tint=black, **at)


def motorcycle(b: FaceBuilder, rng: np.random.Generator, actor: int, thing: int) -> None:
    """Add a motorcycle or scooter."""
    groups = atlas().groups
    plain, at = groups["plain"][0], {"actor": actor, "thing": thing}
    tyre = int(rng.choice(groups["wheel"]))
    for y in (-0.65, 0.65):
        b.panel((0, y - 0.3, 0), (0, 0.6, 0), (0, 0, 0.6), tyre, MOTORCYCLE, outline=DISC, sided=False, **at)
        b.ribbon((0, y, 0), (0, y, 0.6), 0.13, plain, MOTORCYCLE, tint=(0.1, 0.1, 0.1), **at)
    shell = np.array([[0, 0.5], [0.25, 0.1], [0.7, 0.0], [0.95, 0.7], [0.75, 1], [0.45, 0.75], [0.1, 0.8]])
    colour = paint(rng)
    for x, outline, side in ((0.14, shell, 1), (-0.14, (shell * [-1, 1] + [1, 0])[::-1], -1)):
        b.panel((x, -side * 0.85, 0.3), (0, side * 1.6, 0), (0, 0, 0.75), int(groups["paint"][0]), MOTORCYCLE,
                tint=colour, outline=outline, **at)  # fmt: skip
    b.panel((-0.14, -0.8, 0.45), (0.28, 0, 0), (0, 0, 0.4), plain, MOTORCYCLE, tint=colour * 0.7, **at)
    b.panel((-0.06, -0.82, 0.7), (0.12, 0, 0), (0, 0, 0.07), groups["tail"][0], MOTORCYCLE, **at)
    b.panel(
        (0.17, 0.7, 0.45), (-0.34, 0, 0), (0, 0, 0.65), plain, MOTORCYCLE, tint=colour, outline=DISC, **at
    )
    b.ribbon((0, 0.7, 0.3), (0, 0.5, 1.05), 0.08, plain, MOTORCYCLE, tint=(0.3, 0.3, 0.3), **at)
    b.ribbon((-0.34, 0.5, 1.05), (0.34, 0.5, 1.05), 0.05, plain, MOTORCYCLE, tint=(0.1, 0.1, 0.1), **at)
