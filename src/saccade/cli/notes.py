"""Python's warnings, made readable: ours become one line, those of other packages are for developers."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

PACKAGE = Path(__file__).parents[1]


def say(note: str) -> None:
    """Print a note for the user on standard error, in one line."""
    print(f"saccade: note: {' '.join(note.split())}", file=sys.stderr)


@contextmanager
def notes_in_one_line(debug: bool) -> Iterator[None]:
    """Print warnings from Saccade as ``saccade: note: ...`` on standard error, once each.

    Args:
        debug: Show the warnings of other packages too, as Python does.
    """
    if not debug:
        # torch.compile looks for CUDA, and says on every machine without that there is none.
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        show_as_python_does = warnings.showwarning
        said: set[str] = set()

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if PACKAGE in Path(filename).parents:
                if str(message) not in said:
                    said.add(str(message))
                    say(str(message))
            elif debug:
                show_as_python_does(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield
