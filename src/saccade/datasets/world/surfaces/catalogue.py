"""Every texture and alpha mask of the world, by group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saccade.datasets.world.surfaces.bodywork import (
    bus_side,
    car_glass,
    lamps,
    lorry_side,
    paint,
    plate,
    wheel,
)
from saccade.datasets.world.surfaces.facades import (
    bay,
    curtain_wall,
    house_front,
    planks,
    roof,
    shop,
    wall,
)
from saccade.datasets.world.surfaces.masks import (
    branch_mask,
    closed,
    crown_mask,
    hedge_mask,
    railing_mask,
    spoke_mask,
)
from saccade.datasets.world.surfaces.materials import (
    asphalt,
    bark,
    cloth,
    clouds,
    foliage,
    grass,
    kerbstone,
    metal,
    paving,
    plain,
    skin,
    worn,
)
from saccade.datasets.world.surfaces.pattern import Texture, done, grey
from saccade.datasets.world.surfaces.signage import sign, traffic_light


@dataclass(frozen=True, eq=False)
class Drawn:
    """Everything drawn: textures and alpha masks by group."""

    textures: dict[str, list[Texture]]
    masks: dict[str, list[tuple[np.ndarray, np.ndarray | None]]]


def draw_all(rng: np.random.Generator) -> Drawn:
    """Every texture and mask of the world."""

    def several(draw: Callable[[np.random.Generator], Texture], count: int) -> list[Texture]:
        return [draw(rng) for _ in range(count)]

    textures = {
        "cloud": several(clouds, 6),
        "asphalt": several(asphalt, 6),
        "paving": several(paving, 8),
        "kerb": several(kerbstone, 2),
        "grass": several(grass, 5),
        "bay": several(bay, 22),
        "curtain_wall": several(curtain_wall, 4),
        "shop": several(shop, 8),
        "house": several(house_front, 10),
        "wall": [
            [done(grey(wall(rng, 128, 128, k)))]
            for k in ("brick", "brick", "stone", "stone", "plaster", "panel")
        ],
        "roof": several(roof, 4),
        "foliage": several(foliage, 6),
        "bark": several(bark, 3),
        "metal": several(metal, 3),
        "plain": several(plain, 1),
        "worn": several(worn, 1),
        "cloth": several(cloth, 4),
        "skin": several(skin, 1),
        "paint": several(paint, 4),
        "car_glass": several(car_glass, 4),
        "wheel": several(wheel, 4),
        "bus": several(bus_side, 3),
        "lorry": several(lorry_side, 4),
        "tail": [lamps(rng, (190, 25, 25))],
        "head": [lamps(rng, (245, 245, 235))],
        "plate": several(plate, 3),
        "planks": several(planks, 3),
        "light": [traffic_light(rng, i) for i in range(4)],
        "disc_sign": [sign(rng, k) for k in ("prohibition", "mandatory", "entry", "prohibition")],
        "warning_sign": [sign(rng, "warning")],
        "board_sign": [sign(rng, "direction") for _ in range(6)],
        "sign_back": [sign(rng, "back")],
    }
    crowns = [crown_mask(rng, d) for d in (1.6, 1.2, 1.0, 0.8, 0.7, 0.55)]
    branches = [branch_mask(rng) for _ in range(4)]
    railings = [railing_mask(rng) for _ in range(3)]
    spokes = [spoke_mask(rng)]
    masks: dict[str, list[tuple[np.ndarray, np.ndarray | None]]] = {
        "crown": [(m, None) for m in crowns],
        "cone": [(crown_mask(rng, d, True), None) for d in (1.5, 1.0)],
        "branch": [(m, closed(m, 7)) for m in branches],
        "hedge": [(hedge_mask(rng), None) for _ in range(2)],
        "railing": [(m, np.full_like(m, 255)) for m in railings],
        "spoke": [(m, np.full_like(m, 255)) for m in spokes],
    }
    return Drawn(textures, masks)
