"""Additions and activations become part of the convolution before them."""

from __future__ import annotations

import torch

from saccade.blocks.capture import Ref
from saccade.blocks.convolution import activation_of
from saccade.blocks.steps import ConvolutionStep, PixelStep, Step

aten = torch.ops.aten


def fuse(steps: list[Step], outputs: set[str]) -> list[Step]:
    """Additions and activations become part of the convolution before them."""
    position = {step.name: i for i, step in enumerate(steps)}
    users: dict[str, list[str]] = {step.name: [] for step in steps}
    for step in steps:
        for name in dict.fromkeys(step.reads):
            users[name].append(step.name)
    kept: list[Step | None] = list(steps)

    def only_user(step: Step) -> PixelStep | None:
        if step.name in outputs or len(users[step.name]) != 1:
            return None
        user = kept[position[users[step.name][0]]]
        same = isinstance(user, PixelStep) and user.spatial == step.spatial and user.shape == step.shape
        return user if same else None  # type: ignore[return-value]

    for step in steps:
        if not isinstance(step, ConvolutionStep) or kept[position[step.name]] is not step:
            continue
        user = only_user(step)
        other = added_value(user, step, steps, position) if user else None
        if user is not None and other is not None:
            absorb(step, user, kept, position)
            step.other = other
            user = only_user(step)
        activation = activation_of(user.target, user.args, user.kwargs) if user else None
        if user is not None and activation is not None and user.args[0] == Ref(step.name):
            absorb(step, user, kept, position)
            step.convolution.activation = activation
    return [step for step in kept if step is not None]


def added_value(user: PixelStep, step: Step, steps: list[Step], position: dict[str, int]) -> str | None:
    """The other summand, where ``user`` adds a value of the same shape to ``step``'s."""
    if user.target is not aten.add.Tensor or user.kwargs or len(user.args) != 2:
        return None
    others = [a for a in user.args if a != Ref(step.name)]
    if len(others) != 1 or not isinstance(others[0], Ref):
        return None
    other = steps[position[others[0].name]]
    fits = other.spatial == step.spatial and other.shape == step.shape
    return other.name if fits else None


def absorb(step: ConvolutionStep, user: Step, kept: list[Step | None], position: dict[str, int]) -> None:
    """``step`` also does what ``user`` does, in the place and under the name of ``user``."""
    kept[position[step.name]] = None
    kept[position[user.name]] = step
    step.operations += user.operations
    step.name = user.name
