"""The commands by name, and how words become a call of one of them."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App, CycloptsError

from saccade import __version__
from saccade.errors import ConfigError

COMMANDS = {
    "run": "Segment videos, image folders, cameras or streams.",
    "eval": "Score a network on labelled video: mIoU, speed and cost.",
    "demo": "Segment the built-in street and look at the result; needs no files.",
    "list": "Networks, methods, policies, data sets and weights by name.",
    "train": "Train a network by a recipe.",
    "import": "Turn a published checkpoint into weights of Saccade.",
}


def build_app() -> App:
    """The command line, with every command imported only when it is called or explained."""
    app = App(
        name="saccade",
        help="Segment video with any network, and see what it costs.",
        help_epilogue="With --debug, a command shows where in the code an error came from.",
        help_format="plaintext",
        version=__version__,
        suppress_keyboard_interrupt=False,
    )
    modules = {"import": "import_checkpoint"}
    for position, (name, summary) in enumerate(COMMANDS.items()):
        module = modules.get(name, name)
        app.command(f"saccade.cli.{module}:command", name=name, help=summary, sort_key=position)
    return app


def run_command(words: Sequence[str]) -> None:
    """Run the command that these words call.

    Raises:
        ConfigError: Unknown command or option, a missing value, or one of the wrong type.
    """
    app = build_app()
    try:
        app(words, print_error=False, exit_on_error=False, verbose=False, result_action="return_none")
    except CycloptsError as error:
        named = [word for word in words if word in COMMANDS][:1]
        where = " ".join(["saccade", *named])
        raise ConfigError(f"{error} See `{where} --help`.") from error
