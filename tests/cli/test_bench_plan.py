"""Which networks, sizes, precisions and configurations a call of ``saccade bench`` means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from saccade.cli.bench_plan import Setup, choose_configs, choose_setups, default_network
from saccade.errors import ConfigError


@dataclass(frozen=True)
class SkipConfig:
    """Skips blocks."""

    target: float = 0.5
    policy: Literal["online", "all"] = "online"
    halo: bool = True


@dataclass(frozen=True)
class KeyframeConfig:
    """Warps."""

    target: float = 0.25
    key_interval: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class PlainConfig:
    """Has no settings."""


CONFIGS = {"plain": PlainConfig, "skip": SkipConfig, "keyframe": KeyframeConfig}
SINGLE = Setup("net", None, None, "auto")


def test_settings_of_several_methods_go_to_those_that_have_them():
    given = {"target": 0.1, "policy": None, "halo": False, "key_interval": 3}
    assert choose_configs(["skip", "keyframe"], given, {}, CONFIGS, {"seed": 7}) == [
        SkipConfig(target=0.1, halo=False),
        KeyframeConfig(target=0.1, key_interval=3, seed=7),
    ]


def test_a_method_has_a_configuration_for_each_combination_of_what_it_has():
    several = {"policy": ("all", "online"), "target": (0.5, 0.25)}
    assert choose_configs(["plain", "skip", "keyframe"], {"halo": False}, several, CONFIGS) == [
        PlainConfig(),
        SkipConfig(0.5, "all", False),
        SkipConfig(0.25, "all", False),
        SkipConfig(0.5, "online", False),
        SkipConfig(0.25, "online", False),
        KeyframeConfig(0.5),
        KeyframeConfig(0.25),
    ]


@pytest.mark.parametrize(
    ("methods", "given", "several", "told"),
    [
        (
            ["plain"],
            {},
            {"target": (0.5,)},
            "--target is not a setting of plain; it is one of skip, keyframe",
        ),
        (["plain", "skip"], {"key_interval": 3}, {}, "--key-interval is not a setting of plain or skip"),
        (["skip"], {"target": 0.5}, {"target": (0.5,)}, "--target and --targets are both given"),
        (["skip"], {"policy": "all"}, {"policy": ("all",)}, "--policy and --policies are both given"),
        (["skip"], {}, {"policy": ("all", "best")}, "there is no policy 'best'; choose from online, all"),
        (["nope"], {}, {}, "no method 'nope'"),
    ],
)
def test_what_cannot_be_is_refused(methods, given, several, told):
    with pytest.raises(ConfigError, match=told):
        choose_configs(methods, given, several, CONFIGS)


def test_every_network_at_every_size_in_every_precision():
    setups = choose_setups(["a", "b"], [(1, 2), (3, 4)], [], ["fp32", "bf16"], SINGLE, "net")
    assert len(setups) == 8
    assert setups[0] == Setup("a", (1, 2), None, "fp32")
    assert setups[1] == Setup("a", (1, 2), None, "bf16")
    assert setups[-1] == Setup("b", (3, 4), None, "bf16")
    assert choose_setups([], [], [1.0, 0.5], [], SINGLE, "net") == [
        Setup("net", None, 1.0, "auto"),
        Setup("net", None, 0.5, "auto"),
    ]
    assert choose_setups([], [], [], [], SINGLE, "net") == [SINGLE]


@pytest.mark.parametrize(
    ("several", "single", "told"),
    [
        ((["a"], [], [], []), Setup("mine", None, None, "auto"), "--network and --networks are both"),
        (([], [(1, 2)], [], []), Setup("net", (3, 4), None, "auto"), "--size and --sizes are both"),
        (([], [(1, 2)], [0.5], []), SINGLE, "sizes and scales both"),
        (([], [(1, 2)], [], []), Setup("net", None, 0.5, "auto"), "sizes and scales both"),
        (([], [], [], ["fp32"]), Setup("net", None, None, "bf16"), "--precision and --precisions are both"),
    ],
)
def test_flags_that_say_the_same_thing_are_refused(several, single, told):
    with pytest.raises(ConfigError, match=told):
        choose_setups(*several, single, "net")


def test_methods_on_different_networks_are_measured_apart():
    assert default_network(["frame"]) == "swiftnet-rn18"
    assert default_network(["frame", "gsvnet", "dff"]) == "swiftnet-rn18"
    assert default_network(["frame", "tdnet"]) == "td2-swiftnet-rn18"
    with pytest.raises(ConfigError, match="gsvnet swiftnet-rn18, tdnet td2-swiftnet-rn18"):
        default_network(["gsvnet", "tdnet"])
