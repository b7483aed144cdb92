import doctest

from saccade.cli import sparkline as module
from saccade.cli.sparkline import ASCII_BARS, BARS, bars_for, in_columns, sparkline


def test_a_character_per_value_from_low_to_high():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 0, 8) == "▁▂▃▄▅▆▇██"
    assert sparkline([-5, 99], 0, 8) == "▁█"
    assert sparkline([0.15, None, 1.0], 0, 1, ASCII_BARS) == ". #"
    assert sparkline([3, 2, 3], 3, 3) == "█▁█"
    assert sparkline([], 0, 1) == ""


def test_several_values_of_a_column_are_averaged():
    assert in_columns([1, 2, 3, None, None, None, 7], 2) == [1.5, 3, None, 7]
    assert in_columns([1, None], 1) == [1, None]


def test_outputs_that_cannot_show_bars_get_plain_characters():
    assert bars_for("utf-8") == BARS
    for encoding in ("ascii", "latin-1", None, "no such encoding"):
        assert bars_for(encoding) == ASCII_BARS
    assert ASCII_BARS.isascii()
    assert len(set(ASCII_BARS)) == len(ASCII_BARS) == len(BARS)


def test_examples_in_the_documentation():
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0
