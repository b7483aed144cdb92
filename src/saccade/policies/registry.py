"""The policies that have a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saccade.errors import ConfigError
from saccade.policies.base import Policy
from saccade.policies.change import ChangePolicy
from saccade.policies.simple import AllBlocks, NoBlocks, RandomBlocks

MAKERS: dict[str, Callable[[Any], Policy]] = {
    "all": lambda config: AllBlocks(),
    "none": lambda config: NoBlocks(),
    "random": lambda config: RandomBlocks(config.seed),
    "change": lambda config: ChangePolicy(),
}
"""Name -> the policy, from the configuration of a method that has policies."""


def make_policy(config: Any) -> Policy:
    """The policy that a configuration names.

    Raises:
        ConfigError: There is none of this name.
    """
    if config.policy not in MAKERS:
        raise ConfigError(f"there is no policy {config.policy!r}; choose one of {', '.join(MAKERS)}")
    return MAKERS[config.policy](config)
