"""What every registered segmentation network must do; a test class inherits this in a few lines."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from saccade.networks import load_network, save_weights
from saccade.networks.macs import count_macs


class NetworkChecks:
    """Inherit, and set what the network is and what its totals are.

    Attributes:
        name: Registered name.
        small: Constructor options of the instance that is run; totals are checked at the defaults.
        stride: Of the logits.
        parameters: Total at 19 classes.
        gmacs: Of one 1024x2048 frame at 19 classes, to two decimals.
    """

    name: ClassVar[str]
    small: ClassVar[dict[str, Any]] = {}
    stride: ClassVar[int] = 4
    parameters: ClassVar[int]
    gmacs: ClassVar[float]

    CLASSES = 5

    @classmethod
    def make(cls, seed: int) -> nn.Module:
        """A small instance whose norms do something, as after training."""
        torch.manual_seed(seed)
        network = load_network(cls.name, weights=None, classes=cls.CLASSES, **cls.small)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                if module.affine:
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.normal_(module.bias, std=0.1)
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
        return network

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls) -> nn.Module:
        return cls.make(seed=0)

    @staticmethod
    def frames(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=torch.Generator().manual_seed(1))

    @pytest.mark.parametrize("size", [(64, 96), (65, 97), (50, 33), (7, 130), (1, 1)])
    @pytest.mark.parametrize("batch", [1, 3])
    def test_logits_of_any_size_are_at_the_stride(self, network, size, batch):
        height, width = size
        with torch.no_grad():
            logits = network(self.frames(batch, 3, height, width))
        rows, columns = math.ceil(height / self.stride), math.ceil(width / self.stride)
        assert logits.shape == (batch, self.CLASSES, rows, columns)
        assert logits.isfinite().all()

    @pytest.mark.parametrize("classes", [1, 150])
    def test_any_class_count(self, classes):
        with torch.device("meta"):
            network = load_network(self.name, weights=None, classes=classes, **self.small)
            side = 64 // self.stride
            assert network(torch.empty(2, 3, 64, 64)).shape == (2, classes, side, side)

    def test_frames_of_a_batch_do_not_touch_each_other(self, network):
        frames = self.frames(2, 3, 64, 64)
        with torch.no_grad():
            together = network(frames)
            alone = torch.cat([network(frames[:1]), network(frames[1:])])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)

    def test_channels_last_gives_the_same(self, network):
        frames = self.frames(1, 3, 64, 64)
        turned = copy.deepcopy(network).to(memory_format=torch.channels_last)
        with torch.no_grad():
            expected = network(frames)
            logits = turned(frames.to(memory_format=torch.channels_last))
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)

    def test_bfloat16_follows_float32(self, network):
        frames = self.frames(1, 3, 64, 64)
        with torch.no_grad():
            expected = network(frames)
            logits = copy.deepcopy(network).bfloat16()(frames.bfloat16())
        assert logits.dtype == torch.bfloat16
        assert (logits.float() - expected).norm() < 0.05 * expected.norm()

    def test_exports_to_a_graph_that_computes_the_same(self, network):
        program = torch.export.export(network, (self.frames(1, 3, 64, 96),))
        frames = -self.frames(1, 3, 64, 96)  # not the example
        with torch.no_grad():
            torch.testing.assert_close(program.module()(frames), network(frames), rtol=1e-4, atol=1e-4)

    def test_saved_weights_come_back_from_the_file_alone(self, network, tmp_path: Path):
        save_weights(tmp_path / "exact.safetensors", network)
        save_weights(tmp_path / "half.safetensors", network, half=True)
        frames = self.frames(1, 3, 64, 64)
        torch.manual_seed(99)
        with torch.no_grad():
            expected = network(frames)
            exact = load_network(tmp_path / "exact.safetensors")(frames)
            half = load_network(tmp_path / "half.safetensors")(frames)
        assert torch.equal(exact, expected)
        assert (half - expected).norm() < 0.01 * expected.norm()
        sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "exact")]
        assert sizes[0] < 0.52 * sizes[1]

    def test_a_training_step_reaches_every_parameter(self, network):
        network = copy.deepcopy(network).train()
        network(self.frames(2, 3, 64, 64)).square().mean().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name

    def test_the_seed_decides_the_initial_values(self, network):
        same, other = self.make(seed=0).state_dict(), self.make(seed=1).state_dict()
        assert all(torch.equal(value, same[key]) for key, value in network.state_dict().items())
        convolutions = [key for key, value in other.items() if value.dim() == 4]
        assert not any(torch.equal(same[key], other[key]) for key in convolutions)

    def test_totals_are_those_of_the_papers(self):
        with torch.device("meta"):
            network = load_network(self.name, weights=None, classes=19)
        assert sum(p.numel() for p in network.parameters()) == self.parameters
        assert round(count_macs(network, (1, 3, 1024, 2048)) / 1e9, 2) == self.gmacs
