"""Threads sleep soon where others want the processors, and only there."""

import os
import sys

import pytest

from saccade.cli.busy import SETTINGS, others_running, share_processors


@pytest.fixture
def before_torch(monkeypatch):
    """As when the process starts, on a machine with four processors."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    for name in (*SETTINGS, "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # so that what the code sets is undone
        monkeypatch.delenv(name)
    monkeypatch.setattr("os.cpu_count", lambda: 4)


def load_file(tmp_path, running):
    path = tmp_path / "loadavg"
    path.write_text(f"0.20 0.18 0.12 {running}/80 11206\n")
    return path


@pytest.mark.parametrize(
    ("running", "threads", "wanted"),
    [
        (1, None, None),  # we are alone
        (2, None, "1000"),  # somebody has one of the four processors
        (3, "2", None),  # two free ones are enough for two threads
        (4, "2", "1000"),
        (9, "1", None),  # a single thread waits for nobody
    ],
)
def test_threads_sleep_where_processors_are_short(
    tmp_path, monkeypatch, before_torch, running, threads, wanted
):
    if threads:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    share_processors(load_file(tmp_path, running))
    assert os.environ.get("GOMP_SPINCOUNT") == wanted


def test_users_say_how_threads_wait(tmp_path, monkeypatch, before_torch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    share_processors(load_file(tmp_path, 9))
    assert "GOMP_SPINCOUNT" not in os.environ


def test_systems_that_do_not_say_what_runs(tmp_path):
    assert others_running(tmp_path / "nothing") == 0
    (tmp_path / "odd").write_text("no figures")
    assert others_running(tmp_path / "odd") == 0
    assert others_running(load_file(tmp_path, 7)) == 6
