"""``saccade eval``: score a network on labelled video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from saccade.cli.data_options import DataOption, JsonFile, ProtocolName, WarmUpClips
from saccade.cli.detection_options import Frames, Sequences, chosen_frames
from saccade.cli.options import DEFAULTS, MethodOptions, parse_pairs, read_whole
from saccade.errors import ConfigError


def command(
    dataset: Annotated[
        str,
        Parameter(
            help="Name from `saccade list datasets`. Each clip begins with an empty past, and every frame is "
            "part of the cost."
        ),
    ],
    /,
    *,
    root: Annotated[
        Path | None,
        Parameter(metavar="DIR", show_default="none", help="Folder of the data set; the world needs none."),
    ] = None,
    split: Annotated[str, Parameter(metavar="NAME", help="Split to score.")] = "val",
    protocol: ProtocolName = None,
    json: JsonFile = None,
    data: DataOption = (),
    sequences: Sequences = None,
    frames: Frames = None,
    max_frames: Annotated[
        int | None,
        Parameter(converter=read_whole, show_default="all", help="Use only so many frames of the split."),
    ] = None,
    max_clips: Annotated[
        int | None,
        Parameter(
            converter=read_whole,
            show_default="all",
            help="Use only so many clips of the split; on Cityscapes each has one label.",
        ),
    ] = None,
    warmup_clips: WarmUpClips = 0,
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
    """Score labelled frames, and say what it took."""
    config = options.config()

    from saccade.cli.progress import StepProgress
    from saccade.cli.summary import print_evaluation

    with StepProgress("loading the network", "frames") as progress:
        from saccade.cli.labelled import open_labelled
        from saccade.evaluation.detection import evaluate_detection
        from saccade.evaluation.evaluate import evaluate
        from saccade.evaluation.protocols import choose_protocol
        from saccade.networks import network_info
        from saccade.networks.detector import is_detector
        from saccade.video import check_file

        wanted = parse_pairs("--data", data) | chosen_frames(sequences, frames)
        opened, before = open_labelled(dataset, root, split, wanted, warmup_clips)
        chosen = choose_protocol(protocol, opened, config)
        if json is not None:
            check_file(json)
        method, placement = options.open_method(config, options.size)
        common: dict[str, Any] = {
            "warmup_clips": before,
            "size": options.size,
            "scale": options.scale,
            "max_frames": max_frames,
            "compare": compare,
            "seed": options.seed,
            "progress": lambda done, total: progress.report("scoring", done, total),
        }
        if is_detector(method.network):
            if protocol not in (None, "clip"):
                raise ConfigError(
                    f"protocol {protocol} is about labels; a detector is scored by protocol clip"
                )
            if max_clips is not None:
                raise ConfigError("--max-clips is for labelled pixels; a detector is given --sequences")
            record = evaluate_detection(method, opened, **common)
        else:
            record = evaluate(method, opened, protocol=chosen, max_clips=max_clips, **common)
    record.extra |= {"weights": network_info(method.network).weights, "placement": placement.reason}
    try:
        if json is not None:
            record.save(json)
    finally:
        print_evaluation(record.to_dict())
    if json is not None:
        print(f"\nwrote {json}")
