import resource

import pytest

from saccade.errors import OutputError
from saccade.video.atomic import check_file, make_folder, write_atomic


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_and_missing_folders(tmp_path):
    write_atomic(tmp_path / "new" / "a.json", "{“ä”}")
    write_atomic(tmp_path / "new" / "b", b"\x00\xff")
    assert (tmp_path / "new" / "a.json").read_bytes() == "{“ä”}".encode()
    assert (tmp_path / "new" / "b").read_bytes() == b"\x00\xff"
    assert names_in(tmp_path / "new") == ["a.json", "b"]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    write_atomic(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*a\.json: the file grew"):
            write_atomic(path, "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.json"]


def test_interrupted_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomic(path, "old")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.json"]


@pytest.mark.parametrize("place", ["file/x", "/proc/nothing/here", "/proc"])
def test_folders_that_cannot_be_written_to(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="another"):
        make_folder(tmp_path / place)
    with pytest.raises(OutputError, match="another"):
        write_atomic(tmp_path / place / "a.json", "x")


def test_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "labels").touch()
    with pytest.raises(OutputError, match="is a file, not a folder"):
        make_folder(tmp_path / "labels")


def test_folder_where_a_file_should_be(tmp_path):
    with pytest.raises(OutputError, match="it is a folder"):
        write_atomic(tmp_path, "x")


def test_checking_a_folder_leaves_nothing_in_it(tmp_path):
    make_folder(tmp_path / "a" / "b")
    assert names_in(tmp_path / "a" / "b") == []


def test_file_that_can_be_written_is_not_created_by_asking(tmp_path):
    check_file(tmp_path / "new" / "a.json")
    assert names_in(tmp_path) == ["new"]
    assert names_in(tmp_path / "new") == []


@pytest.mark.parametrize("place", ["file/a.json", "/proc/a.json", "/proc/nothing/a.json"])
def test_file_that_cannot_be_written_is_known_before_the_work(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*a\.json: .*another"):
        check_file(tmp_path / place)


def test_folder_cannot_be_a_file(tmp_path):
    with pytest.raises(OutputError, match="it is a folder"):
        check_file(tmp_path)
