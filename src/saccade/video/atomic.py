"""Writing files so that they are either whole or not there, and saying why one cannot be written."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from saccade.errors import OutputError

_BLOCKED = "a part of the path is a file, not a folder; write to another folder"
_CURES = {
    errno.ENOSPC: "the disk is full; free some space, or write to another disk",
    errno.EDQUOT: "your disk quota is used up; free some space, or write to another disk",
    errno.EFBIG: "the file grew beyond what the system allows; write to another disk, or raise the limit",
    errno.EROFS: "the disk is read-only; write to another folder",
    errno.EACCES: "no permission to write there; write to another folder",
    errno.EPERM: "no permission to write there; write to another folder",
    errno.ENOENT: "the folder cannot be created there; write to another folder",
    errno.ENOTDIR: _BLOCKED,
    errno.EEXIST: _BLOCKED,
    errno.EISDIR: "it is a folder; give a file name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def output_error(path: Path, error: Exception) -> OutputError:
    """What went wrong when writing ``path``, with its cure.

    Args:
        path: The file.
        error: An ``OSError``, or one of FFmpeg's, which have ``errno`` and ``strerror`` too.
    """
    what = getattr(error, "strerror", None) or str(error)
    cure = _CURES.get(getattr(error, "errno", None) or 0, f"{what}; write to another place")
    return OutputError(f"cannot write {path}: {cure}")


def make_folder(folder: Path) -> None:
    """Create a folder with its parents, and check that files can be created in it.

    Raises:
        OutputError: It cannot be created or written to.
    """
    try:
        _probe(folder)
    except OSError as error:
        raise output_error(folder, error) from error


def check_file(path: Path) -> None:
    """Check that a file can be written, before the work whose result it is to hold; create its folder.

    Raises:
        OutputError: It cannot.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _probe(path.parent)
    except OSError as error:
        raise output_error(path, error) from error


def _probe(folder: Path) -> None:
    probe = folder / f".{secrets.token_hex(4)}.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    probe.touch()
    probe.unlink()


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all: a killed program leaves the old file, or none.

    Args:
        path: Where to; its folder is created.
        data: Bytes, or text to be written as UTF-8.

    Raises:
        OutputError: It cannot be written; what stood there before stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data.encode() if isinstance(data, str) else data)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise output_error(path, error) from error
