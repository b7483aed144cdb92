"""The JSON object that every measurement ends in."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saccade import __version__
from saccade.video.atomic import write_atomic

SCHEMA = 1

LATENCY_KEYS = ("mean", "p50", "p95", "max", "keyframe_p50", "other_p50")
GMACS_KEYS = ("mean", "dense", "network", "policy", "policy_training", "flow", "halo")
MISS_RATE_KEYS = ("reasonable", "small", "heavy", "all")


def _no_values(keys: Iterable[str]) -> dict[str, float | None]:
    return dict.fromkeys(keys)


@dataclass
class Record:
    """What was measured, and on what. Everything is there; None is what does not apply or is not known.

    Attributes:
        method, network: Their names.
        config: The fields of the method's configuration.
        device: As torch names it.
        device_name: The processor's name.
        threads: CPU threads of torch.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        seed: What all random generators began with.
        streams: How many videos went side by side.
        frames: Frames processed, of all streams together.
        height, width: Pixels of the frames as the network saw them; None where they differ.
        latency_ms: Milliseconds of the method's ``step`` alone, after warm-up.
        fps: Steps per second by ``latency_ms``, so frames per second of each stream.
        fps_with_io: The same over the whole loop with decoding, resizing, drawing and encoding.
        gmacs: 1e9 multiply-accumulate operations per frame and stream, by part; ``halo`` is within
            ``network``.
        executed_fraction: Share of the blocks that were executed; without the first frame of each
            stream in ``executed_fraction_without_first``.
        dense_eager_ms, dense_best_ms: Milliseconds of frame-by-frame execution of the same network: eager,
            and the faster of eager and compiled.
        speedup_vs_dense_eager, speedup_vs_dense_best: These over the mean latency.
        realised: ``speedup_vs_dense_best`` over the saving in MACs.
        agreement_with_dense: Share of pixels with the label of frame-by-frame execution.
        protocol: Which frames were run and scored, see ``saccade.evaluation.protocols``.
        miou, iou_per_class: As the protocol has it, 0..1; by class name.
        miou_min, miou_by_distance: mIoU by the number of frames since the last keyframe, and its minimum.
        miou_by_block_age: mIoU by the number of frames since a pixel's block was executed.
        pixel_accuracy: Over all labelled pixels.
        boundary_iou, temporal_consistency, flicker: See ``saccade.evaluation.boundary``, ``temporal`` and
            ``flicker``.
        miss_rate: Log-average miss rates of pedestrian detection.
        ap50: Average precision of detections at an IoU of 0.5.
        extra: Further entries of the object, among them ``low_fraction``: share of the blocks that were
            executed at half resolution, and ``policy``: which one ran.
    """

    method: str
    network: str
    config: dict[str, Any]
    device: str
    device_name: str
    threads: int
    precision: str
    seed: int
    streams: int = 1
    frames: int = 0
    height: int | None = None
    width: int | None = None
    latency_ms: dict[str, float | None] = field(default_factory=lambda: _no_values(LATENCY_KEYS))
    fps: float | None = None
    fps_with_io: float | None = None
    gmacs: dict[str, float | None] = field(default_factory=lambda: _no_values(GMACS_KEYS))
    executed_fraction: float | None = None
    executed_fraction_without_first: float | None = None
    dense_eager_ms: float | None = None
    dense_best_ms: float | None = None
    speedup_vs_dense_eager: float | None = None
    speedup_vs_dense_best: float | None = None
    realised: float | None = None
    agreement_with_dense: float | None = None
    protocol: str | None = None
    miou: float | None = None
    miou_min: float | None = None
    miou_by_distance: list[float | None] | None = None
    miou_by_block_age: list[float | None] | None = None
    iou_per_class: dict[str, float | None] | None = None
    pixel_accuracy: float | None = None
    boundary_iou: float | None = None
    temporal_consistency: float | None = None
    flicker: float | None = None
    miss_rate: dict[str, float | None] = field(default_factory=lambda: _no_values(MISS_RATE_KEYS))
    ap50: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: no NaN, no infinities, no tensors.

        Raises:
            ValueError: An entry of ``extra`` has the name of another entry.
        """
        known = {"schema": SCHEMA, "saccade": __version__, "torch": str(torch.__version__)}
        known |= {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"}
        if clash := known.keys() & self.extra.keys():
            raise ValueError(f"extra entries would hide {', '.join(sorted(clash))}")
        plain: dict[str, Any] = _plain(known | self.extra)
        return plain

    def save(self, path: str | Path) -> None:
        """Write the object as JSON, whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        write_atomic(Path(path), _json(self.to_dict()))


def save_rows(records: Iterable[Record | Mapping[str, Any]], path: str | Path, **about: Any) -> None:
    """Write several records as ``{"schema": 1, "rows": [...]}``, whole or not at all.

    Args:
        records: As they are, or as ``to_dict`` gave them.
        path: The file.
        about: Further entries, of all rows together.

    Raises:
        OutputError: The file cannot be written.
    """
    rows = [record.to_dict() if isinstance(record, Record) else record for record in records]
    write_atomic(Path(path), _json({"schema": SCHEMA, **about, "rows": rows}))


def config_of(config: Any) -> dict[str, Any]:
    """The fields of a method's configuration as plain JSON values."""
    plain: dict[str, Any] = _plain(asdict(config))
    return plain


@lru_cache
def name_of_device(device: torch.device) -> str:
    """What the processor calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Nothing that JSON does not know; None for numbers that are none."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
