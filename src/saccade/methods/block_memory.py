"""What a method with blocks remembers of its streams, besides the features in the engine's canvases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from saccade.blocks import KEEP, LOW, BlockNetwork, kernels
from saccade.methods.block_tasks import Answer
from saccade.methods.motion import LastFrames, pixels_of_blocks
from saccade.policies.ageing import Ageing
from saccade.policies.budget import Budget
from saccade.policies.images import blurred
from saccade.policies.scene_cuts import SceneCuts


@dataclass(eq=False)
class BlockMemory:
    """Everything about the streams of one frame size, row by row.

    Attributes:
        engine: The converted network.
        ageing: Ages and deadlines of the blocks.
        cuts: What scene cuts are found by.
        motion: What the scores of kept blocks, or boxes, are moved by.
        fresh: For each stream, whether its next frame is its first.
        budgets: The account of each stream.
        seen: ``(N, H, W, 3)``, what each block was last executed on, blurred where that was at half
            resolution; None before the first frame.
        answer: To the last frame; None before the first.
        actions: ``(N, GH, GW)`` int8 of the last frame.
    """

    engine: BlockNetwork
    ageing: Ageing
    cuts: SceneCuts
    motion: LastFrames
    fresh: list[bool] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    seen: Tensor | None = None
    answer: Answer | None = None
    actions: Tensor | None = None

    def look(self, frames: Tensor, actions: Tensor) -> None:
        """Remember the pixels of the blocks that are executed.

        Args:
            frames: ``(N, 3, H, W)``.
            actions: ``(N, GH, GW)`` int8.
        """
        if bool((actions == LOW).any()):
            side, height, width = self.engine.grid.block, *frames.shape[2:]
            low = pixels_of_blocks(actions == LOW, side, (height, width), (height, width))
            frames = torch.where(low[:, None].to(frames.device), blurred(frames), frames)
        pixels = frames.permute(0, 2, 3, 1).contiguous()
        executed = actions != KEEP
        if bool(executed.all()):
            self.seen = pixels.clone()
            return
        before = pixels[:0] if self.seen is None else self.seen
        if len(before) != len(pixels):
            missing = pixels.new_zeros(max(0, len(pixels) - len(before)), *pixels.shape[1:])
            before = torch.cat((before, missing))[: len(pixels)]
        side = self.engine.grid.block
        stream, row, column = (index.to(pixels.device).contiguous() for index in executed.nonzero().unbind(1))
        if len(stream):
            place = stream, row * side, column * side
            kernels.scatter_(before, kernels.gather(pixels, *place, (side, side)), *place)
        self.seen = before

    def drop(self, rows: list[int]) -> None:
        """These streams have ended; those after them move up."""
        kept = [row for row in range(len(self.fresh)) if row not in rows]
        self.engine.drop(rows)
        self.ageing.keep(kept)
        self.cuts.keep(kept)
        self.motion.keep(kept)
        self.fresh = [self.fresh[row] for row in kept]
        self.budgets = [self.budgets[row] for row in kept]
        self.answer = None if self.answer is None else self.answer.rows(kept)
        for name in ("seen", "actions"):
            value = getattr(self, name)
            setattr(self, name, None if value is None else value[kept])

    def get_state(self) -> dict[str, Any]:
        """As plain values and tensors, sharing memory."""
        return {
            "engine": self.engine.get_state(copy=False),
            "age": self.ageing.age,
            "left": self.ageing.left,
            "thumbnails": self.cuts.thumbnails,
            "since": self.cuts.since,
            "before": [None if b is None else torch.from_numpy(b) for b in self.motion.before],
            "fresh": list(self.fresh),
            "accounts": [(budget.owed, budget.left, budget.saved) for budget in self.budgets],
            "seen": self.seen,
            "answer": None if self.answer is None else self.answer.to_state(),
            "actions": self.actions,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from ``get_state`` of the same network and size; ``budgets`` has one for each stream."""
        self.engine.set_state(state["engine"], copy=False)
        self.ageing.age, self.ageing.left = state["age"], state["left"]
        self.cuts.thumbnails, self.cuts.since = state["thumbnails"], state["since"]
        self.motion.before = [None if b is None else b.numpy() for b in state["before"]]
        self.fresh = list(state["fresh"])
        for budget, account in zip(self.budgets, state["accounts"], strict=True):
            budget.owed, budget.left, budget.saved = account
        self.seen, self.actions = state["seen"], state["actions"]
        self.answer = None if state["answer"] is None else Answer.from_state(state["answer"])
