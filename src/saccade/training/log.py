"""The log of a run: a CSV file with one line per epoch."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any


def write_row(path: Path, row: dict[str, Any]) -> None:
    """Append one line; the first line of a file is the header. None is written as nothing."""
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if fresh:
            writer.writeheader()
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
