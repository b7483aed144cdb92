"""Small videos whose frames carry their number as a bar code that survives compression and resizing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

BITS = 6


def numbered_image(number: int, height: int = 48, width: int = 96) -> np.ndarray:
    """Picture with ``number`` (0..63) as upright bars, the highest bit on the left."""
    bits = [(number >> (BITS - 1 - bit)) & 1 for bit in range(BITS)]
    row = np.repeat([230 if bit else 20 for bit in bits], -(-width // BITS))[:width]
    return np.broadcast_to(row[None, :, None], (height, width, 3)).astype(np.uint8)


def read_number(image: np.ndarray) -> int:
    """The number of a ``numbered_image``, whatever its size."""
    width = image.shape[1]
    columns = [int((bit + 0.5) * width / BITS) for bit in range(BITS)]
    return sum(int(image[:, x].mean() > 125) << (BITS - 1 - bit) for bit, x in enumerate(columns))


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    fps: int = 20,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    ticks: Sequence[int] | None = None,
    codec_options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a video with plain PyAV; ``ticks`` are time stamps in 1/``fps`` seconds."""
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options=codec_options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, fps)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = index if ticks is None else ticks[index]
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def numbered() -> Callable[..., np.ndarray]:
    return numbered_image


@pytest.fixture
def number_of() -> Callable[[np.ndarray], int]:
    return read_number


@pytest.fixture
def make_video() -> Callable[..., Path]:
    return write_video


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every source and writer must have ended its thread by the end of each test."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("saccade-")]
    assert left == []
