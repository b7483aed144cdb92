"""The examples of the documentation run, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import saccade

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_examples_of_the_block_engine_run(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "engine.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(examples) > 2
    names: dict[str, object] = {}
    for example in examples:  # each goes on where the one before it ended
        exec(compile(example, "engine.md", "exec"), names)


def test_the_example_of_blockcopy_runs_on_a_video(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "blockcopy.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    video = saccade.open_video("world:3", size=(180, 240), max_frames=4)
    monkeypatch.setattr(saccade, "open_video", {"street.mp4": video}.__getitem__)
    exec(compile(example, "blockcopy.md", "exec"), {})
    first, *later = capsys.readouterr().out.splitlines()
    assert first.startswith("100% of the blocks")
    assert len(later) == 3
    assert all(re.match(r"2\d% of the blocks, 0.0\d GMACs", line) for line in later)


def test_the_example_of_key_frames_runs_on_a_video(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "keyframes.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    video = saccade.open_video("world:3", size=(180, 240), max_frames=4)
    monkeypatch.setattr(saccade, "open_video", {"street.mp4": video}.__getitem__)
    exec(compile(example, "keyframes.md", "exec"), {})
    said = [line.rsplit(" ", 2)[0] for line in capsys.readouterr().out.splitlines()]
    assert said == ["key frame", "moved", "moved", "key frame"]


def test_the_example_of_segblocks_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "segblocks.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    exec(compile(example, "segblocks.md", "exec"), {})
    *actions, share = capsys.readouterr().out.splitlines()
    assert "\n".join(actions).count("2") == 13
    assert re.fullmatch(r"5\d% of the operations", share)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
