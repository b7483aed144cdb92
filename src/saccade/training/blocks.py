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
from torch.distributed import get_rank, is_available, is_initialized
from torch.utils.data import Dataset

from saccade.actions import FULL
from saccade.blocks.grid import Grid
from saccade.classes import IGNORE
from saccade.errors import ConfigError
from saccade.methods import wrap
from saccade.methods.configs import SegBlocksConfig
from saccade.methods.scores import scores_of
from saccade.methods.segblocks import blocks_in_full
from saccade.networks import load_network
from saccade.networks.block_policy import BlockPolicy, add_block_policy, block_policy, policy_logits
from saccade.networks.registry import network_info
from saccade.policies.base import block_means, highest
from saccade.policies.images import small_frames
from saccade.policies.reward import policy_gradient_loss, signed
from saccade.policies.sampling import bernoulli_log_prob
from saccade.training.data import crop_generator
from saccade.training.losses import distillation
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
        full: ``(N, GH, GW)`` bool, the blocks that were chosen by them.
        known: ``(N, K, h, w)`` what the network that it learns from says of the frames in full; None without.
    """

    output: Any
    policy: Tensor
    full: Tensor
    known: Tensor | None = None


class BlocksLearner(nn.Module):
    """Chooses blocks by the policy, and runs the network with these in full, the others at half resolution.

    Where they are drawn, each is drawn by itself, with the probability that the policy gives it. (The
    original then adds blocks at random up to a round number, and credits the policy with them.)

    Args:
        network: With a policy.
        config: Its blocks.
        random: Draws the blocks, on the CPU; torch's own generator by default.
        teacher: Network in evaluation mode to learn from; None without.
    """

    def __init__(
        self,
        network: nn.Module,
        config: BlocksConfig,
        random: torch.Generator | None = None,
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.random = random
        # Past nn.Module's bookkeeping: it is not trained, and stays in evaluation mode.
        self.__dict__["_teacher"] = teacher

    def forward(self, frames: Tensor) -> Answer:
        """Normalised frames ``(N, 3, H, W)``."""
        side = self.config.block_size
        size = int(frames.shape[2]), int(frames.shape[3])
        grid = -(-size[0] // side), -(-size[1] // side)
        logits = self._policy(small_frames(frames, grid, side, BlockPolicy.pixels))
        full = self._choose(logits.detach(), Grid(*size, side))
        chosen = Chosen(full, side, size, self.config.statistics)
        return Answer(run(self.network, frames, chosen), logits, full, self._known(frames))

    def _policy(self, small: Tensor) -> Tensor:
        """Logits of full resolution ``(N, GH, GW)``; as in use where the policy learns nothing."""
        if self.config.choice == "drawn":
            return policy_logits(self.network, small)
        policy = block_policy(self.network)
        assert policy is not None
        policy.eval()
        with torch.no_grad():
            return policy_logits(self.network, small)

    def _choose(self, logits: Tensor, grid: Grid) -> Tensor:
        if self.config.choice == "drawn":
            draws = torch.rand(logits.shape, generator=self.random).to(logits.device)
            return draws < logits.sigmoid()
        ranks = logits.float().cpu()
        budget = torch.full((len(ranks),), blocks_in_full(self.config.target, grid))
        full = highest(ranks, torch.zeros_like(ranks, dtype=torch.bool), budget) == FULL
        return full.to(logits.device)

    @torch.no_grad()
    def _known(self, frames: Tensor) -> Tensor | None:
        teacher: nn.Module | None = self.__dict__["_teacher"]
        return None if teacher is None else scores_of(teacher(frames), len(frames))


class BlocksTask(SegmentationTask):
    """A class for every pixel, from blocks of two resolutions."""

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        super().__init__(config, device)
        assert config.blocks is not None
        self._blocks = config.blocks
        self._random = torch.Generator()
        self._teacher: nn.Module | None = None
        if self._blocks.distillation:
            teacher = self._open_teacher(config)
            self._teacher = teacher.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _open_teacher(self, config: TrainConfig) -> nn.Module:
        """The network of ``init``.

        Raises:
            ConfigError: It has other classes.
        """
        teacher = load_network(config.network, weights=config.init, **config.options)
        classes = network_info(teacher).class_set
        if classes is None or classes.names != self.classes.names:
            raise ConfigError(
                f"blocks.distillation learns from {config.init}, whose classes are not those of "
                f"{self.classes.name}; name weights with the same, or leave distillation out"
            )
        return teacher

    def network(self, config: TrainConfig) -> nn.Module:
        network = super().network(config)
        add_block_policy(network)
        return network

    def learner(self, network: nn.Module) -> nn.Module:
        return BlocksLearner(network, self._blocks, self._random, self._teacher)

    def crops(self, stage: StageConfig, epoch: int) -> Dataset[tuple[Tensor, Tensor]]:
        """Also seeds the draws of the epoch, so that a run that was resumed draws as one that was not.

        Each process draws for itself.
        """
        process = get_rank() if is_available() and is_initialized() else 0
        seed = crop_generator(self._config.seed, epoch, self.length(stage) + process).initial_seed()
        self._random.manual_seed(seed)
        return super().crops(stage, epoch)

    def loss(self, output: Answer, targets: Tensor) -> Tensor:
        """Of the network, with what it learns from another, and of its policy, with the same weight."""
        first = output.output[0] if isinstance(output.output, (tuple, list)) else output.output
        loss = super().loss(output.output, targets)
        if output.known is not None:
            loss = loss + self._blocks.distillation * distillation(first, output.known)
        if self._blocks.choice == "highest":
            return loss
        losses = block_losses(first.detach(), targets, output.full, self._blocks.block_size)
        rewards = block_rewards(losses, output.full, self._blocks.target, self._blocks.cost_weight)
        policy = policy_gradient_loss(bernoulli_log_prob(output.policy, output.full), rewards)
        return loss + policy

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
