"""Memory and latency of BlockCopy over a long video: 20,000 frames of the built-in world in one run.

    python benchmarks/long_run.py [--frames 20000] [--policy change]
    python benchmarks/long_run.py --plot

The camera drives through one street after the other, 1000 frames each, as one stream: nothing is reset. Every
hundred frames the memory of the process and the median processor time of ``step`` are kept; processor time,
so that other work on the machine does not show. Results are
``benchmarks/results/<machine>/long_run.json`` and, drawn from it, ``long_run.svg``.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import psutil
import torch
from machine import results_folder
from torch import Tensor

import saccade
from saccade.datasets.world.film import Film
from saccade.evaluation.report.axes import along, upwards
from saccade.evaluation.report.lines import line
from saccade.evaluation.report.markup import element
from saccade.evaluation.report.scale import Scale
from saccade.video.frame import normalise

STREET = 1000
"""Frames of one street."""

PART = 100
"""Frames of which one figure is kept."""

WARM = 500
"""Frames after which memory is expected to stay as it is."""

STYLE = (
    "svg{background:#fff;font:13px system-ui,sans-serif;fill:#333}.grid{stroke:#ddd}"
    ".line{fill:none;stroke:#0b66b0;stroke-width:1.5}.title{font-weight:600}"
)


def street_frames(count: int, size: tuple[int, int], seed: int) -> Iterator[Tensor]:
    """Normalised frames ``(1, 3, H, W)``."""
    for number in range(count):
        if number % STREET == 0:
            film = Film((seed, number // STREET), STREET, 15.0, size, "driving")
        image = film.develop(film.view(number % STREET), number % STREET)
        yield normalise(torch.from_numpy(image).permute(2, 0, 1)[None])


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """One run."""
    torch.manual_seed(arguments.seed)
    network = saccade.load_network("swiftnet-rn18")
    config = saccade.BlockCopyConfig(target=arguments.target, policy=arguments.policy, seed=arguments.seed)
    method = saccade.wrap(network, config)
    process = psutil.Process()
    parts: list[dict[str, float]] = []
    times: list[float] = []
    shares: list[float] = []
    for number, frame in enumerate(street_frames(arguments.frames, arguments.size, arguments.seed), 1):
        begin = time.process_time()
        result = method.step(frame)
        times.append(time.process_time() - begin)
        assert result.actions is not None
        shares.append(float((result.actions != 0).float().mean()))
        if number % PART == 0:
            parts.append(
                {
                    "frames": number,
                    "memory_mb": round(process.memory_info().rss / 2**20, 1),
                    "step_ms": round(statistics.median(times) * 1e3, 2),
                    "share": round(statistics.fmean(shares), 4),
                }
            )
            times, shares = [], []
            if number % STREET == 0:
                print(parts[-1], flush=True)
    after = [part for part in parts if part["frames"] > WARM]
    fifth = max(1, len(after) // 5)
    return {
        "schema": 1,
        "benchmark": "long_run",
        "command": f"python benchmarks/long_run.py --frames {arguments.frames} --policy {arguments.policy} "
        f"--target {arguments.target} --seed {arguments.seed}",
        "saccade": saccade.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "network": "swiftnet-rn18",
        "precision": "fp32",
        "policy": arguments.policy,
        "target": arguments.target,
        "seed": arguments.seed,
        "height": arguments.size[0],
        "width": arguments.size[1],
        "frames": arguments.frames,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "memory_growth_mb": round(
            _typical(after[-fifth:], "memory_mb") - _typical(after[:fifth], "memory_mb"), 1
        ),
        "slow_down": round(_typical(after[-fifth:], "step_ms") / _typical(after[:fifth], "step_ms"), 3),
        "parts": parts,
    }


def _typical(parts: list[dict[str, float]], key: str) -> float:
    return statistics.median(part[key] for part in parts)


def drawn(results: dict[str, object]) -> str:
    """The curves of memory, latency and share, one above the other, as SVG."""
    parts = results["parts"]
    assert isinstance(parts, list)
    width, height, left, right = 760, 150, 70, 740
    root = element(
        "svg",
        element("style", STYLE),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {3 * height + 20}",
    )
    titles = {
        "memory_mb": "Memory of the process, MB",
        "step_ms": "step, ms of processor time (median of 100)",
        "share": "Executed share",
    }
    for row, (key, title) in enumerate(titles.items()):
        values = [part[key] for part in parts]
        y = Scale(0, max(values) * 1.1, row * height + height - 10, row * height + 30)
        x = Scale(0, max(1, len(values) - 1), left, right)
        root.append(element("text", title, class_="title", x=left, y=row * height + 20))
        _extend(root, upwards(y, y.ticks(4), left, right))
        root.append(element("path", class_="line", d=line(values, x, y, columns=len(values))))
    frames = Scale(0, max(part["frames"] for part in parts), left, right)
    _extend(root, along(frames, frames.ticks(5), 3 * height - 10, "frame"))
    return tostring(root, encoding="unicode")


def _extend(root: Element, parts: list[Element]) -> None:
    for part in parts:
        root.append(part)


def main() -> None:
    """Measure and draw, or only draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20_000, help="default: 20000")
    parser.add_argument("--size", type=_size, default=(128, 256), metavar="HxW", help="default: 128x256")
    parser.add_argument("--policy", default="change", help="default: change")
    parser.add_argument("--target", type=float, default=0.25, help="default: 0.25")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", action="store_true", help="measure nothing; draw what was measured")
    parser.add_argument("--out", type=Path, help="default: long_run.json among the results of this machine")
    arguments = parser.parse_args()
    path = arguments.out or results_folder(torch.device("cpu")) / "long_run.json"
    if not arguments.plot:
        path.write_text(json.dumps(measure(arguments), indent=1) + "\n")
    path.with_suffix(".svg").write_text(drawn(json.loads(path.read_text())) + "\n")
    print(path)


def _size(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


if __name__ == "__main__":
    main()
