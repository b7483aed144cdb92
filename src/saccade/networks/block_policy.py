"""The policy network of SegBlocks: which blocks of an image are worth full resolution.

It is trained together with a network, is kept as ``network.block_policy``, and is
saved and loaded with the network's weights.

T. Verelst, T. Tuytelaars: SegBlocks: Block-Based Dynamic Resolution Networks for Real-Time Segmentation,
TPAMI 2023.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from saccade.errors import NetworkError

NAME = "block_policy"
"""What it is called in a network that has one, and before its names in a file of weights."""

MOMENTUM = 0.02
"""Of its batch norms."""


class BlockPolicy(nn.Module):
    """Four convolutions on a small image: 216,193 parameters, 0.34 GMACs for 8 x 16 blocks."""

    pixels = 32
    """Side of a block in its input, which is its stride."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, kernel, stride in ((3, 7, 4), (64, 5, 2), (64, 5, 2)):
            layers += [
                nn.Conv2d(inputs, 64, kernel, stride, kernel // 2, bias=False),
                nn.BatchNorm2d(64, momentum=MOMENTUM),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(64, 1, 5, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of full resolution.

        Args:
            x: ``(N, 3, 32 GH, 32 GW)`` normalised frames.

        Returns:
            ``(N, GH, GW)``.
        """
        logits: Tensor = self.layers(x)
        return logits[:, 0]


def block_policy(network: nn.Module) -> BlockPolicy | None:
    """The policy of a network; None where it has none."""
    found = getattr(network, NAME, None)
    return found if isinstance(found, BlockPolicy) else None


def add_block_policy(network: nn.Module) -> BlockPolicy:
    """Give a network an untrained policy, on its device, unless it has one.

    Raises:
        NetworkError: The network is an ``nn.Sequential``, which would run the policy as its last layer.
    """
    if isinstance(network, nn.Sequential):
        raise NetworkError(
            "an nn.Sequential cannot carry a block policy, which would become its last layer; make it a part "
            "of a module of your own"
        )
    found = block_policy(network)
    if found is None:
        found = BlockPolicy().train(network.training)
        weight = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
        network.add_module(NAME, found.to(weight.device))
    return found


def has_block_policy(names: Iterable[str]) -> bool:
    """Are the weights of a policy among these tensors?"""
    return any(name.startswith(f"{NAME}.") for name in names)


def policy_logits(network: nn.Module, small: Tensor) -> Tensor:
    """What a network's policy says of small frames; it sees them as the network does.

    Args:
        network: With a policy.
        small: ``(N, 3, 32 GH, 32 GW)`` normalised frames.

    Returns:
        ``(N, GH, GW)`` float32.

    Raises:
        NetworkError: The frames have other channels than three.
    """
    if small.shape[1] != 3:
        raise NetworkError(
            f"the block policy sees frames of three channels, and these have {small.shape[1]}; choose "
            "another policy, for example heuristic"
        )
    policy = block_policy(network)
    assert policy is not None
    affine = getattr(network, "input_affine", None)  # of weights that were trained with other statistics
    small = small.to(next(policy.parameters()).dtype)
    with torch.autocast(small.device.type, enabled=False):
        return policy(small if affine is None else affine(small)).float()
