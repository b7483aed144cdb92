"""Frame-by-frame execution of the same network, timed beside a method."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saccade.evaluation.latency import Latency, timed
from saccade.methods.base import Segmentation
from saccade.methods.configs import FrameConfig
from saccade.methods.frame import FrameByFrame


class DenseBaseline:
    """The network of a method on every frame, eager and compiled, in the same process.

    Args:
        network: Of the method.
        device: Where it is.

    Attributes:
        network: As given.
        answers: Of the last eager run, one for each batch.
        warnings: Why there is no compiled baseline, where there is none.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.network = network
        self._device = device
        self._methods = {
            "eager": FrameByFrame(network),
            "compiled": FrameByFrame(network, FrameConfig(compile=True)),
        }
        self.warnings: list[str] = []
        self.restart()

    def restart(self) -> None:
        """Forget what was measured; what was compiled stays, for the next method with this network."""
        self._latency = {name: Latency() for name in self._methods}
        self.answers: list[Segmentation] = []

    @property
    def names(self) -> list[str]:
        """What ``run`` can run: ``eager``, and ``compiled`` unless compiling failed."""
        return list(self._methods)

    def run(self, name: str, batches: Sequence[Tensor], warm_up: bool) -> None:
        """Time one of them on one step.

        Args:
            name: One of ``names``.
            batches: As for ``Meter.step``.
            warm_up: Whether the step belongs to the warm-up.
        """
        method = self._methods[name]
        try:
            results, ms = timed(lambda: [method.step(batch) for batch in batches], self._device)
        except Exception as error:
            if name == "eager":
                raise
            # Compilers fail in many ways: a missing C++ compiler, an operator they do not know.
            del self._methods[name], self._latency[name]
            reason = next(iter(str(error.__cause__ or error).strip().splitlines()), type(error).__name__)
            self.warnings.append(f"torch.compile failed, so the best dense baseline is eager: {reason}")
            return
        self._latency[name].update(ms, warm_up=warm_up)
        if name == "eager":
            self.answers = [result.prediction for result in results]

    @property
    def eager_ms(self) -> float | None:
        """Mean milliseconds of eager execution."""
        return self._latency["eager"].compute()["mean"]

    @property
    def best_ms(self) -> float | None:
        """Mean milliseconds of the faster of the two."""
        means = [latency.compute()["mean"] for latency in self._latency.values()]
        return min((mean for mean in means if mean is not None), default=None)
