"""The policies that have a name."""

from __future__ import annotations

from typing import Any

from saccade.errors import ConfigError
from saccade.policies.base import Policy
from saccade.policies.change import ChangePolicy
from saccade.policies.online import OnlinePolicy
from saccade.policies.online_settings import OnlineSettings
from saccade.policies.simple import AllBlocks, NoBlocks, RandomBlocks
from saccade.policies.trained import TrainedPolicy

POLICIES: dict[str, type[Policy]] = {
    "all": AllBlocks,
    "none": NoBlocks,
    "random": RandomBlocks,
    "change": ChangePolicy,
    "trained": TrainedPolicy,
    "online": OnlinePolicy,
}

PUBLISHED_INTERVALS = {
    "small": {0.3: 3, 0.4: 3, 0.5: 1},
    "resnet8": {0.3: 4, 0.4: 3, 0.5: 4},
}
"""At which target the original learned in every how many frames for pedestrians, by its network."""

PUBLISHED_DECAY = {"small": 1e-3, "resnet8": 1e-4}
"""Its weight decay there."""


def make_policy(config: Any, *, detector: bool = False) -> Policy:
    """The policy that the configuration of a method names, with its settings.

    Args:
        config: Of the method.
        detector: Whether its network finds boxes.

    Raises:
        ConfigError: There is none of this name.
    """
    if config.policy not in POLICIES:
        raise ConfigError(f"there is no policy {config.policy!r}; choose one of {', '.join(POLICIES)}")
    if config.policy == "random":
        return RandomBlocks(config.seed)
    if config.policy == "trained":
        return TrainedPolicy(config.policy_weights)
    if config.policy == "online":
        return OnlinePolicy(online_settings(config, detector=detector))
    return POLICIES[config.policy]()


def online_settings(config: Any, *, detector: bool = False) -> OnlineSettings:
    """Settings of the policy that learns, from the configuration of a method.

    The original has settings of its own for detectors, different ones with each of its networks and for each
    target; between its targets, those of the nearest hold.
    """
    own = {
        "net": config.policy_net,
        "learning_rate": config.learning_rate,
        "cost_momentum": config.cost_momentum,
        "time_share": config.time_share,
        "freeze": config.freeze,
        "seed": config.seed,
    }
    if config.legacy and detector:
        intervals = PUBLISHED_INTERVALS[config.policy_net]
        own["train_interval"] = intervals[min(intervals, key=lambda target: abs(target - config.target))]
        own["weight_decay"] = PUBLISHED_DECAY[config.policy_net]
    if config.train_interval is not None:
        own["train_interval"] = config.train_interval
    if config.legacy:
        return OnlineSettings.legacy(**own, cost_weight=config.complexity_weight)
    return OnlineSettings(**own)


def policy_summaries() -> dict[str, str]:
    """Name -> what it does, in a line, of those for videos: which blocks are executed."""
    return {name: (policy.__doc__ or "").strip().splitlines()[0] for name, policy in POLICIES.items()}


def image_policy_summaries() -> dict[str, str]:
    """The same of those for images: which blocks get full resolution."""
    return {
        "trained": "A small network that was trained with the weights and comes with them.",
        "heuristic": "Blocks of which most is lost at a quarter of the resolution.",
        "random": "Random blocks.",
        "middle": "Rows of blocks at the middle of the frame.",
        "oracle": "Blocks whose scores differ most between the resolutions: executes both, to compare with.",
    }
