"""Noticing that a policy no longer decides anything."""

from __future__ import annotations

import torch
from torch import Tensor

from saccade.policies.sampling import Draw

CERTAIN = 0.001
"""Probabilities this close to 0 or 1 leave nothing to chance."""
EQUAL = 1e-5
"""Spread of logits that do not tell blocks apart."""


def all_or_nothing(probabilities: Tensor) -> Tensor:
    """Whether all blocks are certain to be executed, or all to be skipped; a bool of no dimensions.

    Args:
        probabilities: ``(N, GH, GW)`` of executing a block.
    """
    return (probabilities < CERTAIN).all() | (probabilities > 1 - CERTAIN).all()


def nothing_to_draw(learned: Tensor, prior: Tensor, draw: Draw) -> Tensor:
    """Whether noise decides all of a draw of top-k, or none of it, in all streams; a bool of no dimensions.

    All where all logits are equal; none where what was learned lets no skipped block come before one that was
    drawn. Streams with no choice (all blocks executed, or only those that are due) are left out.

    Args:
        learned: ``(N, GH, GW)``, what the network of the policy gave.
        prior: ``(N, GH, GW)``, what was added to it.
        draw: What was drawn by their sum, with noise.
    """
    sampled, skipped = draw.sampled, ~draw.executed
    choice = sampled.any(2).any(1) & skipped.any(2).any(1)
    lowest = learned.masked_fill(~sampled, torch.inf).amin((1, 2))
    highest = learned.masked_fill(~skipped, -torch.inf).amax((1, 2))
    odds = (1 - CERTAIN) / CERTAIN  # each of the two lies on its side of the middle with such odds
    certain = lowest - highest > 2 * torch.log(torch.tensor(odds))
    logits = learned + prior
    equal = logits.amax((1, 2)) - logits.amin((1, 2)) < EQUAL
    return ((certain | equal) | ~choice).all() & choice.any()


def separation(probabilities: Tensor, executed: Tensor) -> Tensor:
    """Mean probability of executed blocks minus that of skipped ones; NaN where there is only one kind.

    Args:
        probabilities: ``(N, GH, GW)`` of executing a block.
        executed: ``(N, GH, GW)`` bool.
    """
    return probabilities[executed].mean() - probabilities[~executed].mean()


class CollapseWatch:
    """Counts frames in a row in which a policy looks collapsed.

    Attributes:
        strikes: Frames in a row in which there was nothing to decide.
        weak: Frames in a row in which executed blocks were hardly likelier than skipped ones.
        was_strong: Whether executed blocks were once clearly likelier than skipped ones.
    """

    def __init__(self, patience: int, separation: float) -> None:
        self.patience = patience
        self.separation = separation
        self.clear()

    def clear(self) -> None:
        """Start anew."""
        self.strikes = 0
        self.weak = 0
        self.was_strong = False

    def look(self, collapsed: bool, separation: float | None = None) -> None:
        """Count one frame.

        Args:
            collapsed: What ``all_or_nothing`` or ``nothing_to_draw`` says.
            separation: Of executed and skipped blocks, where probabilities are per block. NaN does not count.
        """
        self.strikes = self.strikes + 1 if collapsed else 0
        if separation is not None and separation == separation:
            strong = separation >= self.separation
            self.weak = 0 if strong else self.weak + 1
            self.was_strong |= strong

    @property
    def undecided(self) -> bool:
        """Whether there has been nothing to decide for too long."""
        return self.strikes >= self.patience

    @property
    def indifferent(self) -> bool:
        """Whether executed blocks have been hardly likelier than skipped ones for too long."""
        return self.weak >= self.patience

    def state(self) -> dict[str, int | bool]:
        """What it has counted."""
        return {"strikes": self.strikes, "weak": self.weak, "was_strong": self.was_strong}

    def restore(self, state: dict[str, int | bool]) -> None:
        """Continue from what ``state`` gave."""
        self.strikes, self.weak = int(state["strikes"]), int(state["weak"])
        self.was_strong = bool(state["was_strong"])
