"""Options that several commands share, as dataclasses: which network, which method, where and how large.

The settings of the methods are not written here: each is a field of a configuration in
``saccade.methods.configs``, with its type, its default and its help text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, make_dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from cyclopts import Group, Parameter, Token

from saccade.errors import ConfigError
from saccade.methods.registry import DEFAULT_NETWORK, list_methods, registered_method

if TYPE_CHECKING:
    from torch import nn

    from saccade.methods.base import VideoMethod
    from saccade.methods.placement import Placement

OPTIONS = Group("Network, method and machine", sort_key=20)
SETTINGS = Group("Settings of the method", sort_key=30)

Configs = Mapping[str, type[Any]]
"""Method name -> its configuration dataclass."""


SHARED = ("seed",)
"""Fields of configurations that are not flags of their own, because an option of every command sets them."""

DEFAULT_NETWORKS = ", ".join(
    [
        DEFAULT_NETWORK,
        *(
            f"with {name} {registered_method(name).network}"
            for name in list_methods()
            if registered_method(name).network != DEFAULT_NETWORK
        ),
    ]
)
"""The networks that run where none is named, for help."""

CONFIGS: Configs = {name: registered_method(name).config_class for name in list_methods()}


def parse_size(text: str) -> tuple[int, int]:
    """``(height, width)`` of ``HxW``.

    Raises:
        ConfigError: It is not two whole numbers above 0 with an x between them.
    """
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text.strip(), re.ASCII)
    if not match or "0" in (size := [number.lstrip("0") or "0" for number in match.groups()]):
        raise ConfigError(
            f"--size {text} is not a frame size; give HEIGHTxWIDTH in pixels, for example --size 512x1024"
        )
    return int(size[0]), int(size[1])


def read_size(_: type, tokens: Sequence[Token]) -> tuple[int, int]:
    """``parse_size`` for cyclopts."""
    return parse_size(tokens[0].value)


def read_whole(_: type, tokens: Sequence[Token]) -> int:
    """An int from the command line; cyclopts would round 2.5.

    Raises:
        ValueError: It is not a whole number.
    """
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a whole number.") from None


def read_text(_: type, tokens: Sequence[Token]) -> str:
    """A string from the command line; of ``str | None`` cyclopts would read none as None: not given."""
    return tokens[0].value


def parse_pairs(flag: str, pairs: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` words as a dictionary; values are read as YAML, so 3 is a number and [1, 2] a list.

    Raises:
        ConfigError: A word is not of this form.
    """
    import yaml

    values = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        try:
            values[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            equals = ""
        if not equals or not key.strip():
            raise ConfigError(f"{flag} {pair} is not KEY=VALUE; write for example {flag} clips=2")
    return values


def settings_class(configs: Configs) -> type[Any]:
    """A dataclass with every setting of every method, None where it is not given.

    Each field's help names the methods that have it and its default.
    """
    owners: dict[str, dict[str, Field[Any]]] = {}
    for method, config in configs.items():
        for setting in fields(config):
            if setting.name not in SHARED:
                owners.setdefault(setting.name, {})[method] = setting
    columns = []
    for name, found in owners.items():
        types = [get_type_hints(configs[method])[name] for method in found]
        kind = reduce(or_, dict.fromkeys(types), None)
        whole = int in get_args(kind) and float not in get_args(kind)
        converter = read_whole if whole else read_text if str in get_args(kind) else None
        help_text = describe_fields(configs[next(iter(found))]).get(name, "")
        parameter = Parameter(
            help=f"{help_text} ({', '.join(found)})",
            show_default=_default_text(found),
            converter=converter,
            group=SETTINGS,
        )
        columns.append((name, Annotated[kind, parameter], field(default=None)))
    return make_dataclass("MethodSettings", columns, frozen=True, namespace={"__module__": __name__})


def choose_config(
    method: str, given: Mapping[str, Any], configs: Configs, shared: Mapping[str, Any] | None = None
) -> Any:
    """The configuration of a method.

    Args:
        method: Its name.
        given: Value by field name; None means that it was not given.
        configs: The methods there are.
        shared: Values of ``SHARED`` fields, for methods that have them.

    Raises:
        ConfigError: Unknown method, or a setting that only other methods have; the message names those.
    """
    config = configs[method] if method in configs else registered_method(method).config_class
    values = {name: value for name, value in given.items() if value is not None}
    known = {setting.name for setting in fields(config)}
    for name in values:
        if name not in known:
            having = [m for m, other in configs.items() if name in {f.name for f in fields(other)}]
            raise ConfigError(
                f"--{name.replace('_', '-')} is not a setting of method {method}; "
                f"it is one of {', '.join(having)}: leave it out, or choose with --method"
            )
    return config(**values, **{name: value for name, value in (shared or {}).items() if name in known})


def describe_fields(config: type[Any]) -> dict[str, str]:
    """Help text of every field, from the ``Args`` section of the dataclass's docstring."""
    _, _, section = (config.__doc__ or "").partition("Args:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        start = re.match(r"\s{4,8}(\w+): (.*)", line)
        if start:
            name = start[1]
            texts[name] = start[2]
        elif not line.strip():
            break
        elif name:
            texts[name] += " " + line.strip()
    return texts


def _default_text(found: Mapping[str, Field[Any]]) -> str:
    """``"0.5"``, or ``"5 (dff), 10 (accel)"`` where methods differ."""
    methods_by_default: dict[str, list[str]] = {}
    for method, setting in found.items():
        value = setting.default if setting.default_factory is MISSING else setting.default_factory()
        if isinstance(value, bool):
            value = "yes" if value else "no"
        methods_by_default.setdefault("none" if value is None else str(value), []).append(method)
    if len(methods_by_default) == 1:
        return next(iter(methods_by_default))
    return ", ".join(f"{text} ({', '.join(methods)})" for text, methods in methods_by_default.items())


if TYPE_CHECKING:

    class MethodSettings:
        """Built at run time from the registered configurations."""

else:
    MethodSettings = settings_class(CONFIGS)

NO_SETTINGS = MethodSettings()


@Parameter(name="*", group=OPTIONS)
@dataclass(frozen=True)
class NetworkOptions:
    """What to run, on what, and how large; the same for every command that runs a network on video."""

    network: Annotated[
        str | None,
        Parameter(
            metavar="NAME",
            show_default=DEFAULT_NETWORKS,
            help="Name from `saccade list networks`, weights FILE, or your own code as MODULE:CALLABLE.",
        ),
    ] = None
    weights: Annotated[
        str | None,
        Parameter(
            metavar="NAME",
            show_default="those that come with the network, or for the method",
            help='Name from `saccade list weights`, a FILE, or "random".',
        ),
    ] = None
    size: Annotated[
        tuple[int, int] | None,
        Parameter(
            metavar="HxW",
            show_default="as they are",
            negative="",
            n_tokens=1,
            converter=read_size,
            help="Resize frames to this height and width.",
        ),
    ] = None
    scale: Annotated[
        float | None,
        Parameter(show_default="1", help="Resize frames by this factor; --scale 0.5 is 4 times less work."),
    ] = None
    device: Annotated[
        str, Parameter(help="auto, cpu, cuda, cuda:N or mps; auto takes a GPU if there is one.")
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], Parameter(help="auto takes what is fastest on the device.")
    ] = "auto"
    seed: Annotated[int, Parameter(converter=read_whole, help="Of everything random.")] = 0
    settings: Annotated[MethodSettings, Parameter(name="*")] = NO_SETTINGS

    def chosen_network(self) -> str:
        """The network that was named, or the one of most methods."""
        return self.network or DEFAULT_NETWORK

    def open_network(
        self, size: tuple[int, int] | None = None, methods: Collection[str] = ()
    ) -> tuple[nn.Module, Placement]:
        """Load the network, and put it where it runs.

        Args:
            size: ``(H, W)`` of the frames to come, where it is known.
            methods: What it is to run by. Where no weights are named, and all of them but ``frame`` have the
                same shipped weights of their own for this network, these are taken.

        Raises:
            NetworkError, WeightsError, ConfigError: As ``load_network`` and ``choose_placement``.
        """
        import torch

        from saccade.methods import choose_placement
        from saccade.networks import load_network
        from saccade.networks.weights import weights_of_methods

        torch.manual_seed(self.seed)  # networks without weights draw theirs from it
        network_name = self.chosen_network()
        weights = self.weights or weights_of_methods(network_name, methods) or "default"
        network = load_network(network_name, weights=weights)
        placement = choose_placement(network, self.device, self.precision, size)
        return placement.apply(network), placement


@Parameter(name="*", group=OPTIONS)
@dataclass(frozen=True)
class MethodOptions(NetworkOptions):
    """The same with a method."""

    method: Annotated[str, Parameter(metavar="NAME", help="Name from `saccade list methods`.")] = "frame"

    def chosen_network(self) -> str:
        """The network that was named, or that of the method."""
        return self.network or registered_method(self.method).network

    def config(self) -> Any:
        """The configuration of the method, from the settings that were given.

        Raises:
            ConfigError: Unknown method, or a setting that only other methods have.
        """
        return choose_config(self.method, vars(self.settings), CONFIGS, {"seed": self.seed})

    def open_method(self, config: Any, size: tuple[int, int] | None = None) -> tuple[VideoMethod, Placement]:
        """Load the network, put it where it runs, and wrap it.

        Args:
            config: As ``config`` gives it.
            size: ``(H, W)`` of the frames to come, where it is known.

        Raises:
            NetworkError, WeightsError, ConfigError: As ``open_network`` and ``wrap``.
        """
        from saccade.methods import method_of, wrap

        network, placement = self.open_network(size, {method_of(config).name})
        return wrap(network, config), placement


DEFAULTS = MethodOptions()
"""What a command runs where no option is given."""
