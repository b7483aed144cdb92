import sys

import pytest
from torch import nn

from saccade.errors import ConfigError, NetworkError
from saccade.networks.user_code import call, is_callable_name

CODE = """
from dataclasses import dataclass
from torch import nn
from neighbour_of_mine import KERNEL
from saccade.errors import ConfigError

@dataclass
class Config:
    classes: int = 7

def make(classes=7, bias=True):
    return nn.Conv2d(3, classes, KERNEL, bias=bias)

class Net(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 2, 1)

class Zoo:
    small = Net

finished = nn.ReLU()
number = 3

def wrong_type():
    return "a string"

def broken():
    raise ZeroDivisionError("seven by zero")

def own_error():
    raise ConfigError("mine to tell")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_network.py").write_text(CODE)
    (tmp_path / "neighbour_of_mine.py").write_text("KERNEL = 3")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("my_network", "neighbour_of_mine"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "name", ["net:make", "package.sub.net:Net", "net:Zoo.small", "./a/b-c.py:make", "C:/n.py:f"]
)
def test_names_of_callables(name):
    assert is_callable_name(name)


@pytest.mark.parametrize(
    "name", ["swiftnet-rn18", "w.pth", "a/b:make", "net:", ":make", "C:\\w.pth", "net:a-b", "x.py"]
)
def test_other_names(name):
    assert not is_callable_name(name)


@pytest.mark.parametrize("place", ["my_network", "my_network.py", "{folder}/my_network.py"])
def test_functions_classes_and_finished_modules(folder, place):
    place = place.format(folder=folder)
    made = call(f"{place}:make", {"classes": 4, "bias": False})
    assert (made.weight.shape, made.bias) == ((4, 3, 3, 3), None)
    assert type(call(f"{place}:Net", {})).__name__ == "Net"
    assert type(call(f"{place}:Zoo.small", {})).__name__ == "Net"
    assert isinstance(call(f"{place}:finished", {}), nn.ReLU)


@pytest.mark.parametrize(
    ("spec", "arguments", "message"),
    [
        ("missing_module:make", {}, "no Python module 'missing_module'"),
        ("my_network.sub:make", {}, "no Python module 'my_network.sub'"),
        ("missing.py:make", {}, "there is no file"),
        ("my_network.py:mke", {}, "has no 'mke'; it has .*Net.*make"),
        ("my_network.py:number", {}, "is a int, not something to call"),
        (
            "my_network.py:make",
            {"depth": 3},
            r"unexpected keyword argument 'depth'; .*\(classes=7, bias=True\)",
        ),
        ("my_network.py:finished", {"classes": 3}, "takes no options; drop classes"),
        ("my_network.py:wrong_type", {}, "gave a str; expected a torch.nn.Module"),
        ("my_network.py:broken", {}, "failed: ZeroDivisionError: seven by zero"),
    ],
)
def test_mistakes(folder, spec, arguments, message):
    with pytest.raises(NetworkError, match=message):
        call(spec, arguments)


def test_errors_of_the_code_itself(folder):
    (folder / "bad.py").write_text("import not_installed_anywhere")
    for place in ("bad", "bad.py"):
        with pytest.raises(NetworkError, match=r"failed: .*not_installed_anywhere"):
            call(f"{place}:make", {})
    (folder / "worse.py").write_text("def make(:")
    with pytest.raises(NetworkError, match="SyntaxError"):
        call("worse:make", {})
    with pytest.raises(ConfigError, match="mine to tell"):
        call("my_network:own_error", {})
