"""Frames, actions and modules that cannot be run, and what the errors say."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from saccade.blocks import convert
from saccade.errors import NetworkError

from .networks import BLOCK, GRID, SIZE, Gives, Small, converted, made, nothing, start
from .reference import assert_near


@pytest.mark.parametrize(
    ("frames", "actions", "message"),
    [
        ((1, 3, 40, 64), (1, *GRID), r"frames \(N, 3, 40, 56\), not \(1, 3, 40, 64\)"),
        ((1, 4, *SIZE), (1, *GRID), r"not \(1, 4, 40, 56\)"),
        ((3, *SIZE), (1, *GRID), r"not \(3, 40, 56\)"),
        ((0, 3, *SIZE), (0, *GRID), "no frames"),
        ((1, 3, *SIZE), (2, *GRID), r"actions must be \(1, 3, 4\) .*not \(2, 3, 4\)"),
        ((2, 3, *SIZE), (1, *GRID), r"actions must be \(2, 3, 4\)"),
        ((1, 3, *SIZE), (1, 4, 3), r"not \(1, 4, 3\)"),
        ((1, 3, *SIZE), GRID, r"not \(3, 4\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(video, frames, actions, message):
    _, network, _ = start(Small)
    output = network.step(video[0, :1], nothing())
    with pytest.raises(NetworkError, match=message):
        network.step(torch.zeros(frames), torch.ones(actions, dtype=torch.int8))
    assert torch.equal(network.step(video[1, :1], nothing()), output)


@pytest.mark.parametrize("wrong", [torch.zeros(1, 3, *SIZE).half(), torch.zeros(1, 3, *SIZE, device="meta")])
def test_frames_of_another_type_or_device_are_refused(wrong):
    _, network, _ = start(Small)
    with pytest.raises(NetworkError, match=r"converted for torch\.float32 frames on cpu, these are torch\."):
        network.step(wrong, nothing())


def test_an_example_that_is_not_frames_is_refused():
    with pytest.raises(NetworkError, match=r"frames \(N, C, H, W\), not \(3, 40, 56\)"):
        convert(made(Small), torch.zeros(3, *SIZE), BLOCK)


class Impatient(nn.Module):
    """Python that depends on the values of a tensor."""

    def forward(self, x):
        if x.mean() > 0:
            return x
        return -x


class Mistaken(nn.Module):
    """Works for no frames at all."""

    def forward(self, x):
        return x @ torch.zeros(7, 7)


class Remembering(nn.Module):
    """A memory of the frames before."""

    def __init__(self):
        super().__init__()
        self.register_buffer("average", torch.zeros(3, 1, 1))

    def forward(self, x):
        self.average.mul_(0.9).add_(x.mean((0, 2, 3))[:, None, None])
        return x - self.average


def line_of(module, text):
    """``file:line`` of a piece of a module's ``forward``."""
    lines, start = inspect.getsourcelines(type(module).forward)
    number = next(number for number, line in enumerate(lines, start) if text in line)
    return f"{inspect.getsourcefile(type(module))}:{number}"


@pytest.mark.parametrize(
    ("module", "text"),
    [(Impatient(), "if x.mean()"), (Mistaken(), "x @ torch")],
    ids=["values", "shapes"],
)
def test_what_cannot_be_exported_is_refused_with_the_line(module, text, capfd):
    with pytest.raises(NetworkError) as error:
        converted(nn.Sequential(nn.Identity(), module))
    assert str(error.value).startswith(
        f"cannot capture Sequential: torch.export stops at {line_of(module, text)}: "
    )
    assert error.value.__cause__ is not None
    assert capfd.readouterr() == ("", "")


def test_a_network_with_memory_is_refused():
    with pytest.raises(NetworkError, match=r"changes its buffer 0\.average"):
        converted(nn.Sequential(Remembering()))


@torch.no_grad()
def test_outputs_of_several_streams_need_a_batch_dimension(video):
    module = made(lambda: Gives(lambda frames, x: (x, x.mean())))
    network = converted(module)
    for value, expected in zip(network.step(video[0, :1], nothing()), module(video[0, :1]), strict=True):
        assert_near(value, expected)
    with pytest.raises(NetworkError, match="without a batch dimension"):
        network.step(video[0], nothing(3))
    for value, expected in zip(network.step(video[1, :1], nothing()), module(video[1, :1]), strict=True):
        assert_near(value, expected)  # after an error all streams start anew
