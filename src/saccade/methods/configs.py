"""The configuration of every method.

A configuration is a frozen dataclass: it is the method's documentation, its Python signature, the schema
of its YAML and its command line flags (help texts come from ``Args``). This file imports no torch, so that
the command line can explain all flags at once.
"""

from __future__ import annotations

import math
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
        levels: 2 for blocks that are executed at half resolution, too, where that gains more per operation.
            Such a block counts as a quarter. The network must be able to, as for SegBlocks.
        block_size: Side of a block in pixels; None for one that suits the size of the frames (smaller for
            detectors).
        policy: What chooses the blocks: all, none, random, change (pixels that changed, how long ago, at
            boundaries between classes), trained (a small network, trained beforehand, says what would be
            mended) or online (learns while the video runs).
        policy_weights: Of the trained policy, a file; None for those that come with Saccade. Other policies
            take no notice of it.
        max_age: A block is executed at the latest after so many frames; 0 for never. With a small target it
            is as many as the target allows.
        savings: Where little changes, the policies change, trained and online execute fewer blocks, and save
            at most what so many frames in full need beyond their share; 0 for as many in every frame.
        scene_cuts: Execute a frame in full where another scene begins.
        motion: Move the class scores of kept blocks along with the picture, by optical flow; of detectors,
            boxes in kept blocks, by matching what is in them. The paper does neither.
        score_shift: Shift the scores of kept blocks as those of executed blocks around them shift, class by
            class, where flow explains what is seen; goes with motion. The paper does not.
        policy_net: Of the online policy, a network of the paper: small (0.4 GMAC at 1024x2048) or resnet8
            (7.5).
        legacy: The online policy as in the original code: it samples each block on its own, ignores ages, and
            meets the target only on average.
        train_interval: The online policy learns in every n-th frame; None for every second, or with legacy
            every fourth, and of detectors what the original has for them at this target (3 or 4, 1 at 0.5
            with the small network).
        learning_rate: Of the online policy.
        complexity_weight: Of the legacy policy, weight of the reward for meeting the target.
        cost_momentum: Of the legacy policy, of the running mean of the executed share.
        time_share: The online policy learns at most in this share of the time. None for no limit, so that
            results do not depend on the speed of the machine.
        freeze: The online policy does not learn.
        seed: Of random choices.
    """

    target: float = 0.5
    levels: int = 1
    block_size: int | None = None
    policy: Literal["all", "none", "random", "change", "trained", "online"] = "trained"
    policy_weights: str | None = None
    max_age: int = 60
    savings: float = 2.0
    scene_cuts: bool = True
    motion: bool = True
    score_shift: bool = True
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
        if self.levels not in (1, 2):
            raise ConfigError(f"levels {self.levels}: there are 1 or 2 levels of resolution")
        if self.levels == 2 and self.legacy:
            raise ConfigError("legacy knows no budget, and levels=2 shares one out; give one of the two")


@dataclass(frozen=True)
class SegBlocksConfig:
    """SegBlocks: blocks that matter in full resolution, the others in half (TPAMI 2023).

    Args:
        target: Share of the frame in full resolution, 0 to 1. A block that is cut off at the border counts as
            a whole one, since it takes as long.
        block_size: Side of a block in pixels; None for one that suits the size of the frames. A block must
            have an even number of pixels in every map: a multiple of 64 for a network with stride 32.
        policy: What chooses the blocks in full: trained (a small network that was trained with the weights,
            and comes with them), heuristic (blocks with most detail), random, middle (rows at the middle of
            the frame) or oracle (blocks whose scores differ most between the resolutions, which takes more
            than the dense network, and needs no labels: for comparison). auto takes trained where the
            weights hold such a network, else heuristic.
        legacy: As the original code: of trained, heuristic and middle, target is no share of the blocks, but
            a threshold (none, of the detail, and of the height of the rows); of all, more blocks at random
            up to a multiple of a sixteenth; low blocks are enlarged each alone.
        seed: Of random choices.
    """

    target: float = 0.4
    block_size: int | None = None
    policy: Literal["auto", "trained", "heuristic", "random", "middle", "oracle"] = "auto"
    legacy: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        most = math.inf if self.legacy and self.policy in ("auto", "heuristic") else 1.0  # a threshold there
        if not 0 <= self.target <= most:  # nor is NaN
            raise ConfigError(f"target {self.target} is no share of the blocks; give one from 0 to 1")
        policies = ("auto", "trained", "heuristic", "random", "middle", "oracle")
        if self.policy not in policies:
            raise ConfigError(
                f"{self.policy!r} is no policy of segblocks; choose one of {', '.join(policies)}"
            )
        if self.block_size is not None and self.block_size < 1:
            raise ConfigError(f"block_size {self.block_size} is no size in pixels; give for example 128")


@dataclass(frozen=True)
class DeepFeatureFlowConfig:
    """Deep Feature Flow: features of key frames move along optical flow to the others (CVPR 2017).

    Args:
        interval: One frame in so many is a key frame, on which the network runs in full.
        schedule: Key frames at a fixed interval; or no more of them: adaptive, where flow explains least;
            agreement, where most labels are guessed to differ from those of the network.
        flow: Optical flow: dis, light, flownet-s, flownet2-s, raft-small, or a weights file of one.
        cut: Where the network is cut: what comes before gives the features that move, what follows runs on
            every frame. None for the place that suits the network; logits moves what it returns.
        path: How features come from the key frame. composed: at once, along the flows between the frames put
            together; steps: from frame to frame, as in Accel, which blurs them each time; direct: along flow
            from the key frame itself, as in the paper, which has to see longer motion.
    """

    interval: int = 5
    schedule: Literal["fixed", "adaptive", "agreement"] = "fixed"
    flow: str = "dis"
    cut: str | None = None
    path: Literal["composed", "steps", "direct"] = "composed"

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ConfigError(f"interval {self.interval} is no number of frames; give 1 or more")


@dataclass(frozen=True)
class GSVNetConfig:
    """GSVNet: scores of key frames move along optical flow, corrected by what frames show (WACV 2021).

    Args:
        interval: One frame in so many is a key frame, on which the network runs in full.
        schedule: Key frames at a fixed interval; or no more of them: adaptive, where flow explains least;
            agreement, where most labels are guessed to differ from those of the network.
        flow: Optical flow: dis, light, flownet-s, flownet2-s, raft-small, or a weights file of one.
        correction: Weights of the correcting network: a name, a file, none for moved scores as they are, or
            default: those that are shipped for the network and the flow, where there are any, else none.
        path: How scores come from the key frame. composed: at once, along the flows between the frames put
            together; steps: from frame to frame, corrected each time, as in the paper.
        keyframe_scale: Factor on both sides of key frames for the network; the paper has 0.75.
        legacy: As the original code: all scores at an eighth of the frame, also those of key frames, resized
            with aligned corners, and path steps.
    """

    interval: int = 3
    schedule: Literal["fixed", "adaptive", "agreement"] = "fixed"
    flow: str = "dis"
    correction: str = "default"
    path: Literal["composed", "steps"] = "composed"
    keyframe_scale: float = 1.0
    legacy: bool = False

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ConfigError(f"interval {self.interval} is no number of frames; give 1 or more")
        if not 0 < self.keyframe_scale <= 1:
            raise ConfigError(f"keyframe_scale {self.keyframe_scale} is not above 0 and at most 1")


@dataclass(frozen=True)
class AccelConfig:
    """Accel: features of key frames move along optical flow, a cheaper network corrects (CVPR 2019).

    Args:
        interval: One frame in so many is a key frame, on which the network runs in full.
        schedule: Key frames at a fixed interval; or no more of them: adaptive, where flow explains least;
            agreement, where most labels are guessed to differ from those of the network.
        flow: Optical flow: dis, light, flownet-s, flownet2-s, raft-small, or a weights file of one.
        cut: Where the network is cut: what comes before gives the features that move, what follows runs on
            every frame. None for the place that suits the network; logits moves what it returns.
        path: How features come from the key frame. composed: at once, along the flows between the frames put
            together; steps: from frame to frame, as in Accel; direct: along flow from the key frame itself.
        update: Network that sees the other frames: a name, a weights file, or MODULE:CALLABLE; by default the
            same network.
        update_scale: Factor on both sides of frames for the update network.
        fuse: What is fused on the other frames. scores: those of both networks; features: those of the same
            network, as in Accel-101, which saves nothing; update: the update network alone;
            reference: moved features alone, which is Deep Feature Flow.
        fuse_at: Where scores are fused: logits, at their own resolution; or full, at that of the frame.
        fusion: mean, half of each (of features: the frame's own); or weights of a trained fusion: a name, a
            file.
    """

    interval: int = 5
    schedule: Literal["fixed", "adaptive", "agreement"] = "fixed"
    flow: str = "dis"
    cut: str | None = None
    path: Literal["composed", "steps", "direct"] = "composed"
    update: str | None = None
    update_scale: float = 0.75
    fuse: Literal["scores", "features", "update", "reference"] = "scores"
    fuse_at: Literal["logits", "full"] = "logits"
    fusion: str = "mean"

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ConfigError(f"interval {self.interval} is no number of frames; give 1 or more")
        if not 0 < self.update_scale <= 1:
            raise ConfigError(f"update_scale {self.update_scale} is not above 0 and at most 1")
        if self.fuse == "features" and self.update is not None:
            raise ConfigError("features are fused of one network only: leave update out, or fuse scores")


@dataclass(frozen=True)
class TDNetConfig:
    """TDNet: sub-networks take turns, and attention brings what the others saw before (CVPR 2020).

    There are no key frames: every frame costs the same. The network has to be one of TDNet's.
    """
