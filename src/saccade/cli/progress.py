"""Progress bars on standard error; silent where that is not a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.status import Status


class StepProgress:
    """First a line that says what is being prepared, then a bar for the work.

    Use it as a context manager; line and bar are taken away in the end.

    Args:
        preparing: What goes on until the first report.
        unit: What one step is, to say how many there are per second.
        shown: False for none at all.
    """

    def __init__(self, preparing: str, unit: str, *, shown: bool = True) -> None:
        console = Console(stderr=True)
        self._visible = shown and console.is_terminal
        self._unit = unit
        self._status = Status(preparing, console=console)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            expand=True,
        )

    def report(self, doing: str, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` steps are done; None where nobody knows how many there will be."""
        if not self._visible:
            return
        if not self._bar.tasks:
            self._status.stop()
            self._bar.add_task(doing, total=total, rate="")
            self._bar.start()
        task = self._bar.tasks[0]
        rate = f"{task.speed:.1f} {self._unit}/s" if task.speed else ""
        self._bar.update(task.id, description=doing, completed=done, total=total, rate=rate)

    def __enter__(self) -> Self:
        if self._visible:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._visible:  # both would end their line, also where they never began one
            self._status.stop()
            self._bar.stop()
