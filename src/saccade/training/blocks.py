"""Training of SegBlocks: a segmentation network and the policy that shares out its resolution, together.

T. Verelst, T. Tuytelaars: SegBlocks: Block-Based Dynamic Resolution Networks for Real-Time Segmentation,
TPAMI 2023.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from saccade.classes import IGNORE
from saccade.methods import wrap
from saccade.methods.configs import SegBlocksConfig
from saccade.networks.block_policy import BlockPolicy, add_block_policy, policy_logits
from saccade.policies.base import block_means
from saccade.policies.images import small_frames
from saccade.policies.reward import policy_gradient_loss, signed
from saccade.policies.sampling import bernoulli_log_prob
from saccade.training.data import crop_generator
from saccade.training.recipe import BlocksConfig, StageConfig, TrainConfig
from saccade.training.segmentation import SegmentationTask
from saccade.training.two_levels import Chosen, run
from saccade.training.validation import validate


@dataclass(frozen=True, eq=False)
class Answer:
    """What the learner says of a batch.

    Attributes:
        output: Of the network.
        policy: ``(N, GH, GW)`` logits of full resolution.
        full: ``(N, GH, GW)`` bool, the blocks that were drawn by them.
    """

    output: Any
    policy: Tensor
    full: Tensor


class BlocksLearner(nn.Module):
    """Draws blocks by the policy, and runs the network with these in full and the others at half resolution.

    Each block is drawn by itself, with the probability that the policy gives it. (The original then adds
    blocks at random up to a round number, and credits the policy with them.)

    Args:
        network: With a policy.
        config: Its blocks.
        random: Draws the blocks, on the CPU; torch's own generator by default.
    """

    def __init__(
        self, network: nn.Module, config: BlocksConfig, random: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.random = random

    def forward(self, frames: Tensor) -> Answer:
        """Normalised frames ``(N, 3, H, W)``."""
        side = self.config.block_size
        size = int(frames.shape[2]), int(frames.shape[3])
        grid = -(-size[0] // side), -(-size[1] // side)
        logits = policy_logits(self.network, small_frames(frames, grid, side, BlockPolicy.pixels))
        draws = torch.rand(logits.shape, generator=self.random).to(logits.device)
        full = draws < logits.detach().sigmoid()
        chosen = Chosen(full, side, size, self.config.statistics)
        return Answer(run(self.network, frames, chosen), logits, full)


class BlocksTask(SegmentationTask):
    """A class for every pixel, from blocks of two resolutions."""

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        super().__init__(config, device)
        assert config.blocks is not None
        self._blocks = config.blocks
        self._random = torch.Generator()

    def network(self, config: TrainConfig) -> nn.Module:
        network = super().network(config)
        add_block_policy(network)
        return network

    def learner(self, network: nn.Module) -> nn.Module:
        return BlocksLearner(network, self._blocks, self._random)

    def crops(self, stage: StageConfig, epoch: int) -> Dataset[tuple[Tensor, Tensor]]:
        """Also seeds the draws of the epoch, so that a run that was resumed draws as one that was not."""
        seed = crop_generator(self._config.seed, epoch, self.length(stage)).initial_seed()
        self._random.manual_seed(seed)
        return super().crops(stage, epoch)

    def loss(self, output: Answer, targets: Tensor) -> Tensor:
        """That of the network, and that of its policy, with the same weight."""
        first = output.output[0] if isinstance(output.output, (tuple, list)) else output.output
        losses = block_losses(first.detach(), targets, output.full, self._blocks.block_size)
        rewards = block_rewards(losses, output.full, self._blocks.target, self._blocks.cost_weight)
        policy = policy_gradient_loss(bernoulli_log_prob(output.policy, output.full), rewards)
        return super().loss(output.output, targets) + policy

    def validate(self, network: nn.Module, device: torch.device) -> float | None:
        """mIoU of SegBlocks with the trained policy at the target."""
        data = self._config.validation
        if data is None:
            return None
        was_training = network.training
        blocks = self._blocks
        config = SegBlocksConfig(target=blocks.target, block_size=blocks.block_size, policy="trained")
        method = wrap(network, config)
        score = validate(method, data, self.classes, device)
        network.train(was_training)
        return score


def block_losses(logits: Tensor, labels: Tensor, full: Tensor, block_size: int) -> Tensor:
    """Mean cross-entropy of the pixels of each block, ``(N, GH, GW)``; ignored ones count as 0.

    Args:
        logits: ``(N, K, h, w)``; resized bilinearly to the labels.
        labels: ``(N, H, W)`` integer.
        full: ``(N, GH, GW)``, one entry per block.
        block_size: Side of a block in pixels.
    """
    logits = F.interpolate(logits.float(), size=labels.shape[-2:], mode="bilinear", align_corners=False)
    losses = F.cross_entropy(logits, labels.long(), ignore_index=IGNORE, reduction="none")
    rows, columns = full.shape[1:]
    size = int(losses.shape[1]), int(losses.shape[2])
    return block_means(losses[:, None], (rows, columns), size, block_size)[:, 0]


def block_rewards(losses: Tensor, full: Tensor, target: float, cost_weight: float) -> Tensor:
    """What the drawn resolution of each block was worth, ``(N, GH, GW)``.

    Of a block in full, how much harder it is than the mean block, and how much of the budget is left:

        (loss - mean loss) + cost_weight * (target - share of blocks in full)

    and of one at half resolution the opposite.

    Args:
        losses: ``(N, GH, GW)``.
        full: ``(N, GH, GW)`` bool.
        target: Share of the blocks that is to be in full.
        cost_weight: 1 in the original.
    """
    left = target - full.to(losses.dtype).mean()
    return signed(losses - losses.mean() + cost_weight * left, full)
