from __future__ import annotations

import numpy as np
import pytest

from saccade.datasets.world.sensor import Sensor
from saccade.datasets.world.spans import Spans
from saccade.datasets.world.textures import LEVELS, atlas

PLAIN = Sensor(
    exposure=1.0, drift=(0.0, 1.0), cast=np.ones(3), contrast=1.0, lift=0.0, blur=0.01, grain=0.0,
    vignette=0.0, quality=0,
)  # fmt: skip


def sensor(**changes: object) -> Sensor:
    return Sensor(**{**PLAIN.__dict__, **changes})  # type: ignore[arg-type]


def test_work_per_run_equals_work_per_pixel() -> None:
    rng = np.random.default_rng(0)
    face = np.repeat(rng.integers(0, 5, (9, 7)), 3, axis=1)
    rows = rng.normal(size=(5, 3))
    y, x = np.mgrid[0:9, 0:21]
    expected = rows[face, 0] * x + rows[face, 1] * y + rows[face, 2]
    spans = Spans(face)
    assert spans.affine(rows) == pytest.approx(expected)
    assert np.array_equal(spans.spread(spans.face), face)
    assert np.array_equal(spans.spread(spans.y), y)


def test_every_texture_lies_in_the_atlas_at_every_level() -> None:
    pages = atlas()
    h, w = pages.image.shape[:2]
    for texture, (width, height) in enumerate(pages.size):
        for variant in range(pages.variants[texture] + 1):
            for level in range(LEVELS):
                x, y = pages.corner[texture, variant, level]
                assert x > 0
                assert x + max(1, width / 2**level) <= w
                assert y + max(1, height / 2**level) <= h
    # A level is the mean of the one before.
    brick = pages.groups["wall"][0]
    means = []
    for level in range(4):
        x, y = pages.corner[brick, 0, level].astype(int)
        n = int(pages.size[brick, 0]) >> level
        means.append(pages.image[y : y + n, x : x + n].mean((0, 1)))
    assert np.array(means) == pytest.approx(np.tile(means[0], (4, 1)), abs=1.0)


def test_a_neutral_sensor_changes_nothing_but_rounding() -> None:
    image = np.random.default_rng(0).uniform(0, 250, (20, 30, 3)).astype(np.float32)
    picture = PLAIN.develop(image, 0.0, np.random.default_rng(1))
    assert picture.dtype == np.uint8
    assert np.abs(picture - image).max() <= 2  # the tone curve counts in steps of two


def test_exposure_cast_and_clipping() -> None:
    image = np.full((4, 4, 3), 100, np.float32)
    rng = np.random.default_rng(0)
    darker = sensor(exposure=0.5, cast=np.array([1.0, 0.8, 1.2])).develop(image, 0.0, rng)
    assert darker[0, 0].tolist() == pytest.approx([50, 40, 60], abs=1)
    assert (sensor(exposure=3.0).develop(image, 0.0, rng) == 255).all()
    drifting = sensor(drift=(0.1, 1.0))
    bright, dark = (drifting.develop(image, t, rng)[0, 0, 0] for t in (np.pi / 2, -np.pi / 2))
    assert (bright, dark) == pytest.approx((110, 90), abs=1)


def test_noise_has_the_strength_asked_for_and_a_new_pattern_every_frame() -> None:
    image = np.full((120, 160, 3), 120, np.float32)
    a, b = (sensor(grain=6.0).develop(image, 0.0, np.random.default_rng(k)).astype(float) for k in (1, 2))
    assert a.std() == pytest.approx(6.0, rel=0.05)
    assert a.mean() == pytest.approx(120, abs=0.5)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05


def test_images_larger_than_the_noise_are_covered() -> None:
    image = np.full((4, 1500, 3), 120, np.float32)
    assert sensor(grain=6.0).develop(image, 0.0, np.random.default_rng(0)).std(0).min() >= 0
    picture = sensor(grain=6.0).develop(image, 0.0, np.random.default_rng(0)).astype(float)
    assert picture[:, -400:].std() == pytest.approx(6.0, rel=0.15)
