from __future__ import annotations

import numpy as np
import pytest

from saccade.datasets.world.camera import Camera
from saccade.datasets.world.faces import FaceBuilder, FaceTable
from saccade.datasets.world.raster import (
    NO_VEIL,
    Outlines,
    Visibility,
    clip_near,
    invert,
    paint_ground,
    rasterise,
)
from saccade.datasets.world.textures import atlas

NOTHING = (np.zeros((0, 3, 3)), np.zeros((0, 3)))
CAMERA = Camera((0.0, 0.0, 1.5), 0.0, 0.0, 0.0, 60.0, (48, 80))


def look(table: FaceTable, camera: Camera = CAMERA) -> Visibility:
    planes = table.pose(camera, *NOTHING)
    ground = camera.plane_to_pixel(
        np.array([[0, 0, 500.0], [0, 0, 0]]), np.array([[1.0, 0, 0]] * 2), np.array([[0, 1.0, 0]] * 2)
    )
    return rasterise(camera, Outlines.of([]), ground, table, planes)


def cast_rays(table: FaceTable, camera: Camera) -> np.ndarray:
    """Slow reference: intersect the ray of every pixel with every rectangle; rows as in ``rasterise``."""
    origin, u, v = table.pose(camera, *NOTHING)
    h, w = camera.size
    y, x = np.mgrid[0:h, 0:w]
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(camera.projection).T
    down = rays[..., 2] < 0
    nearest = np.where(down, -camera.position[2] / np.where(down, rays[..., 2], 1), np.inf)
    face = down.astype(int)
    for i in range(len(table)):
        sides = np.stack(np.broadcast_arrays(u[i], v[i], -rays), -1)
        offset = np.broadcast_to((camera.position - origin[i])[:, None], (h, w, 3, 1))
        a, b, t = np.moveaxis(np.linalg.solve(sides, offset)[..., 0], -1, 0)
        hit = (a >= 0) & (a <= table.tiles[i, 0]) & (b >= 0) & (b <= table.tiles[i, 1]) & (t > 0)
        if table.sided[i]:
            hit &= rays @ np.cross(u[i], v[i]) < 0
        hit &= t < nearest
        nearest[hit], face[hit] = t[hit], i + 2
    return face


def test_visible_faces_are_those_that_rays_hit_first() -> None:
    rng = np.random.default_rng(7)
    builder = FaceBuilder()
    for _ in range(14):
        origin = rng.uniform((-6, 3, 0), (5, 14, 2))
        u, v = rng.normal(0, 2.0, (2, 3))
        builder.panel(origin, u, v, 0, 2, tiles=(2, 3), sided=bool(rng.random() < 0.5))
    builder.panel((-1, -3, 0.2), (0, 9, 0), (0, 0, 1), 0, 2, sided=False)  # reaches behind the camera
    builder.ribbon((1.5, 6, 0), (1.5, 6, 3), 0.8, 0, 5)
    table = builder.build()
    face, expected = look(table).face, cast_rays(table, CAMERA)
    assert len(np.unique(expected)) > 8
    # Filled polygons include their rim, so pixels at the border of two faces may differ.
    border = np.zeros(expected.shape, bool)
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        border |= np.roll(expected, shift, axis) != expected
    assert (face == expected)[~border].mean() > 0.995
    assert border.mean() < 0.35


def test_a_nearer_face_hides_a_farther_one_in_any_order() -> None:
    for order in ((5.0, 9.0), (9.0, 5.0)):
        builder = FaceBuilder()
        for y in order:
            builder.panel((-y / 4, y, 0), (y / 2, 0, 0), (0, 0, 3), 0, 2)
        face = look(builder.build()).face
        assert set(np.unique(face[20:28, 35:45])) == {2 + order.index(5.0)}


def test_the_horizon_divides_sky_and_ground() -> None:
    face = look(FaceBuilder().build()).face
    assert (face[:24] == 0).all()
    assert (face[24:] == 1).all()


def test_masked_faces_show_what_is_behind_and_count_as_the_object() -> None:
    builder, pages = FaceBuilder(), atlas()
    builder.panel((-3, 8, 0), (6, 0, 0), (0, 0, 3), 0, 2)
    mask = pages.mask_groups["railing"][0]
    builder.panel((-2, 4, 0), (4, 0, 0), (0, 0, 1.2), 0, 4, mask=mask)
    seen = look(builder.build())
    railing = seen.face == 3
    gap = (seen.face == 2) & (seen.veil == 4)
    assert railing.any()
    assert gap.any()
    assert (seen.veil[railing] == NO_VEIL).all()
    # Bars and gaps together are the whole rectangle: 4 m by 1.2 m, 4 m away, with its rim.
    rows, columns = np.nonzero(railing | gap)
    assert (rows.min(), rows.max()) == pytest.approx((23.5 + 60 * 0.3 / 4, 23.5 + 60 * 1.5 / 4), abs=1.1)
    assert (columns.min(), columns.max()) == pytest.approx((39.5 - 30, 39.5 + 30), abs=1.1)


def test_nothing_is_seen_through_a_railing_behind_a_wall() -> None:
    builder, mask = FaceBuilder(), atlas().mask_groups["railing"][0]
    builder.panel((-3, 5, 0), (6, 0, 0), (0, 0, 3), 0, 2)
    builder.panel((-2, 8, 0), (4, 0, 0), (0, 0, 1.2), 0, 4, mask=mask)
    assert (look(builder.build()).veil == NO_VEIL).all()


def test_clipping_cuts_a_polygon_at_the_near_plane() -> None:
    square = np.array([[0, 0, -0.75], [4, 0, 1.25], [4, 4, 1.25], [0, 4, -0.75]])
    # z grows by 0.5 per unit of x, so z = 0.25 is at x = 2.
    cut = np.array([[2, 0, 0.25], [4, 0, 1.25], [4, 4, 1.25], [2, 4, 0.25]])
    assert clip_near(square) == pytest.approx(cut)
    farther = square + np.array([0, 0, 9])
    assert len(clip_near(square - np.array([0, 0, 9]))) == 0
    assert clip_near(farther) == pytest.approx(farther)


def test_ground_polygons_cover_each_other_in_order() -> None:
    image = np.zeros(CAMERA.size, np.int32)
    wide = np.array([[-9, -5], [9, -5], [9, 40], [-9, 40]], float)  # reaches behind the camera
    narrow = np.array([[-1, 4], [1, 4], [1, 20], [-1, 20]], float)
    paint_ground(CAMERA, Outlines.of([wide, narrow]), image, np.array([5, 8]))
    # Row 36 sees the ground 60 * 1.5 / 12.5 = 7.2 m away, where 1 m is 8.3 pixels.
    assert (image[36] == 8).sum() == pytest.approx(2 * 60 / 7.2, abs=2)
    assert set(np.unique(image[36])) == {5, 8}
    assert (image[47] == 5).all()  # 3.8 m away, before the narrow one
    assert (image[:24] == 0).all()


def test_inverses_are_inverses_and_edge_on_planes_are_harmless() -> None:
    m = np.random.default_rng(0).normal(size=(6, 3, 3))
    m[3, :, 0] = m[3, :, 1]
    inverse = invert(m)
    keep = np.arange(6) != 3
    assert inverse[keep] == pytest.approx(np.linalg.inv(m[keep]))
    assert np.isfinite(inverse).all()
