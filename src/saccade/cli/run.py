"""``saccade run``: segment videos, image folders, cameras and streams."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from saccade.cli.options import DEFAULTS, MethodOptions, read_whole
from saccade.errors import ConfigError

if TYPE_CHECKING:
    from saccade.evaluation.record import Record


def command(
    *sources: Annotated[
        str,
        Parameter(
            metavar="SOURCE",
            help="Video file, folder or 'glob/*.png' of images, camera:0, rtsp://..., or world:SEED, "
            "the built-in street. Several sources run side by side.",
        ),
    ],
    output: Annotated[
        Path | None,
        Parameter(
            ["--output", "-o"],
            metavar="OUT.mp4",
            show_default="no video",
            help="Video with the classes drawn over it. Several sources: OUT-NAME.mp4 for each.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        Parameter(
            metavar="DIR",
            show_default="none",
            help="Folder for the class ids of every pixel, one PNG per frame. Several sources: DIR/NAME.",
        ),
    ] = None,
    stats: Annotated[
        Path | None,
        Parameter(metavar="FILE.json", show_default="none", help="File for latency, cost and settings."),
    ] = None,
    max_frames: Annotated[
        int | None,
        Parameter(converter=read_whole, show_default="all", help="Stop after so many frames of each source."),
    ] = None,
    compare: Annotated[
        bool,
        Parameter(
            negative="",
            show_default="no",
            help="Also time the network frame by frame, as it is and compiled, and count equal pixels.",
        ),
    ] = False,
    options: MethodOptions = DEFAULTS,
) -> None:
    """Segment sources, and say what it took."""
    if not sources:
        raise ConfigError(
            "name something to segment: a video file, a folder of images, camera:0, rtsp://... or world. "
            "See `saccade run --help`."
        )
    config = options.config()

    from saccade.cli.progress import StepProgress
    from saccade.cli.summary import print_run

    with StepProgress("loading the network", "frames") as progress:
        import saccade.datasets.world  # noqa: F401 - makes "world" a source
        from saccade.evaluation.sinks import LabelSink, OverlaySink, Sink
        from saccade.evaluation.stream import Interrupted, process
        from saccade.networks import network_info
        from saccade.video import check_file, open_videos

        with open_videos(sources, size=options.size, scale=options.scale, max_frames=max_frames) as streams:
            opened = streams.sources
            if stats is not None:
                check_file(stats)
            method, placement = options.open_method(config, (opened[0].height, opened[0].width))
            classes = network_info(method.network).class_set
            outputs: list[Path] = []
            sinks: list[Sink] = []
            if output is not None:
                videos = OverlaySink(output, opened, classes, block_size=getattr(config, "block_size", None))
                sinks.append(videos)
                outputs += videos.paths
            if labels is not None:
                sinks.append(LabelSink(labels, opened, classes))
                outputs.append(labels)

            def report(done: int, total: int | None) -> None:
                dropped = sum(source.dropped for source in opened)
                progress.report(f"{dropped} dropped" if dropped else "segmenting", done, total)

            stopped: Interrupted | None = None
            try:
                record = process(method, opened, sinks, compare=compare, seed=options.seed, progress=report)
            except Interrupted as interruption:
                stopped, record = interruption, interruption.record

    record.extra |= {
        "weights": network_info(method.network).weights,
        "placement": placement.reason,
        "outputs": [str(path) for path in outputs],
    }
    print_run(record.to_dict())
    if stats is not None:
        record.save(stats)
        outputs.append(stats)
    _say_where(outputs, record)
    if stopped is not None:
        raise KeyboardInterrupt(f"interrupted after {record.frames} frames; what was finished is kept")


def _say_where(outputs: list[Path], record: Record) -> None:
    for path in outputs:
        print(f"wrote {path}")
    if not outputs:
        print("Nothing was written: add -o OUT.mp4 for a video, --labels DIR or --stats FILE.json.")
