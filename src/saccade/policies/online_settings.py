"""Settings of the online policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from saccade.errors import ConfigError
from saccade.policies.inputs import Resize, Scores
from saccade.policies.networks import NETWORKS, NetworkName, Norm

Sampling = Literal["top_k", "bernoulli"]
Objective = Literal["gradient", "ranking"]


@dataclass(frozen=True)
class OnlineSettings:
    """Settings of the online policy; ``OnlineSettings.legacy()`` are those of the original BlockCopy.

    Args:
        net: Its network: ``small`` (0.38 GMAC at 1024x2048 with blocks of 128 pixels) or ``resnet8`` (7.5).
        norm: Its normalisation: ``group``, or ``batch`` by the statistics of the batch at hand, by which
            streams influence each other's decisions.
        scores: How it sees the network's last scores: as ``probabilities``, or as raw ``logits``.
        age: Whether it sees how long ago each block was executed.
        prior: Weight of the logarithm of what the policy ``change`` ranks blocks by. It is added to the
            logits, so that the policy starts as that one, and learns how to be better. 0 for none.
        resize: How frames and scores get to its resolution: each pixel is the ``mean`` of a few, or the
            ``nearest``.
        sampling: ``top_k``: exactly as many blocks as the budget says, those with the highest logits after
            Gumbel noise. ``bernoulli``: each block by its own probability; budget and due blocks are ignored.
        deterministic: No sampling: the highest logits as they are, or probabilities above 0.5. With
            ``top_k`` it then learns by ranking.
        objective: What ``top_k`` learns by. ``gradient``: policy gradient. ``ranking``: cross entropy between
            the logits of executed blocks and their gains.
        quantise: With ``bernoulli``, execute more blocks, until their number is a multiple of this share of
            all of them. None for as sampled.
        at_least_one: With ``bernoulli``, execute the first block where none was sampled.
        learning_rate: Of RMSprop.
        weight_decay: Of RMSprop, added to the gradients.
        momentum: Of RMSprop.
        max_gradient: Larger gradients are scaled down to this norm. None for as they are.
        train_interval: Learn in every n-th frame.
        baseline: With ``top_k``, compare the gain of a block with that of the others sampled in its frame.
        normalise_gain: Divide gains by their running mean.
        gain_momentum: Of that mean, over the frames that are learned from.
        logit_decay: Weight of the variance of the logits in the loss of ``top_k``, which keeps them where
            noise can still change the choice.
        cost_weight: With ``bernoulli``, weight of the reward for meeting the target. An exact budget needs
            none.
        cost_momentum: Of the running mean of the executed share that this reward is computed from.
        first_frames: Whether the first frame of a clip counts for that mean, and starts the interval of
            learning anew.
        freeze: Do not learn.
        time_share: Learn at most in this share of the time; whatever is too much is skipped. What is learned
            then depends on the speed of the machine. None for no limit.
        patience: Frames in a row that a policy may look collapsed before it is reset.
        separation: With ``bernoulli``, executed blocks are to be likelier than skipped ones by this much.
        snapshot_interval: Learning steps after which the weights are kept, to go back to after a collapse.
        seed: Of the first weights and of sampling.
    """

    net: NetworkName = "small"
    norm: Norm = "group"
    scores: Scores = "probabilities"
    age: bool = True
    prior: float = 4.0
    resize: Resize = "mean"
    sampling: Sampling = "top_k"
    deterministic: bool = False
    objective: Objective = "gradient"
    quantise: float | None = None
    at_least_one: bool = False
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    momentum: float = 0.0
    max_gradient: float | None = 1.0
    train_interval: int = 2
    baseline: bool = True
    normalise_gain: bool = True
    gain_momentum: float = 0.9
    logit_decay: float = 0.01
    cost_weight: float = 0.0
    cost_momentum: float = 0.9
    first_frames: bool = False
    freeze: bool = False
    time_share: float | None = None
    patience: int = 300
    separation: float = 0.3
    snapshot_interval: int = 100
    seed: int = 0

    @classmethod
    def legacy(cls, net: NetworkName = "small", **changes: Any) -> OnlineSettings:
        """The original's behaviour.

        Args:
            net: ``small`` for the code of the paper's time, whose counts are as sampled; ``resnet8`` for the
                published code, whose counts are multiples of 1/16.
            changes: Settings that are to be different.
        """
        original: dict[str, Any] = {
            "net": net,
            "norm": "batch",
            "scores": "logits",
            "age": False,
            "prior": 0.0,
            "resize": "nearest",
            "sampling": "bernoulli",
            "quantise": 1 / 16 if net == "resnet8" else None,
            "weight_decay": 1e-3,
            "train_interval": 4,
            "max_gradient": None,
            "baseline": False,
            "normalise_gain": False,
            "logit_decay": 0.0,
            "cost_weight": 5.0,
            "first_frames": True,
        }
        return cls(**{**original, **changes})

    def __post_init__(self) -> None:
        choices = {
            "net": tuple(NETWORKS),
            "norm": get_args(Norm),
            "scores": get_args(Scores),
            "resize": get_args(Resize),
            "sampling": get_args(Sampling),
            "objective": get_args(Objective),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}")
        for name in ("train_interval", "patience", "snapshot_interval"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("quantise", "time_share"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ConfigError(f"{name} is a share above 0 and up to 1, or None; not {value}")
        for name in ("momentum", "gain_momentum", "cost_momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")
