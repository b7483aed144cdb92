"""From what the user names to a source of frames."""

from __future__ import annotations

import glob
import re
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from saccade.errors import SourceError
from saccade.video.source import ReadOptions, Source


class SchemeFactory(Protocol):
    """Makes the source ``scheme:rest``; the keywords are those of ``open_video``."""

    def __call__(
        self,
        rest: str,
        *,
        size: tuple[int, int] | None,
        scale: float | None,
        max_frames: int | None,
        prefetch: int,
    ) -> Source: ...


_schemes: dict[str, SchemeFactory] = {}


def register_scheme(scheme: str, factory: SchemeFactory) -> None:
    """Make ``open_video("scheme")`` and ``open_video("scheme:rest")`` open a source of your own.

    Args:
        scheme: Two or more letters and digits, beginning with a letter.
        factory: Called with what follows the colon (``""`` without one).
    """
    if not re.fullmatch(r"[a-z][a-z0-9]+", scheme):
        raise ValueError(f"scheme {scheme!r} must be two or more small letters and digits")
    _schemes[scheme] = factory


def open_video(
    source: str | Path,
    *,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    max_frames: int | None = None,
    prefetch: int = 4,
) -> Source:
    """Open a source of frames.

    Args:
        source: A video file, an image, a folder or glob of images (natural order), ``camera:N``,
            ``rtsp://...``, or a registered scheme such as ``world:3``. Schemes win over files of that
            name; write ``./world`` for the file.
        size: ``(height, width)`` to resize every frame to.
        scale: Factor on both sides of every frame; give this or ``size``, not both.
        max_frames: Stop after so many frames.
        prefetch: How many frames are decoded ahead in a background thread; live sources hold only the
            newest frame and drop the others.

    Returns:
        An iterable of ``Frame`` and a context manager.

    Raises:
        SourceError: It is not there, or cannot be read.
        ConfigError: Options that cannot work.
    """
    options = ReadOptions(size, scale, max_frames, prefetch)
    if isinstance(source, str):
        scheme, colon, rest = source.partition(":")
        if scheme in _schemes:
            return _schemes[scheme](rest, **asdict(options))
        if scheme == "camera" and colon:
            return _open_camera(source, rest, options)
        if scheme in ("rtsp", "rtsps") and rest.startswith("//"):
            from saccade.video.rtsp import RtspStream

            return RtspStream(source, options)
    return _open_path(str(source), options)


def _open_camera(source: str, number: str, options: ReadOptions) -> Source:
    from saccade.video.camera import Camera

    if not re.fullmatch(r"\d+", number, re.ASCII):
        raise SourceError(f"{source} names no camera; give its number, for example camera:0")
    return Camera(int(number), options)


def _open_path(name: str, options: ReadOptions) -> Source:
    from saccade.video.image_sequence import ImageSequence, is_image
    from saccade.video.video_file import VideoFile

    if not name:
        raise SourceError(f"the source has no name; expected {_EXPECTED}")
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            return ImageSequence(name, [p for p in path.iterdir() if is_image(p) and p.is_file()], options)
        if path.is_file():
            return ImageSequence(name, [path], options) if is_image(path) else VideoFile(name, path, options)
        if path.exists():
            raise SourceError(f"{name} is neither a file nor a folder; expected {_EXPECTED}")
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror or error}") from error
    if glob.has_magic(name):
        matches = [Path(p) for p in glob.glob(str(path), recursive=True)]  # noqa: PTH207 - Path has no absolute patterns
        if not matches:
            raise SourceError(f"no file matches {name}; check the pattern and the folder it starts in")
        return ImageSequence(name, [p for p in matches if is_image(p) and p.is_file()], options)
    raise SourceError(f"there is no {name}; expected {_EXPECTED}")


_EXPECTED = (
    "a video file, a folder of images, a pattern such as 'frames/*.png', camera:0, rtsp://host/path or world"
)
