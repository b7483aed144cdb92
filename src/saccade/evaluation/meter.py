"""Steps a method and takes down what that cost: time, operations, blocks, and the dense baseline."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saccade.evaluation.agreement import Agreement
from saccade.evaluation.baseline import DenseBaseline
from saccade.evaluation.executed import ExecutedBlocks
from saccade.evaluation.latency import Latency, timed
from saccade.evaluation.record import GMACS_KEYS, Record, config_of, name_of_device
from saccade.evaluation.warm_up import WarmUp
from saccade.methods.base import Cost, StepResult, VideoMethod
from saccade.methods.placement import PRECISIONS
from saccade.methods.registry import method_of
from saccade.networks.registry import network_info
from saccade.video.frame import normalise

WARM_UP_STEPS = 2
"""Steps at each input shape that are not timed: the first prepares, the second finds its memory."""


class Meter:
    """Measures a method while it runs.

    Args:
        method: What to step.
        warmup: How many steps at each input shape are executed and counted, and not timed.
        compare: Also run the network frame by frame on everything, eager and compiled, timed side by side
            with the method, and compare the labels. The order of the three is drawn anew for each step:
            whatever runs first finds the caches cold. A baseline of the same network is restarted and used.

    Attributes:
        device: Of the method's network.
        baseline: Frame-by-frame execution, where there is to be a comparison.
        step_ms: Milliseconds of the method's last step.
        step_executed: Share of the blocks that it executed; None without blocks.
        warming_up: Whether it belonged to the warm-up.
    """

    def __init__(
        self, method: VideoMethod, *, warmup: int = WARM_UP_STEPS, compare: bool | DenseBaseline = False
    ) -> None:
        self.method = method
        self.device, self.dtype = place_of(method)
        self.latency = Latency()
        self.agreement = Agreement()
        self.baseline: DenseBaseline | None = None
        if isinstance(compare, DenseBaseline):
            self.baseline = compare
            self.baseline.restart()
        elif compare:
            self.baseline = DenseBaseline(method.network, self.device)
        self.step_ms = 0.0
        self.step_executed: float | None = None
        self.warming_up = True
        self._order = Random(0)
        self._warm_up = WarmUp(warmup)
        self._states: list[dict[str, Any]] = []
        self._cost = Cost()
        self._frames = 0
        self._later_cost = Cost()  # without the first frame of each stream
        self._later_frames = 0
        self._first = True
        self._streams = 0
        self._sizes: set[tuple[int, int]] = set()
        self._blocks = ExecutedBlocks()

    def batch(self, images: Sequence[np.ndarray]) -> Tensor:
        """Frames of one size as the network wants them.

        Args:
            images: ``(H, W, 3)`` uint8 RGB each.

        Returns:
            ``(n, 3, H, W)`` float32 on the method's device, normalised.
        """
        pixels = images[0][None] if len(images) == 1 else np.stack(images)
        return normalise(torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2))

    @torch.inference_mode()
    def step(self, batches: Sequence[Tensor], measured: bool = True) -> list[StepResult]:
        """One frame of every stream.

        Args:
            batches: ``(n, 3, H, W)`` normalised frames, one batch for each size of frames. With several, the
                method remembers each batch on its own; their order must not change.
            measured: Whether the step is part of what is measured: of costs, times and numbers of frames.
        """
        self.warming_up = self._warm_up.step([tuple(batch.shape) for batch in batches])
        results: list[StepResult] = []
        runs = ["method", *(self.baseline.names if self.baseline is not None else ())]
        self._order.shuffle(runs)
        for name in runs:
            if name == "method":
                results, self.step_ms = timed(lambda: self._step(batches), self.device)
            elif self.baseline is not None:
                self.baseline.run(name, batches, self.warming_up or not measured)
        self._sizes |= {result.prediction.size for result in results}
        self._streams = max(self._streams, sum(len(result.keyframe) for result in results))
        if measured:
            self._count(results)
        return results

    def _count(self, results: list[StepResult]) -> None:
        keyframe = any(bool(result.keyframe.any()) for result in results)
        self.latency.update(self.step_ms, keyframe, self.warming_up)
        for result in results:
            self._cost += result.cost
            self._frames += len(result.keyframe)
            if not self._first:
                self._later_cost += result.cost
                self._later_frames += len(result.keyframe)
        self._first = False
        self.step_executed = self._blocks.update(results)

    def _step(self, batches: Sequence[Tensor]) -> list[StepResult]:
        if len(batches) == 1 and not self._states:
            return [self.method.step(batches[0])]
        if not self._states:
            self._states = [{} for _ in batches]
        results = []
        for i, batch in enumerate(batches):
            self.method.set_state(self._states[i])
            results.append(self.method.step(batch))
            self._states[i] = self.method.get_state()
        return results

    def compare(self, labels: Sequence[Tensor]) -> list[Tensor] | None:
        """Compare the labels of the last step with frame-by-frame execution, where that was asked for.

        Args:
            labels: What the method answered, ``(n, H, W)`` uint8 for each batch, at any resolution.

        Returns:
            What frame-by-frame execution answered, in the same shapes; None where nobody asked.
        """
        if self.baseline is None:
            return None
        all_dense = []
        for answer, found in zip(self.baseline.answers, labels, strict=True):
            dense = answer.labels((int(found.shape[1]), int(found.shape[2])))
            self.agreement.update(found, dense)
            all_dense.append(dense)
        return all_dense

    def reset(self) -> None:
        """The next frame of every stream is the first of another video."""
        self.method.reset()
        self._states = []
        self._blocks.restart()
        self._first = True

    def drop(self, batch: int, rows: Sequence[int]) -> None:
        """Streams have ended.

        Args:
            batch: Which batch of the last step they were in. A batch without streams left is gone: those
                after it move up.
            rows: Their rows in it.
        """
        remaining = self._blocks.drop(batch, rows)
        if not self._states:
            self.method.drop(rows)
            return
        if remaining:
            self.method.set_state(self._states[batch])
            self.method.drop(rows)
            self._states[batch] = self.method.get_state()
        else:
            del self._states[batch]

    def record(self, *, seed: int) -> Record:
        """What was measured so far."""
        latency = self.latency.compute()
        mean = latency["mean"]
        one_size = next(iter(self._sizes)) if len(self._sizes) == 1 else (None, None)
        record = Record(
            method=method_of(self.method.config).name,
            network=network_info(self.method.network).name,
            config=config_of(self.method.config),
            device=str(self.device),
            device_name=name_of_device(self.device),
            threads=torch.get_num_threads(),
            precision=next(
                (name for name, dtype in PRECISIONS.items() if dtype == self.dtype), str(self.dtype)
            ),
            seed=seed,
            streams=self._streams,
            frames=self._frames,
            height=one_size[0],
            width=one_size[1],
            latency_ms=latency,
            fps=1000 / mean if mean else None,
            executed_fraction=self._blocks.fraction,
            executed_fraction_without_first=self._blocks.fraction_without_first,
            extra={
                "warnings": list(self.method.notes),
                "gmacs_without_first": None,
                "low_fraction": self._blocks.low_fraction,
                "policy": policy_of(self.method),
            },
        )
        if self._frames:
            record.gmacs = _gmacs_per_frame(self._cost, self._frames)
        if self._later_frames:
            record.extra["gmacs_without_first"] = _gmacs_per_frame(self._later_cost, self._later_frames)
        if self.baseline is not None and mean:
            self._compared(record, mean)
        return record

    def _compared(self, record: Record, mean: float) -> None:
        assert self.baseline is not None
        record.dense_eager_ms, record.dense_best_ms = self.baseline.eager_ms, self.baseline.best_ms
        if record.dense_eager_ms is None or record.dense_best_ms is None:
            return
        record.speedup_vs_dense_eager = record.dense_eager_ms / mean
        record.speedup_vs_dense_best = record.dense_best_ms / mean
        if self._cost.dense and self._cost.total:
            record.realised = record.speedup_vs_dense_best / (self._cost.dense / self._cost.total)
        if self.agreement.pixels:  # detectors have boxes in place of labels
            record.agreement_with_dense = float(self.agreement.compute())
        record.extra["warnings"] += self.baseline.warnings


def _gmacs_per_frame(cost: Cost, frames: int) -> dict[str, float | None]:
    """The ``gmacs`` of the contract."""
    parts = {key: getattr(cost, key) for key in GMACS_KEYS if key != "mean"}
    return {key: value / frames / 1e9 for key, value in {"mean": cost.total, **parts}.items()}


def policy_of(method: VideoMethod) -> str | None:
    """What chooses the blocks: as the configuration says, or what the method took for ``auto``."""
    found, asked = getattr(method, "policy", None), getattr(method.config, "policy", None)
    return found if isinstance(found, str) else asked


def place_of(method: VideoMethod) -> tuple[torch.device, torch.dtype]:
    """Device and precision by the network's first floating-point parameter; what frames come in without."""
    for parameter in method.network.parameters():
        if parameter.is_floating_point():
            return parameter.device, parameter.dtype
    return torch.device("cpu"), torch.float32
