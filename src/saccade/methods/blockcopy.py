"""BlockCopy: the blocks that matter are executed, the others keep their features.

Beyond the paper, the class scores of kept blocks move along with the picture, by optical flow between the
frames: with a moving camera, most of what is wrong with a kept block is that it stayed where it was. And they
shift as the scores of executed blocks around them do. With ``levels=2``, blocks may be executed at half
resolution, as in SegBlocks, where that gains more per operation.

T. Verelst, T. Tuytelaars: BlockCopy: High-Resolution Video Processing with Block-Sparse Feature Propagation
and Online Policies, ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from saccade.actions import FULL, LOW, LOW_COST
from saccade.blocks import BlockNetwork, EngineOptions, convert
from saccade.blocks.grid import bucket
from saccade.methods.base import Cost, StepResult, VideoMethod
from saccade.methods.block_memory import BlockMemory
from saccade.methods.block_size import suitable_block_size
from saccade.methods.block_tasks import Answer, PixelTask, Task
from saccade.methods.box_task import BoxTask
from saccade.methods.configs import BlockCopyConfig
from saccade.networks.detector import Detector, is_detector
from saccade.policies.ageing import Ageing
from saccade.policies.base import Policy, PolicyOutcome, PolicyView
from saccade.policies.budget import Budget
from saccade.policies.change import changed_blocks
from saccade.policies.registry import make_policy
from saccade.policies.scene_cuts import SceneCuts


class BlockCopy(VideoMethod):
    """Executes a share of the blocks of every frame; the first frame of each stream in full.

    Args:
        network: As for ``saccade.wrap``; also one that ``saccade.blocks.convert`` can convert. Frames are
            cast to the device and the precision of its first parameter.
        config: Its settings.

    Attributes:
        policy: What chooses the blocks. Shared by all streams, and kept by ``reset``.
    """

    def __init__(self, network: nn.Module, config: BlockCopyConfig | None = None) -> None:
        super().__init__()
        self.config = config or BlockCopyConfig()
        self.network = network.eval().to(memory_format=torch.channels_last)
        self.policy: Policy = make_policy(self.config, detector=is_detector(self.network))
        self._task = _task_of(self.network, self.config)
        self._engines: dict[object, BlockNetwork] = {}
        self._memory: BlockMemory | None = None

    @property
    def notes(self) -> list[str]:
        """What the policy says."""
        return self.policy.notes

    @property
    def _saves(self) -> bool:
        return self.policy.saves and self.config.savings > 0 and not self.config.legacy

    @torch.inference_mode()
    def step(self, frames: Tensor) -> StepResult:
        """Process the next frame of every stream.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames, any H, W and N. Frames of another size than those
                before are the first of other videos.

        Raises:
            NetworkError: The network cannot process such frames, or returns neither scores nor boxes.
        """
        frames = self._taken(frames)
        size = (int(frames.shape[2]), int(frames.shape[3]))
        memory = self._remembered(frames)
        expected = self._task.expected(memory.answer, frames, memory.motion)
        actions, view = self._decide(memory, frames, expected)
        engine = memory.engine
        output = engine.step(frames, actions)
        assert engine.executed is not None
        actions = engine.executed
        answer = self._task.answer(output, actions, expected, engine.grid, memory.motion)
        self._remember(memory, frames, answer, actions)
        if view is not None:
            rows = list(view.streams)
            new = answer.rows(rows)
            target = self.config.target
            self.policy.learn(PolicyOutcome(view, actions[rows], new.logits, target, new.boxes))
        return StepResult(
            prediction=answer.prediction(size),
            actions=actions,
            keyframe=(actions == FULL).flatten(1).all(1),
            cost=self._cost(memory, view is not None),
            block_size=engine.grid.block,
        )

    def reset(self, streams: Sequence[int] | None = None) -> None:
        """Forget the past of these streams (all by default); what the policy learned stays."""
        if streams is None:
            if self._memory is not None:
                self._memory.engine.forget()
            self._memory = None
        elif self._memory is not None:
            self._memory.engine.reset(streams)
            for row in streams:
                self._memory.fresh[row] = True
                self._memory.motion.before[row] = None

    def drop(self, streams: Sequence[int]) -> None:
        """These streams have ended."""
        if self._memory is not None:
            self._memory.drop(list(streams))

    def get_state(self) -> dict[str, Any]:
        """What is remembered of the streams."""
        if self._memory is None:
            return {}
        grid = self._memory.engine.grid
        return {"size": (grid.height, grid.width), **self._memory.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from ``get_state``."""
        self._memory = None
        if not state:
            return
        like = state["seen"]
        frames = like.new_empty(len(like), 3, *state["size"])
        self._memory = memory = self._new_memory(frames)
        memory.budgets = [self._new_budget(memory.engine) for _ in state["fresh"]]
        memory.set_state(state)

    def _remembered(self, frames: Tensor) -> BlockMemory:
        """The memory for frames of this size, with room for all streams."""
        memory = self._memory
        if memory is None or memory.engine is not self._engine(frames):
            memory = self._memory = self._new_memory(frames)
        streams = len(frames)
        memory.fresh = (memory.fresh + [True] * streams)[:streams]
        memory.budgets = memory.budgets[:streams]
        memory.budgets += [self._new_budget(memory.engine) for _ in range(streams - len(memory.budgets))]
        memory.ageing.resize(streams)
        memory.cuts.resize(streams)
        memory.motion.resize(streams)
        return memory

    def _new_memory(self, frames: Tensor) -> BlockMemory:
        engine = self._engine(frames)
        engine.forget()
        target, most = self.config.target, self.config.max_age
        if most:  # what comes due must leave room for choice
            most = max(most, round(2 / target))
        ageing = Ageing(engine.grid.shape, most, torch.device("cpu"))
        return BlockMemory(engine, ageing, SceneCuts(), self._task.new_motion())

    def _engine(self, frames: Tensor) -> BlockNetwork:
        """The converted network for frames of this size."""
        key = tuple(frames.shape[1:]), frames.dtype, frames.device
        if key not in self._engines:
            levels, (height, width) = self.config.levels, frames.shape[2:]
            boxes = is_detector(self.network)
            side = self.config.block_size or suitable_block_size(height, width, levels, boxes=boxes)
            # The budget knows from where on a whole frame is faster; the engine does what it is told.
            options = EngineOptions(dense_above=1.0)
            with torch.inference_mode(False), torch.no_grad():
                example = torch.zeros_like(frames[:1])
                self._engines[key] = convert(self.network, example, side, levels=levels, options=options)
        return self._engines[key]

    def _new_budget(self, engine: BlockNetwork) -> Budget:
        blocks = engine.grid.shape[0] * engine.grid.shape[1]
        target = self.config.target
        savings = self.config.savings * (1 - target) * blocks if self._saves else 0.0
        rounded = _without_waste if self.config.levels == 1 else round  # policies see to it with two levels
        return Budget(target, blocks, rounded, engine.tuning.dense_above, savings)

    def _decide(
        self, memory: BlockMemory, frames: Tensor, expected: Answer | None
    ) -> tuple[Tensor, PolicyView | None]:
        """Actions ``(N, GH, GW)`` on the CPU, and what they were decided on where there was a choice."""
        fresh = torch.tensor(memory.fresh)
        if self.config.scene_cuts:
            cuts = memory.cuts.found(frames)
            fresh |= cuts
        actions = torch.full((len(frames), *memory.engine.grid.shape), FULL, dtype=torch.int8)
        rows = (~fresh).nonzero().flatten().tolist()
        if not rows:
            return actions, None
        assert memory.seen is not None
        assert expected is not None
        assert memory.actions is not None
        due = memory.ageing.due[rows]
        last = expected.rows(rows)
        view = PolicyView(
            streams=tuple(rows),
            frames=frames[rows],
            seen=memory.seen[rows].permute(0, 3, 1, 2),
            logits=last.logits,
            actions=memory.actions[rows],
            age=memory.ageing.age[rows],
            due=due,
            budget=torch.zeros(len(rows), dtype=torch.int64),
            block_size=memory.engine.grid.block,
            boxes=last.boxes,
            levels=self.config.levels,
        )
        demand = changed_blocks(view) if self._saves else [None] * len(rows)
        wanted = [memory.budgets[row].next(d) for row, d in zip(rows, demand, strict=True)]
        view = replace(view, budget=torch.tensor(wanted).maximum(due.flatten(1).sum(1).cpu()))
        actions[rows] = self.policy.decide(view).cpu()
        return actions, view

    def _remember(self, memory: BlockMemory, frames: Tensor, answer: Answer, actions: Tensor) -> None:
        full, low = actions == FULL, actions == LOW
        memory.look(frames, actions)
        memory.ageing.update(full | low, full.flatten(1).all(1))
        for row, count in enumerate((full + LOW_COST * low).flatten(1).sum(1).tolist()):
            if not memory.fresh[row]:  # the first frame is not the budget's
                memory.budgets[row].spend(count)
        memory.fresh = [False] * len(memory.fresh)
        memory.answer, memory.actions = answer, actions

    def _cost(self, memory: BlockMemory, decided: bool) -> Cost:
        cost = memory.engine.cost
        assert cost is not None
        return Cost(
            network=cost.executed,
            policy=self.policy.macs if decided else 0.0,
            policy_training=self.policy.training_macs if decided else 0.0,
            flow=memory.motion.macs,
            halo=cost.halo,
            dense=cost.dense,
        )


def _task_of(network: nn.Module, config: BlockCopyConfig) -> Task:
    if isinstance(network, Detector):
        return BoxTask(network, config.motion and not config.legacy)
    return PixelTask(config.motion, config.score_shift)


def _without_waste(blocks: float) -> int:
    """The nearest number of blocks that the engine need not fill up."""
    nearest = max(0, round(blocks))
    above = bucket(nearest) if nearest else 0
    unit = 1 << max(0, (nearest - 1).bit_length() - 3) if nearest else 1
    below = above - unit
    return above if above - blocks <= blocks - below else below
