"""``saccade run``: segment videos, image folders, cameras and streams, or find objects in them."""

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
    boxes: Annotated[
        Path | None,
        Parameter(
            metavar="FILE",
            show_default="none",
            help="File for the boxes of a detector: MOTChallenge's text where it ends in .txt, otherwise a "
            "line of JSON per frame. Several sources: FILE-NAME.",
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
        from saccade.evaluation.box_sinks import BoxFileSink, BoxVideoSink
        from saccade.evaluation.sinks import BoxSink, ComparisonSink, LabelSink, OverlaySink, Sink
        from saccade.evaluation.stream import Interrupted, process
        from saccade.methods.registry import method_of
        from saccade.networks import network_info
        from saccade.networks.detector import is_detector
        from saccade.video import check_file, open_videos

        videos = opened.enter_context(
            open_videos(sources, size=options.size, scale=options.scale, max_frames=max_frames)
        ).sources
        if stats is not None:
            check_file(stats)
        method, placement = options.open_method(config, (videos[0].height, videos[0].width))
        info = network_info(method.network)
        detector = is_detector(method.network)
        _check_outputs(info.name, detector, labels, boxes)
        sinks: list[Sink | BoxSink] = []
        written: list[Path] = []
        if output is not None and detector:
            name = method_of(config).name if compare else None
            drawn = BoxVideoSink(output, videos, info.class_set, name)
            opened.callback(drawn.close)
            sinks.append(drawn)
            written += drawn.paths
        elif output is not None:
            pictures = (
                ComparisonSink(output, videos, method_of(config).name, info.class_set)
                if compare
                else OverlaySink(output, videos, info.class_set)
            )
            opened.callback(pictures.close)
            sinks.append(pictures)
            written += pictures.paths
        if boxes is not None:
            files = BoxFileSink(boxes, videos, info.class_set)
            sinks.append(files)
            written += files.paths
        if labels is not None:
            sinks.append(LabelSink(labels, videos, info.class_set))
            written.append(labels)

        what = "detecting" if detector else "segmenting"

        def report(done: int, total: int | None) -> None:
            dropped = sum(video.dropped for video in videos)
            progress.report(f"{what}, {dropped} dropped" if dropped else what, done, total)

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
        print_run(record.to_dict(), boxes=detector)
    print()
    for path in written:
        print(f"wrote {path}")
    if not written:
        print("Nothing was written: add -o OUT.mp4 for a video, --labels DIR or --stats FILE.json.")
    if interrupted:
        raise KeyboardInterrupt(f"interrupted after {record.frames} frames; what was finished is kept")


def _check_outputs(network: str, detector: bool, labels: Path | None, boxes: Path | None) -> None:
    if detector and labels is not None:
        raise ConfigError(
            f"network {network} gives boxes and no class ids: use --boxes FILE in place of --labels"
        )
    if not detector and boxes is not None:
        raise ConfigError(f"network {network} gives no boxes: use --labels DIR, or --network csp-rn18")
