"""How commands end: exit code, and one line for people."""

from __future__ import annotations

import errno
import os

import pytest

from saccade import cli
from saccade.cli import app, exits
from saccade.errors import SourceError


def end_with(monkeypatch, error: BaseException, *words: str) -> int:
    """Exit code of a command line whose command raises ``error``."""

    def raise_it(given):
        assert "--debug" not in given
        raise error

    monkeypatch.setattr(app, "run_command", raise_it)
    return cli.main(["run", "x", *words])


def test_mistake_is_one_line_and_exit_code_2(monkeypatch, capsys):
    assert end_with(monkeypatch, SourceError("there is no x;\n  expected a video")) == 2
    assert capsys.readouterr().err == "saccade: there is no x; expected a video\n"


def test_debug_shows_the_traceback_of_a_mistake(monkeypatch, capsys):
    assert end_with(monkeypatch, SourceError("there is no x"), "--debug") == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "saccade: there is no x"


def test_fault_of_saccade_shows_its_traceback_and_exits_1(monkeypatch, capsys):
    assert end_with(monkeypatch, ZeroDivisionError("division by zero")) == 1
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "ZeroDivisionError: division by zero" in text


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOSPC, "space"),
        (errno.EDQUOT, "space"),
        (errno.EFBIG, "limit"),
        (errno.EACCES, "permissions"),
        (errno.EROFS, "read-only"),
    ],
)
def test_error_of_the_system_names_the_file_and_a_way_out(monkeypatch, capsys, number, word):
    assert end_with(monkeypatch, OSError(number, os.strerror(number), "out/a.json")) == 2
    text = capsys.readouterr().err
    assert text.startswith(f"saccade: out/a.json: {os.strerror(number)}; ")
    assert word in text.partition(";")[2]
    assert text.count("\n") == 1


def test_interruption_exits_130_and_says_what_is_kept(monkeypatch, capsys):
    assert end_with(monkeypatch, KeyboardInterrupt("interrupted; 3 frames are kept in a.mp4")) == 130
    assert capsys.readouterr().err == "saccade: interrupted; 3 frames are kept in a.mp4\n"


def test_interruption_without_words_is_still_said(monkeypatch, capsys):
    assert end_with(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "saccade: interrupted\n"


def test_reader_that_has_gone_is_no_reason_to_speak(monkeypatch, capsys):
    assert end_with(monkeypatch, BrokenPipeError(errno.EPIPE, "Broken pipe")) == exits.READER_GONE
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (MemoryError(), "out of memory"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "out of graphics memory"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            "out of memory",
        ),
    ],
)
def test_lack_of_memory_is_a_clear_line(monkeypatch, capsys, error, where):
    assert end_with(monkeypatch, error) == 2
    text = capsys.readouterr().err
    assert text.startswith(f"saccade: {where}; use a smaller --size")
