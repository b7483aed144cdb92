"""Options that commands share: sizes, and the settings of methods as flags."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal

import pytest
from cyclopts import App, CycloptsError, Parameter

from saccade.cli.options import (
    MethodOptions,
    choose_config,
    describe_fields,
    parse_size,
    settings_class,
)
from saccade.errors import ConfigError


@dataclass(frozen=True)
class SkipConfig:
    """Skips blocks.

    Second paragraph: not the help of anything.

    Args:
        target: Share of the blocks that
            are computed.
        policy: Who decides: this or that.
        halo: Compute around.
    """

    target: float = 0.5
    policy: Literal["online", "all"] = "online"
    halo: bool = True


@dataclass(frozen=True)
class KeyframeConfig:
    """Warps.

    Args:
        target: Share of the frames.
        key_interval: Frames between key frames.
        correction: Weights, or none.
        seed: Of random choices.
    """

    target: float = 0.25
    correction: str = "default"
    key_interval: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class PlainConfig:
    """Has no settings."""


CONFIGS = {"skip": SkipConfig, "keyframe": KeyframeConfig}


def app_with_settings(seen: list[object]) -> App:
    """A command line whose only command takes the settings and puts them into ``seen``."""
    settings = settings_class(CONFIGS)
    none_given = settings()

    def command(*, chosen=none_given) -> None:
        seen.append(chosen)

    command.__annotations__["chosen"] = Annotated[settings, Parameter(name="*")]
    return App(default_command=command)


def parse(*words: str) -> object:
    """The settings that these words give, through the command line's own parser."""
    seen: list[object] = []
    app_with_settings(seen)(words, exit_on_error=False, print_error=False, result_action="return_value")
    return seen[0]


@pytest.mark.parametrize(
    ("text", "size"), [("512x1024", (512, 1024)), ("1X2", (1, 2)), (" 007x08 ", (7, 8)), ("3×4", (3, 4))]
)
def test_size_is_height_then_width(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["0x5", "5x0", "00x1", "5", "x", "5x", "-5x5", "5x5x5", "1.5x2", "1e3x2", ""]
)
def test_size_that_cannot_be_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match="HEIGHTxWIDTH"):
        parse_size(text)


def test_every_setting_of_every_method_is_one_flag():
    assert [f.name for f in fields(settings_class(CONFIGS))] == [
        "target",
        "policy",
        "halo",
        "correction",
        "key_interval",
    ]


def test_flags_not_given_are_none_and_given_ones_have_the_type_of_the_config():
    assert not any(value is not None for value in vars(parse()).values())
    given = parse("--target", "0.125", "--no-halo", "--key-interval", "7", "--policy", "all")
    assert vars(given) == {
        "target": 0.125, "policy": "all", "halo": False, "key_interval": 7, "correction": None
    }  # fmt: skip


def test_the_word_none_is_a_text_like_others():
    assert vars(parse("--correction", "none"))["correction"] == "none"


@pytest.mark.parametrize("words", [["--target", "half"], ["--policy", "best"], ["--key-interval", "2.5"]])
def test_flag_with_value_of_another_type_is_refused(words):
    with pytest.raises(CycloptsError, match=words[0]):
        parse(*words)


def test_config_takes_the_given_settings_and_its_own_defaults():
    given = {"target": 0.1, "policy": None, "halo": None, "key_interval": None}
    assert choose_config("skip", given, CONFIGS) == SkipConfig(target=0.1)
    assert choose_config("keyframe", given, CONFIGS) == KeyframeConfig(target=0.1)


def test_fields_that_an_option_of_every_command_sets_are_no_flags():
    assert "seed" not in {f.name for f in fields(settings_class(CONFIGS))}
    assert choose_config("keyframe", {}, CONFIGS, {"seed": 7}) == KeyframeConfig(seed=7)
    assert choose_config("skip", {}, CONFIGS, {"seed": 7}) == SkipConfig()


def test_a_method_that_needs_a_network_of_its_own_gets_it_where_none_is_named():
    assert MethodOptions(method="tdnet").chosen_network() == "td2-swiftnet-rn18"
    assert MethodOptions(method="gsvnet").chosen_network() == "swiftnet-rn18"
    assert MethodOptions(method="tdnet", network="td4-psp18").chosen_network() == "td4-psp18"


def test_setting_of_another_method_is_refused_and_its_owner_named():
    with pytest.raises(ConfigError, match=r"--key-interval .* of method skip; it is one of keyframe"):
        choose_config("skip", {"key_interval": 3}, CONFIGS)


def test_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no method 'nope'.*frame"):
        choose_config("nope", {}, CONFIGS)


def test_help_of_a_setting_is_its_docstring():
    assert describe_fields(SkipConfig) == {
        "target": "Share of the blocks that are computed.",
        "policy": "Who decides: this or that.",
        "halo": "Compute around.",
    }


def test_help_states_owners_and_defaults(capsys):
    app_with_settings([]).help_print([])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "(skip, keyframe) [default: 0.5 (skip), 0.25 (keyframe)]" in text
    assert "Compute around. (skip) [default: yes]" in text
    assert "Frames between key frames. (keyframe) [default: none]" in text
