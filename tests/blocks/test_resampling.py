"""The taps of resizing, against what PyTorch makes of single bright pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from saccade.blocks.grid import Axis
from saccade.blocks.resampling import (
    CellMatrices,
    adaptive_average_taps,
    interpolation_taps,
    resample_windows,
)

SIZES = [(1, 1), (1, 5), (5, 1), (7, 7), (7, 14), (14, 7), (7, 21), (13, 29), (29, 13), (64, 48), (2, 100)]


def matrix(taps, source):
    """``(out, source)`` weights."""
    full = np.zeros((len(taps.index), source))
    for index, weight in zip(taps.index.T, taps.weight.T, strict=True):
        np.add.at(full, (np.arange(len(full)), index), weight)
    return torch.from_numpy(full)


def responses(source, resize):
    """``(out, source)``: what each output pixel takes of each input pixel."""
    bright = torch.eye(source, dtype=torch.float64)[None].unsqueeze(3)  # (1, source, source, 1)
    return resize(bright)[0, :, :, 0].T


@pytest.mark.parametrize(("source", "target"), SIZES)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
@pytest.mark.parametrize("corners", [False, True])
def test_interpolation_to_a_size(source, target, mode, corners):
    if corners and mode.startswith("nearest"):
        pytest.skip("nearest has no corners")
    options = {} if mode.startswith("nearest") else {"align_corners": corners}
    expected = responses(source, lambda x: F.interpolate(x, (target, 1), mode=mode, **options))
    taps = interpolation_taps(mode, source, target, align_corners=corners, precision=np.float64)
    torch.testing.assert_close(matrix(taps, source), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("factor", [0.3, 0.5, 1.05, 1.3, 1.7, 2.0, 2.05, 2.5, 3.0])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_interpolation_by_a_factor(factor, mode):
    expected = responses(13, lambda x: F.interpolate(x, scale_factor=(factor, 1.0), mode=mode))
    taps = interpolation_taps(mode, 13, int(13 * factor), scale=factor, precision=np.float64)
    torch.testing.assert_close(matrix(taps, 13), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("source", "target"), SIZES)
def test_adaptive_average(source, target):
    expected = responses(source, lambda x: F.adaptive_avg_pool2d(x, (target, 1)))
    taps = adaptive_average_taps(source, target, np.float64)
    torch.testing.assert_close(matrix(taps, source), expected, rtol=0, atol=1e-15)


def test_cells_put_together_are_the_whole():
    axis = Axis.of(50, 16, 37)  # cells of 12 pixels, the last of one
    taps = interpolation_taps("bicubic", 23, 37, precision=np.float64)
    cells = CellMatrices(taps, axis)
    signal = torch.randn(23, dtype=torch.float64)
    starts = cells.starts.at(torch.arange(axis.count))
    padded = F.pad(signal, (0, cells.window))
    parts = [m @ padded[s : s + cells.window] for m, s in zip(cells.matrices, starts, strict=True)]
    assert torch.allclose(torch.cat(parts)[:37], matrix(taps, 23) @ signal)


def test_windows_are_resized_in_both_directions():
    windows, rows, columns = torch.randn(2, 5, 4, 3), torch.randn(2, 6, 5), torch.randn(2, 7, 4)
    expected = torch.einsum("bpqc,bip,bjq->bijc", windows, rows, columns)
    assert torch.allclose(resample_windows(windows, rows, columns), expected, atol=1e-5)
