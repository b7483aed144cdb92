"""The estimators of optical flow that have a name, and how they come with their weights."""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from saccade.errors import NetworkError, WeightsError
from saccade.networks.fitting import fill
from saccade.networks.flow.base import FlowEstimator
from saccade.networks.registry import NetworkInfo, attach_info, network_info
from saccade.networks.weights import PRETRAINED, Weights, read_weights


@dataclass(frozen=True)
class RegisteredFlow:
    """An entry of the registry.

    Attributes:
        name: Of ``load_flow`` and ``--flow``.
        summary: One line on what it is.
        home: ``"module:Class"``, imported when it is first used.
        options: What sets it apart from the defaults of its class.
        default_weights: Name of the shipped weights that are used unless others are asked for; None for
            estimators without weights.
    """

    name: str
    summary: str
    home: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    default_weights: str | None = None

    @property
    def estimator_class(self) -> type[FlowEstimator]:
        """Its class."""
        module, _, name = self.home.partition(":")
        found: type[FlowEstimator] = getattr(import_module(f"saccade.networks.flow.{module}"), name)
        return found


TORCHVISION = "torchvision"
"""Name of the weights that torchvision fetches."""

_ENTRIES = (
    RegisteredFlow("dis", "OpenCV's dense inverse search on the CPU; no weights", "dis:DIS"),
    RegisteredFlow(
        "light",
        "GSVNet's: 0.19 M parameters, 0.4 GMACs at 1024x2048",
        "light:FlowLight",
        default_weights="flow-light",
    ),
    RegisteredFlow(
        "flownet-s",
        "FlowNet-S at half size, as DFF and Accel have it: 38.7 M, 42.0 GMACs",
        "flownet:FlowNetS",
        default_weights="flow-flownet-s",
    ),
    RegisteredFlow(
        "flownet2-s",
        "FlowNet-S at an eighth, as GSVNet has it: 38.7 M, 2.6 GMACs",
        "flownet:FlowNetS",
        {"reduction": 8, "unit": 0.25, "before_first": True, "crop": 0},
        default_weights="flow-flownet2-s",
    ),
    RegisteredFlow(
        "raft-small",
        "torchvision's RAFT-small; its weights are fetched once",
        "raft:RAFTSmall",
        default_weights=TORCHVISION,
    ),
)
_FLOWS = {entry.name: entry for entry in _ENTRIES}


def list_flows() -> list[str]:
    """Names that ``load_flow`` knows; the one without weights comes first."""
    return list(_FLOWS)


def registered_flow(name: str) -> RegisteredFlow:
    """The entry of this name.

    Raises:
        NetworkError: No estimator has this name; the message lists those that exist.
    """
    if name not in _FLOWS:
        close = difflib.get_close_matches(name, _FLOWS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise NetworkError(
            f"there is no optical flow {name!r}{hint}. "
            f"Known names: {', '.join(_FLOWS)}; a weights file will also do"
        )
    return _FLOWS[name]


def build_flow(name: str, **options: Any) -> FlowEstimator:
    """A registered estimator with initial values drawn from torch's global generator.

    Raises:
        NetworkError: Unknown name, or an option that this estimator does not have.
    """
    entry = registered_flow(name)
    known = list(inspect.signature(entry.estimator_class).parameters)
    if unknown := [option for option in options if option not in known]:
        raise NetworkError(
            f"optical flow {name} has no option {', '.join(unknown)}; its options are {', '.join(known)}"
        )
    estimator = entry.estimator_class(**{**entry.options, **options})
    attach_info(estimator, NetworkInfo(name, None, None, options))
    return estimator


def load_flow(
    name_or_path: str | Path = "dis", *, weights: str | Path | None = "default", **options: Any
) -> FlowEstimator:
    """An estimator of optical flow in evaluation mode.

    Args:
        name_or_path: One of ``list_flows()``, or a weights file of one of them.
        weights: What a named network is filled with: ``"default"`` for the shipped weights, where there are
            any, else random values with a warning; a name or file of weights; None or ``"random"``.
            RAFT's are fetched by torchvision, or taken from its cache.
        options: Keyword arguments of the estimator.

    Raises:
        NetworkError: Unknown name or option.
        WeightsError: Weights that are missing, cannot be fetched, or belong to another network.

    Examples:
        >>> import torch
        >>> frames = torch.zeros(2, 3, 64, 96)
        >>> load_flow("dis")(frames, frames).shape
        torch.Size([2, 2, 64, 96])
    """
    name = str(name_or_path)
    if name not in _FLOWS and (isinstance(name_or_path, Path) or Path(name).is_file()):
        given = read_weights(name_or_path)
        if given.network not in _FLOWS:
            raise WeightsError(
                f"{name} does not say that it holds weights of a flow network ({', '.join(_FLOWS)}): "
                "name the network, and give the file as its weights"
            )
        return load_flow(given.network, weights=name_or_path, **options)
    entry = registered_flow(name)
    if weights == "default":
        weights = _default(entry)
    if weights is None or weights == "random" or entry.default_weights is None:
        return build_flow(name, **options).eval()
    if weights == TORCHVISION:
        given = Weights(TORCHVISION, name, None, {}, _fetched())
    else:
        given = read_weights(weights)
    if given.network not in (None, name):
        raise WeightsError(
            f"{given.name} holds weights of {given.network}, not of {name}: "
            f"name the network {given.network}, or give weights of {name}"
        )
    estimator = build_flow(name, **{**given.options, **options})
    tensors = given.tensors
    if name == "raft-small" and not any(key.startswith("raft.") for key in tensors):
        tensors = {f"raft.{key}": value for key, value in tensors.items()}  # as torchvision names them
    fill(estimator, tensors, source=given.name, target=name)
    attach_info(estimator, NetworkInfo(name, None, given.name, network_info(estimator).options))
    return estimator.eval()


def _default(entry: RegisteredFlow) -> str | None:
    default = entry.default_weights
    if default in (None, TORCHVISION):
        return default
    if (PRETRAINED / f"{default}.safetensors").is_file():
        return default
    warnings.warn(
        f"no trained weights of {entry.name} are shipped, so its flow means nothing before training; "
        'train it with a recipe of recipes/flow/ and give weights=FILE, or use "dis"',
        stacklevel=3,
    )
    return None


def _fetched() -> dict[str, Any]:
    from torchvision.models.optical_flow import Raft_Small_Weights

    try:
        return dict(Raft_Small_Weights.DEFAULT.get_state_dict(check_hash=True, progress=False))
    except Exception as error:  # whatever the hub client raises without a connection
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise WeightsError(
            f"torchvision's weights of RAFT-small cannot be fetched ({reason}). This needs network access "
            'once. Without it, give a local file (weights=FILE), or use "dis", which has no weights'
        ) from error
