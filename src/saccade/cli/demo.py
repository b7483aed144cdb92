"""``saccade demo``: the built-in street frame by frame and by blocks, with a table and a video to look at."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from saccade.cli.options import DEFAULTS, read_whole
from saccade.cli.summary import number, print_evaluation, share
from saccade.cli.tables import print_rows

if TYPE_CHECKING:
    from numpy import ndarray

    from saccade.datasets.clip import Sample
    from saccade.methods.base import StepResult

SEED = 0
SIZE = (540, 960)
"""``(height, width)`` of the street: as large as a camera's frame, where blocks gain time."""

FRAMES = 75
FPS = 25.0

TARGET = 0.25
"""Share of the blocks that BlockCopy executes."""


def command(
    *,
    output: Annotated[
        Path, Parameter(["--output", "-o"], metavar="DIR", help="Folder for demo.mp4 and demo.json.")
    ] = Path("out"),
    frames: Annotated[int, Parameter(converter=read_whole, help="Length of the video.")] = FRAMES,
) -> None:
    """Segment the built-in street frame by frame, and again with a quarter of the blocks, and score both."""
    from saccade.cli.progress import StepProgress

    video, figures = output / "demo.mp4", output / "demo.json"
    with StepProgress("loading the network", "frames") as progress:
        from saccade.datasets import open_dataset
        from saccade.evaluation.block_ages import BlockAges
        from saccade.evaluation.evaluate import evaluate
        from saccade.evaluation.record import save_rows
        from saccade.methods import method_of, wrap
        from saccade.methods.configs import BlockCopyConfig
        from saccade.networks import network_info
        from saccade.video import VideoWriter, check_file
        from saccade.video.comparison import draw_comparison
        from saccade.video.overlay import Blocks

        check_file(figures)
        method, placement = DEFAULTS.open_method(DEFAULTS.config(), SIZE)
        info = network_info(method.network)
        classes = {} if info.class_set is None else {"classes": info.class_set.name}
        world = open_dataset(
            "world",
            split="val",
            seed=SEED,
            clips=1,
            frames=frames,
            size=SIZE,
            fps=FPS,
            mode="driving",
            **classes,
        )
        dense: list[ndarray] = []
        by_frame = evaluate(
            method,
            world,
            observers=[lambda sample, result, labels: dense.append(labels)],
            seed=DEFAULTS.seed,
            progress=lambda done, total: progress.report("frame by frame", done, total),
        )
        config = BlockCopyConfig(target=TARGET)
        name, ages, answers = method_of(config).name, BlockAges(), iter(dense)
        with VideoWriter(video, FPS, (SIZE[0], 2 * SIZE[1])) as writer:

            def draw(sample: Sample, result: StepResult, labels: ndarray) -> None:
                assert result.actions is not None
                actions = result.actions[0].numpy()
                blocks = Blocks(actions, ages.update(actions), result.block_size)
                image = sample.frame.image
                picture = draw_comparison(image, labels, next(answers), world.classes, name, blocks=blocks)
                writer.write(picture)

            by_blocks = evaluate(
                wrap(method.network, config),
                world,
                observers=[draw],
                seed=DEFAULTS.seed,
                progress=lambda done, total: progress.report("a quarter of the blocks", done, total),
            )
    records = [by_frame, by_blocks]
    for record in records:
        record.extra |= {"weights": info.weights, "placement": placement.reason}
    try:
        save_rows(records, figures)
    finally:
        rows = [record.to_dict() for record in records]
        print_evaluation(rows[0])
        print_rows(
            "every frame whole, or a quarter of the blocks: milliseconds and GMACs of a frame",
            ("method", "mean", "p50", "GMACs", "blocks", "mIoU"),
            [compared(row) for row in rows],
            numbers=("mean", "p50", "GMACs", "blocks", "mIoU"),
        )
    print(f"\nwrote {video}: BlockCopy with a quarter of the blocks, and frame by frame beside it")
    print(f"wrote {figures}: these figures and more")
    name = program()
    print(f"\nNow your own:  {name} run street.mp4 -o segmented.mp4     ({name} run --help)")


def compared(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A record as a line of the table."""
    times = (row["latency_ms"][key] for key in ("mean", "p50"))
    return (
        row["method"],
        *("-" if time is None else number(time) for time in times),
        number(row["gmacs"]["mean"]),
        share(row["executed_fraction"]),
        f"{row['miou']:.4f}",
    )


def program() -> str:
    """What to type for ``saccade`` in this shell: its name where it is found by that, else its place."""
    started = Path(sys.argv[0])
    found = shutil.which("saccade")
    if started.name != "saccade" or (found is not None and Path(found).samefile(started)):
        return "saccade"
    here = Path.cwd()
    return str(started.relative_to(here) if started.is_relative_to(here) else started)
