"""Compiling the C kernels, once per machine, and keeping the result in the user's cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import secrets
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = tuple(Path(__file__).with_name(name) for name in ("native.c", "winograd.c"))

FLAGS = ("-O3", "-std=c11", "-ffp-contract=fast", "-fPIC", "-shared")

EXTRA_FLAGS = (("-march=native", "-fopenmp"), ("-fopenmp",), ("-march=native",), ())
"""Tried in this order: not every compiler knows them, and some lack the OpenMP runtime."""

MOST_SECONDS = 120
"""A compiler that takes longer hangs."""


class Unavailable(Exception):
    """The C kernels cannot be built or loaded here; the message is the reason."""


def load_library() -> ctypes.CDLL:
    """The compiled kernels: from the cache, or built now.

    The file in the cache is named after all that decides whether it fits: the source, the compiler, and the
    instructions of this processor. Where the cache cannot be used, a temporary folder serves this process.

    Torch must have been imported: the library shares its OpenMP runtime, and so its threads.

    Raises:
        Unavailable: There is no compiler, or it fails.
    """
    try:
        compiler = _find_compiler()
        name = f"native-{_fingerprint(compiler)}.so"
        try:
            return _open_or_build(cache_folder() / name, compiler)
        except (OSError, RuntimeError, Unavailable):  # no home, read-only, full, or mounted noexec
            with tempfile.TemporaryDirectory(prefix="saccade-", ignore_cleanup_errors=True) as folder:
                return _open_or_build(Path(folder) / name, compiler)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise Unavailable(str(error)) from error


def cache_folder() -> Path:
    """Where the compiled kernels are kept.

    Raises:
        RuntimeError: The user has no home folder.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "saccade" / "kernels"


def _find_compiler() -> list[str]:
    """The command of the C compiler: ``$CC``, which may have arguments, or the first one found."""
    if command := shlex.split(os.environ.get("CC", "")):
        return command
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    raise Unavailable("there is no cc, gcc or clang")


def _fingerprint(compiler: list[str]) -> str:
    """A short hash of what the compiled library depends on."""
    version = _run([*compiler, "--version"])
    if version.returncode:
        raise Unavailable(_first_error(version))
    facts = [shlex.join(compiler), version.stdout, platform.machine(), _instructions()]
    sources = b"".join(source.read_bytes() for source in SOURCES)
    return hashlib.sha256(sources + "\n".join((*FLAGS, *facts)).encode()).hexdigest()[:20]


def _instructions() -> str:
    """What this processor can do, which is what ``-march=native`` goes by."""
    try:
        with Path("/proc/cpuinfo").open() as lines:
            return next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return platform.processor()


def _open_or_build(path: Path, compiler: list[str]) -> ctypes.CDLL:
    if path.exists():
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            pass  # damaged; it is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    # Built under a name of its own and then renamed: other processes see the whole file, or none.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        library = _build(temporary, compiler)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return library


def _build(path: Path, compiler: list[str]) -> ctypes.CDLL:
    reasons = []
    for extra in EXTRA_FLAGS:
        result = _run([*compiler, *FLAGS, *extra, "-o", str(path), *map(str, SOURCES)])
        if result.returncode:
            reasons.append(_first_error(result))
            continue
        try:
            return ctypes.CDLL(str(path))  # before others may find it
        except OSError as error:
            reasons.append(str(error))
    raise Unavailable(reasons[-1])  # the plainest command's: a missing extra is no reason


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
        timeout=MOST_SECONDS,
        check=False,
    )


def _first_error(result: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return next(iter(errors + lines), f"{shlex.join(result.args[:1])} ends with code {result.returncode}")
