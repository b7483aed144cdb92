"""The command line as a whole: help, versions, start-up, and the process around it."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest

from saccade import __version__
from saccade.cli import main
from saccade.cli.app import COMMANDS


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_fits_into_80_columns(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("Usage: saccade")
    assert max(len(line) for line in captured.out.splitlines()) <= 80


@pytest.mark.parametrize("name", ["run", "eval", "bench", "demo", "train", "plan"])
def test_help_states_the_default_of_every_option(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    assert main([name, "--help"]) == 0
    options = [line for line in capsys.readouterr().out.splitlines() if "│ --" in line or "│    --" in line]
    assert options
    assert [line for line in options if "[default: " not in line] == []


def test_no_command_shows_the_help(capsys):
    assert main([]) == 0
    assert "Usage: saccade COMMAND" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_unknown_command_is_refused_with_the_known_ones(capsys):
    assert main(["ru"]) == 2
    error = capsys.readouterr().err
    assert error.startswith('saccade: Unknown command "ru"')
    assert 'Did you mean "run"' in error
    assert error.count("\n") == 1


def test_help_and_refusals_need_no_torch():
    script = (
        "import sys; from saccade.cli import main\n"
        "codes = [main(['--help']), main(['run', '--help']), main(['nope']), main(['run', 'x', '--nope'])]\n"
        "print('torch' in sys.modules, codes)"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert output.stdout.splitlines()[-1] == "False [0, 0, 2, 2]"


def test_console_script_gives_its_exit_code_to_the_shell():
    script = "import sys; from saccade.cli import main; sys.exit(main())"
    refused = subprocess.run([sys.executable, "-c", script, "nope"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.startswith("saccade: ")
    helped = subprocess.run(
        [sys.executable, "-c", script, "list", "policies"], capture_output=True, text=True
    )
    assert helped.returncode == 0


@pytest.mark.parametrize("kind", ["policies", "datasets"])
def test_reader_that_closes_the_pipe_is_left_in_peace(kind):
    script = "import sys; from saccade.cli import main; sys.exit(main())"
    pipeline = f'"{sys.executable}" -c "{script}" list {kind} | true; exit ${{PIPESTATUS[0]}}'
    result = subprocess.run(["bash", "-c", pipeline], capture_output=True, text=True)
    assert result.stderr == ""
    assert result.returncode == 141


def test_warnings_of_saccade_are_notes_and_those_of_others_are_for_developers(monkeypatch, capsys):
    from saccade.cli import app, notes

    def warn(words):
        for _ in range(2):
            warnings.warn_explicit(
                "weights are\nrandom", UserWarning, str(notes.PACKAGE / "x.py"), 1, registry={}
            )
        warnings.warn_explicit("an internal matter", UserWarning, "/usr/lib/torch/x.py", 1)

    monkeypatch.setattr(app, "run_command", warn)
    assert main([]) == 0
    assert capsys.readouterr().err == "saccade: note: weights are random\n"
    with pytest.warns(UserWarning, match="an internal matter"):
        assert main(["--debug"]) == 0
