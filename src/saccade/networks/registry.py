"""The networks that have a name, and what a network says about itself."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import nn

from saccade.classes import CITYSCAPES, PEDESTRIANS, ClassSet
from saccade.errors import NetworkError

Builder = Callable[..., nn.Module]
AnyBuilder = TypeVar("AnyBuilder", bound=Builder)


@dataclass(frozen=True)
class NetworkInfo:
    """What a loaded network is; carried by the module as ``network.info``.

    Attributes:
        name: Registered name, or ``module:callable`` of a user's own network.
        class_set: Classes of its output channels; None where nothing says what they mean.
        weights: Name or file of the weights it was filled with; None for initial values.
        options: Keyword arguments that build the same network again, plain JSON values.
    """

    name: str
    class_set: ClassSet | None = None
    weights: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class RegisteredNetwork:
    """An entry of the registry."""

    name: str
    build: Builder
    default_weights: str | None
    classes: ClassSet = CITYSCAPES


_NETWORKS: dict[str, RegisteredNetwork] = {}


def register_network(
    name: str, *, default_weights: str | None = None, classes: ClassSet = CITYSCAPES
) -> Callable[[AnyBuilder], AnyBuilder]:
    """Decorator that gives a network a name for ``load_network`` and ``--network``.

    The decorated function is called as ``build(classes=K, **options)`` with ``K`` an int, and returns
    an ``nn.Module`` that maps normalised frames ``(N, 3, H, W)`` to logits ``(N, K, H / 4, W / 4)``, or is a
    ``saccade.networks.detector.Detector``.

    Args:
        name: Lower case, words joined by hyphens: ``"swiftnet-rn18"``.
        default_weights: Name of the shipped weights that are used unless others are asked for.
        classes: What it tells apart where nobody says.

    Raises:
        NetworkError: The name is taken by another function.

    Examples:
        >>> from torch import nn
        >>> @register_network("one-convolution")
        ... def one_convolution(classes: int = 19) -> nn.Module:
        ...     return nn.Conv2d(3, classes, kernel_size=4, stride=4)
        >>> "one-convolution" in list_networks()
        True
    """

    def register(build: AnyBuilder) -> AnyBuilder:
        taken = _NETWORKS.get(name)
        if taken is not None and _origin(taken.build) != _origin(build):
            module, function = _origin(taken.build)
            raise NetworkError(
                f"network name {name!r} is taken by {module}.{function}; register yours under another name"
            )
        _NETWORKS[name] = RegisteredNetwork(name, build, default_weights, classes)
        return build

    return register


def _origin(build: Builder) -> tuple[str, str]:
    """Where a function is written: the same after its module is imported a second time."""
    return build.__module__, build.__qualname__


def list_networks() -> list[str]:
    """Names that ``load_network`` knows, sorted."""
    return sorted(_NETWORKS)


def registered(name: str) -> RegisteredNetwork:
    """The entry of this name.

    Raises:
        NetworkError: No network has this name; the message lists those that exist.
    """
    if name not in _NETWORKS:
        close = difflib.get_close_matches(name, _NETWORKS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise NetworkError(
            f"there is no network {name!r}{hint}. Known names: {', '.join(list_networks())}. "
            "A network of your own is given as package.module:callable or path/to/file.py:callable"
        )
    return _NETWORKS[name]


def build_network(name: str, classes: int | ClassSet | None = None, **options: Any) -> nn.Module:
    """A registered network with initial values drawn from torch's global generator.

    Args:
        name: One of ``list_networks()``.
        classes: Number of output channels, or the class set they stand for; the network's own by default.
        options: Further keyword arguments of the network's constructor.

    Raises:
        NetworkError: Unknown name, or an option that this network does not have.
    """
    entry = registered(name)
    classes = entry.classes if classes is None else classes
    class_set = classes if isinstance(classes, ClassSet) else None
    count = len(classes) if isinstance(classes, ClassSet) else classes
    accepted = inspect.signature(entry.build).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values())
    unknown = [option for option in options if option not in accepted]
    if unknown and not takes_any:
        raise NetworkError(
            f"network {name} has no option {', '.join(unknown)}; its options are {', '.join(accepted)}"
        )
    network = entry.build(classes=count, **options)
    # Where a backbone's first values came from is not needed to build it again for given weights.
    remembered = {k: v for k, v in options.items() if k != "pretrained_backbone"}
    attach_info(network, NetworkInfo(name, class_set, None, {"classes": count, **remembered}))
    return network


def attach_info(network: nn.Module, info: NetworkInfo) -> None:
    """Set ``network.info``, unless the module uses that name for something of its own."""
    if isinstance(getattr(network, "info", info), NetworkInfo):
        network.info = info  # type: ignore[assignment]


def network_info(network: nn.Module) -> NetworkInfo:
    """``network.info`` where it is there, else what can be said of any module: its class name."""
    info = getattr(network, "info", None)
    return info if isinstance(info, NetworkInfo) else NetworkInfo(type(network).__name__)


InputAffine = tuple[Sequence[float], Sequence[float]]


def _swiftnet(
    backbone: str,
    classes: int,
    width: int,
    pretrained_backbone: bool,
    input_affine: InputAffine | None,
    momentum: float,
) -> nn.Module:
    from saccade.networks.swiftnet import SwiftNet  # imports timm, which takes seconds

    return SwiftNet(
        backbone,
        classes,
        width=width,
        pretrained_backbone=pretrained_backbone,
        input_affine=input_affine,
        momentum=momentum,
    )


@register_network("swiftnet-rn18", default_weights="swiftnet-rn18-street")
def swiftnet_rn18(
    classes: int = 19,
    *,
    width: int = 128,
    pretrained_backbone: bool = False,
    input_affine: InputAffine | None = None,
    momentum: float = 0.1,
) -> nn.Module:
    """SwiftNet on ResNet-18: 11.8 M parameters, 103.6 GMACs at 1024x2048."""
    return _swiftnet("resnet18", classes, width, pretrained_backbone, input_affine, momentum)


@register_network("swiftnet-rn34")
def swiftnet_rn34(
    classes: int = 19,
    *,
    width: int = 128,
    pretrained_backbone: bool = False,
    input_affine: InputAffine | None = None,
    momentum: float = 0.1,
) -> nn.Module:
    """SwiftNet on ResNet-34: 21.9 M parameters, 180.9 GMACs at 1024x2048."""
    return _swiftnet("resnet34", classes, width, pretrained_backbone, input_affine, momentum)


@register_network("swiftnet-rn50")
def swiftnet_rn50(
    classes: int = 19,
    *,
    width: int = 128,
    pretrained_backbone: bool = False,
    input_affine: InputAffine | None = None,
    momentum: float = 0.1,
) -> nn.Module:
    """SwiftNet on ResNet-50: 24.5 M parameters, 204.6 GMACs at 1024x2048."""
    return _swiftnet("resnet50", classes, width, pretrained_backbone, input_affine, momentum)


@register_network("swiftnet-efficientnet-lite1")
def swiftnet_efficientnet_lite1(
    classes: int = 19,
    *,
    width: int = 48,
    pretrained_backbone: bool = False,
    input_affine: InputAffine | None = None,
    momentum: float = 0.1,
) -> nn.Module:
    """SwiftNet on EfficientNet-Lite1: 3.8 M parameters, 24.1 GMACs at 1024x2048."""
    return _swiftnet("efficientnet_lite1", classes, width, pretrained_backbone, input_affine, momentum)


@register_network("bisenet-r18")
def bisenet_r18(
    classes: int = 19,
    *,
    auxiliary: bool = False,
    pretrained_backbone: bool = False,
    input_affine: InputAffine | None = None,
) -> nn.Module:
    """BiSeNet on ResNet-18, logits at stride 8: 12.9 M parameters, 103.7 GMACs at 1024x2048."""
    from saccade.networks.bisenet import BiSeNet

    return BiSeNet(
        classes, auxiliary=auxiliary, pretrained_backbone=pretrained_backbone, input_affine=input_affine
    )


def _deeplab(layers: int, classes: int, deformable: bool, input_affine: InputAffine | None) -> nn.Module:
    from saccade.networks.deeplab import DeepLab

    return DeepLab(layers, classes, deformable=deformable, input_affine=input_affine)


@register_network("deeplab-18")
def deeplab_18(
    classes: int = 19, *, deformable: bool = True, input_affine: InputAffine | None = None
) -> nn.Module:
    """Accel's DeepLab of 18 layers: 30.7 M parameters, 129.4 GMACs at 1024x2048."""
    return _deeplab(18, classes, deformable, input_affine)


