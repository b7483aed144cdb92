"""Networks in two parts: features that are costly to compute, and a head that turns them into logits."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

from saccade.errors import NetworkError

LOGITS = "logits"
"""The cut behind everything, which every network has: its features are its logits."""


@runtime_checkable
class Splittable(Protocol):
    """A network that can be cut.

    Attributes:
        cuts: Names of the places, the usual one first.
    """

    cuts: ClassVar[tuple[str, ...]]

    def features(self, x: Tensor, cut: str) -> Tensor:
        """Features ``(N, C, h, w)`` of frames ``(N, 3, H, W)`` at a place."""
        ...

    def classify(self, features: Tensor, size: tuple[int, int], cut: str) -> Tensor:
        """Logits as the network returns them for frames of ``size``, from features at that place."""
        ...

    def extended(self, x: Tensor) -> Tensor:
        """The frames that the features show: those given, or more where the network adds a border."""
        ...


class Trunk(nn.Module):
    """The part before the cut: frames ``(N, 3, H, W)`` to features ``(N, C, h, w)``."""

    def __init__(self, network: nn.Module, cut: str) -> None:
        super().__init__()
        self.network, self.cut = network, cut

    def forward(self, x: Tensor) -> Tensor:
        if self.cut == LOGITS:
            return self.network(x)
        assert isinstance(self.network, Splittable)
        return self.network.features(x, self.cut)

    def extended(self, x: Tensor) -> Tensor:
        """The frames that the features show."""
        if self.cut == LOGITS:
            return x
        assert isinstance(self.network, Splittable)
        return self.network.extended(x)


class Head(nn.Module):
    """The part behind the cut: features ``(N, C, h, w)`` to logits, for frames of one size."""

    def __init__(self, network: nn.Module, cut: str, size: tuple[int, int]) -> None:
        super().__init__()
        self.network, self.cut, self.size = network, cut, size

    def forward(self, features: Tensor) -> Tensor:
        if self.cut == LOGITS:
            return features
        assert isinstance(self.network, Splittable)
        return self.network.classify(features, self.size, self.cut)


def choose_cut(network: nn.Module, cut: str | None) -> str:
    """The place to cut a network at: the one asked for, else its usual one, else behind everything.

    Raises:
        NetworkError: The network has no such place.
    """
    known = (*network.cuts, LOGITS) if isinstance(network, Splittable) else (LOGITS,)
    if cut is None:
        return known[0]
    if cut not in known:
        raise NetworkError(f"this network cannot be cut at {cut!r}; it can at {', '.join(known)}")
    return cut
