"""Figures for people; each is the exact value of the JSON too."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from saccade.evaluation.report.markup import element

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"


def three(value: float) -> str:
    """Three digits that count, without exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.4f}"


def score(value: float) -> str:
    return f"{value:.4f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def times(value: float) -> str:
    return f"{value:.2f}"


def signed(value: float, decimals: int) -> str:
    """With its sign, also where it is positive; zero has none."""
    text = f"{abs(value):.{decimals}f}"
    if not float(text):
        return text
    return ("+" if value > 0 else MINUS) + text


def figure(value: float | None, text: str | None) -> Element:
    """What is read, with the exact value beside it; a dash for none."""
    if value is None or text is None:
        return element("span", NONE, class_="none", title="not measured")
    return element("data", text, value=repr(value))
