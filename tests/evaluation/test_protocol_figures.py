"""Toy confusion matrices on which the protocols differ, and which protocol goes with what."""

from __future__ import annotations

import pytest
import torch

from saccade.errors import ConfigError
from saccade.evaluation.protocols import PROTOCOLS, choose_protocol, keyframe_interval
from saccade.methods.configs import BlockCopyConfig, FrameConfig

from .painted import HoldConfig, PaintedClip, PaintedDataset

NEAR = torch.tensor([[8, 2, 0], [0, 10, 0], [0, 0, 0]])
FAR = torch.tensor([[2, 6, 0], [2, 2, 0], [0, 0, 0]])
"""True by predicted class at distances 0 and 1; the third class is nowhere."""


def figure(name: str, matrices: dict[int, torch.Tensor]) -> tuple[float, list[float]]:
    miou, iou = PROTOCOLS[name].figure(matrices)
    return float(miou), iou.tolist()


def test_dff_averages_mious_and_gsvnet_pools_pixels():
    # Near: 8 of 10 and 10 of 12. Far: 2 of 10 and 2 of 10. Together [[10, 8], [2, 12]]: 10 of 20, 12 of 22.
    near, far = (8 / 10 + 10 / 12) / 2, (2 / 10 + 2 / 10) / 2
    dff, per_class = figure("dff", {0: NEAR, 1: FAR})
    assert dff == pytest.approx((near + far) / 2)
    assert per_class[:2] == pytest.approx([(8 / 10 + 2 / 10) / 2, (10 / 12 + 2 / 10) / 2])
    average, per_class = figure("gsvnet-avg", {0: NEAR, 1: FAR})
    assert average == pytest.approx((10 / 20 + 12 / 22) / 2)
    assert per_class[:2] == pytest.approx([10 / 20, 12 / 22])
    assert abs(dff - average) > 0.01


def test_worst_cases_see_only_the_farthest_distance():
    for name in ("accel-max", "gsvnet-min"):
        assert figure(name, {1: FAR})[0] == pytest.approx(0.2)
        assert list(PROTOCOLS[name].distances(7, 5)) == [4]


def test_a_class_that_is_at_one_distance_only_counts_there():
    only_near = torch.tensor([[4, 0], [0, 1]])
    without = torch.tensor([[4, 0], [0, 0]])
    miou, per_class = figure("dff", {0: only_near, 1: without})
    assert miou == 1
    assert per_class == [1, 1]


def test_distances_of_the_labelled_frames():
    assert [list(PROTOCOLS["accel-avg"].distances(i, 3)) for i in range(5)] == [[0], [1], [2], [0], [1]]
    for name in ("dff", "gsvnet-avg"):
        assert list(PROTOCOLS[name].distances(4, 3)) == [0, 1, 2]
    assert list(PROTOCOLS["blockcopy"].distances(4, 20)) == [19]


def snippets(name: str, *lengths: int) -> PaintedDataset:
    return PaintedDataset([PaintedClip([None] * length) for length in lengths], name)  # type: ignore[list-item]


def test_cityscapes_in_clips_of_twenty_is_scored_as_in_blockcopy_and_the_rest_by_clip():
    config = BlockCopyConfig()
    assert choose_protocol(None, snippets("cityscapes", 20, 20), config).name == "blockcopy"
    assert choose_protocol(None, snippets("cityscapes", 20, 19), config).name == "clip"
    assert choose_protocol(None, snippets("cityscapes", 1), config).name == "clip"
    assert choose_protocol(None, snippets("camvid", 20), config).name == "clip"


def test_windows_are_as_long_as_the_interval_of_the_method():
    dataset = snippets("camvid", 9)
    assert choose_protocol("dff", dataset, HoldConfig(5)).length == 5
    assert choose_protocol("dff", dataset, FrameConfig()).length == 1
    assert choose_protocol("blockcopy", dataset, HoldConfig(5)).length == 20


def test_methods_without_keyframes_are_told_so():
    dataset = snippets("camvid", 9)
    with pytest.raises(
        ConfigError, match=r"method blockcopy has no keyframe interval.* keyframes: frame, .*hold"
    ):
        choose_protocol("accel-avg", dataset, BlockCopyConfig())
    with pytest.raises(ConfigError, match="interval 0 is no number of frames"):
        keyframe_interval(HoldConfig(0), "dff")
    with pytest.raises(
        ConfigError, match=r"no protocol 'gsvnet'; did you mean 'gsvnet-.*Known protocols: clip, "
    ):
        choose_protocol("gsvnet", dataset, FrameConfig())
