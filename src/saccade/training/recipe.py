"""What a training run is: one frozen dataclass, read from YAML, changed with ``--set key=value``."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from saccade.errors import ConfigError


@dataclass(frozen=True)
class DataConfig:
    """One data set to train on or to validate on.

    Attributes:
        dataset: Name as in ``saccade list datasets``.
        root: Folder of the data set; relative to the working directory. Not needed for ``world``.
        split: Split of the data set.
        options: Further options of the data set, for example the size of a world.
        repeat: How many times an epoch goes through it.
        every: For key-frame methods, only one clip or still in so many.
        moving: For key-frame methods, make a clip out of every labelled still by a camera that moves over it.
    """

    dataset: str
    root: str | None = None
    split: str = "train"
    options: dict[str, Any] = field(default_factory=dict)
    repeat: int = 1
    every: int = 1
    moving: bool = False


@dataclass(frozen=True)
class StageConfig:
    """A part of the run with its own crops; cheap low-resolution stages come first.

    Attributes:
        epochs: Passes over the training data.
        crop: ``[height, width]`` in pixels of the crops that the network sees.
        scale: Range of the random resizing before the crop, relative to the image.
        batch_size: Crops per optimiser step and process.
        data: Data sets of this stage; those of the recipe by default.
        colour: Strength of the colour augmentation, 0 (none) to 1.
    """

    epochs: int
    crop: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    batch_size: int = 8
    data: tuple[DataConfig, ...] | None = None
    colour: float = 0.5


@dataclass(frozen=True)
class LossConfig:
    """Cross-entropy, with the usual remedies for rare classes and easy pixels.

    Attributes:
        kind: ``cross_entropy``; ``ohem`` keeps pixels whose probability of the true class is below
            ``ohem_threshold`` (at least ``keep`` of all); ``bootstrapped`` keeps the ``keep`` share
            of the pixels with the largest loss; ``bootstrapped_per_image``, as SegBlocks, keeps those of
            each image with a loss above ``bootstrap_threshold``, at least ``bootstrap_pixels`` of them.
        class_weights: ``none``; ``balanced``: ``1 / log(1.02 + frequency)`` (ENet), scaled to a mean
            of 1 over the pixels of the training data; ``softened``: the square root of those, for
            networks that see too many rare classes.
        lovasz: Weight of the Lovasz-softmax loss (a surrogate of mIoU) beside cross-entropy, on the
            pixels that the network's own resolution samples.
        count_ignored: Of ``cross_entropy``, divide by the number of all pixels, also of those without a
            label, as SegBlocks; by default by the number of those that have one.
    """

    kind: Literal["cross_entropy", "ohem", "bootstrapped", "bootstrapped_per_image"] = "cross_entropy"
    class_weights: Literal["none", "balanced", "softened"] = "none"
    ohem_threshold: float = 0.7
    keep: float = 0.25
    bootstrap_threshold: float = 0.3
    bootstrap_pixels: int = 4096
    lovasz: float = 0.0
    count_ignored: bool = False

    def __post_init__(self) -> None:
        if self.bootstrap_pixels < 1:
            raise ConfigError(f"bootstrap_pixels must be at least 1, not {self.bootstrap_pixels}")


@dataclass(frozen=True)
class BoxConfig:
    """Which boxes a detector learns, and how; what it says within the others does not matter.

    Attributes:
        min_height: Pixels in the frames of the data set.
        min_visible: Share of a person that is visible.
        offset_radius: Positions around a centre, four pixels each, at which its offset is learned; 0, as CSP
            does, for the centre only.
        loss_weights: Of the losses of centres, heights and offsets.
    """

    min_height: float = 50.0
    min_visible: float = 0.3
    offset_radius: int = 0
    loss_weights: tuple[float, float, float] = (0.01, 1.0, 0.1)

    def __post_init__(self) -> None:
        if self.offset_radius < 0 or min(self.loss_weights) < 0:
            raise ConfigError(
                f"offset_radius and loss_weights must be at least 0, not {self.offset_radius} and "
                f"{list(self.loss_weights)}"
            )


@dataclass(frozen=True)
class KeyframesConfig:
    """What the correction of GSVNet, the fusion of Accel, the flow of DFF or a TDNet learns beside.

    Attributes:
        network: The frozen network: name of shipped weights, or a weights file.
        flow: Optical flow that moves scores; a TDNet has none, and DFF's is what is trained.
        path: ``composed``: at once, along flows put together; ``steps``: from frame to frame, corrected each
            time, with gradients through the last two steps; ``direct``, of DFF: along flow from the key frame
            itself, as in its paper.
        distances: Numbers of frames after a key frame to learn from, each as often; DFF can have 0, the key
            frame itself, where the network learns. Of TDNet, numbers of frames from one sub-network's turn to
            the next.
        distillation: Weight of the distance to what the frozen network says of the frame itself, beside the
            cross-entropy with labels. It teaches on frames without labels too.
        learn_flow: Of GSVNet, train the flow along, on crops; it is saved as ``flow.safetensors``.
        flow_lr_factor: Multiplies the learning rate of flow that is trained.
        update: Of Accel, weights of the update network; by default it is the same network.
        update_scale: Of Accel, factor on both sides of frames for the update network.
        cut: Of DFF, where the network is cut; by default where ``--method dff`` cuts it.
        learn_network: Of DFF, train the segmentation network along, but for its batch norm. It is saved as
            ``network.safetensors``.
        size: Of DFF, TDNet, and GSVNet with ``learn_flow``, height and width that clips are brought to before
            crops are cut out of them.
        grouped: Of TDNet, each sub-network alone learns what its part of the channels of the frozen network's
            last layer says, as in the paper; by default what all of them say.
        memory: Gigabytes of clips with answers that each process keeps; what there is no room for is read and
            answered whenever it is needed.
    """

    network: str = "swiftnet-rn18"
    flow: str = "dis"
    path: Literal["composed", "steps", "direct"] = "composed"
    distances: tuple[int, ...] = (1, 2, 3, 4)
    distillation: float = 10.0
    learn_flow: bool = False
    flow_lr_factor: float = 1.0
    update: str | None = None
    update_scale: float = 0.75
    cut: str | None = None
    learn_network: bool = False
    size: tuple[int, int] = (360, 480)
    grouped: bool = False
    memory: float = 16.0

    def __post_init__(self) -> None:
        least = 0 if self.learn_network else 1
        if not self.distances or min(self.distances) < least or max(self.distances) < 1:
            raise ConfigError(
                "distances must be at least 1, or 0 beside others with learn_network, "
                f"not {list(self.distances)}"
            )


@dataclass(frozen=True)
class BlocksConfig:
    """Blocks of two resolutions, and a policy that shares out full resolution, trained with the network.

    Attributes:
        target: Share of the blocks in full resolution.
        block_size: Side of a block in pixels. At the right and bottom of crops blocks may be cut off.
        cost_weight: Weight of the target in the reward of the policy.
        policy_lr_factor: Multiplies the learning rate of the policy.
        statistics: Of batch norm: ``frozen``, those that the recipe starts from, which stay as they are;
            ``own``, as the original, each resolution is normalised by its own pixels; ``joint``, both
            by those of all pixels.
        choice: Blocks in full: ``drawn``, as the original, each with the probability that the policy gives
            it; ``highest``, those that it would choose in use, exactly ``target`` of them. It then learns
            nothing.
        distillation: Weight of the distance to what the network of ``init`` says of the same frames in full.
    """

    target: float = 0.4
    block_size: int = 128
    cost_weight: float = 1.0
    policy_lr_factor: float = 1.0
    statistics: Literal["frozen", "own", "joint"] = "own"
    choice: Literal["drawn", "highest"] = "drawn"
    distillation: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.target <= 1:
            raise ConfigError(f"blocks.target {self.target} is no share of the blocks; give one from 0 to 1")
        if self.block_size < 2 or self.block_size % 2:
            raise ConfigError(
                f"blocks.block_size {self.block_size} has no half; give an even number of pixels, a multiple "
                "of 64 for a network with stride 32"
            )
        for name in ("cost_weight", "policy_lr_factor", "distillation"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigError(f"blocks.{name} must be a number of at least 0, not {value}")


@dataclass(frozen=True)
class TrainConfig:
    """A recipe.

    Attributes:
        name: Name of the run; results go to ``<output>/<name>/``.
        network: Registered name of a network, or of an optical flow, ``guided-correction``, ``accel-fusion``;
            a TDNet is trained as a method with key frames is, beside a frozen network, and so can an optical
            flow be, for DFF.
        class_set: Class set to train: ``camvid`` or ``cityscapes``, for detection ``pedestrians``; optical
            flow has none.
        task: ``segmentation``, ``detection`` with the loss of CSP, ``flow`` with end-point errors, or
            ``keyframes`` for what corrects moved scores, for the flow of DFF, and for TDNet.
        options: Of the network's constructor, for example its width.
        data: Training data of all stages that do not name their own.
        validation: What the run is validated on; None trains without.
        stages: Parts of the run, in order.
        output: Folder of all runs.
        init: What to start from: a name or file of weights (with a new last layer where their classes
            are others), ``imagenet`` for a backbone that is fetched, ``backbone:NAME``
            for that of other weights, or None for random values.
        optimiser: ``adamw``, ``adam`` (weight decay as an L2 penalty) or ``sgd`` (Nesterov, momentum 0.9).
        betas: Decay rates of Adam's two moments.
        lr: Peak learning rate.
        schedule: ``cosine``: linear warm-up, then cosine down to ``lr_end``. ``poly``: linear warm-up, then
            what is left of the run to the power of 0.9. ``steps``: a share of the learning rate as warm-up,
            then a tenth of it after each of ``drops``.
        lr_end: Learning rate at the end of a cosine.
        drops: Shares of the run after which ``steps`` lower the learning rate; by default as CSP is trained.
        warmup_share: Of the learning rate, while ``steps`` warm up.
        backbone_lr_factor: Multiplies the learning rate of the backbone.
        weight_decay: Weight decay; not applied to biases and batch norm.
        backbone_decay_factor: Multiplies the weight decay of the backbone.
        warmup_steps: Optimiser steps of linear warm-up.
        clip_norm: Largest norm of the gradient; 0 does not clip.
        ema: Decay of the exponential moving average of the weights that is validated and saved; 0 is off.
        loss: The loss of segmentation.
        boxes: For detection, which boxes are learned.
        keyframes: For key-frame methods, what is learned beside. The crop of a stage is then the size of
            frames (unless ``keyframes.size`` is), and ``data`` may name ``video``, whose ``root`` is a file
            without labels.
        blocks: For segmentation, train SegBlocks; None trains the network on whole frames.
        precision: ``fp32``, ``bf16``, ``fp16``, or ``auto``: bf16 where the machine computes it natively.
        validate_every: Epochs between validations (the last epoch is always validated).
        save_every: Epochs between checkpoints (the last epoch is always saved).
        threads: CPU threads; 0 leaves PyTorch's default.
        workers: Processes that load and augment; 0 does it in the main process.
        cache: Keep decoded images in memory.
        seed: Seed of everything random.
    """

    name: str
    network: str
    data: tuple[DataConfig, ...]
    stages: tuple[StageConfig, ...]
    class_set: str = ""
    task: Literal["segmentation", "detection", "flow", "keyframes"] = "segmentation"
    options: dict[str, Any] = field(default_factory=dict)
    validation: DataConfig | None = None
    output: str = "runs"
    init: str | None = None
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    lr: float = 1e-3
    schedule: Literal["cosine", "poly", "steps"] = "cosine"
    lr_end: float = 1e-6
    drops: tuple[float, ...] = (110 / 240, 160 / 240)
    warmup_share: float = 1 / 3
    backbone_lr_factor: float = 1.0
    weight_decay: float = 1e-2
    backbone_decay_factor: float = 1.0
    warmup_steps: int = 100
    clip_norm: float = 1.0
    ema: float = 0.999
    loss: LossConfig = field(default_factory=LossConfig)
    boxes: BoxConfig = field(default_factory=BoxConfig)
    keyframes: KeyframesConfig = field(default_factory=KeyframesConfig)
    blocks: BlocksConfig | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    validate_every: int = 5
    save_every: int = 1
    threads: int = 0
    workers: int = 0
    cache: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages or not self.data:
            raise ConfigError("a recipe needs at least one entry in `data` and in `stages`")
        for stage in self.stages:
            if stage.epochs < 1 or stage.batch_size < 1 or min(stage.crop) < 1:
                raise ConfigError(f"epochs, batch_size and crop must be positive, not {stage}")
            if not 0 < stage.scale[0] <= stage.scale[1]:
                raise ConfigError(f"scale must be [smallest, largest] above 0, not {list(stage.scale)}")
        if self.blocks and self.task != "segmentation":
            raise ConfigError(f"blocks are for segmentation, not for {self.task}; leave blocks out")
        if self.blocks and self.blocks.distillation and not self.starts_from_network:
            raise ConfigError(
                "blocks.distillation learns from the network of init, and init is "
                f"{self.init or 'not there'}; name weights of a whole network, or set it to 0"
            )
        if self.lr <= 0 or not 0 <= self.ema < 1:
            raise ConfigError(f"lr must be above 0 and ema in [0, 1), not lr={self.lr}, ema={self.ema}")

    @property
    def starts_from_network(self) -> bool:
        """Whether ``init`` names the weights of a whole network."""
        return self.init is not None and self.init != "imagenet" and not self.init.startswith("backbone:")

    @property
    def folder(self) -> Path:
        """Where the run writes its checkpoint, log and weights."""
        return Path(self.output) / self.name


def load_recipe(path: str | Path, overrides: Mapping[str, str] | Sequence[str] = ()) -> TrainConfig:
    """Read a recipe.

    Args:
        path: YAML file with the fields of ``TrainConfig``.
        overrides: ``{"stages.0.epochs": "5"}`` or ``["stages.0.epochs=5"]``; values are read as YAML.

    Raises:
        ConfigError: Unreadable file, unknown key, or a value of the wrong type.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"cannot read recipe {path}: {error.strerror}; recipes/ holds ours") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"recipe {path} is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"recipe {path} must be a mapping of settings, not {type(tree).__name__}")
    if not isinstance(overrides, Mapping):
        pairs = [item.partition("=") for item in overrides]
        for key, equals, _ in pairs:
            if not equals:
                raise ConfigError(f"--set takes key=value, for example --set lr=0.001, not {key!r}")
        overrides = {key.strip(): value for key, _, value in pairs}
    for key, text in overrides.items():
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {key}={text}: {text!r} is not YAML; write lists as [1, 2]") from error
        _set(tree, key, value)
    config = _build(TrainConfig, tree, "recipe")
    assert isinstance(config, TrainConfig)
    return config


