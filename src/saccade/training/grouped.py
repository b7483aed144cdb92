"""Grouped knowledge distillation (Hu et al., TDNet, CVPR 2020): what a part of a network's channels says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from saccade.methods.scores import scores_of
from saccade.networks.split import LOGITS, Head, Trunk, choose_cut
from saccade.training.keyframe_data import TOGETHER, frames_for


@torch.no_grad()
def grouped_scores(network: nn.Module, groups: int, images: Sequence[Tensor]) -> Tensor:
    """What a network says of frames, and what each part of the channels that its last convolution sees does.

    The convolution is a sum over its channels: a part of them is taken times the number of parts, and the
    others are left out. The mean over all parts is then what the network says.

    Args:
        network: The frozen network.
        groups: Number m of parts, of as many channels as possible each.
        images: ``(3, H, W)`` uint8 each.

    Returns:
        ``(T, (1 + m) K, h, w)`` float32: K scores of the whole network, then those of each part.
    """
    frames = frames_for(network, images).contiguous(memory_format=torch.channels_last)
    return torch.cat([_answers(network, groups, part) for part in frames.split(TOGETHER)])


def _answers(network: nn.Module, groups: int, frames: Tensor) -> Tensor:
    cut = choose_cut(network, None)
    features = Trunk(network, cut)(frames) if cut != LOGITS else frames
    size = (int(frames.shape[2]), int(frames.shape[3]))
    end = Head(network, cut, size) if cut != LOGITS else network

    def run() -> Tensor:
        return scores_of(end(features), len(frames))

    last = _last_convolution(network, run)
    share = torch.arange(last.in_channels, device=frames.device) * groups // last.in_channels
    found = [run()]
    for group in range(groups):
        mask = (groups * (share == group)).to(frames.dtype).view(1, -1, 1, 1)
        hook = last.register_forward_pre_hook(lambda _, inputs, mask=mask: (inputs[0] * mask,))
        try:
            found.append(run())
        finally:
            hook.remove()
    return torch.cat(found, 1).float()


def _last_convolution(network: nn.Module, run: Callable[[], Tensor]) -> nn.Conv2d:
    """The convolution of a network that comes last when it answers."""
    called: list[nn.Conv2d] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, _: called.append(module))
        for module in network.modules()
        if isinstance(module, nn.Conv2d) and module.groups == 1
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return called[-1]
