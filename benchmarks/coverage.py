"""Which public architectures the block engine converts, how exactly, and how much of their work it saves.

    python benchmarks/coverage.py [--only TEXT ...]    # correctness; minutes per ten networks
    python benchmarks/coverage.py --time [THREADS]     # speed-ups, on an otherwise idle machine
    python benchmarks/coverage.py --page               # docs/coverage.md from the results, measuring nothing

Every network runs in a process of its own with a time limit, one after the other, so that one that fails (or
exhausts the memory) stops none of the others. Results are kept in
``benchmarks/results/<machine>/coverage.json``, which is written after every network; those measured before
are replaced one by one, and a run without ``--time`` keeps the speed-ups. With ``--resume`` a run that was
interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import coverage_page
import torch
import torch.utils._pytree as pytree
from architectures import Architecture, catalogue
from interleaved import Contestant, median, quartiles, time_in_turns
from machine import results_folder
from torch import Tensor, nn

from saccade.blocks import FULL, KEEP, BlockNetwork, EngineOptions, convert
from saccade.blocks.build import build
from saccade.blocks.capture import capture
from saccade.blocks.grid import Grid
from saccade.blocks.tuning import Tuning
from saccade.errors import NetworkError
from saccade.evaluation.record import name_of_device
from saccade.video.atomic import write_atomic

SCHEMA = 1
LIBRARIES = ("saccade", "torchvision", "segmentation_models_pytorch", "timm")
FRACTION = 0.25
"""Share of the blocks at which speed-ups are measured."""

SETS = 4
"""Random sets of blocks that take turns in the timing."""

PRODUCTS = {"aten.matmul", "aten.bmm", "aten.baddbmm", "aten.scaled_dot_product_attention"}
"""Operators that attention is made of."""

ROUNDS = 7
TIME_LIMIT = 900
"""Seconds for one network."""


def main() -> None:
    """Measure what the command line asks for, and write the page."""
    arguments = parse()
    path = arguments.out or results_folder(torch.device("cpu")) / "coverage.json"
    results = load(path)
    if not arguments.page:
        measure(results, path, arguments)
    coverage_page.write(path)
    print(f"{path}\n{coverage_page.PAGE}")


def measure(results: dict[str, Any], path: Path, arguments: argparse.Namespace) -> None:
    """Look at all networks that are asked for, and bring the file of results up to date after each."""
    everything = catalogue()
    wanted = [k for k in everything if not arguments.only or any(text in k for text in arguments.only)]
    missing = sorted({everything[k].library for k in wanted if not find_spec(everything[k].library)})
    for library in missing:
        print(f"{library} is not installed; its networks are left out (uv pip install --group coverage)")
    wanted = [k for k in wanted if everything[k].library not in missing]
    rows = {f"{row['library']}/{row['name']}": row for row in results.get("networks", [])}
    for number, key in enumerate(wanted, 1):
        known = rows.get(key, {"reason": "not yet seen"})
        timed = known.get("timing") or {}
        if arguments.resume and not known["reason"] and arguments.time in (None, timed.get("threads")):
            continue
        row = apart(key, arguments.time, arguments.seconds)
        if arguments.time is None and timed:
            row["timing"] = timed
        rows[key] = row
        print(f"{number} of {len(wanted)}  {key}: {in_words(row)}", flush=True)
        results = {
            "schema": SCHEMA,
            "benchmark": "benchmarks/coverage.py",
            "device_name": name_of_device(torch.device("cpu")),
            "precision": "fp32",
            "fraction_timed": FRACTION,
            "versions": versions(),
            "networks": [rows[k] for k in everything if k in rows],
        }
        write_atomic(path, json.dumps(results, indent=1, allow_nan=False) + "\n")


def apart(key: str, threads: int | None, seconds: float) -> dict[str, Any]:
    """The row of one network, from a process of its own.

    The process is a fork of one that has imported the libraries and done nothing else: importing takes longer
    than most networks.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([library for library in ("torch", *LIBRARIES) if find_spec(library)])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(sender, key, threads, seconds))
    process.start()
    sender.close()
    try:
        if not receiver.poll(TIME_LIMIT):
            return unusable(key, f"took more than {TIME_LIMIT} s")
        row: dict[str, Any] = receiver.recv()
        process.join()
        return row
    except EOFError:
        process.join()
        return unusable(key, f"the process ended with exit code {process.exitcode} (-9: out of memory?)")
    finally:
        process.kill()
        process.join()


