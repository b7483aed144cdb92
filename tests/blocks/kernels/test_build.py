"""Compiling, caching, and doing without."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from saccade.blocks import kernels
from saccade.blocks.kernels import build
from saccade.errors import ConfigError

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler"
)


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """An empty cache and no wishes; what was loaded before is forgotten, and so is what is loaded here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SACCADE_KERNELS", raising=False)
    monkeypatch.delenv("CC", raising=False)
    kernels._native.cache_clear()
    yield
    kernels._native.cache_clear()


def cached():
    return sorted((Path(os.environ["XDG_CACHE_HOME"]) / "saccade" / "kernels").iterdir())


def script(path, text):
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def copies():
    """Whether a copy is right, whoever makes it."""
    start = torch.zeros(1, dtype=torch.int64)
    window = kernels.gather(torch.arange(4.0).view(1, 2, 2, 1), start, start, start + 1, (2, 2))
    return window.flatten().tolist() == [1, 0, 3, 0]


@needs_compiler
def test_built_once(monkeypatch):
    assert kernels.implementation() == "native"
    (library,) = cached()
    assert library.suffix == ".so"
    kernels._native.cache_clear()
    monkeypatch.setattr(build, "_build", None)  # to call it would fail
    assert kernels.implementation() == "native"
    assert copies()
    assert cached() == [library]


@needs_compiler
def test_another_compiler_builds_another_file(monkeypatch, tmp_path):
    assert kernels.implementation() == "native"
    kernels._native.cache_clear()
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    monkeypatch.setenv("CC", str(script(tmp_path / "other", f'exec {compiler} "$@"')))
    assert kernels.implementation() == "native"
    assert len(cached()) == 2


@needs_compiler
def test_a_damaged_file_is_replaced():
    assert kernels.implementation() == "native"
    (library,) = cached()
    good = library.stat().st_size
    library.unlink()  # not overwritten: this process has it loaded
    library.write_text("not a library")
    kernels._native.cache_clear()
    assert kernels.implementation() == "native"
    assert copies()
    assert [path.stat().st_size for path in cached()] == [good]


@needs_compiler
@pytest.mark.parametrize("unknown", ["-march=native", "-fopenmp"])
def test_compilers_that_lack_an_option(monkeypatch, tmp_path, unknown):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    refuse = f'case " $* " in *" {unknown} "*) echo "error: unknown {unknown}" >&2; exit 1;; esac'
    monkeypatch.setenv("CC", str(script(tmp_path / "plain", f'{refuse}\nexec {compiler} "$@"')))
    assert kernels.implementation() == "native"
    assert copies()


@needs_compiler
def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kernels.implementation() == "native"
    assert copies()


@needs_compiler
def test_two_processes_build_at_the_same_time():
    code = """if True:
        import sys, torch
        from saccade.blocks import kernels
        print("ready", flush=True)
        sys.stdin.readline()
        start = torch.zeros(1, dtype=torch.int64)
        window = kernels.gather(torch.arange(4.0).view(1, 2, 2, 1), start, start, start + 1, (2, 2))
        print(kernels.implementation(), window.flatten().tolist())
    """
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # both have imported everything: they build from here on
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=300)[0] == "native [1.0, 0.0, 3.0, 0.0]\n"
        assert process.returncode == 0
    assert len(cached()) == 1


def test_portable_without_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kernels.implementation() == "portable"
    assert copies()


@pytest.mark.parametrize(
    "body", ["exit 3", "echo 1.0; test $1 = --version"], ids=["broken", "cannot compile"]
)
def test_portable_where_the_compiler_fails(monkeypatch, tmp_path, body):
    monkeypatch.setenv("CC", str(script(tmp_path / "cc", body)))
    assert kernels.implementation() == "portable"
    assert copies()


def test_portable_on_demand(monkeypatch, tmp_path):
    monkeypatch.setenv("SACCADE_KERNELS", "portable")
    monkeypatch.setenv("CC", str(script(tmp_path / "cc", f"touch {tmp_path / 'called'}")))
    assert kernels.implementation() == "portable"
    assert not (tmp_path / "called").exists()


def test_native_on_demand_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("SACCADE_KERNELS", "native")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no cc, gcc or clang"):
        kernels.implementation()


def test_native_on_demand_says_what_the_compiler_said(monkeypatch, tmp_path):
    body = 'test "$1" = --version && exit 0\necho "In file x:" >&2; echo "x.h: fatal error: none" >&2; exit 1'
    monkeypatch.setenv("SACCADE_KERNELS", "native")
    monkeypatch.setenv("CC", str(script(tmp_path / "cc", body)))
    with pytest.raises(ConfigError, match=r"x\.h: fatal error: none; install a C compiler"):
        kernels.implementation()


def test_a_compiler_with_arguments_and_one_that_is_not_there(monkeypatch):
    monkeypatch.setenv("SACCADE_KERNELS", "native")
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(ConfigError, match="no-such-compiler"):
        kernels.implementation()
