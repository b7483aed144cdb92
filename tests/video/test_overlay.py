import numpy as np
import pytest

from saccade.classes import CAMVID, IGNORE
from saccade.video.overlay import FULL_COLOUR, LOW_COLOUR, OLDEST, Blocks, draw_overlay

rng = np.random.default_rng(0)


def plain(image, labels, opacity):
    """Blending pixel by pixel, in floats."""
    colours = np.array([*CAMVID.colours, (0, 0, 0)], float)[np.where(labels == IGNORE, 11, labels)]
    return (1 - opacity) * image + opacity * colours


@pytest.mark.parametrize("opacity", [0.0, 0.3, 1.0])
def test_classes_are_blended_over_the_image(opacity):
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    labels = rng.integers(0, 11, (20, 30), np.uint8)
    labels[3:5] = IGNORE
    before = image.copy()
    out = draw_overlay(image, labels, CAMVID, opacity=opacity, legend=False)
    assert np.abs(out - plain(image, labels, opacity)).max() <= 0.51
    np.testing.assert_array_equal(image, before)


def test_neighbours_computed_alike_are_outlined_together_and_kept_blocks_darker():
    image = rng.integers(60, 200, (40, 56, 3), np.uint8)
    labels = rng.integers(0, 11, (40, 56), np.uint8)
    actions = np.array([[0, 1, 2, 0], [2, 0, 0, 1], [0, 0, 2, 2]], np.int8)
    out = draw_overlay(image, labels, CAMVID, blocks=Blocks(actions, size=16), legend=False)
    blended, kept = plain(image, labels, 0.5), []
    per_pixel = np.repeat(np.repeat(actions, 16, axis=0), 16, axis=1)[:40, :56]
    around = np.pad(per_pixel, 1)
    for y, x in np.ndindex(40, 56):
        action = per_pixel[y, x]
        neighbours = {around[y, x + 1], around[y + 2, x + 1], around[y + 1, x], around[y + 1, x + 2]}
        if action and neighbours != {action}:
            assert out[y, x].tolist() == list(FULL_COLOUR if action == 2 else LOW_COLOUR)
        elif action:
            assert np.abs(out[y, x] - blended[y, x]).max() <= 0.51
        else:
            kept.append(out[y, x].mean() / blended[y, x].mean())
    assert 0.5 < min(kept) < max(kept) < 0.9


def test_kept_blocks_are_the_darker_the_older_they_are():
    image = np.full((32, 96, 3), 200, np.uint8)
    ages = np.array([[0, 1, 2, 5, OLDEST, 1000], [0] * 6])
    blocks = Blocks(np.where(ages == 0, 2, 0), ages, 16)
    out = draw_overlay(image, np.zeros((32, 96), np.uint8), CAMVID, 0.0, blocks, legend=False)
    inside = [out[4:12, 16 * i + 4 : 16 * i + 12].reshape(-1, 3) for i in range(6)]
    assert all((block == block[0]).all() for block in inside)
    light = [int(block.sum()) for block in inside]
    assert light[0] == inside[0].size * 200
    assert light[0] > light[1] > light[2] > light[3] > light[4] == light[5] > 0
    assert light[0] - light[1] > light[1] - light[2]  # what is only a frame old can be told from what is new
    assert (out[18:30, 4:12] == 200).all()


def test_legend_explains_what_can_be_seen():
    image, labels = np.full((360, 480, 3), 128, np.uint8), np.zeros((360, 480), np.uint8)

    def foot(blocks: Blocks | None) -> np.ndarray:
        """The legend alone: what the picture shows is the same with and without."""
        without = draw_overlay(image, labels, CAMVID, 0.0, blocks, legend=False)
        rows = (draw_overlay(image, labels, CAMVID, 0.0, blocks) != without).any(axis=(1, 2))
        return draw_overlay(image, labels, CAMVID, 0.0, blocks)[rows]

    def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
        return int((picture == colour).all(axis=2).sum()) > 20

    full, low, kept = (np.full((1, 1), action, np.int8) for action in (2, 1, 0))
    assert not has(foot(Blocks(full, full)), LOW_COLOUR)
    assert has(foot(Blocks(low, full)), LOW_COLOUR)
    assert foot(Blocks(kept, kept)).shape[0] > foot(None).shape[0]  # one row more


def test_legend_says_nothing_of_kept_blocks_where_blocks_have_two_resolutions_and_none_is_kept():
    def names(*actions: int) -> list[str]:
        grid = np.array([actions], np.int8)
        return [entry.name for entry in Blocks(grid, np.zeros_like(grid)).legend]

    assert names(2, 1) == ["full resolution", "half resolution"]
    assert names(1, 1) == ["full resolution", "half resolution"]
    assert names(2, 1, 0) == ["full resolution", "half resolution", "kept 1-30 frames"]
    assert names(2, 0) == names(2, 2) == ["computed", "kept 1-30 frames"]


def test_grid_without_a_block_size_divides_the_picture_evenly():
    image = np.full((30, 50, 3), 100, np.uint8)
    actions = np.array([[2, 0], [0, 0], [0, 2]], np.int8)
    out = draw_overlay(image, np.zeros((30, 50), np.uint8), CAMVID, 0.0, Blocks(actions), legend=False)
    white = (out == 255).all(axis=2)
    assert white[:10, :25].sum() == white[20:, 25:].sum() == 2 * 25 + 2 * 8
    assert white.sum() == 2 * (2 * 25 + 2 * 8)


def test_lines_grow_with_the_picture():
    actions = np.full((1, 1), 2, np.int8)
    for side, line in ((100, 1), (1024, 2), (2048, 4)):
        out = draw_overlay(
            np.zeros((side, side, 3), np.uint8),
            np.zeros((side, side), np.uint8),
            CAMVID,
            0.0,
            Blocks(actions),
            legend=False,
        )
        column = out[:, side // 2, 0]
        assert column.sum() == 255 * 2 * line
        assert (column[:line] == 255).all()
        assert (column[-line:] == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (3, 2), (40, 60)])
@pytest.mark.parametrize("block_size", [None, 1, 128])
def test_pictures_of_any_size(size, block_size):
    grid = tuple(-(-side // (block_size or 2)) for side in size)
    actions = rng.integers(0, 3, grid).astype(np.int8)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    blocks = Blocks(actions, rng.integers(0, 50, grid), block_size)
    out = draw_overlay(image, np.zeros(size, np.uint8), CAMVID, blocks=blocks)
    assert out.shape == image.shape
    assert out.dtype == np.uint8


def test_labels_of_another_size_are_refused():
    with pytest.raises(ValueError, match="resize"):
        draw_overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2), np.uint8), CAMVID)
