"""Frame-by-frame execution of the same network, timed beside a method."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saccade.evaluation.latency import Latency, timed
from saccade.evaluation.warm_up import WarmUp
from saccade.methods.base import Segmentation
from saccade.methods.configs import FrameConfig
from saccade.methods.frame import FrameByFrame


class DenseBaseline:
    """The network of a method on every frame, eager and compiled, in the same process.

    Args:
        network: Of the method.
        device: Where it is.
        warm_up: How many steps at each size are not timed.

    Attributes:
        warnings: Why there is no compiled baseline, where there is none.
    """

    def __init__(self, network: nn.Module, device: torch.device, warm_up: int) -> None:
        self._device = device
        self._methods = {
            "eager": FrameByFrame(network),
            "compiled": FrameByFrame(network, FrameConfig(compile=True)),
        }
        self._latency = {name: Latency() for name in self._methods}
        self._warm_up = WarmUp(warm_up)
        self.warnings: list[str] = []

    def step(self, batches: Sequence[Tensor]) -> list[Segmentation]:
        """Time both on one step, and give the answers of eager execution."""
        warm_up = self._warm_up.step([tuple(batch.shape) for batch in batches])
        answers: list[Segmentation] = []
        for name in list(self._methods):
            method = self._methods[name]
            try:
                results, ms = timed(lambda m=method: [m.step(batch) for batch in batches], self._device)  # type: ignore[misc]
            except Exception as error:
                if name == "eager":
                    raise
                # Compilers fail in many ways: a missing C++ compiler, an operator they do not know.
                del self._methods[name]
                self._latency[name] = Latency()
                reason = next(iter(str(error.__cause__ or error).strip().splitlines()), type(error).__name__)
                self.warnings.append(f"torch.compile failed, so the best dense baseline is eager: {reason}")
                continue
            self._latency[name].update(ms, warm_up=warm_up)
            if name == "eager":
                answers = [result.prediction for result in results]
        return answers

    @property
    def eager_ms(self) -> float | None:
        """Mean milliseconds of eager execution."""
        return self._latency["eager"].compute()["mean"]

    @property
    def best_ms(self) -> float | None:
        """Mean milliseconds of the faster of the two."""
        means = [latency.compute()["mean"] for latency in self._latency.values()]
        return min((mean for mean in means if mean is not None), default=None)
