"""``saccade demo``: the main job on the built-in street, with a table and a video to look at."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from saccade.cli.options import DEFAULTS, read_whole

if TYPE_CHECKING:
    from numpy import ndarray

    from saccade.datasets.clip import Sample
    from saccade.methods.base import StepResult

SEED = 0
SIZE = (360, 640)
"""``(height, width)`` of the street: a network step of a quarter of a second on two processor cores."""

FRAMES = 100
FPS = 25.0


def command(
    *,
    output: Annotated[
        Path, Parameter(["--output", "-o"], metavar="DIR", help="Folder for demo.mp4 and demo.json.")
    ] = Path("out"),
    frames: Annotated[int, Parameter(converter=read_whole, help="Length of the video.")] = FRAMES,
) -> None:
    """Segment the built-in street frame by frame, and score the result against its exact labels."""
    from saccade.cli.progress import StepProgress
    from saccade.cli.summary import print_evaluation

    config = DEFAULTS.config()
    video, figures = output / "demo.mp4", output / "demo.json"
    with StepProgress("loading the network", "frames") as progress:
        import numpy as np

        from saccade.datasets import open_dataset
        from saccade.evaluation.evaluate import evaluate
        from saccade.evaluation.record import save_rows
        from saccade.networks import network_info
        from saccade.video import VideoWriter, check_file, draw_overlay

        check_file(figures)
        method, placement = DEFAULTS.open_method(config, SIZE)
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
        with VideoWriter(video, FPS, (SIZE[0], 2 * SIZE[1])) as writer:

            def draw(sample: Sample, result: StepResult, labels: ndarray) -> None:
                image = sample.frame.image
                writer.write(np.hstack([image, draw_overlay(image, labels, world.classes)]))

            record = evaluate(
                method,
                world,
                observers=[draw],
                seed=DEFAULTS.seed,
                progress=lambda done, total: progress.report("segmenting", done, total),
            )
    record.extra |= {"weights": info.weights, "placement": placement.reason}
    try:
        save_rows([record], figures)
    finally:
        print_evaluation(record.to_dict())
    print(f"\nwrote {video}: the street, and beside it what the network sees in it")
    print(f"wrote {figures}: these figures and more")
    name = program()
    print(f"\nNow your own:  {name} run street.mp4 -o segmented.mp4     ({name} run --help)")


def program() -> str:
    """What to type for ``saccade`` in this shell: its name where it is found by that, else its place."""
    started = Path(sys.argv[0])
    found = shutil.which("saccade")
    if started.name != "saccade" or (found is not None and Path(found).samefile(started)):
        return "saccade"
    here = Path.cwd()
    return str(started.relative_to(here) if started.is_relative_to(here) else started)