def serve(connection: Connection, key: str, threads: int | None, seconds: float) -> None:
    """The life of a process: look at one network, and send its row."""
    if threads is not None:
        torch.set_num_threads(threads)
    connection.send(look_at(catalogue()[key], seconds if threads is not None else None))


def unusable(key: str, reason: str) -> dict[str, Any]:
    """The row of a network of which nothing else is known."""
    library, _, name = key.partition("/")
    return {"library": library, "name": name, "exports": None, "reason": reason}


def look_at(architecture: Architecture, seconds: float | None) -> dict[str, Any]:
    """Everything about one network; its speed-up measured for so long, or not at all."""
    warnings.simplefilter("ignore")
    height, width = architecture.size
    row: dict[str, Any] = {
        "library": architecture.library,
        "name": architecture.name,
        "exports": None,
        "reason": None,
        "height": height,
        "width": width,
        "block": architecture.block,
    }
    try:
        network = architecture.network()
        frames = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            network(frames[:1])
    except Exception as error:
        return row | {"reason": f"the network itself fails on such frames: {in_one_line(error)}"}
    try:
        converted = converted_without_tuning(network, frames[:1], architecture.block)
    except NetworkError as error:
        return row | {"exports": False, "reason": in_one_line(error)}
    except Exception as error:
        traceback.print_exc()
        return row | {"exports": True, "reason": f"conversion fails: {in_one_line(error)}"}
    row |= {"exports": True} | costs(converted)
    try:
        with torch.no_grad():
            row |= errors(network, converted, frames)
            if seconds is not None:
                row |= {"timing": timing(network, frames, architecture.block, seconds)}
    except Exception as error:
        traceback.print_exc()
        return row | {"reason": f"execution fails: {in_one_line(error)}"}
    return row


def converted_without_tuning(network: nn.Module, frames: Tensor, block: int) -> BlockNetwork:
    """A block network that runs on blocks whatever would be faster, with all of Winograd's rounding."""
    captured = capture(network, frames)
    grid = Grid(frames.shape[2], frames.shape[3], block)
    options = EngineOptions(dense_above=2.0)
    converted = BlockNetwork(captured, build(captured, grid, options), grid, options)
    converted.use(Tuning(winograd=tuple(step.name for step in converted.steps)))
    return converted


def costs(converted: BlockNetwork) -> dict[str, Any]:
    """MACs, how many of them run on blocks, and because of what the others do not."""
    plan = converted.plan
    forcing: dict[str, dict[str, Any]] = {}
    for step, macs in plan.forcing:
        entry = forcing.setdefault(step.operations[0], {"kind": step.kind, "count": 0, "macs": 0})
        entry["count"] += 1
        entry["macs"] += macs
    frame = plan.frame[1] * plan.frame[2]
    large = [s for s in plan.steps if s.execution == "dense" and math.prod(s.shape) > frame / 64]
    return {
        "macs": plan.macs,
        "block_share": plan.block_share,
        "uncounted": list(plan.uncounted),
        "forcing": forcing,
        "statistics_of_maps": len(plan.reading_maps),
        "dense_maps": len(large),
        "dense_products": sum(
            step.execution == "dense" and bool(PRODUCTS & set(step.operations)) for step in plan.steps
        ),
        "steps": len(plan.steps),
        "canvas_bytes": plan.canvas_bytes,
    }


def errors(network: nn.Module, converted: BlockNetwork, frames: Tensor) -> dict[str, Any]:
    """Differences from dense execution, relative to the largest absolute value of each result.

    The first frame fills the canvases densely; the second, unlike it in every pixel, runs through the
    blocks, all of them. Then a quarter of the blocks is executed on that same frame, which must change
    nothing.
    """
    before, after = frames[:1], frames[1:]
    all_blocks = torch.full((1, *converted.grid.shape), FULL, dtype=torch.int8)
    reference = network(after)
    exact = network.double()(after.double())
    network.float()
    converted.options = EngineOptions(dense_above=1.0)
    converted.use(converted.tuning)
    dense = relative_error(converted.step(before, all_blocks), network(before))
    converted.options = EngineOptions(dense_above=2.0)
    converted.use(converted.tuning)
    through_blocks = converted.step(after, all_blocks)
    again = converted.step(after, next(random_blocks(converted.grid.shape, 1)))
    return {
        "error": relative_error(through_blocks, reference),
        "error_dense_frame": dense,
        "error_still_scene": relative_error(again, through_blocks),
        "rounding": relative_error(reference, exact),
    }


