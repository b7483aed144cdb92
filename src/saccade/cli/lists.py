"""Values with commas between them, as words of the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cyclopts import Parameter, Token

from saccade.cli.options import parse_size

T = TypeVar("T")


def commas(read: Callable[[str], T], what: str) -> Callable[[type, Sequence[Token]], tuple[T, ...]]:
    """A converter for cyclopts: every value once, in order.

    Args:
        read: Makes a value of its text; raises ``ValueError`` where it is none.
        what: What the values are, in plural.
    """

    def convert(_: type, tokens: Sequence[Token]) -> tuple[T, ...]:
        words = [word.strip() for word in tokens[0].value.split(",") if word.strip()]
        try:
            return tuple(dict.fromkeys(read(word) for word in words))
        except ValueError:
            raise ValueError(f"{tokens[0].value!r} are not {what} with commas between them.") from None

    return convert


def list_parameter(
    metavar: str, read: Callable[[str], Any], what: str, help_text: str, default: str = "none"
) -> Parameter:
    """The parameter of a flag that takes a list."""
    return Parameter(
        metavar=metavar,
        show_default=default,
        negative="",
        n_tokens=1,
        converter=commas(read, what),
        help=help_text,
    )


NAMES = (str, "names")
NUMBERS = (float, "numbers")
SIZES = (parse_size, "frame sizes")
