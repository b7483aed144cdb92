"""Tables on standard output, readable at 80 columns, in a pipe and in a log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_facts(title: str, facts: Mapping[str, str]) -> None:
    """A blank line, a title, then one line per fact: what it is, and its value."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(f"  {name}", Text(value))
    _print(title, table)


def print_rows(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()
) -> None:
    """A blank line, a title, then a table with one line per row.

    Args:
        title: What the table shows.
        columns: Names of the columns; those also in ``numbers`` are set flush right. The first holds what
            the row is about, which is never broken over two lines, so that it can be copied.
        rows: One text per column.
        numbers: Columns that hold figures.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="cyan", show_edge=False)
    table.add_column("", width=1)
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column in numbers else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row("", *(Text(cell) for cell in row))
    _print(title, table)


class _Output(Console):
    """Standard output; a reader that has gone is for the command's end to deal with, not for rich."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _print(title: str, table: Table) -> None:
    console = _Output()
    console.print()
    console.print(Text(title, style="bold"))
    console.print(table)
