"""The methods that have a name, and ``wrap``: from a network and a configuration to a video method."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from saccade.errors import ConfigError
from saccade.methods.configs import (
    AccelConfig,
    BlockCopyConfig,
    DeepFeatureFlowConfig,
    FrameConfig,
    GSVNetConfig,
    SegBlocksConfig,
    TDNetConfig,
)

if TYPE_CHECKING:
    from torch import nn

    from saccade.methods.base import VideoMethod


DEFAULT_NETWORK = "swiftnet-rn18"
"""What commands run with most methods where no network is named."""


@dataclass(frozen=True)
class RegisteredMethod:
    """An entry of the registry.

    Attributes:
        name: Of ``--method`` and of records.
        config_class: Frozen dataclass with a default for every field.
        method: The class, called as ``method(network, config)``, or ``"package.module:Class"``.
        network: What commands run where no network is named.
    """

    name: str
    config_class: type[Any]
    method: type[VideoMethod] | str
    network: str = DEFAULT_NETWORK

    @property
    def method_class(self) -> type[VideoMethod]:
        """The class, imported when it is first needed."""
        if not isinstance(self.method, str):
            return self.method
        module, _, name = self.method.partition(":")
        found: type[VideoMethod] = getattr(import_module(module), name)
        return found

    @property
    def summary(self) -> str:
        """First line of the configuration's docstring."""
        return (self.config_class.__doc__ or "").strip().splitlines()[0]


_METHODS: dict[str, RegisteredMethod] = {}


def register_method(
    name: str, config_class: type[Any], method: type[VideoMethod] | str, network: str = DEFAULT_NETWORK
) -> None:
    """Give a method a name for ``--method``, and its configuration a meaning for ``wrap``.

    Args:
        name: Lower case: ``"frame"``.
        config_class: Frozen dataclass with a docstring and a default for every field. One class belongs to
            one method.
        method: A ``VideoMethod``, called as ``method(network, config)``; or ``"package.module:Class"``, which
            is imported when it is first used.
        network: What commands run where no network is named.

    Raises:
        ConfigError: The name or the configuration belongs to another method, or is not a frozen dataclass.
    """
    if not is_dataclass(config_class) or not config_class.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise ConfigError(f"configuration {config_class!r} of method {name!r} must be a frozen dataclass")
    for entry in _METHODS.values():
        taken_name = entry.name == name
        taken_config = entry.config_class is config_class
        if taken_name != taken_config:
            what = f"name {name!r}" if taken_name else f"configuration {config_class.__name__}"
            raise ConfigError(f"{what} belongs to method {entry.name!r}; use another for yours")
    _METHODS[name] = RegisteredMethod(name, config_class, method, network)


def list_methods() -> list[str]:
    """Names of all methods; frame by frame is the first."""
    return list(_METHODS)


def registered_method(name: str) -> RegisteredMethod:
    """The entry of this name.

    Raises:
        ConfigError: No method has this name; the message lists those that exist.
    """
    if name not in _METHODS:
        close = difflib.get_close_matches(name, _METHODS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"there is no method {name!r}; {hint}Known methods: {', '.join(_METHODS)}")
    return _METHODS[name]


def method_of(config: object) -> RegisteredMethod:
    """The entry that a configuration belongs to.

    Raises:
        ConfigError: It is not an instance of a registered configuration.
    """
    for entry in _METHODS.values():
        if type(config) is entry.config_class:
            return entry
    known = ", ".join(f"{entry.config_class.__name__}()" for entry in _METHODS.values())
    raise ConfigError(f"{config!r} is not the configuration of a method; give one of {known}")


def wrap(module: nn.Module, config: object | None = None) -> VideoMethod:
    """Make a video method of any network.

    The module is set to evaluation mode and its weights to channels-last layout, in place; it stays on its
    device and in its precision, and frames are brought there.

    Args:
        module: Maps normalised frames ``(N, 3, H, W)`` to logits ``(N, K, h, w)``, or to a dictionary with
            them under ``"out"`` or ``"logits"``, or to a tuple or list with them first. Or a detector, see
            ``saccade.networks.detector``; RetinaNet and FCOS of torchvision are made into one.
        config: Which method, and its settings; frame by frame by default.

    Raises:
        ConfigError: The configuration is of no known method, or the module is not an ``nn.Module``.
        NetworkError: A detector of torchvision that cannot be run.

    Examples:
        >>> import saccade, torch
        >>> method = saccade.wrap(torch.nn.Conv2d(3, 5, kernel_size=4, stride=4), saccade.FrameConfig())
        >>> method.step(torch.zeros(1, 3, 32, 64)).prediction.labels().shape
        torch.Size([1, 32, 64])
    """
    from torch import nn

    if not isinstance(module, nn.Module):
        raise ConfigError(f"{type(module).__name__} is not a network; give a torch.nn.Module")
    config = FrameConfig() if config is None else config
    if any(kind.__module__.startswith("torchvision.") for kind in type(module).__mro__):
        from saccade.networks.torchvision_detector import adapted

        module = adapted(module)
    return method_of(config).method_class(module, config)


register_method("frame", FrameConfig, "saccade.methods.frame:FrameByFrame")
register_method("blockcopy", BlockCopyConfig, "saccade.methods.blockcopy:BlockCopy")
register_method("segblocks", SegBlocksConfig, "saccade.methods.segblocks:SegBlocks")
register_method("dff", DeepFeatureFlowConfig, "saccade.methods.dff:DeepFeatureFlow")
register_method("accel", AccelConfig, "saccade.methods.accel:Accel")
register_method("gsvnet", GSVNetConfig, "saccade.methods.gsvnet:GSVNet")
register_method(
    "tdnet", TDNetConfig, "saccade.methods.tdnet:TemporallyDistributed", network="td2-swiftnet-rn18"
)
