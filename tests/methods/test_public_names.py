"""``import saccade``: what it offers, and what it does not load."""

import doctest
import subprocess
import sys

import pytest

import saccade
from saccade import methods
from saccade.methods import registry


def test_every_public_name_is_there():
    for module in (saccade, methods):
        for name in module.__all__:
            assert getattr(module, name) is not None
    assert set(saccade.__all__) <= set(dir(saccade))
    assert issubclass(saccade.SaccadeError, Exception)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = saccade.nothing


def test_the_package_and_the_settings_of_methods_load_without_torch():
    code = (
        "import sys, saccade\n"
        "from saccade.methods.registry import list_methods, registered_method\n"
        "[registered_method(name).config_class() for name in list_methods()]\n"
        "saccade.FrameConfig, saccade.SaccadeError, saccade.wrap\n"
        "print([name for name in ('torch', 'cv2', 'av', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_examples_in_the_documentation():
    results = doctest.testmod(registry)
    assert results.attempted > 0
    assert results.failed == 0
