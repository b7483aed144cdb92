"""How fast the block engine is, against the fastest dense execution of the same network.

    python benchmarks/blocks.py [--quick] [--networks ...] [--sizes ...] [--precisions ...]
    python benchmarks/blocks.py --table

Random sets of 100, 50, 25 and 12.5 % of the blocks, several sets for each share, against the fastest of
eager PyTorch, ``torch.compile``, and ``torch.compile`` with the weights frozen into the code (on CUDA also
CUDA graphs of these three, and kernels chosen by trial). All of them: one frame at a time, channels-last, in
the same precision, without gradients, in one process, in turns whose order is drawn anew in every round;
after a warm-up, and each timed call directly after an untimed one of the same kind.

Where the engine runs convolutions by Winograd's algorithm, it is also measured without. Dense baselines could
have that as well; what is left is owed to executing fewer blocks.

Inside the timer is ``BlockNetwork.step(frames, actions)`` alone (dense: the network's forward alone), from
normalised frames on the device and block lists in the memory of the CPU to the result on the device, with
CUDA waited for. Reading, resizing and normalising frames, choosing blocks, and what follows the network are
outside.

Each network, size and precision has a process of its own, with empty caches of the compiler and of the
engine's tuning: nothing leaks from one to the next, and times of compilation and conversion are those of a
first time. Results are kept in
``benchmarks/results/<machine>/blocks.json``, which is written after every such configuration; those measured
before are replaced one by one.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dense
import torch
import torch.utils._pytree as pytree
from block_results import BAR_WORK, Results, Row, by_work, markdown, show
from interleaved import Contestant, median, quartiles, time_in_turns
from machine import RESULTS, results_folder
from torch import Tensor, nn

import networks
import saccade
from saccade.blocks import FULL, KEEP, EngineOptions, convert, kernels
from saccade.evaluation.latency import timed
from saccade.evaluation.record import name_of_device
from saccade.methods.placement import PRECISIONS, choose_placement

FRACTIONS = (1.0, 0.5, 0.25, 0.125)
"""Shares of the blocks."""

SETS = 5
"""Random sets of blocks for each share, taken in turn."""

FRAMES = 2
"""Random frames, taken in turn."""

SIZES = ((1024, 2048), (512, 1024))

LEAST_ROUNDS, MOST_ROUNDS = 7, 25
"""Timings of each contestant; how many of them depends on the time they take."""


@dataclass(frozen=True)
class Configuration:
    """What is measured in one process.

    Attributes:
        network: One of ``networks.names()``.
        height, width: Of the frames, in pixels.
        block_sizes: Sides of blocks in pixels, each measured against the same dense baselines.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        device: As torch names it.
        baselines: Names in ``dense``.
        seconds: Time for rounds, beyond the least number of them.
        rounds: The least number of rounds.
        seed: Of weights, frames, sets of blocks, and orders.
    """

    network: str
    height: int
    width: int
    block_sizes: tuple[int, ...]
    precision: str
    device: str
    baselines: tuple[str, ...]
    seconds: float
    rounds: int
    seed: int

    def __str__(self) -> str:
        blocks = " and ".join(str(size) for size in self.block_sizes)
        return f"{self.network} {self.height}x{self.width}, blocks of {blocks}, {self.precision}"


def measure(configuration: Configuration) -> list[Row]:
    """Measure all fractions at all block sizes of a configuration."""
    device, dtype = torch.device(configuration.device), PRECISIONS[configuration.precision]
    torch.backends.cudnn.benchmark = True  # for dense execution and blocks alike
    network = networks.build(configuration.network, configuration.seed)
    network.to(device=device, dtype=dtype).to(memory_format=torch.channels_last)
    random = torch.Generator().manual_seed(configuration.seed)
    size = (configuration.height, configuration.width)
    frames = [
        torch.randn(1, 3, *size, generator=random).to(device, dtype, memory_format=torch.channels_last)
        for _ in range(FRAMES)
    ]

    contestants: list[Contestant] = []
    dense_errors: dict[str, float | None] = {}
    compile_s: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name in configuration.baselines:
        try:
            run, seconds = dense.prepare(name, network, frames[0])
        except Exception as error:
            if name == "eager":
                raise
            failed[name] = first_line(error)
            continue
        if name != "eager":
            compile_s[name] = seconds
            dense_errors[name] = relative_error(run(frames[0]), network(frames[0]))
        contestants.append(Contestant(name, partial(on_frame, run, frames)))
    dense_names = [contestant.name for contestant in contestants]

    engines = [Engine(network, frames[0], block_size) for block_size in configuration.block_sizes]
    if any(engine.network.tuning.winograd for engine in engines):
        plain = EngineOptions(winograd=False)
        engines += [Engine(network, frames[0], size, plain) for size in configuration.block_sizes]
    for engine in engines:
        for fraction in FRACTIONS:
            sets = block_sets(engine.network.grid.shape, fraction, random)
            contestants.append(engine.contestant(fraction, sets, frames))
    times = time_in_turns(
        contestants,
        device,
        seconds=configuration.seconds,
        least=configuration.rounds,
        most=MOST_ROUNDS,
        seed=configuration.seed,
    )

    dense_ms = {name: median(times[name]) if name in times else None for name in configuration.baselines}
    best = min(dense_names, key=lambda name: median(times[name]))
    rows = []
    for engine in engines:
        for fraction in FRACTIONS:
            ms = times[engine.name(fraction)]
            speedup, saving = median(times[best]) / median(ms), engine.saving(fraction)
            rows.append(
                Row(
                    network=configuration.network,
                    height=configuration.height,
                    width=configuration.width,
                    block_size=engine.network.grid.block,
                    precision=configuration.precision,
                    winograd=engine.network.options.winograd,
                    fraction=fraction,
                    executed_fraction=engine.executed(fraction),
                    dense_ms=dense_ms,
                    dense_quartiles_ms={name: quartiles(times[name]) for name in dense_names},
                    dense_best=best,
                    dense_best_ms=median(times[best]),
                    block_ms=median(ms),
                    block_quartiles_ms=quartiles(ms),
                    speedup=speedup,
                    speedup_quartiles=quartiles([d / b for d, b in zip(times[best], ms, strict=True)]),
                    saving=saving,
                    realised=speedup / saving,
                    error=engine.error,
                    dense_errors=dense_errors,
                    gmacs=engine.cost.dense / 1e9,
                    conversion_s=engine.conversion_s,
                    first_step_s=engine.first_step_s,
                    tuning=asdict(engine.network.tuning),
                    compile_s=compile_s,
                    rounds=len(ms),
                    seed=configuration.seed,
                    kernels=kernels.implementation() if device.type == "cpu" else "portable",
                    failed=failed,
                    device=str(device),
                    device_name=name_of_device(device),
                    threads=torch.get_num_threads(),
                    torch=str(torch.__version__),
                    saccade=saccade.__version__,
                )
            )
    return rows


class Engine:
    """A converted network, and what is known of it before it is timed.

    Attributes:
        network: The converted network.
        conversion_s, first_step_s, error: See ``Row``.
        cost: MACs of a whole frame.
    """

    def __init__(
        self, network: nn.Module, frames: Tensor, block_size: int, options: EngineOptions | None = None
    ) -> None:
        kernels.implementation()  # compiled once per machine, whatever is converted
        self.network, conversion_ms = timed(
            lambda: convert(network, frames, block_size, options=options), frames.device
        )
        everything = torch.full((1, *self.network.grid.shape), FULL, dtype=torch.int8)
        result, step_ms = timed(lambda: self.network.step(frames, everything), frames.device)
        cost = self.network.cost
        assert cost is not None
        self.cost = cost
        self.conversion_s = conversion_ms / 1000
        self.first_step_s = step_ms / 1000
        self.error = relative_error(result, network(frames))
        self._executed: dict[float, list[Tensor]] = {fraction: [] for fraction in FRACTIONS}

    def name(self, fraction: float) -> str:
        """Of the contestant with this share of the blocks."""
        plain = "" if self.network.options.winograd else " without Winograd"
        return f"{fraction:.1%} of blocks of {self.network.grid.block}{plain}"

    def contestant(self, fraction: float, sets: Sequence[Tensor], frames: Sequence[Tensor]) -> Contestant:
        """A step with another set of blocks at every call."""

        def call(number: int) -> Any:
            result = self.network.step(frames[number % len(frames)], sets[number % len(sets)])
            assert self.network.executed is not None
            self._executed[fraction].append(self.network.executed)
            return result

        return Contestant(self.name(fraction), call, warm_up=max(2, len(sets)))

    def executed(self, fraction: float) -> float:
        """Share of the blocks that was executed on average, where this share was asked for."""
        return float((torch.cat(self._executed[fraction]) != KEEP).float().mean())

    def saving(self, fraction: float) -> float:
        """See ``Row``."""
        return self.cost.dense / (fraction * self.cost.block + self.cost.whole)


def on_frame(run: dense.Run, frames: Sequence[Tensor], call: int) -> Any:
    """Dense execution of one of the frames."""
    return run(frames[call % len(frames)])


def block_sets(grid: tuple[int, int], fraction: float, random: torch.Generator) -> list[Tensor]:
    """Actions ``(1, GH, GW)`` that ask for this share of the blocks, each for others."""
    total = grid[0] * grid[1]
    sets = []
    for _ in range(SETS if fraction < 1 else 1):
        actions = torch.full((total,), KEEP, dtype=torch.int8)
        actions[torch.randperm(total, generator=random)[: round(fraction * total)]] = FULL
        sets.append(actions.view(1, *grid))
    return sets


def relative_error(result: Any, reference: Any) -> float | None:
    """Largest absolute difference over the largest absolute value, the worst of all results.

    None where a value is not finite.
    """
    pairs = zip(pytree.tree_leaves(result), pytree.tree_leaves(reference), strict=True)
    errors = [float((a.float() - b.float()).abs().max() / b.float().abs().max()) for a, b in pairs]
    return max(errors) if all(map(math.isfinite, errors)) else None


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = (line.strip() for line in str(error.__cause__ or error).splitlines())
    return next(filter(None, lines), type(error).__name__)


def serve(connection: Connection, configuration: Configuration, cache: str) -> None:
    """The life of a process: measure one configuration, and send its rows (or what went wrong)."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.environ["XDG_CACHE_HOME"] = cache
    warnings.simplefilter("ignore")
    try:
        with torch.no_grad():
            connection.send([asdict(row) for row in measure(configuration)])
    except Exception as error:
        connection.send(f"{type(error).__name__}: {first_line(error)}")


