"""Networks from a user's own code: ``package.module:callable`` or ``path/to/file.py:callable``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from saccade.errors import NetworkError, SaccadeError


def is_callable_name(name: str) -> bool:
    """Whether this reads ``package.module:callable`` or ``path/to/file.py:callable``."""
    place, colon, attribute = name.rpartition(":")
    if not colon or not place or not all(part.isidentifier() for part in attribute.split(".")):
        return False
    return place.endswith(".py") or all(part.isidentifier() for part in place.split("."))


def call(spec: str, arguments: dict[str, Any]) -> nn.Module:
    """Import what ``spec`` names and call it.

    Args:
        spec: ``package.module:callable`` or ``path/to/file.py:callable``; a finished ``nn.Module`` in
            place of a callable is taken as it is.
        arguments: Keyword arguments for the callable.

    Raises:
        NetworkError: It cannot be imported or called, or does not give an ``nn.Module``.
    """
    build = _find_callable(spec)
    if isinstance(build, nn.Module):
        if arguments:
            raise NetworkError(
                f"{spec} is a finished module and takes no options; drop {', '.join(arguments)}"
            )
        return build
    try:
        inspect.signature(build).bind(**arguments)
    except TypeError as error:
        raise NetworkError(
            f"{spec} cannot be called with {arguments}: {error}; its signature is {inspect.signature(build)}"
        ) from error
    except ValueError:
        pass  # a callable without an inspectable signature
    try:
        made = build(**arguments)
    except SaccadeError:
        raise
    except Exception as error:
        raise NetworkError(f"{spec} failed: {type(error).__name__}: {error}") from error
    if not isinstance(made, nn.Module):
        raise NetworkError(f"{spec} gave a {type(made).__name__}; expected a torch.nn.Module")
    return made


def _find_callable(spec: str) -> Callable[..., Any]:
    place, _, attribute = spec.rpartition(":")
    found: Any = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [n for n, v in vars(found).items() if callable(v) and not n.startswith("_")]
            raise NetworkError(
                f"{place} has no {attribute!r}; it has {', '.join(sorted(public)[:10]) or 'nothing to call'}"
            )
        found = getattr(found, part)
    if not callable(found):
        raise NetworkError(
            f"{spec} is a {type(found).__name__}, not something to call; "
            "name a function or class that gives an nn.Module"
        )
    return found


def _import_module(name: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that nothing installed is shadowed
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise NetworkError(
                f"there is no Python module {name!r} on the import path or in {Path.cwd()}; "
                "check the spelling, or give a file as path/to/file.py:callable"
            ) from error
        raise NetworkError(f"importing {name} failed: {error}") from error
    except Exception as error:
        raise NetworkError(f"importing {name} failed: {type(error).__name__}: {error}") from error


def _import_file(path: Path) -> ModuleType:
    path = path.expanduser().resolve()
    if not path.is_file():
        raise NetworkError(f"there is no file {path}; check the path")
    name = f"_saccade_user_{path.stem}_{abs(hash(path)):x}"
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # so that the file can import its neighbours
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look the module up here
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise NetworkError(f"running {path} failed: {type(error).__name__}: {error}") from error
    return module
