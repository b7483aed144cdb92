"""SegBlocks: full resolution where it matters, half where it does not, in every frame for itself.

T. Verelst, T. Tuytelaars: SegBlocks: Block-Based Dynamic Resolution Networks for Real-Time Segmentation,
TPAMI 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from saccade.blocks import FULL, LOW, BlockNetwork, EngineOptions, convert
from saccade.blocks.grid import Grid
from saccade.errors import ConfigError
from saccade.methods.answers import prediction_of
from saccade.methods.base import Cost, StepResult, VideoMethod
from saccade.methods.block_size import suitable_block_size
from saccade.methods.configs import SegBlocksConfig
from saccade.methods.scores import scores_of
from saccade.networks.block_policy import block_policy, policy_logits
from saccade.networks.macs import count_macs
from saccade.policies.base import block_means, highest
from saccade.policies.images import as_original, detail, nearness, small_frames
from saccade.policies.reward import information_gain


def blocks_in_full(target: float, grid: Grid) -> int:
    """How many blocks make a share of a frame.

    A block that is cut off at the border takes as long as a whole one, and counts as one.
    """
    total = grid.shape[0] * grid.shape[1]
    whole = grid.height * grid.width / grid.block**2
    return total if target == 1 else min(total, round(target * whole))


class SegBlocks(VideoMethod):
    """Executes a share of the blocks in full and the others at half resolution; remembers nothing.

    Args:
        network: As for ``saccade.wrap``; also one that ``saccade.blocks.convert`` can convert for two levels.
            Frames are cast to the device and the precision of its first parameter.
        config: Its settings.

    Attributes:
        policy: What chooses the blocks, by its name.

    Raises:
        ConfigError: The trained policy is wanted, and the network has none.
    """

    def __init__(self, network: nn.Module, config: SegBlocksConfig | None = None) -> None:
        super().__init__()
        self.config = config or SegBlocksConfig()
        trained = block_policy(network) is not None
        automatic = "trained" if trained else "heuristic"
        self.policy = automatic if self.config.policy == "auto" else self.config.policy
        if self.policy == "trained" and not trained:
            raise ConfigError(
                "the policy 'trained' comes with the weights of a network, and these have none; import "
                "published ones with saccade import, or use the policy heuristic"
            )
        self.network = network.eval().to(memory_format=torch.channels_last)
        self._engines: dict[object, BlockNetwork] = {}
        self._random: dict[int, torch.Generator] = {}

    @torch.inference_mode()
    def step(self, frames: Tensor) -> StepResult:
        """Process the next frame of every stream.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames, any H, W and N.

        Raises:
            NetworkError: The network cannot process such frames, or not at half resolution.
        """
        frames = self._taken(frames)
        size = (int(frames.shape[2]), int(frames.shape[3]))
        engine = self._engine(frames)
        full, spent = self._choose(engine, frames)
        output = engine.step(frames, torch.where(full, FULL, LOW).to(torch.int8))
        prediction = prediction_of(self.network, output, len(frames), size)
        actions, cost = engine.executed, engine.cost
        assert actions is not None
        assert cost is not None
        return StepResult(
            prediction=prediction,
            actions=actions,
            keyframe=(actions == FULL).flatten(1).all(1),
            cost=Cost(network=cost.executed, policy=spent, halo=cost.halo, dense=cost.dense),
            block_size=engine.grid.block,
        )

    def reset(self, streams: Sequence[int] | None = None) -> None:
        """Begin anew with the random choices of these streams; there is nothing else to forget."""
        for row in self._random.keys() if streams is None else streams:
            self._generator(row).manual_seed(self.config.seed)

    def drop(self, streams: Sequence[int]) -> None:
        """Nothing to drop."""

    def _engine(self, frames: Tensor) -> BlockNetwork:
        """The converted network for frames of this size."""
        key = tuple(frames.shape[1:]), frames.dtype, frames.device
        if key not in self._engines:
            height, width = frames.shape[2:]
            side = self.config.block_size or suitable_block_size(height, width, levels=2)
            options = EngineOptions(fill_batches=False)
            if self.config.legacy:
                options = replace(options, bilinear="per_block", dense_above=1.0)
            with torch.inference_mode(False), torch.no_grad():
                example = torch.zeros_like(frames[:1])
                self._engines[key] = convert(self.network, example, side, levels=2, options=options)
        return self._engines[key]

    def _choose(self, engine: BlockNetwork, frames: Tensor) -> tuple[Tensor, float]:
        """The blocks in full ``(N, GH, GW)`` bool, on the CPU, and the MACs that the choice took."""
        config, grid, spent = self.config, engine.grid, 0.0
        if self.policy == "oracle":
            ranks, spent = self._gains(engine, frames)
        elif self.policy == "trained":
            ranks, spent = self._logits(engine, frames)
        elif self.policy == "heuristic":
            ranks = detail(frames, grid.shape, grid.block)
        elif self.policy == "middle":
            ranks = nearness(grid.shape, grid.height, grid.block).expand(len(frames), *grid.shape)
        else:
            draws = [torch.rand(grid.shape, generator=self._generator(n)) for n in range(len(frames))]
            ranks = torch.stack(draws)
        ranks = ranks.float().cpu()
        thresholds = {"trained": 0.0, "heuristic": config.target, "middle": 1 - config.target}
        if config.legacy and self.policy in thresholds:
            return as_original(ranks > thresholds[self.policy], self._generator(0)), spent
        count = blocks_in_full(config.target, engine.grid)
        budget = torch.full((len(frames),), count)
        full = highest(ranks, torch.zeros_like(ranks, dtype=torch.bool), budget) == FULL
        return as_original(full, self._generator(0)) if config.legacy else full, spent

    def _gains(self, engine: BlockNetwork, frames: Tensor) -> tuple[Tensor, float]:
        """How different the scores of each block are in full and at half resolution, and what that took."""
        everything = torch.ones(len(frames), *engine.grid.shape, dtype=torch.int8)
        scores, spent = [], 0.0
        for action in (FULL, LOW):
            scores.append(scores_of(engine.step(frames, everything * action), len(frames)))
            assert engine.cost is not None
            spent += engine.cost.executed
        different = information_gain(scores[0], scores[1], reduction=1)
        size = engine.grid.height, engine.grid.width
        return block_means(different[:, None], engine.grid.shape, size, engine.grid.block)[:, 0], spent

    def _logits(self, engine: BlockNetwork, frames: Tensor) -> tuple[Tensor, float]:
        """What the trained policy says, and what that took."""
        policy, grid = block_policy(self.network), engine.grid
        assert policy is not None
        small = small_frames(frames, grid.shape, grid.block, policy.pixels)
        return policy_logits(self.network, small), count_macs(policy, small.shape)

    def _generator(self, stream: int) -> torch.Generator:
        if stream not in self._random:
            self._random[stream] = torch.Generator().manual_seed(self.config.seed)
        return self._random[stream]