@register_network("deeplab-34")
def deeplab_34(
    classes: int = 19, *, deformable: bool = True, input_affine: InputAffine | None = None
) -> nn.Module:
    """Accel's DeepLab of 34 layers: 41.2 M parameters, 207.4 GMACs at 1024x2048."""
    return _deeplab(34, classes, deformable, input_affine)


@register_network("deeplab-50")
def deeplab_50(
    classes: int = 19, *, deformable: bool = True, input_affine: InputAffine | None = None
) -> nn.Module:
    """Accel's DeepLab of 50 layers: 26.6 M parameters, 278.5 GMACs at 1024x2048."""
    return _deeplab(50, classes, deformable, input_affine)


@register_network("deeplab-101")
def deeplab_101(
    classes: int = 19, *, deformable: bool = True, input_affine: InputAffine | None = None
) -> nn.Module:
    """Accel's DeepLab of 101 layers: 44.9 M parameters, 427.5 GMACs at 1024x2048."""
    return _deeplab(101, classes, deformable, input_affine)


@register_network("td4-psp18")
def td4_psp18(classes: int = 19, *, norm_grid: Sequence[int] | None = None) -> nn.Module:
    """TDNet: four sub-networks on ResNet-18 that take turns (method tdnet), logits at stride 8."""
    from saccade.networks.tdnet import TDNet

    return TDNet("td4-psp18", classes, norm_grid=norm_grid)


@register_network("td2-psp50")
def td2_psp50(classes: int = 19, *, norm_grid: Sequence[int] | None = None) -> nn.Module:
    """TDNet: two sub-networks on ResNet-50 that take turns (method tdnet), logits at stride 8."""
    from saccade.networks.tdnet import TDNet

    return TDNet("td2-psp50", classes, norm_grid=norm_grid)


@register_network("td2-swiftnet-rn18", default_weights="tdnet-street")
def td2_swiftnet_rn18(classes: int = 19) -> nn.Module:
    """TDNet: two short SwiftNets on ResNet-18 that take turns (method tdnet), logits at stride 8."""
    from saccade.networks.tdnet import TDNet

    return TDNet("td2-swiftnet-rn18", classes)


@register_network("csp-rn18", default_weights="csp-rn18-people", classes=PEDESTRIANS)
def csp_rn18(classes: int = 1, *, width: int = 64, pretrained_backbone: bool = False) -> nn.Module:
    """CSP, a pedestrian detector, light, on ResNet-18: 14.0 M parameters, 130.3 GMACs at 1024x2048."""
    from saccade.networks.csp import CSP

    return CSP("resnet18", classes, width=width, pretrained_backbone=pretrained_backbone)


@register_network("csp-rn50", classes=PEDESTRIANS)
def csp_rn50(classes: int = 1, *, width: int = 256, pretrained_backbone: bool = False) -> nn.Module:
    """CSP, a pedestrian detector, on ResNet-50: 43.5 M parameters, 1128.2 GMACs at 1024x2048."""
    from saccade.networks.csp import CSP

    return CSP("resnet50", classes, width=width, pretrained_backbone=pretrained_backbone)
