"""Fixtures that the tests of the evaluation room share."""

from collections.abc import Iterable

import pytest
import torch

from saccade.evaluation import baseline, meter
from saccade.methods import registry

from .painted import Hold, HoldConfig


@pytest.fixture(autouse=True)
def _hold_is_a_method(monkeypatch):
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    registry.register_method("hold", HoldConfig, Hold)


@pytest.fixture
def clock(monkeypatch):
    """Lets a test say how many milliseconds each step of the method and of the baselines takes."""

    def script(method: Iterable[float], dense: Iterable[float] = ()) -> None:
        monkeypatch.setattr(meter.Random, "shuffle", lambda self, runs: None)  # method, eager, compiled
        for module, milliseconds in ((meter, iter(method)), (baseline, iter(dense))):
            monkeypatch.setattr(module, "timed", lambda call, device, ms=milliseconds: (call(), next(ms)))

    return script


@pytest.fixture
def compiler(monkeypatch):
    """A torch.compile that does nothing, and counts how often it is called."""
    calls: list[torch.nn.Module] = []

    def compile_(module: torch.nn.Module, **options: object) -> torch.nn.Module:
        calls.append(module)
        return module

    monkeypatch.setattr(torch, "compile", compile_)
    return calls
