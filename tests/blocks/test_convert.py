"""Conversion leaves the module as it is."""

from __future__ import annotations

import copy

import torch

from .networks import Small, converted, everything, made, nothing
from .reference import assert_near


@torch.no_grad()
def test_training_mode_is_left_as_it_was(video):
    module = made(Small).train()
    module.stem.eval()
    network = converted(module)
    assert module.training
    assert module.head.training
    assert not module.stem[1].training
    assert_near(network.step(video[0], everything(3)), module.eval()(video[0]))


@torch.no_grad()
def test_the_module_stays_as_it_is(video):
    module = made(Small)
    before = copy.deepcopy(module.state_dict())
    expected = module(video[0])
    network = converted(module)
    network.step(video[0], nothing(3))
    network.step(video[1], everything(3))
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())
    assert torch.equal(module(video[0]), expected)
