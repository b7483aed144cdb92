"""``saccade run``: segment videos, image folders, cameras and streams."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from saccade.cli.options import DEFAULTS, MethodOptions, read_whole
from saccade.errors import ConfigError


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
            help="Also run the network frame by frame: time it, as it is and compiled, count equal pixels, "
            "and show it in the video beside the method, with different pixels marked.",
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

    with StepProgress("loading the network", "frames") as progress, ExitStack() as opened:
        import saccade.datasets.world  # noqa: F401 - makes "world" a source
        from saccade.evaluation.sinks import ComparisonSink, LabelSink, OverlaySink, Sink
        from saccade.evaluation.stream import Interrupted, process
        from saccade.methods.registry import method_of
        from saccade.networks import network_info
        from saccade.video import check_file, open_videos

        videos = opened.enter_context(
            open_videos(sources, size=options.size, scale=options.scale, max_frames=max_frames)
        ).sources
        if stats is not None:
            check_file(stats)
        method, placement = options.open_method(config, (videos[0].height, videos[0].width))
        info = network_info(method.network)
        sinks: list[Sink] = []
        written: list[Path] = []
        if output is not None:
            pictures = (
                ComparisonSink(output, videos, method_of(config).name, info.class_set)
                if compare
                else OverlaySink(output, videos, info.class_set)
            )
            opened.callback(pictures.close)
            sinks.append(pictures)
            written += pictures.paths
        if labels is not None:
            sinks.append(LabelSink(labels, videos, info.class_set))
            written.append(labels)

        def report(done: int, total: int | None) -> None:
            dropped = sum(video.dropped for video in videos)
            progress.report(f"segmenting, {dropped} dropped" if dropped else "segmenting", done, total)

        interrupted = False
        try:
            record = process(method, videos, sinks, compare=compare, seed=options.seed, progress=report)
        except Interrupted as interruption:
            interrupted, record = True, interruption.record

    record.extra |= {
        "weights": info.weights,
        "placement": placement.reason,
        "outputs": [str(path) for path in written],
    }
    try:
        if stats is not None:
            record.save(stats)
            written.append(stats)
    finally:
        print_run(record.to_dict())
    print()
    for path in written:
        print(f"wrote {path}")
    if not written:
        print("Nothing was written: add -o OUT.mp4 for a video, --labels DIR or --stats FILE.json.")
    if interrupted:
        raise KeyboardInterrupt(f"interrupted after {record.frames} frames; what was finished is kept")
