"""What every estimator of optical flow must do; a test class inherits this in a few lines."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.networks.flow import FlowEstimator, load_flow


def texture(shift: int = 0, size: tuple[int, int] = (128, 160), seed: int = 0) -> Tensor:
    """Smooth random colours ``(1, 3, H, W)``, moved to the right by some pixels."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 3, size[0] // 8, size[1] // 8 + 8, generator=random)
    wide = F.interpolate(coarse, size=(size[0], size[1] + 64), mode="bicubic")
    return wide[..., 32 - shift : 32 - shift + size[1]]


class FlowChecks:
    """Inherit, and set what the estimator is.

    Attributes:
        name: Registered name.
        options: Constructor options of the instance that is run.
        sizes: Frame size -> size of the flow.
    """

    name: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    sizes: ClassVar[dict[tuple[int, int], tuple[int, int]]]

    @pytest.fixture(scope="class")
    @classmethod
    def estimator(cls) -> FlowEstimator:
        torch.manual_seed(0)
        return load_flow(cls.name, weights=None, **cls.options)

    def test_flow_of_any_size_and_batch(self, estimator):
        for (height, width), size in self.sizes.items():
            frames = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))
            with torch.no_grad():
                flow = estimator(frames, frames.flip(3))
            assert flow.shape == (2, 2, *size)
            assert flow.dtype == torch.float32
            assert flow.isfinite().all()

    def test_videos_of_a_batch_do_not_touch_each_other(self, estimator):
        now, before = (torch.cat((texture(shift), texture(shift, seed=1))) for shift in (2, 0))
        with torch.no_grad():
            together = estimator(now, before)
            alone = torch.cat([estimator(now[i : i + 1], before[i : i + 1]) for i in (0, 1)])
        torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)

    def test_the_cost_is_that_of_all_frames(self, estimator):
        macs = estimator.macs((1, 3, 128, 160))
        assert macs > 0
        assert estimator.macs((3, 3, 128, 160)) == pytest.approx(3 * macs)

    def test_a_copy_computes_the_same(self, estimator):
        with torch.no_grad():
            flows = [model(texture(3), texture()) for model in (estimator, copy.deepcopy(estimator))]
        assert torch.equal(*flows)
