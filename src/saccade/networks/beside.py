"""Loading the small networks that work beside a frozen one: corrections and fusions of moved scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from torch import nn

from saccade.errors import WeightsError
from saccade.networks.fitting import fill
from saccade.networks.registry import NetworkInfo, attach_info
from saccade.networks.weights import read_weights

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def load_beside(
    name_or_path: str | Path, network: str, build: Callable[..., AnyModule], wanted: str
) -> AnyModule:
    """Such a network with trained weights, in evaluation mode.

    Args:
        name_or_path: Name of shipped weights, or a file that training wrote.
        network: What the file must say that it holds.
        build: Called with the options in the file.
        wanted: What is looked for, in errors.

    Raises:
        WeightsError: There are no such weights, or they are of something else.
    """
    given = read_weights(name_or_path)
    if given.network != network:
        raise WeightsError(
            f"{given.name} holds weights of {given.network or 'something unknown'}, not of {wanted}"
        )
    module = build(**given.options)
    fill(module, given.tensors, source=given.name, target=network)
    attach_info(module, NetworkInfo(network, given.class_set, given.name, given.options))
    return module.eval()
