"""``saccade list``: the names that options take."""

from __future__ import annotations

import pytest

from saccade.cli import main
from saccade.datasets import DATASETS
from saccade.methods import list_methods
from saccade.networks import list_networks, list_weights
from saccade.networks.flow import list_flows


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("networks", list_networks()),
        ("methods", list_methods()),
        ("datasets", list(DATASETS)),
        ("weights", [entry.name for entry in list_weights()]),
    ],
)
def test_every_name_has_a_line(kind, names, capsys):
    assert main(["list", kind]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    first = [words[0] for words in lines if words]
    assert [name for name in names if first.count(name) != 1] == []


def test_optical_flow_is_listed_with_the_networks(capsys):
    assert main(["list", "networks"]) == 0
    out = capsys.readouterr().out
    for name in list_flows():
        assert f"\n    {name} " in out


def test_policies_come_with_what_they_do(capsys):
    assert main(["list", "policies"]) == 0
    out = capsys.readouterr().out
    for name in ("all", "none", "random", "change", "online", "trained", "heuristic", "middle", "oracle"):
        assert f"\n    {name} " in out
    assert "boundaries" in out


def test_tables_fit_into_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for kind in ("networks", "methods", "datasets", "weights"):
        assert main(["list", kind]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


def test_unknown_kind_is_refused_with_the_known_ones(capsys):
    assert main(["list", "everything"]) == 2
    error = capsys.readouterr().err
    for kind in ("networks", "methods", "policies", "datasets", "weights"):
        assert f'"{kind}"' in error
