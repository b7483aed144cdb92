"""``saccade bench``: methods on the same work, against the best way to run the network on every frame."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from saccade.cli.bench_plan import Setup, choose_configs, choose_setups, default_network, plain_plan
from saccade.cli.data_options import DataOption, JsonFile, ProtocolName, WarmUpClips
from saccade.cli.detection_options import Frames, Sequences, chosen_frames
from saccade.cli.lists import NAMES, NUMBERS, SIZES, list_parameter
from saccade.cli.options import CONFIGS, NetworkOptions, parse_pairs, read_whole
from saccade.errors import ConfigError
from saccade.methods.registry import DEFAULT_NETWORK

if TYPE_CHECKING:
    from saccade.classes import ClassSet
    from saccade.evaluation.report import StripRecorder

DEFAULTS = NetworkOptions()
PRECISIONS = ("fp32", "bf16", "fp16")


def command(
    *sources: Annotated[
        str,
        Parameter(
            metavar="SOURCE",
            help="Video file, folder or 'glob/*.png' of images, or world:SEED. Several sources run side by "
            "side. With --dataset: its folder; the world needs none.",
        ),
    ],
    methods: Annotated[
        tuple[str, ...],
        list_parameter(
            "M1,M2",
            *NAMES,
            "Names from `saccade list methods`; frame, every frame in full, is always the first.",
            default="frame",
        ),
    ] = ("frame",),
    policies: Annotated[
        tuple[str, ...],
        list_parameter("P1,P2", *NAMES, "Run methods that have a policy once with each of these."),
    ] = (),
    targets: Annotated[
        tuple[float, ...],
        list_parameter(
            "T1,T2", *NUMBERS, "Run methods that have a target once with each of these: --targets 0.5,0.25."
        ),
    ] = (),
    networks: Annotated[
        tuple[str, ...], list_parameter("N1,N2", *NAMES, "Everything with each of these; as --network.")
    ] = (),
    sizes: Annotated[
        tuple[tuple[int, int], ...],
        list_parameter("HxW,HxW", *SIZES, "Everything at each of these sizes; as --size."),
    ] = (),
    scales: Annotated[
        tuple[float, ...], list_parameter("S1,S2", *NUMBERS, "Everything at each of these; as --scale.")
    ] = (),
    precisions: Annotated[
        tuple[str, ...], list_parameter("P1,P2", *NAMES, "Everything in each of fp32, bf16, fp16.")
    ] = (),
    dataset: Annotated[
        str | None,
        Parameter(
            metavar="NAME",
            show_default="none",
            help="Name from `saccade list datasets`: score the labels too, as `saccade eval` does.",
        ),
    ] = None,
    split: Annotated[
        str | None, Parameter(metavar="NAME", show_default="val", help="Split of the data set.")
    ] = None,
    protocol: ProtocolName = None,
    data: DataOption = (),
    sequences: Sequences = None,
    frames: Frames = None,
    warmup_clips: WarmUpClips = 0,
    max_frames: Annotated[
        int | None,
        Parameter(converter=read_whole, show_default="all", help="Use only so many frames."),
    ] = None,
    json: JsonFile = None,
    html: Annotated[
        Path | None,
        Parameter(
            metavar="FILE.html", show_default="none", help="File for the report, a page that needs no other."
        ),
    ] = None,
    pictures: Annotated[
        bool,
        Parameter(
            show_default="yes", help="Show frames in the report; without, it has figures and plots only."
        ),
    ] = True,
    resume: Annotated[
        bool,
        Parameter(
            negative="",
            show_default="no",
            help="Go on where this command was interrupted: rows that FILE.json has are not measured again.",
        ),
    ] = False,
    options: NetworkOptions = DEFAULTS,
) -> None:
    """Measure each method beside the network on every frame, eager and compiled, in turns.

    Every network, size and precision has its rows: frame by frame, and each method with each policy and
    target. A few frames are run before and forgotten; then all frames are timed, the first included.
    FILE.json is written after every row.
    """
    given = {"--split": split, "--data": data, "--warmup-clips": warmup_clips, "--protocol": protocol}
    given |= {"--sequences": sequences, "--frames": frames}
    _check_data_options(sources, dataset, given)
    default = DEFAULT_NETWORK if networks or options.network else default_network(methods)
    single = Setup(options.network or default, options.size, options.scale, options.precision)
    for name in precisions:
        if name not in PRECISIONS:
            raise ConfigError(f"there is no precision {name!r}; choose from {', '.join(PRECISIONS)}")
    setups = choose_setups(networks, sizes, scales, precisions, single, default)
    if options.weights not in (None, "random") and len({setup.network for setup in setups}) > 1:
        raise ConfigError("--weights are of one network; with several, name weights FILES in --networks")
    configs = choose_configs(
        list(dict.fromkeys(["frame", *methods])),
        vars(options.settings),
        {"policy": policies, "target": targets},
        CONFIGS,
        {"seed": options.seed},
    )

    from saccade.cli.app import CALLED
    from saccade.cli.bench_summary import labels_of, print_bench
    from saccade.cli.progress import StepProgress

    called = shlex.join(["saccade", *(word for word in CALLED.get() if word != "--resume")])
    count = len(setups) * len(configs)
    rows: list[dict[str, Any]] = []
    strips: list[StripRecorder | None] = []
    interrupted = False
    try:
        with StepProgress("loading the network", "frames") as progress:
            import torch

            import saccade.datasets.world  # noqa: F401 - makes "world" a source
            from saccade.cli.bench_file import BenchFile
            from saccade.cli.labelled import open_labelled
            from saccade.evaluation.bench import Labelled, Videos, measure_rows
            from saccade.evaluation.record import config_of
            from saccade.methods import method_of
            from saccade.networks import network_info
            from saccade.video import check_file, open_videos

            for path in (json, html):
                if path is not None:
                    check_file(path)
            file = BenchFile(
                json,
                called,
                plain_plan(setups, configs)
                | {"sources": sources, "dataset": dataset, "max frames": max_frames, "seed": options.seed}
                | {"weights": options.weights, "device": options.device}
                | {name.strip("-"): value for name, value in given.items()}
                | _machine(),
                resume=resume,
            )
            rows = file.rows
            strips += [None] * len(rows)
            names = labels_of([(method_of(config).name, config_of(config)) for config in configs])

            for number, setup in enumerate(setups):
                left = configs[max(0, len(rows) - number * len(configs)) :]
                if not left:
                    continue
                begun = len(rows)

                def report(
                    row: int, done: int, total: int | None, begun: int = begun, setup: Setup = setup
                ) -> None:
                    name = names[(begun + row) % len(configs)]
                    doing = f"{setup}: {name}" if len(setups) > 1 else name
                    doing += "" if done else ": preparing"
                    if total is None:
                        progress.report(doing, done, None)
                    else:
                        progress.report(doing, (begun + row) * total + done, count * total)

                own = replace(
                    options,
                    network=setup.network,
                    size=setup.size,
                    scale=setup.scale,
                    precision=setup.precision,  # type: ignore[arg-type]
                )
                with ExitStack() as opened:
                    if dataset is None:
                        videos = open_videos(sources, size=own.size, scale=own.scale, max_frames=max_frames)
                        work: Videos | Labelled = Videos(opened.enter_context(videos).sources)
                    else:
                        root = Path(sources[0]) if sources else None
                        pairs = parse_pairs("--data", data) | chosen_frames(sequences, frames)
                        scored = open_labelled(dataset, root, split or "val", pairs, warmup_clips)
                        work = Labelled(*scored, max_frames, own.size, own.scale, protocol)
                    measured = {method_of(config).name for config in configs}
                    network, placement = own.open_network(work.size, measured)
                    info = network_info(network)
                    recorders = _recorders(info.class_set, len(left)) if html and pictures else []
                    for record in measure_rows(
                        network, left, work, seed=options.seed, progress=report, pictures=recorders
                    ):
                        record.extra |= {"weights": info.weights, "placement": placement.reason}
                        strips.append(recorders[len(rows) - begun] if recorders else None)
                        file.add(record)
                    del network
                torch.compiler.reset()  # the next network is another one, and its programs need the memory
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if rows:
            print_bench([rows[i : i + len(configs)] for i in range(0, len(rows), len(configs))])
            if html is not None:
                from saccade.evaluation.report import write_report

                kept = [None if strip is None else strip.strip for strip in strips]
                write_report(html, rows, command=called, strips=kept, pictures=pictures)
    if rows:
        print()
        for path in (json, html):
            if path is not None:
                print(f"wrote {path}")
    if interrupted:
        hint = "; go on with the same command and --resume" if rows and json is not None else ""
        raise KeyboardInterrupt(
            f"interrupted after {len(rows)} of {count} rows; what was finished is kept{hint}"
        )


def _recorders(classes: ClassSet | None, count: int) -> list[StripRecorder]:
    from saccade.evaluation.report import StripRecorder

    return [StripRecorder(classes) for _ in range(count)]


def _machine() -> dict[str, object]:
    """What rows of one table have in common besides what was asked for."""
    import torch

    from saccade import __version__
    from saccade.evaluation.record import name_of_device

    return {
        "saccade": __version__,
        "torch": torch.__version__,
        "processor": name_of_device(torch.device("cpu")),
        "threads": torch.get_num_threads(),
    }


def _check_data_options(
    sources: Sequence[str], dataset: str | None, needs_dataset: Mapping[str, object]
) -> None:
    if dataset is None:
        for flag, given in needs_dataset.items():
            if given:
                raise ConfigError(f"{flag} is of a data set: name it with --dataset, or leave {flag} out")
        if not sources:
            raise ConfigError(
                "name something to measure on: a video file, a folder of images or world. "
                "See `saccade bench --help`."
            )
    elif len(sources) > 1:
        raise ConfigError(f"--dataset {dataset} takes one folder; these are {', '.join(sources)}")
