"""Trees, hedges, woods, and the far horizon."""

from __future__ import annotations

from typing import Any

import numpy as np

from saccade.datasets.world.site import ID, Caster, Site

VEGETATION, BUILDING = ID["vegetation"], ID["building"]
_RING = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], 1)


def leaf_tint(site: Site) -> np.ndarray:
    """A colour for leaves: greens, sometimes autumn."""
    rng = site.rng
    base = np.array([rng.uniform(0.36, 0.66), rng.uniform(0.46, 0.7), rng.uniform(0.22, 0.42)])
    if rng.random() < 0.12:
        base = np.array([rng.uniform(0.6, 0.85), rng.uniform(0.4, 0.6), rng.uniform(0.15, 0.3)])
    return base * rng.uniform(0.6, 1.1)


def tree(site: Site, s: float, d: float, height: float, kind: str, tint: np.ndarray) -> None:
    """A tree.

    Args:
        site: Where it is added.
        s, d: Place along and beside the street.
        height: Metres.
        kind: ``"round"`` (a crown of several leafy discs), ``"cone"`` or ``"bare"`` (branches only).
        tint: Colour of the leaves.
    """
    rng = site.rng
    x, y = site.path.point(s, d)
    face: dict[str, Any] = {"label": VEGETATION, "thing": site.thing(), "seed": int(rng.integers(999))}
    brown = rng.uniform(0.3, 0.75) * np.array([1, 0.9, 0.78])
    trunk, bark, leaf = height * rng.uniform(0.022, 0.042), site.pick("bark"), site.pick("foliage")
    add = site.faces.ribbon
    if kind == "bare":
        clear = height * rng.uniform(0.15, 0.3)
        add((x, y, 0), (x, y, clear * 1.1), trunk, bark, tint=brown, **face)
        wide = height * rng.uniform(0.6, 0.95)
        for k in range(2):
            dx, dy = rng.normal(0, 0.25, 2) * k
            add((x + dx, y + dy, clear), (x + dx, y + dy, height), wide, bark, mask=site.pick_mask("branch"),
                tint=brown, tiles=(3, 3), **face)  # fmt: skip
    elif kind == "cone":
        wide = height * rng.uniform(0.28, 0.5)
        add(
            (x, y, 0),
            (x, y, height),
            wide,
            leaf,
            tiles=(2, 3),
            mask=site.pick_mask("cone"),
            tint=tint * 0.75,
            **face,
        )
    else:
        clear = height * rng.uniform(0.2, 0.4)
        add((x, y, 0), (x, y, clear * 1.3), trunk, bark, tint=brown, **face)
        wide = height * rng.uniform(0.5, 0.9)
        for _ in range(3):
            dx, dy = rng.normal(0, 0.14 * wide, 2)
            low = clear + rng.uniform(-0.05, 0.2) * (height - clear)
            high = height - rng.uniform(0, 0.22) * (height - clear)
            n = max(2, round((high - low) / 1.8))
            add(
                (x + dx, y + dy, low),
                (x + dx, y + dy, high),
                wide * rng.uniform(0.65, 0.95),
                leaf,
                tiles=(n, n),
                mask=site.pick_mask("crown"),
                tint=tint * rng.uniform(0.78, 1.15),
                **face,
            )
    reach = height * (0.15 if kind == "cone" else 0.27)
    if kind != "bare":  # dappled: several patches instead of one
        for dx, dy in rng.uniform(-0.75, 0.75, (4, 2)) * reach:
            patch = _RING * (reach * rng.uniform(0.35, 0.65)) + (x + dx, y + dy)
            site.casters.append(Caster(patch, height * 0.4, height * 0.8))
    site.casters.append(Caster(_RING[::2] * trunk / 2 + (x, y), 0.0, height * 0.6))


