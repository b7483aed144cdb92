"""``saccade bench``: methods on the same work, against the best way to run the network on every frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, Token

from saccade.cli.options import CONFIGS, NetworkOptions, choose_configs, parse_pairs, read_whole
from saccade.errors import ConfigError

if TYPE_CHECKING:
    from saccade.evaluation.record import Record

DEFAULTS = NetworkOptions()


def read_names(_: type, tokens: Sequence[Token]) -> tuple[str, ...]:
    """``frame,blockcopy`` as names, each once."""
    return tuple(dict.fromkeys(name.strip() for name in tokens[0].value.split(",") if name.strip()))


def read_targets(_: type, tokens: Sequence[Token]) -> tuple[float, ...]:
    """``0.5,0.25`` as numbers, each once.

    Raises:
        ValueError: One of them is not a number.
    """
    try:
        return tuple(dict.fromkeys(float(text) for text in tokens[0].value.split(",")))
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} are not numbers with commas between them.") from None


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
        Parameter(
            metavar="M1,M2",
            show_default="frame",
            negative="",
            n_tokens=1,
            converter=read_names,
            help="Names from `saccade list methods`; frame, every frame in full, is always the first.",
        ),
    ] = ("frame",),
    targets: Annotated[
        tuple[float, ...],
        Parameter(
            metavar="T1,T2",
            show_default="none",
            negative="",
            n_tokens=1,
            converter=read_targets,
            help="Run methods that have a target once with each of these: --targets 0.5,0.25.",
        ),
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
    data: Annotated[
        tuple[str, ...],
        Parameter(
            metavar="KEY=VALUE",
            negative="",
            show_default="none",
            consume_multiple=True,
            help="Options of the data set, as for `saccade eval`.",
        ),
    ] = (),
    warmup_clips: Annotated[
        int,
        Parameter(
            converter=read_whole,
            help="Let every method run over so many clips of the data set's train split first.",
        ),
    ] = 0,
    max_frames: Annotated[
        int | None,
        Parameter(converter=read_whole, show_default="all", help="Stop after so many frames."),
    ] = None,
    json: Annotated[
        Path | None,
        Parameter(
            metavar="FILE.json", show_default="none", help="File for all rows; written after each of them."
        ),
    ] = None,
    options: NetworkOptions = DEFAULTS,
) -> None:
    """Measure each method beside the network on every frame, eager and compiled, in turns.

    A few frames are run before and forgotten; then all frames are timed, the first included.
    """
    _check_data_options(sources, dataset, {"--split": split, "--data": data, "--warmup-clips": warmup_clips})
    names = list(dict.fromkeys(["frame", *methods]))
    configs = choose_configs(names, vars(options.settings), targets, CONFIGS, {"seed": options.seed})

    from saccade.cli.bench_summary import labels_of, print_bench
    from saccade.cli.progress import StepProgress

    rows: list[Record] = []
    interrupted = False
    try:
        with StepProgress("loading the network", "frames") as progress, ExitStack() as opened:
            import saccade.datasets.world  # noqa: F401 - makes "world" a source
            from saccade.cli.labelled import open_labelled
            from saccade.evaluation.bench import bench_dataset, bench_sources
            from saccade.evaluation.record import config_of, save_rows
            from saccade.methods import method_of
            from saccade.networks import network_info
            from saccade.video import check_file, open_videos

            if json is not None:
                check_file(json)
            labels = labels_of([(method_of(config).name, config_of(config)) for config in configs])

            def report(row: int, done: int, total: int | None) -> None:
                if total is None:
                    progress.report(f"{labels[row]}: {'measuring' if done else 'preparing'}", done, None)
                else:
                    progress.report(labels[row], row * total + done, len(configs) * total)

            if dataset is not None:
                root = Path(sources[0]) if sources else None
                scored, before = open_labelled(
                    dataset, root, split or "val", parse_pairs("--data", data), warmup_clips
                )
                network, placement = options.open_network(options.size)
                records = bench_dataset(
                    network,
                    configs,
                    scored,
                    warmup_clips=before,
                    max_frames=max_frames,
                    size=options.size,
                    scale=options.scale,
                    seed=options.seed,
                    progress=report,
                )
            else:
                videos = opened.enter_context(
                    open_videos(sources, size=options.size, scale=options.scale, max_frames=max_frames)
                ).sources
                network, placement = options.open_network((videos[0].height, videos[0].width))
                records = bench_sources(network, configs, videos, seed=options.seed, progress=report)
            for record in records:
                info = network_info(network)
                record.extra |= {"weights": info.weights, "placement": placement.reason}
                rows.append(record)
                if json is not None:
                    save_rows(rows, json)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if rows:
            print_bench([record.to_dict() for record in rows])
    if rows and json is not None:
        print(f"\nwrote {json}")
    if interrupted:
        raise KeyboardInterrupt(
            f"interrupted after {len(rows)} of {len(configs)} rows; what was finished is kept"
        )


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
