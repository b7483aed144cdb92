"""Outputs come in the module's structure, and are the caller's."""

from __future__ import annotations

import copy
import functools
import math
from collections import namedtuple

import pytest
import torch
import torch.nn.functional as F
import torch.utils._pytree as pytree

from .networks import GRID, Gives, everything, start
from .reference import assert_near, random_actions

Detections = namedtuple("Detections", ["boxes", "scores"])


STRUCTURES = {
    "tensor": lambda frames, x: x,
    "tuple": lambda frames, x: (x, F.max_pool2d(x, 2)),
    "tuple of one": lambda frames, x: (x,),
    "list": lambda frames, x: [x.relu(), x.sigmoid(), x.relu()],
    "dict": lambda frames, x: {"out": x, "aux": x.mean((2, 3))},
    "keys in another order": lambda frames, x: {"z": x, "b": x + 1, "a": x + 2, 3: x + 3},
    "nested": lambda frames, x: {"levels": [x, (F.avg_pool2d(x, 2), {"top": F.avg_pool2d(x, 4)})], "n": ()},
    "named": lambda frames, x: Detections(x.tanh(), x.mean(1, keepdim=True)),
    "constants": lambda frames, x: (x, None, 3, 0.5, "name", True),
    "the same twice": lambda frames, x: (x, {"again": x}),
    "the frames": lambda frames, x: (frames, x, frames),
    "in between": lambda frames, x: (x, torch.relu_(x), x + x),
    "views": lambda frames, x: (x[:, :2], x.flatten(2), x.permute(0, 2, 3, 1), x[:, :, ::2, ::2]),
    "classes": lambda frames, x: (x.argmax(1), x > 0, x.amax(1, keepdim=True)),
    "a vector": lambda frames, x: x.mean((2, 3)),
    "maps and vectors": lambda frames, x: (x.softmax(1), x.amax((2, 3)), x.amax((1, 2, 3))),
}
STRUCTURES = {name: functools.partial(Gives, function) for name, function in STRUCTURES.items()}


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [1.0, 2.0])
@pytest.mark.parametrize("name", STRUCTURES)
def test_outputs_come_back_as_the_module_gives_them(name, dense_above, video, random):
    module, network, reference = start(STRUCTURES[name], dense_above)
    for frames in video[:4]:
        actions = random_actions(random, 2, GRID)
        check_outputs(network.step(frames[:2], actions), reference.step(frames[:2], actions > 0))
    output, expected = network.step(video[4, :2], everything(2)), module(video[4, :2])
    assert pytree.tree_structure(output) == pytree.tree_structure(expected)
    check_outputs(output, pytree.tree_leaves(expected))


def check_outputs(output, expected):
    for value, wanted in zip(pytree.tree_leaves(output), expected, strict=True):
        check_same(value, wanted)


def check_same(value, expected):
    if not isinstance(expected, torch.Tensor):
        assert value == expected
        assert type(value) is type(expected)
    elif expected.dtype.is_floating_point:
        assert_near(value, expected)
    else:
        assert value.dtype is expected.dtype
        assert torch.equal(value, expected)


@torch.no_grad()
@pytest.mark.parametrize("dense_above", [0.5, 2.0])
@pytest.mark.parametrize("name", [n for n in STRUCTURES if n != "constants"])
def test_outputs_and_frames_are_the_callers_to_change(name, dense_above, video, random):
    _, network, _ = start(STRUCTURES[name], dense_above)
    actions = [random_actions(random, 3, GRID, share) for share in (0, 0.3, 0, 1, 0.3, 0)]
    expected = [
        copy.deepcopy(network.step(frames, asked)) for frames, asked in zip(video[:6], actions, strict=True)
    ]
    network.forget()
    memory = torch.empty_like(video[0])  # one buffer for all frames
    for frames, asked, wanted in zip(video[:6], actions, expected, strict=True):
        memory.copy_(frames)
        outputs = pytree.tree_leaves(network.step(memory, asked))
        for value, kept in zip(outputs, pytree.tree_leaves(wanted), strict=True):
            assert torch.equal(value, kept)
        memory.fill_(math.nan)
        for value in outputs:
            value.zero_()
