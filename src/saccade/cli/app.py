"""The commands by name, and how words become a call of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from cyclopts import App, CycloptsError

from saccade import __version__
from saccade.errors import ConfigError


@dataclass(frozen=True)
class Command:
    """What the help says of a command.

    Attributes:
        summary: What it does.
        arguments: What its call consists of.
        example: A call that makes sense.
        module: Module in this package whose ``command`` it is.
    """

    summary: str
    arguments: str
    example: str
    module: str


COMMANDS = {
    "run": Command(
        "Segment videos, image folders, cameras or streams.",
        "SOURCE... [OPTIONS]",
        "street.mp4 -o segmented.mp4",
        "run",
    ),
    "eval": Command(
        "Score a network on labelled video: mIoU, speed and cost.",
        "DATASET [--root DIR] [OPTIONS]",
        "camvid --root data/camvid --json scores.json",
        "eval",
    ),
    "bench": Command(
        "Measure methods on the same frames, against the best way to run the network on each.",
        "SOURCE --methods M1,M2,... [OPTIONS]",
        "street.mp4 --methods blockcopy --targets 0.5,0.25 --json bench.json",
        "bench",
    ),
    "demo": Command(
        "Segment the built-in street and look at the result; needs no files.", "[OPTIONS]", "", "demo"
    ),
    "plan": Command(
        "What the block engine does with each operation of a network, and what it costs.",
        "NETWORK|MODULE:CALLABLE [--size HxW] [--json FILE.json]",
        "swiftnet-rn18 --size 512x1024",
        "plan",
    ),
    "list": Command(
        "Networks, methods, policies, data sets and weights by name.", "KIND", "networks", "list"
    ),
    "train": Command(
        "Train a network by a recipe.",
        "RECIPE.yaml [--set KEY=VALUE ...] [--resume]",
        "recipes/world/swiftnet-rn18.yaml --set lr=0.001",
        "train",
    ),
    "import": Command(
        "Turn a published checkpoint into weights of Saccade.",
        "CHECKPOINT -o FILE.safetensors",
        "published.pth -o swiftnet.safetensors",
        "import_checkpoint",
    ),
}


CALLED: ContextVar[tuple[str, ...]] = ContextVar("CALLED", default=())
"""The words after ``saccade`` of the command that runs, for those that note how they were called."""


def build_app() -> App:
    """The command line, with every command imported only when it is called or explained."""
    app = App(
        name="saccade",
        usage="Usage: saccade COMMAND ...",
        help="Segment video with any network, and see what it costs.",
        help_epilogue="With --debug, a command shows where in the code an error came from.",
        help_format="plaintext",
        version=__version__,
        suppress_keyboard_interrupt=False,
    )
    for position, (name, command) in enumerate(COMMANDS.items()):
        app.command(
            f"saccade.cli.{command.module}:command",
            name=name,
            usage=f"Usage: saccade {name} {command.arguments}",
            help=f"{command.summary}\n\nExample: {f'saccade {name} {command.example}'.strip()}",
            sort_key=position,
        )
    return app


def run_command(words: Sequence[str]) -> None:
    """Run the command that these words call.

    Raises:
        ConfigError: Unknown command or option, a missing value, or one of the wrong type.
    """
    app = build_app()
    CALLED.set(tuple(words))
    try:
        app(words, print_error=False, exit_on_error=False, verbose=False, result_action="return_none")
    except CycloptsError as error:
        named = [word for word in words if word in COMMANDS][:1]
        where = " ".join(["saccade", *named])
        raise ConfigError(f"{error} See `{where} --help`.") from error
