"""How a command ends: one line for people, an exit code for scripts.

0 done; 1 a fault of Saccade itself (its traceback is printed); 2 a mistake in the input or the call;
130 interrupted by Ctrl-C; 141 the reader of our output has gone.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback

from saccade.errors import SaccadeError

MISTAKE = 2
FAULT = 1
INTERRUPTED = 130
READER_GONE = 141

_REMEDIES = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EDQUOT: "free some space or write to another disk",
    errno.EFBIG: "the file reached the size limit of this system or shell; write less or raise the limit",
    errno.EACCES: "choose a path that you may use, or change its permissions",
    errno.EPERM: "choose a path that you may use, or change its permissions",
    errno.EROFS: "choose a folder that is not read-only",
    errno.ENOENT: "check the path; a folder for the output must be possible to make",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "this is a folder; name a file",
    errno.EMFILE: "too many files are open; give fewer sources or raise `ulimit -n`",
    errno.EIO: "the disk or the network drive reports damage",
}


def exit_code_of(error: BaseException, debug: bool = False) -> int:
    """Say on standard error why a command ended, and give its exit code.

    Args:
        error: What the command raised.
        debug: Print the traceback of mistakes too.
    """
    if isinstance(error, BrokenPipeError):
        _silence_standard_output()
        return READER_GONE
    line = _line_for(error)
    if debug or line is None:
        traceback.print_exception(error)
    if line is None:
        print("saccade: this is a fault in Saccade; please report it with the lines above", file=sys.stderr)
        return FAULT
    print(f"saccade: {line}", file=sys.stderr)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else MISTAKE


def _line_for(error: BaseException) -> str | None:
    """The one line that a person needs; None for what only a traceback can explain."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted"
    if isinstance(error, SaccadeError):
        return " ".join(str(error).split())
    if _is_out_of_memory(error):
        where = "graphics memory" if "CUDA" in str(error) or "MPS" in str(error) else "memory"
        return f"out of {where}; use a smaller --size or --scale, fewer sources, or --device cpu"
    if isinstance(error, OSError) and error.errno is not None:
        what = " ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        reason = os.strerror(error.errno)
        line = f"{what}: {reason}" if what else reason
        remedy = _REMEDIES.get(error.errno)
        return f"{line}; {remedy}" if remedy else line
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    """Python's, NumPy's and PyTorch's ways to say so; torch is not imported just to ask."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _silence_standard_output() -> None:
    """Keep the interpreter from complaining again when it flushes what nobody reads."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
