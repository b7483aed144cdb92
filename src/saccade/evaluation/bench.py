"""Methods measured on the same work, one record each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import nn

from saccade.datasets.clip import Clip, Dataset
from saccade.errors import ConfigError
from saccade.evaluation.baseline import DenseBaseline
from saccade.evaluation.evaluate import evaluate
from saccade.evaluation.meter import place_of
from saccade.evaluation.record import Record
from saccade.evaluation.rehearsal import REHEARSED_STEPS
from saccade.evaluation.stream import process
from saccade.methods.base import VideoMethod
from saccade.methods.registry import wrap
from saccade.video.source import Source

Progress = Callable[[int, int, int | None], None]
"""Called with the number of the row, from 0, and of its frames done and to do, None where nobody knows.
Once before the row's first frame, which may take long: the network is converted and compiled."""


def bench_sources(
    network: nn.Module,
    configs: Sequence[Any],
    sources: Sequence[Source],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[Record]:
    """Run methods over the same sources, one after the other, each beside the dense baselines.

    Before each row the method and the baselines run over the first frames; then they begin again, and are
    timed from the first frame to the last, which includes whatever a method does on a first frame.

    Args:
        network: Of all methods.
        configs: One configuration for each row.
        sources: As for ``process``; each is read several times.
        seed: For all random generators, of every row.
        progress: Called before and after every step.

    Yields:
        The record of each row when it is finished. Ctrl-C and errors come out of the row that they end.

    Raises:
        ConfigError: A source is live: it shows every row something else.
    """
    for source in sources:
        if source.live:
            raise ConfigError(
                f"{source.name} is live, and every method must see the same frames: record it first, "
                f"for example with `saccade run {source.name} -o recorded.mp4`"
            )

    def measure(row: int, method: VideoMethod, baseline: DenseBaseline) -> Record:
        return process(
            method,
            sources,
            compare=baseline,
            rehearse=REHEARSED_STEPS,
            seed=seed,
            progress=_of_row(progress, row),
        )

    return _rows(network, configs, measure, progress)


def bench_dataset(
    network: nn.Module,
    configs: Sequence[Any],
    dataset: Dataset,
    *,
    warmup_clips: Sequence[Clip] = (),
    max_frames: int | None = None,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[Record]:
    """The same over the clips of a data set, with the scores that ``evaluate`` gives; arguments as there."""

    def measure(row: int, method: VideoMethod, baseline: DenseBaseline) -> Record:
        return evaluate(
            method,
            dataset,
            compare=baseline,
            rehearse=REHEARSED_STEPS,
            warmup_clips=warmup_clips,
            max_frames=max_frames,
            size=size,
            scale=scale,
            seed=seed,
            progress=_of_row(progress, row),
        )

    return _rows(network, configs, measure, progress)


def _rows(
    network: nn.Module,
    configs: Sequence[Any],
    measure: Callable[[int, VideoMethod, DenseBaseline], Record],
    progress: Progress | None,
) -> Iterator[Record]:
    """One row after the other; what one of them compiled serves all with its network."""
    baseline: DenseBaseline | None = None
    for row, config in enumerate(configs):
        if progress is not None:
            progress(row, 0, None)
        method = wrap(network, config)
        if baseline is None or baseline.network is not method.network:
            baseline = DenseBaseline(method.network, place_of(method)[0])
        record = measure(row, method, baseline)
        del method  # before the next one takes as much memory
        yield record


def _of_row(progress: Progress | None, row: int) -> Callable[[int, int | None], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(row, done, total)
