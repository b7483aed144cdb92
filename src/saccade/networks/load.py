"""The door to all networks: by name, from a weights file, or from a user's own code."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from torch import nn

from saccade.classes import ClassSet
from saccade.errors import ConfigError, NetworkError, WeightsError
from saccade.networks.backbone import (
    BACKBONE_OF,
    IMAGENET,
    backbone_of,
    fetch_backbone,
    fill_backbone,
    is_backbone,
)
from saccade.networks.block_policy import add_block_policy, has_block_policy
from saccade.networks.checkpoint import read_checkpoint
from saccade.networks.fitting import fill
from saccade.networks.registry import (
    NetworkInfo,
    attach_info,
    build_network,
    list_networks,
    network_info,
    registered,
)
from saccade.networks.user_code import call, is_callable_name
from saccade.networks.weights import Weights, find_weights, list_weights, read_weights

DEFAULT_NETWORK = "swiftnet-rn18"
"""What the command line uses where no network is named."""

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".tar", ".pkl")
"""A name that ends like this is taken for a weights file, also where it does not exist."""


def load_network(
    name_or_path: str | Path = DEFAULT_NETWORK,
    *,
    weights: str | Path | None = "default",
    classes: int | ClassSet | None = None,
    network: str | None = None,
    new_head: bool = False,
    **options: Any,
) -> nn.Module:
    """A network in evaluation mode, ready for ``saccade.wrap`` or for training.

    Args:
        name_or_path: One of four things:

            - a registered name (``list_networks()``): ``"swiftnet-rn18"``;
            - shipped weights (``list_weights()``): ``"swiftnet-rn18-street"``;
            - a weights file (``.safetensors``, ``.pth``, ...); the network follows from the file;
            - ``"package.module:callable"`` or ``"path/to/file.py:callable"``: code of your own that
              returns an ``nn.Module`` (or is one). It is called with ``options``, and with ``classes``
              where given.
        weights: What a named network is filled with.

            - ``"default"``: the shipped weights, where there are any and ``classes`` does not ask for
              another number; else random values, with a warning;
            - name of shipped weights, or a file: ours, a published checkpoint of SwiftNet or CSP, or a bare
              ImageNet ResNet for the backbone;
            - ``"imagenet"`` or ``"imagenet-torchvision"``: fetched for the backbone, the rest random;
            - ``"backbone:NAME"``: the backbone of other weights of ours, the rest random;
            - None or ``"random"``: initial values from torch's global generator (seed it yourself).
        classes: Number of classes or their class set; by default that of the weights, else of the network.
        network: Registered name, for a weights file that does not tell.
        new_head: Where the weights have another number of classes, load all but the last layer.
        options: Keyword arguments of the network's constructor or of your callable.

    Returns:
        The network, with ``network.info`` (``NetworkInfo``) saying what it is.

    Raises:
        NetworkError: Unknown name, unknown option, or a callable that does not give an ``nn.Module``.
        WeightsError: Weights that are missing, damaged, not finite, or belong to another network.
        ConfigError: Arguments that contradict each other.

    Examples:
        >>> import torch, saccade.networks
        >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
        <torch._C.Generator object at ...>
        >>> net = saccade.networks.load_network("swiftnet-rn18", weights=None, classes=11)
        >>> net(torch.zeros(1, 3, 64, 96)).shape
        torch.Size([1, 11, 16, 24])
    """
    name = str(name_or_path)
    if isinstance(name_or_path, str) and name in list_networks():
        if network is not None and network != name:
            raise ConfigError(f"two networks are named, {name!r} and {network!r}; leave network= out")
        loaded = _load_named(name, weights, classes, new_head, options)
    elif isinstance(name_or_path, str) and is_callable_name(name):
        loaded = _load_callable(name, weights, classes, new_head, options)
    elif _is_weights(name_or_path):
        if weights != "default":
            raise ConfigError(
                f"{name!r} is a weights file, and weights={str(weights)!r} names others: "
                "give the network's name first, and one weights file"
            )
        loaded = _load_file(name_or_path, classes, network, new_head, options)
    elif name.endswith(".py"):
        raise NetworkError(f"say which function of {name} makes the network: {name}:FUNCTION")
    else:
        registered(name)  # raises, and lists what there is
        raise AssertionError
    return loaded.eval()


def _load_named(
    name: str,
    weights: str | Path | None,
    classes: int | ClassSet | None,
    new_head: bool,
    options: dict[str, Any],
) -> nn.Module:
    options = dict(options)
    if options.pop("pretrained_backbone", False):
        if weights not in ("default", None, "random", *IMAGENET):
            raise ConfigError(
                f"weights={str(weights)!r} would overwrite the pretrained backbone; give one of the two"
            )
        weights = weights if weights in IMAGENET else "imagenet"
    if weights == "default":
        weights = _default_weights(name, classes)
    if weights is None or weights == "random":
        return build_network(name, classes, **options)
    if weights in IMAGENET:
        network = build_network(name, classes, **options)
        fetch_backbone(network, str(weights), target=name)
        return _labelled(network, str(weights))
    if isinstance(weights, str) and weights.startswith(BACKBONE_OF):
        network = build_network(name, classes, **options)
        given = read_weights(weights.removeprefix(BACKBONE_OF))
        fill_backbone(network, backbone_of(given.tensors), source=weights, target=name)
        return _labelled(network, weights)
    given = read_weights(weights)
    if is_backbone(given.tensors):
        network = build_network(name, classes, **options)
        fill_backbone(network, given.tensors, source=given.name, target=name)
        return _labelled(network, given.name)
    if given.network not in (None, name):
        raise WeightsError(
            f"{given.name} holds weights of {given.network}, not of {name}: "
            f"name the network {given.network}, or give weights of {name}"
        )
    return _load_weights(name, given, classes, new_head, options)


def _load_file(
    file: str | Path,
    classes: int | ClassSet | None,
    network: str | None,
    new_head: bool,
    options: dict[str, Any],
) -> nn.Module:
    if network is not None:
        return _load_named(network, file, classes, new_head, options)
    given = read_weights(file)
    if given.network is None:
        raise WeightsError(
            f"{file} does not say which network it belongs to (its first tensors: "
            f"{', '.join(list(given.tensors)[:4])}): name the network, and give the file as its weights"
        )
    if given.network not in list_networks():
        raise WeightsError(
            f"{file} holds weights of {given.network!r}, which is not a registered network: "
            f"name the network ({given.network}, or module:callable for code of your own) and give the file "
            "as its weights"
        )
    return _load_weights(given.network, given, classes, new_head, options)


def _load_weights(
    name: str, given: Weights, classes: int | ClassSet | None, new_head: bool, options: dict[str, Any]
) -> nn.Module:
    if isinstance(classes, ClassSet) and given.class_set is not None and not new_head:
        _check_same_classes(given, classes)
    wanted = {k: v for k, v in given.options.items() if k != "classes"} | options
    if classes is None:
        classes = given.class_set or given.options.get("classes")
    elif given.class_set is not None and classes == len(given.class_set):
        classes = given.class_set
    network = build_network(name, classes, **wanted)
    if has_block_policy(given.tensors):
        add_block_policy(network)
    fill(network, given.tensors, source=given.name, target=name, new_head=new_head)
    return _labelled(network, given.name)


def _check_same_classes(given: Weights, classes: ClassSet) -> None:
    trained = given.class_set
    if trained is not None and len(trained) == len(classes) and trained.names != classes.names:
        raise WeightsError(
            f"{given.name} was trained for the classes {', '.join(trained.names)}; "
            f"asked for are {', '.join(classes.names)}: use the weights' own classes, or train a new head "
            "(new_head=True)"
        )


def _default_weights(name: str, classes: int | ClassSet | None) -> str | None:
    """The shipped weights of a network where they fit, else None and a warning."""
    default = registered(name).default_weights
    shipped = {info.name: info for info in list_weights()}
    if default is None or default not in shipped:
        why = f"no trained weights of {name} are shipped"
    else:
        names = shipped[default].classes
        if classes is None or classes == len(names):
            return default
        if isinstance(classes, ClassSet) and classes.names == names:
            return default
        why = f"the shipped weights of {name} are for {len(names)} other classes than asked for"
    warnings.warn(
        f"{why}, so the network has random values and its predictions mean nothing before training; "
        'give weights=FILE, or weights="random" where that is what you want',
        stacklevel=4,
    )
    return None


def _load_callable(
    spec: str,
    weights: str | Path | None,
    classes: int | ClassSet | None,
    new_head: bool,
    options: dict[str, Any],
) -> nn.Module:
    count = len(classes) if isinstance(classes, ClassSet) else classes
    arguments = options if count is None else {"classes": count, **options}
    made = call(spec, arguments)
    class_set = classes if isinstance(classes, ClassSet) else network_info(made).class_set
    attach_info(made, NetworkInfo(spec, class_set, None, arguments))
    if weights in IMAGENET:
        raise WeightsError(f"weights={weights!r} is for named networks; {spec} has to fetch its own")
    if weights is not None and weights not in ("default", "random"):
        source = read_checkpoint(find_weights(weights))
        if has_block_policy(source.tensors):
            add_block_policy(made)
        fill(made, source.tensors, source=str(weights), target=spec, new_head=new_head)
        _labelled(made, str(weights))
    return made


def _is_weights(name_or_path: str | Path) -> bool:
    if isinstance(name_or_path, Path) or name_or_path.lower().endswith(SUFFIXES):
        return True
    if name_or_path in {info.name for info in list_weights()}:
        return True
    return Path(name_or_path).is_file() and not name_or_path.endswith(".py")


def _labelled(network: nn.Module, weights: str) -> nn.Module:
    """The network, with the name of the weights it was filled with in its info."""
    info = network_info(network)
    attach_info(network, NetworkInfo(info.name, info.class_set, weights, info.options))
    return network
