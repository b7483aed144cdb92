"""Frame-by-frame execution of the same network, timed beside a method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from saccade.evaluation.kept_labels import KeptLabels
from saccade.evaluation.latency import Latency, timed
from saccade.methods.base import Prediction, Segmentation, StepResult, VideoMethod
from saccade.methods.configs import FrameConfig
from saccade.methods.frame import FrameByFrame

if TYPE_CHECKING:
    from saccade.evaluation.meter import Meter

LEAST_TIMINGS = 7
"""Of each baseline beside one method, where it has so many steps: evenly spread over them."""

DENSE_SECONDS = 15.0
"""More timings than these follow, up to one at every step, until they take so long."""

HOW = {
    "eager": "the module as it is",
    "compiled": "torch.compile, one program per frame size, weights as constants (freezing)",
}
"""How the network is run, in words; both channels-last, in inference mode, one batch of frames at a time."""


class EagerFrames(FrameByFrame):
    """Frame by frame as a method of its own row: its steps are those of the eager baseline as well.

    Attributes:
        answers: The last prediction at each ``(height, width)`` of frames.
    """

    def __init__(self, network: nn.Module, config: FrameConfig) -> None:
        super().__init__(network, config)
        self.answers: dict[tuple[int, int], Prediction] = {}

    def step(self, frames: Tensor) -> StepResult:
        """Process the next frame of every stream."""
        result = super().step(frames)
        self.answers[result.prediction.size] = result.prediction
        return result


@dataclass(frozen=True)
class DenseAnswer:
    """What frame-by-frame execution answers to one batch: computed now, or kept from before."""

    predict: Callable[[], Prediction]
    kept: KeptLabels
    place: tuple[int, int]
    device: torch.device

    def labels(self, size: tuple[int, int]) -> Tensor:
        """Class ids ``(N, H, W)`` uint8 at this resolution, as ``Segmentation.labels``."""
        found = self.kept.get(self.place)
        if found is not None and found.shape[1:] == size:
            return torch.from_numpy(found).to(self.device)
        prediction = self.predict()
        assert isinstance(prediction, Segmentation)
        labels = prediction.labels(size)
        self.kept.put(self.place, labels.cpu().numpy())
        return labels


class DenseBaseline:
    """The network of a method on every frame, eager and compiled, in the same process.

    Several methods can be measured beside one baseline, one after the other and on the same frames: what was
    compiled, and what eager execution answers, is there for all of them.

    Args:
        network: Of the method.
        device: Where it is.
        steps: How many steps each method is going to make, where the baselines need not be timed at all of
            them; None to time them at every step.
        keep: Keep the answers for the next method.

    Attributes:
        network: As given.
        measured: What measures the method beside it, where a rehearsal went before.
        prepared: Whether it has rehearsed.
        warnings: Why there is no compiled baseline, where there is none.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, *, steps: int | None = None, keep: bool = False
    ) -> None:
        self.network = network
        self.measured: Meter | None = None
        self.prepared = False
        self.warnings: list[str] = []
        self._device = device
        self._methods: dict[str, VideoMethod] = {
            "eager": FrameByFrame(network),
            "compiled": FrameByFrame(network, FrameConfig(compile=True)),
        }
        self._row_steps = steps
        self._kept = KeptLabels(keep)
        self._last_ms: dict[str, float] = {}
        self.restart()

    def frame_by_frame(self, config: FrameConfig) -> VideoMethod:
        """Frame by frame as the method to measure, sharing what the baseline has."""
        if config.compile and "compiled" in self._methods:
            return self._methods["compiled"]
        return FrameByFrame(self.network, config) if config.compile else EagerFrames(self.network, config)

    def restart(self, measured: Meter | None = None) -> None:
        """Forget what was measured; what was compiled stays, for the next method with this network.

        Args:
            measured: What measures the next method.
        """
        self.measured = measured
        self._latency = {name: Latency() for name in self._methods}
        self._steps = dict.fromkeys(self._methods, 0)
        self._batches: Sequence[Tensor] = ()
        self._predictions: list[Prediction] = []
        self._every = self._stride()

    def _stride(self) -> int:
        """At every how many steps the baselines are timed."""
        if self._row_steps is None or not self.prepared:
            return 1
        seconds = sum(self._last_ms.values()) / 1000
        timings = max(LEAST_TIMINGS, int(DENSE_SECONDS / seconds) if seconds else self._row_steps)
        return max(1, self._row_steps // timings)

    @property
    def names(self) -> list[str]:
        """What ``run`` can run: ``eager``, and ``compiled`` unless compiling failed."""
        return list(self._methods)

    def run(self, name: str, batches: Sequence[Tensor], warm_up: bool) -> None:
        """Time one of them on one step, where it is its turn; eager execution also where it must answer.

        Args:
            name: One of ``names``.
            batches: As for ``Meter.step``.
            warm_up: Whether the step belongs to the warm-up.
        """
        step = self._steps[name]
        self._steps[name] += 1
        due = step % self._every == 0
        if name == "eager":
            self._batches = batches
            if self._own is not None:
                return
            due = due or not all((step, batch) in self._kept for batch in range(len(batches)))
        if due:
            self._time(name, batches, warm_up)

    def _time(self, name: str, batches: Sequence[Tensor], warm_up: bool) -> None:
        method = self._methods[name]
        try:
            results, ms = timed(lambda: [method.step(batch) for batch in batches], self._device)
        except Exception as error:
            if name == "eager":
                raise
            # Compilers fail in many ways: a missing C++ compiler, an operator they do not know.
            del self._methods[name], self._latency[name], self._steps[name]
            self._last_ms.pop(name, None)
            reason = next(iter(str(error.__cause__ or error).strip().splitlines()), type(error).__name__)
            self.warnings.append(f"torch.compile failed, so the best dense baseline is eager: {reason}")
            return
        self._latency[name].update(ms, warm_up=warm_up)
        self._last_ms[name] = ms
        if name == "eager":
            self._predictions = [result.prediction for result in results]

    @property
    def _own(self) -> EagerFrames | None:
        """The method, where that is eager execution itself."""
        method = None if self.measured is None else self.measured.method
        return method if isinstance(method, EagerFrames) else None

    @property
    def answers(self) -> list[DenseAnswer]:
        """What eager execution answers to the last step, one for each batch."""
        step = self._steps["eager"] - 1
        return [
            DenseAnswer(lambda batch=batch: self._predicted(batch), self._kept, (step, batch), self._device)  # type: ignore[misc]
            for batch in range(len(self._batches))
        ]

    def _predicted(self, batch: int) -> Prediction:
        if self._own is None:
            return self._predictions[batch]
        height, width = self._batches[batch].shape[2:]
        return self._own.answers[int(height), int(width)]

    def _summaries(self) -> dict[str, dict[str, float | None]]:
        """``Latency.compute`` of each; of the method where that is eager execution itself."""
        found = {name: latency.compute() for name, latency in self._latency.items()}
        if self._own is not None and self.measured is not None:
            found["eager"] = self.measured.latency.compute()
        return found

    @property
    def eager_ms(self) -> float | None:
        """Mean milliseconds of eager execution."""
        return self._summaries()["eager"]["mean"]

    @property
    def best_ms(self) -> float | None:
        """Mean milliseconds of the faster of the two."""
        means = [latency["mean"] for latency in self._summaries().values()]
        return min((mean for mean in means if mean is not None), default=None)

    def to_dict(self) -> dict[str, Any]:
        """How dense execution was run and timed.

        Returns:
            ``best``: the name of the faster one. By name: ``how``, in words, ``ms`` with ``mean``, ``p50``
            and ``p95``, and ``timings``, how many there were.
        """
        summaries = self._summaries()
        means = {name: latency["mean"] for name, latency in summaries.items() if latency["mean"] is not None}
        counts = {name: len(latency) for name, latency in self._latency.items()}
        if self._own is not None and self.measured is not None:
            counts["eager"] = len(self.measured.latency)
        return {
            "best": min(means, key=lambda name: means[name] or np.inf, default=None),
            **{
                name: {
                    "how": HOW[name],
                    "ms": {key: latency[key] for key in ("mean", "p50", "p95")},
                    "timings": counts[name],
                }
                for name, latency in summaries.items()
            },
        }
