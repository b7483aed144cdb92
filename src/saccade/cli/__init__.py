"""The command line: thin commands, one file each, over the rooms beneath.

Importing this package is cheap; a command loads PyTorch when it runs, never to print its help.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one ``saccade`` command.

    Args:
        arguments: Words after ``saccade``; those of the process by default.

    Returns:
        Exit code: 0 done, 2 a mistake in the input or the call (one line on standard error),
        130 interrupted with finished output kept, 1 a fault in Saccade.
    """
    from saccade.cli.app import run_command
    from saccade.cli.busy import share_processors
    from saccade.cli.exits import exit_code_of
    from saccade.cli.notes import notes_in_one_line

    # Not list(...): the module of `saccade list` takes that name in this package.
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    debug = "--debug" in words
    share_processors()
    try:
        with notes_in_one_line(debug):
            run_command([word for word in words if word != "--debug"])
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        return exit_code_of(error, debug)
    return 0
