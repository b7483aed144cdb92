"""The file of a bench: rows as they are finished, and what they were asked for, to go on with them later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saccade.errors import ConfigError
from saccade.evaluation.record import SCHEMA, Record, save_rows


class BenchFile:
    """Finished rows, written to the file after each of them.

    Args:
        path: The file; None to write nothing.
        command: What was called.
        settings: Everything that the rows depend on, as JSON values.
        resume: Begin with the rows that the file has, where it is there.

    Attributes:
        rows: As ``Record.to_dict`` gives them.

    Raises:
        ConfigError: The file that is to be resumed is of something else, or there is none to write to.
    """

    def __init__(
        self, path: Path | None, command: str, settings: Mapping[str, Any], *, resume: bool = False
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self._path = path
        self._about = {"command": command, "settings": _as_read(settings)}
        if not resume:
            return
        if path is None:
            raise ConfigError("--resume goes on with a file: name it with --json")
        if path.exists():
            self.rows = self._read(path)

    def add(self, record: Record) -> None:
        """Another row is finished.

        Raises:
            OutputError: It cannot be written.
        """
        self.rows.append(record.to_dict())
        if self._path is not None:
            save_rows(self.rows, self._path, **self._about)

    def _read(self, path: Path) -> list[dict[str, Any]]:
        try:
            content = json.loads(path.read_text())
            rows, settings = list(content["rows"]), dict(content["settings"])
            schema = content["schema"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{path} is no file that a bench can go on with; measure anew without --resume"
            ) from error
        if schema != SCHEMA:
            raise ConfigError(f"{path} has schema {schema}, this is {SCHEMA}; measure anew without --resume")
        own = self._about["settings"]
        assert isinstance(own, dict)
        for name in own.keys() | settings.keys():
            if own.get(name) != settings.get(name):
                raise ConfigError(
                    f"{path} was measured with {name} {_short(settings.get(name))}, and this is "
                    f"{_short(own.get(name))}; repeat its command, or measure anew without --resume"
                )
        return rows


def _as_read(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As they come back from a file: tuples as lists."""
    read: dict[str, Any] = json.loads(json.dumps(settings))
    return read


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + " ..."