def timing(network: nn.Module, frames: Tensor, block: int, seconds: float) -> dict[str, Any]:
    """Eager dense execution, the engine's dense frame, and a quarter of the blocks, in turns."""
    network = network.to(memory_format=torch.channels_last)
    frames = frames.contiguous(memory_format=torch.channels_last)
    converted = convert(network, frames[:1], block)
    sets = list(random_blocks(converted.grid.shape, SETS))
    device = frames.device

    def frame(number: int) -> Tensor:
        return frames[number % 2 : number % 2 + 1]

    contestants = [
        Contestant("eager", lambda n: network(frame(n))),
        Contestant("engine dense", lambda n: converted.dense(frame(n))),
        Contestant("blocks", lambda n: converted.step(frame(n), sets[n // 2 % SETS]), 2 * SETS),
    ]
    times = time_in_turns(contestants, device, seconds=seconds, least=3, most=ROUNDS, seed=0)
    ratios = [
        min(eager, whole) / blocks
        for eager, whole, blocks in zip(times["eager"], times["engine dense"], times["blocks"], strict=True)
    ]
    return {
        "eager_ms": median(times["eager"]),
        "engine_dense_ms": median(times["engine dense"]),
        "blocks_ms": median(times["blocks"]),
        "speedup": median(ratios),
        "speedup_quartiles": quartiles(ratios),
        "rounds": len(ratios),
        "threads": torch.get_num_threads(),
    }


def random_blocks(grid: tuple[int, int], sets: int) -> Any:
    """Sets of ``FRACTION`` of the blocks, as actions ``(1, GH, GW)``."""
    random = torch.Generator().manual_seed(2)
    count = grid[0] * grid[1]
    for _ in range(sets):
        actions = torch.full((count,), KEEP, dtype=torch.int8)
        actions[torch.randperm(count, generator=random)[: max(1, round(FRACTION * count))]] = FULL
        yield actions.view(1, *grid)


def relative_error(result: Any, reference: Any) -> float | None:
    """Largest absolute difference over the largest absolute value, the worst of all results.

    None where a value is not finite.
    """
    worst = 0.0
    for a, b in zip(pytree.tree_leaves(result), pytree.tree_leaves(reference), strict=True):
        if a.shape != b.shape:
            raise ValueError(f"a result of shape {tuple(a.shape)} where the network gives {tuple(b.shape)}")
        largest = float(b.double().abs().max())
        error = float((a.double() - b.double()).abs().max())
        if not math.isfinite(error / max(largest, 1e-30)):
            return None
        worst = max(worst, error / max(largest, 1e-30))
    return worst


def in_one_line(error: BaseException) -> str:
    """What an error says, without its later lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def in_words(row: dict[str, Any]) -> str:
    """A line for the terminal."""
    if row["reason"]:
        return row["reason"]
    error = "not finite" if row["error"] is None else f"{row['error']:.1e}"
    text = f"error {error}, {row['block_share']:.2%} of {row['macs'] / 1e9:.2f} GMACs on blocks"
    if row.get("timing"):
        text += f", {row['timing']['speedup']:.2f}x"
    return text


def versions() -> dict[str, str]:
    """Of torch and the libraries that networks come from."""
    found = {}
    for name in ("torch", *LIBRARIES):
        try:
            found[name] = version(name.replace("_", "-"))
        except PackageNotFoundError:
            continue
    return found


def load(path: Path) -> dict[str, Any]:
    """The results so far."""
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text())
    if content["schema"] != SCHEMA:
        sys.exit(f"{path} has schema {content['schema']}, this is {SCHEMA}: move it away")
    return content


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", metavar="TEXT", help="networks whose LIBRARY/NAME contains a text"
    )
    parser.add_argument(
        "--time",
        nargs="?",
        type=int,
        const=torch.get_num_threads(),
        metavar="THREADS",
        help="also measure speed-ups, on so many threads (default: all); the machine must be idle",
    )
    parser.add_argument("--seconds", type=float, default=6, help="measure each speed-up for about so long")
    parser.add_argument("--resume", action="store_true", help="leave networks alone that ran as asked for")
    parser.add_argument("--page", action="store_true", help="measure nothing; write the page")
    parser.add_argument("--out", type=Path, help="default: coverage.json among the results of this machine")
    found = parser.parse_args(arguments)
    if found.time is not None and found.time < 1:
        parser.error(f"--time {found.time}: give 1 thread or more")
    return found


if __name__ == "__main__":
    main()
