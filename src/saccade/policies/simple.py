"""Policies that look at nothing: all blocks, none, or random ones."""

from __future__ import annotations

import torch
from torch import Tensor

from saccade.actions import FULL, KEEP
from saccade.policies.base import Policy, PolicyView, RankingPolicy


class AllBlocks(Policy):
    """Every block of every frame, through the engine: what blocks cost."""

    def decide(self, view: PolicyView) -> Tensor:
        """All."""
        return torch.full_like(view.actions, FULL)


class NoBlocks(Policy):
    """Only the first frame (and what is due): what standing still costs."""

    def decide(self, view: PolicyView) -> Tensor:
        """What is due."""
        return torch.where(view.due, FULL, KEEP).to(torch.int8)


class RandomBlocks(RankingPolicy):
    """As many random blocks as the budget says.

    Each stream has a random sequence of its own, so that it does not depend on the others.

    Args:
        seed: Of the sequences.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self._generators: dict[int, torch.Generator] = {}

    def rank(self, view: PolicyView) -> Tensor:
        """Random numbers."""
        ranks = [torch.rand(view.grid, generator=self._generator(stream)) for stream in view.streams]
        return torch.stack(ranks).to(view.age.device)

    def _generator(self, stream: int) -> torch.Generator:
        if stream not in self._generators:
            self._generators[stream] = torch.Generator().manual_seed(self.seed)
        return self._generators[stream]

    def get_extra_state(self) -> dict[int, torch.Tensor]:
        """Where the sequence of each stream is."""
        return {stream: generator.get_state() for stream, generator in self._generators.items()}

    def set_extra_state(self, state: dict[int, torch.Tensor]) -> None:
        """Go on from there; streams that are not in it begin anew."""
        self._generators = {}
        for stream, position in state.items():
            self._generator(stream).set_state(position)
