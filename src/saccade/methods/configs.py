"""The configuration of every method.

A configuration is a frozen dataclass: it is the method's documentation, its Python signature, the schema
of its YAML and its command line flags (help texts come from ``Args``). This file imports no torch, so that
the command line can explain all flags at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from saccade.errors import ConfigError


@dataclass(frozen=True)
class FrameConfig:
    """Frame by frame: the network runs in full on every frame.

    Args:
        compile: Compile the network with torch.compile. The first frames of each size then take minutes,
            the others less time than without.
    """

    compile: bool = False


@dataclass(frozen=True)
class BlockCopyConfig:
    """BlockCopy: the blocks that matter are executed, the others keep their features (ICCV 2021).

    Args:
        target: Share of the blocks that is executed, above 0, at most 1. The first frame is in full.
        block_size: Side of a block in pixels; None for one that suits the size of the frames.
        policy: What chooses the blocks: all, none, random, change (pixels that changed, how long ago, at
            boundaries between classes), trained (a small network, trained beforehand, says what would be
            mended) or online (learns while the video runs).
        policy_weights: Of the trained policy, a file; None for those that come with Saccade.
        max_age: A block is executed at the latest after so many frames; 0 for never. With a small target it
            is as many as the target allows.
        savings: Where little changes, the policies change, trained and online execute fewer blocks, and save
            at most what so many frames in full need beyond their share; 0 for as many in every frame.
        scene_cuts: Execute a frame in full where another scene begins.
        motion: Move the scores of kept blocks along with the picture, by optical flow. The paper does not.
        correction: Shift the scores of kept blocks as those of executed blocks around them shift, class by
            class, where flow explains what is seen; goes with motion. The paper does not.
        policy_net: Of the online policy, a network of the paper: small (0.4 GMAC at 1024x2048) or resnet8
            (7.5).
        legacy: The online policy as in the original code: it samples each block on its own, ignores ages, and
            meets the target only on average.
        train_interval: The online policy learns in every n-th frame; None for every second, or every fourth
            with legacy.
        learning_rate: Of the online policy.
        complexity_weight: Of the legacy policy, weight of the reward for meeting the target.
        cost_momentum: Of the legacy policy, of the running mean of the executed share.
        time_share: The online policy learns at most in this share of the time. None for no limit, so that
            results do not depend on the speed of the machine.
        freeze: The online policy does not learn.
        seed: Of random choices.
    """

    target: float = 0.5
    block_size: int | None = None
    policy: Literal["all", "none", "random", "change", "trained", "online"] = "trained"
    policy_weights: str | None = None
    max_age: int = 60
    savings: float = 2.0
    scene_cuts: bool = True
    motion: bool = True
    correction: bool = True
    policy_net: Literal["small", "resnet8"] = "small"
    legacy: bool = False
    train_interval: int | None = None
    learning_rate: float = 1e-4
    complexity_weight: float = 5.0
    cost_momentum: float = 0.9
    time_share: float | None = None
    freeze: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.target <= 1:
            raise ConfigError(f"target {self.target} is no share of the blocks; give one above 0, at most 1")
        if self.block_size is not None and self.block_size < 1:
            raise ConfigError(f"block_size {self.block_size} is no size in pixels; give for example 128")
        if self.max_age < 0:
            raise ConfigError(f"max_age {self.max_age} is no number of frames; give 0 for no limit")
        if self.savings < 0:
            raise ConfigError(f"savings {self.savings} is no number of frames; give 0 for none")


@dataclass(frozen=True)
class SegBlocksConfig:
    """SegBlocks: blocks that matter in full resolution, the others in half (TPAMI 2023).

    Args:
        target: Share of the blocks in full resolution, 0 to 1.
        block_size: Side of a block in pixels; None for one that suits the size of the frames. A block must
            have an even number of pixels in every map: a multiple of 64 for a network with stride 32.
        policy: What chooses the blocks in full: heuristic (those with most detail), random, middle (rows at
            the middle of the frame) or oracle (those whose scores differ most between the resolutions, which
            takes more than the dense network: how good a choice could be).
        legacy: As the original code: of heuristic and middle, target is a threshold (of the detail, and of
            the height of the rows); of all, more blocks at random up to a multiple of a sixteenth; low
            blocks are enlarged each alone.
        seed: Of random choices.
    """

    target: float = 0.4
    block_size: int | None = None
    policy: Literal["heuristic", "random", "middle", "oracle"] = "heuristic"
    legacy: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        threshold = self.legacy and self.policy == "heuristic"
        if self.target < 0 or (self.target > 1 and not threshold):
            raise ConfigError(f"target {self.target} is no share of the blocks; give one from 0 to 1")
        if self.block_size is not None and self.block_size < 1:
            raise ConfigError(f"block_size {self.block_size} is no size in pixels; give for example 128")


@dataclass(frozen=True)
class DeepFeatureFlowConfig:
    """Deep Feature Flow: features of key frames move along optical flow to the others (CVPR 2017).

    Args:
        interval: One frame in so many is a key frame, on which the network runs in full.
        schedule: Key frames at a fixed interval, or adaptive: no more of them, where flow explains least.
        flow: Optical flow: dis, light, flownet-s, flownet2-s, raft-small, or a weights file of one.
        cut: Where the network is cut: what comes before gives the features that move, what follows runs on
            every frame. None for the place that suits the network; logits moves what it returns.
        path: How features come from the key frame. composed: at once, along the flows between the frames put
            together; steps: from frame to frame, as in Accel, which blurs them each time; direct: along flow
            from the key frame itself, as in the paper, which has to see longer motion.
    """

    interval: int = 5
    schedule: Literal["fixed", "adaptive"] = "fixed"
    flow: str = "dis"
    cut: str | None = None
    path: Literal["composed", "steps", "direct"] = "composed"

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ConfigError(f"interval {self.interval} is no number of frames; give 1 or more")