def wood(site: Site, side: int, line: float, depth: float, density: float) -> None:
    """Trees scattered behind a line; a dense wood gets undergrowth."""
    rng = site.rng
    bare = rng.random() < 0.35
    for _ in range(int(density * (site.stop - site.start) * 0.4)):
        s, d = rng.uniform(site.start, site.stop + 40), line + depth * rng.random() ** 1.6
        if not site.at_junction(s, 2):
            kind = (
                "bare"
                if bare and rng.random() < 0.8
                else ("round", "round", "round", "cone")[rng.integers(4)]
            )
            tree(site, s, side * d, rng.uniform(5, 15), kind, leaf_tint(site))
    if density > 0.3:
        hedge(site, side, line + rng.uniform(0.5, 5), rng.uniform(1.2, 3.5))


def avenue(site: Site, side: int) -> None:
    """Trees at even distances along the kerb."""
    rng = site.rng
    step, kind = rng.uniform(7, 18), "bare" if rng.random() < 0.35 else "round"
    tint, height = leaf_tint(site), rng.uniform(5, 11)
    for s in np.arange(site.start + rng.uniform(0, step), site.stop, step).tolist():
        if not site.at_junction(s, 3) and rng.random() > 0.2:
            d = side * (site.kerb[side] + rng.uniform(0.6, 1.0))
            tree(site, s + rng.normal(0, 0.5), d, height * rng.uniform(0.8, 1.2), kind, tint)


def hedge(site: Site, side: int, d: float, height: float) -> None:
    """A hedge along the whole street, open at side streets."""
    rng, leaf, thing = site.rng, site.pick("foliage"), site.thing()
    tint = leaf_tint(site) * 0.85
    for s in np.arange(site.start, site.stop, 5.0).tolist():
        if not site.at_junction(s + 2.5, 2.5):
            (x, y), u = site.points(s, s + 5.0, side * d)
            site.faces.panel((x, y, 0), u, (0, 0, height * rng.uniform(0.9, 1.1)), leaf, VEGETATION,
                             tiles=(3, max(1, round(height / 1.5))), mask=site.pick_mask("hedge"), tint=tint,
                             thing=thing, sided=False)  # fmt: skip


def horizon(site: Site) -> None:
    """Far trees and roofs all around, and trees that close the view at the end of the street."""
    rng = site.rng
    middle = site.path.point((site.start + site.stop) / 2, 0.0)
    reach = (site.stop - site.start) / 2
    green = leaf_tint(site) * 0.8
    for ring, tall, count in ((reach + 120, 16, 26), (reach + 60, 11, 26)):
        for k in range(count):
            a = (k + rng.uniform(-0.4, 0.4)) * 2 * np.pi / count
            x, y = middle[0] + ring * np.sin(a), middle[1] + ring * np.cos(a)
            w, h = ring * rng.uniform(0.2, 0.36), tall * rng.uniform(0.5, 1.3)
            face: dict[str, Any] = {"thing": site.thing(), "seed": int(rng.integers(999))}
            if rng.random() < 0.72:
                site.faces.ribbon((x, y, -1), (x, y, h), w, site.pick("foliage"), VEGETATION,
                                  tiles=(max(1, w // 5), max(1, h // 5)), mask=site.pick_mask("hedge"),
                                  tint=green * rng.uniform(0.8, 1.2), **face)  # fmt: skip
            elif rng.random() < 0.5:
                tint = rng.uniform(0.5, 0.95) * np.array([1, 0.95, 0.88])
                site.faces.ribbon((x, y, -1), (x, y, h), w * 0.35, site.pick("bay"), BUILDING,
                                  tiles=(max(1, w // 9), max(1, h // 3)), tint=tint, **face)  # fmt: skip
    for d in np.arange(-22, 23, 7.0).tolist():
        if rng.random() < 0.6:
            kind = ("round", "cone", "bare")[rng.integers(3)]
            tree(site, site.stop + 50 + rng.uniform(0, 15), d + rng.normal(0, 1.5), rng.uniform(7, 16), kind,
                 leaf_tint(site))  # fmt: skip
