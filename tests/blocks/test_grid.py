"""Blocks and cells: which pixels of which map belong to which block."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saccade.blocks.grid import Grid, Selection, Starts, bucket
from saccade.errors import ConfigError

from .reference import owners


def expand(axis):
    """For each pixel of an axis, the blocks that it belongs to."""
    return [list(axis.owners[pixel // axis.cell]) for pixel in range(axis.size)]


def test_where_sizes_divide_a_block_owns_its_share_of_every_map():
    grid = Grid(96, 128, 32)
    assert grid.shape == (3, 4)
    for stride in (1, 2, 4, 8, 16, 32):
        level = grid.level(96 // stride, 128 // stride)
        assert level.cell == (32 // stride, 32 // stride)
        assert level.cells == (3, 4)
        assert level.regular
        assert level.one_to_one


def test_the_last_blocks_may_be_ragged():
    grid = Grid(97, 131, 32)
    assert grid.shape == (4, 5)
    level = grid.level(97, 131)
    assert level.cells == (4, 5)
    assert level.one_to_one
    assert not level.regular


def test_a_coarse_cell_belongs_to_all_blocks_in_its_middle():
    # 12 blocks of 8 pixels on a map of 3 pixels: each pixel is the share of four blocks.
    assert Grid(96, 96, 8).level(3, 3).rows.owners == ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11))


def test_a_block_of_one_pixel_still_has_a_cell():
    # 97 rows in blocks of 32: the last block is one row. At stride 32, rounded up, it has a pixel of its own;
    # rounded down, it shares the last one.
    assert Grid(97, 97, 32).level(4, 4).rows.owners == ((0,), (1,), (2,), (3,))
    assert Grid(97, 97, 32).level(3, 3).rows.owners == ((0,), (1,), (2, 3))


def test_maps_that_are_no_power_of_two_are_cut_by_the_ratio_of_sizes():
    # 96 pixels shown in 32: 3 pixels each. Blocks of 16 are cells of 5, which begin at 0, 15, 30, ... 90.
    axis = Grid(96, 96, 16).level(32, 32).rows
    assert axis.cell == 5
    assert axis.owners == ((0,), (1,), (2,), (3,), (4,), (5,), (5,))


@pytest.mark.parametrize("image", [1, 31, 64, 97, 131, 1000])
@pytest.mark.parametrize("block", [1, 7, 32, 48, 128, 2000])
def test_every_block_has_a_cell_in_every_map_and_every_cell_a_block(image, block):
    for size in {1, 2, 3, -(-image // 32), -(-image // 8), -(-image // 4), image // 2 or 1, image, 2 * image}:
        axis = Grid(image, image, block).level(size, size).rows
        blocks = -(-image // block)
        assert all(axis.owners)
        assert {b for owner in axis.owners for b in owner} == set(range(blocks))
        assert (axis.count - 1) * axis.cell < axis.size <= axis.count * axis.cell
        assert expand(axis) == owners(size, image, block)


def test_a_block_must_have_pixels():
    with pytest.raises(ConfigError, match="at least 1 pixel"):
        Grid(32, 32, 0)


@pytest.mark.parametrize("size", [(97, 131), (49, 66), (13, 17), (4, 5)])
def test_a_selection_covers_the_pixels_of_its_blocks(size):
    grid = Grid(97, 131, 32)
    active = np.random.default_rng(0).random((3, *grid.shape)) < 0.3
    selection = Selection(grid, active, torch.device("cpu"))
    level = grid.level(*size)
    rows, columns = owners(size[0], 97, 32), owners(size[1], 131, 32)
    expected = torch.tensor(
        [[[stream[np.ix_(r, c)].any() for c in columns] for r in rows] for stream in active]
    )
    assert torch.equal(selection.covered(level), expected)
    assert selection.pixels(level) == int(expected.sum())

    seen = torch.zeros_like(expected, dtype=torch.int)
    for cells in selection.chunks(level, 5):
        assert len(cells) <= bucket(5)
        real = cells.real()
        for n, top, left in zip(real.stream, *real.corner(level), strict=True):
            seen[n, top : top + level.cell[0], left : left + level.cell[1]] += 1
    assert torch.equal(seen, expected.int())


@pytest.mark.parametrize(
    ("filled", "sizes"), [(True, [8, 3]), (False, [8, 3]), (True, [16, 10]), (False, [16, 9])]
)
def test_batches_are_filled_up_or_not(filled, sizes):
    grid = Grid(64, 64, 8)
    active = np.zeros((1, 8, 8), bool)
    active.reshape(-1)[: 11 if sizes[0] == 8 else 25] = True
    selection = Selection(grid, active, torch.device("cpu"), filled=filled)
    level = grid.level(32, 32)
    assert [len(cells) for cells in selection.chunks(level, sizes[0])] == sizes
    assert selection.batched(level, sizes[0]) == sum(sizes)


def test_few_batch_sizes_occur():
    sizes = [bucket(count) for count in range(1, 1025)]
    assert sizes[:8] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(count <= size <= 1.25 * count for count, size in enumerate(sizes, 1))
    assert len(set(sizes)) <= 8 + 4 * 7


@pytest.mark.parametrize("starts", [[0], [-1], [-1, 7, 15], [0, 5, 9], [3, 3, 3], [4, 2, 0]])
def test_starts_are_those_that_were_given(starts):
    assert Starts.of(starts).at(torch.arange(len(starts))).tolist() == starts