def _set(tree: Any, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    try:
        for part in parents:
            tree = tree[int(part)] if isinstance(tree, list) else tree.setdefault(part, {})
        if isinstance(tree, list):
            tree[int(last)] = value
        else:
            tree[last] = value
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"--set {key}: the recipe has nothing at {key!r}") from error


def _build(kind: Any, value: Any, where: str) -> Any:
    """``value`` from YAML as ``kind``: dataclasses, tuples, literals, optionals and scalars."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _build(next(a for a in arguments if a is not type(None)), value, where)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be a mapping, not {value!r}")
        hints = typing.get_type_hints(kind)
        known = {f.name: f for f in dataclasses.fields(kind)}
        if unknown := [k for k in value if k not in known]:
            raise ConfigError(f"{where} does not know {', '.join(unknown)}; it knows {', '.join(known)}")
        required = [
            n
            for n, f in known.items()
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        if missing := [n for n in required if n not in value]:
            raise ConfigError(f"{where} needs {', '.join(missing)}")
        return kind(**{k: _build(hints[k], v, f"{where}.{k}") for k, v in value.items()})
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where} must be a list, not {value!r}")
        if arguments[-1] is Ellipsis:
            return tuple(_build(arguments[0], v, f"{where}.{i}") for i, v in enumerate(value))
        if len(value) != len(arguments):
            raise ConfigError(f"{where} must have {len(arguments)} values, not {value!r}")
        return tuple(_build(a, v, where) for a, v in zip(arguments, value, strict=True))
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where} must be one of {', '.join(arguments)}, not {value!r}")
        return value
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where} must be a mapping, not {value!r}")
        return value
    if kind is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-3 as text
        except ValueError:
            pass
    if isinstance(value, bool) == (kind is bool) and isinstance(value, kind):
        return value
    raise ConfigError(f"{where} must be {kind.__name__}, not {value!r}")


def as_tree(config: TrainConfig) -> dict[str, Any]:
    """The recipe as plain values, to write beside its results."""
    return dataclasses.asdict(config)
