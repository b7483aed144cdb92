"""Progress bars on standard error; silent where that is not a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class StepProgress:
    """A bar for work that reports how many of how many steps are done.

    Use it as a context manager; the bar is taken away when the work ends.

    Args:
        doing: What to call the work until it says so itself.
        unit: What one step is, to say how many there are per second.
    """

    def __init__(self, doing: str = "", unit: str = "steps") -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
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
            disable=not console.is_terminal,
        )
        self._unit = unit
        self._task: TaskID | None = None
        self._doing = doing

    def report(self, doing: str, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` steps are done; None where nobody knows how many there will be."""
        if self._task is None:
            self._task = self._bar.add_task(doing, total=total, rate="")
        task = self._bar.tasks[self._task]
        speed = task.speed
        rate = f"{speed:.1f} {self._unit}/s" if speed else ""
        self._bar.update(self._task, description=doing, completed=done, total=total, rate=rate)

    def __enter__(self) -> Self:
        self._bar.start()
        if self._doing:
            self.report(self._doing, 0, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
