"""What ``saccade bench`` is to measure: networks, sizes and precisions, and the methods on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any, Literal, get_args, get_origin, get_type_hints

from saccade.cli.options import Configs, choose_config
from saccade.errors import ConfigError
from saccade.methods.registry import DEFAULT_NETWORK, registered_method


@dataclass(frozen=True)
class Setup:
    """A network as every method runs it.

    Attributes:
        network: As for ``--network``.
        size: ``(height, width)`` that frames are resized to.
        scale: Factor on both sides of the frames.
        precision: As for ``--precision``.
    """

    network: str
    size: tuple[int, int] | None
    scale: float | None
    precision: str

    def __str__(self) -> str:
        words = [self.network]
        words += ["x".join(map(str, self.size))] if self.size is not None else []
        words += [f"scale {self.scale:g}"] if self.scale is not None else []
        words += [self.precision] * (self.precision != "auto")
        return ", ".join(words)


def default_network(methods: Sequence[str]) -> str:
    """The network to measure these methods on where none is named.

    Raises:
        ConfigError: Unknown method, or they run different ones.
    """
    networks = {method: registered_method(method).network for method in methods if method != "frame"}
    if len(set(networks.values())) > 1:
        which = ", ".join(f"{method} {network}" for method, network in networks.items())
        raise ConfigError(f"these methods run different networks ({which}); measure them one by one")
    return next(iter(networks.values()), DEFAULT_NETWORK)


def choose_setups(
    networks: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    scales: Sequence[float],
    precisions: Sequence[str],
    single: Setup,
    default_network: str,
) -> list[Setup]:
    """Every combination.

    Args:
        networks, sizes, scales, precisions: As many as there are to be; none for that of ``single``.
        single: What the flags for one of each say.
        default_network: What ``--network`` is where nobody says.

    Raises:
        ConfigError: Both flags for the same thing, or sizes and scales, are given.
    """
    for flag, several, alone in (
        ("network", networks, single.network != default_network),
        ("size", sizes, single.size is not None),
        ("scale", scales, single.scale is not None),
        ("precision", precisions, single.precision != "auto"),
    ):
        if several and alone:
            raise ConfigError(f"--{flag} and --{flag}s are both given; give only one of them")
    if (sizes or single.size) and (scales or single.scale):
        raise ConfigError("sizes and scales both say how large frames should be; give only one of them")
    all_sizes: Sequence[tuple[int, int] | None] = sizes or [single.size]
    all_scales: Sequence[float | None] = scales or [single.scale]
    return [
        Setup(network, size, scale, precision)
        for network, size, scale, precision in product(
            networks or [single.network], all_sizes, all_scales, precisions or [single.precision]
        )
    ]


def choose_configs(
    methods: Sequence[str],
    given: Mapping[str, Any],
    several: Mapping[str, Sequence[Any]],
    configs: Configs,
    shared: Mapping[str, Any] | None = None,
) -> list[Any]:
    """The configurations of several methods: a setting goes to all that have it.

    Args:
        methods: Their names.
        given: As for ``choose_config``.
        several: By setting, values of which each is to be measured: ``{"target": (0.5, 0.25)}``. Methods
            that have several of these settings have one configuration for each combination.
        configs: The methods there are.
        shared: As for ``choose_config``.

    Raises:
        ConfigError: Unknown method, a value that a setting cannot have, or a setting that none of these
            methods has.
    """
    values = {name: value for name, value in given.items() if value is not None}
    several = {name: choices for name, choices in several.items() if choices}
    for name in several:
        if name in values:
            plural = "policies" if name == "policy" else f"{name}s"
            raise ConfigError(f"--{name} and --{plural} are both given; give only one of them")
    classes = {
        method: configs[method] if method in configs else registered_method(method).config_class
        for method in methods
    }
    known = {method: {setting.name for setting in fields(config)} for method, config in classes.items()}
    for name in [*values, *several]:
        if not any(name in names for names in known.values()):
            having = [m for m, other in configs.items() if name in {f.name for f in fields(other)}]
            raise ConfigError(
                f"--{name.replace('_', '-')} is not a setting of {' or '.join(methods)}; it is one of "
                f"{', '.join(having)}: leave it out, or name one of these with --methods"
            )
    chosen = []
    for method, names in known.items():
        own = {name: value for name, value in values.items() if name in names}
        choices = {name: found for name, found in several.items() if name in names}
        for name, found in choices.items():
            _check_choices(classes[method], name, found)
        for combination in product(*choices.values()):
            chosen.append(
                choose_config(method, own | dict(zip(choices, combination, strict=True)), configs, shared)
            )
    return chosen


def _check_choices(config: type[Any], name: str, choices: Sequence[Any]) -> None:
    """What cyclopts does for flags with one value."""
    kind = get_type_hints(config)[name]
    allowed = get_args(kind) if get_origin(kind) is Literal else choices
    for choice in choices:
        if choice not in allowed:
            raise ConfigError(f"there is no {name} {choice!r}; choose from {', '.join(map(str, allowed))}")


def plain_plan(setups: Sequence[Setup], configs: Sequence[Any]) -> dict[str, Any]:
    """What is going to be measured, as JSON values, to recognise it by."""
    return {
        "setups": [str(setup) for setup in setups],
        "methods": [[type(config).__name__, asdict(config)] for config in configs],
    }