def measure_apart(configuration: Configuration) -> list[Row] | str:
    """Rows of a configuration, measured in a process of its own, or why there are none."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="blocks-", ignore_cleanup_errors=True) as cache:
        process = context.Process(target=serve, args=(sender, configuration, cache))
        process.start()
        sender.close()
        try:
            answer = receiver.recv()
            process.join()
        except EOFError:
            process.join()
            return f"the process ended with exit code {process.exitcode} (-9: out of memory?)"
        finally:
            process.kill()
            process.join()
    return answer if isinstance(answer, str) else [Row(**row) for row in answer]


def size_of(text: str) -> tuple[int, int]:
    """``HEIGHTxWIDTH`` as two numbers."""
    height, _, width = text.partition("x")
    return int(height), int(width)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="measure nothing; print all results as Markdown")
    parser.add_argument("--quick", action="store_true", help="swiftnet-rn18 at 1024x2048 only")
    parser.add_argument("--networks", nargs="+", choices=networks.names(), help="default: all")
    parser.add_argument("--sizes", nargs="+", type=size_of, metavar="HxW", help="default: 1024x2048 512x1024")
    parser.add_argument(
        "--block-sizes", nargs="+", type=int, help="default: 128, and 64 where a frame has few blocks of 128"
    )
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        help="default: fp32, and a lower one that is faster here",
    )
    parser.add_argument("--dense", nargs="+", help="baselines; default: all that the device has")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=120.0, help="for the rounds of each configuration")
    parser.add_argument(
        "--rounds", type=int, default=LEAST_ROUNDS, help=f"at least so many; default: {LEAST_ROUNDS}"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="default: blocks.json among the results of this machine")
    return parser.parse_args()


def configurations(arguments: argparse.Namespace) -> list[Configuration]:
    """What the command line asks for."""
    trial = networks.build(BAR_WORK[0], arguments.seed)
    placement = choose_placement(trial, device=arguments.device, size=SIZES[0])
    available = dense.baselines(placement.device)
    wanted = arguments.dense or available
    if unknown := set(wanted) - set(available):
        sys.exit(
            f"{placement.device} has no baseline {', '.join(sorted(unknown))}; it has {', '.join(available)}"
        )
    if "eager" not in wanted:
        sys.exit("eager execution must be among the baselines: the others are optional")
    names, sizes = arguments.networks, arguments.sizes
    if arguments.quick:
        names, sizes = names or [BAR_WORK[0]], sizes or SIZES[:1]
    found = []
    for name in names or networks.usual():
        for height, width in sizes or SIZES:
            few = height * width < SIZES[0][0] * SIZES[0][1]
            for precision in arguments.precisions or dict.fromkeys(("fp32", placement.precision)):
                found.append(
                    Configuration(
                        name,
                        height,
                        width,
                        tuple(arguments.block_sizes or ((128, 64) if few else (128,))),
                        precision,
                        str(placement.device),
                        tuple(wanted),
                        arguments.seconds,
                        arguments.rounds,
                        arguments.seed,
                    )
                )
    return found


def main() -> None:
    """Measure, or print what was measured."""
    arguments = parse()
    if arguments.table:
        paths = [arguments.out] if arguments.out else sorted(RESULTS.glob("*/blocks.json"))
        print("\n\n".join(markdown(Results(path).rows) for path in paths))
        return
    todo = configurations(arguments)
    results = Results(arguments.out or results_folder(torch.device(todo[0].device)) / "blocks.json")
    failures = []
    for number, configuration in enumerate(todo, 1):
        print(f"\n{number} of {len(todo)}: {configuration}", flush=True)
        answer = measure_apart(configuration)
        if isinstance(answer, str):
            failures.append(f"{configuration}: {answer}")
            print(f"  failed: {answer}", flush=True)
            continue
        results.add(answer)
        for rows in by_work(answer):
            show(rows)
    print(f"\n{results.path}")
    if failures:
        sys.exit("\n".join(["Without results:", *failures]))


if __name__ == "__main__":
    main()
