"""What a person wants to know of a detector's record: how well it finds people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {
    "reasonable": "reasonable",
    "small": "reasonable, small",
    "heavy": "heavily occluded",
    "all": "all",
}


def detection_accuracy(record: Mapping[str, Any]) -> dict[str, str]:
    """The lines on accuracy of ``saccade eval`` on frames with boxes."""
    frames = f"{record['people']} people in {record['labelled_frames']} frames"
    rates = [
        f"{100 * record['miss_rate'][key]:.2f} % {name}"
        for key, name in NAMES.items()
        if record["miss_rate"][key] is not None
    ]
    return {
        "AP50": "-" if record["ap50"] is None else f"{record['ap50']:.4f} over {frames}",
        "AP": "-" if record["ap"] is None else f"{record['ap']:.4f} over IoU 0.5 to 0.95",
        "miss rate": ", ".join(rates) or "-",
    }


def equal_boxes(record: Mapping[str, Any]) -> dict[str, str]:
    """The line on agreement with frame-by-frame execution, where there was a comparison."""
    f1 = record.get("f1_with_dense")
    return {} if f1 is None else {"equal boxes": f"{100 * f1:.1f} % (F1 at IoU 0.5)"}
