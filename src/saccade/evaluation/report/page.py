"""The report: one HTML file that opens without a network and needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from xml.etree.ElementTree import Element

from saccade.errors import ConfigError
from saccade.evaluation.report.class_table import class_table
from saccade.evaluation.report.cost_charts import about_charts, cost_charts
from saccade.evaluation.report.curve_panels import BY_AGE, BY_DISTANCE, curve_panels
from saccade.evaluation.report.entries import Entry, Row, entries_of, groups_of, work_of
from saccade.evaluation.report.facts import eyebrow, facts
from saccade.evaluation.report.headline import drawbacks, headline
from saccade.evaluation.report.markup import document, element
from saccade.evaluation.report.measures import Measure, measure_of
from saccade.evaluation.report.pictures import picture_strip
from saccade.evaluation.report.row_table import row_table
from saccade.evaluation.report.strips import Strip
from saccade.evaluation.report.time_panels import time_panels
from saccade.video.atomic import write_atomic


def write_report(
    path: str | Path,
    rows: Sequence[Row],
    *,
    command: str | None = None,
    strips: Sequence[Strip | None] | None = None,
    pictures: bool = True,
) -> None:
    """Write the rows of a bench as a page for people, whole or not at all.

    Args:
        path: The HTML file.
        rows: As ``Record.to_dict`` gives them, or as read from the JSON of ``saccade bench``. What is null in
            them is not shown.
        command: What was called, as it was typed.
        strips: Pictures of each row, None for rows without.
        pictures: With False all pictures are left out, for frames that must not be passed on.

    Raises:
        ConfigError: There are no rows, or not as many strips as rows.
        OutputError: The file cannot be written.
    """
    write_atomic(Path(path), report(rows, command=command, strips=strips, pictures=pictures))


def report(
    rows: Sequence[Row],
    *,
    command: str | None = None,
    strips: Sequence[Strip | None] | None = None,
    pictures: bool = True,
) -> str:
    """The text of the page; arguments as for ``write_report``."""
    if not rows:
        raise ConfigError("there are no rows to report; measure some with `saccade bench`")
    if strips is not None and len(strips) != len(rows):
        raise ConfigError(f"{len(strips)} strips for {len(rows)} rows; give one for each row, None for none")
    entries = entries_of(rows)
    measure = measure_of(entries)
    found = {i: strip for i, strip in enumerate(strips or ()) if strip is not None} if pictures else {}
    title = headline(entries, measure)
    against = drawbacks(entries, measure)
    body = element(
        "body",
        element(
            "header",
            element("p", eyebrow(entries), class_="eyebrow"),
            element("h1", title),
            element("p", against, class_="deck") if against else None,
        ),
        element("main", *_sections(entries, measure, found, command)),
        element("script", _own("report.js")),
    )
    return document(element("html", _head(title), body, lang="en"))


def _head(title: str) -> Element:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"Saccade: {title}"),
        element("style", _own("report.css")),
    )


def _own(name: str) -> str:
    return files("saccade.evaluation.report").joinpath(name).read_text(encoding="utf-8")


def _sections(
    entries: Sequence[Entry], measure: Measure | None, strips: dict[int, Strip], command: str | None
) -> Iterator[Element]:
    if measure is not None:
        for name, work in _by_work(entries):
            charts = cost_charts(work, measure)
            if charts:
                yield _section("What accuracy costs" + name, about_charts(measure), *charts)
    yield from _panels("Frame after frame", _ABOUT_TIME, time_panels(entries))
    yield from _panels("Away from the keyframe", _ABOUT_DISTANCE, curve_panels(entries, BY_DISTANCE))
    yield from _panels("As blocks grow old", _ABOUT_AGE, curve_panels(entries, BY_AGE))
    for group in groups_of(entries):
        table = class_table(group)
        if table is not None:
            yield _section("Class by class" + _which(group, entries), None, _scroll(table))
    for group in groups_of(entries):
        found = picture_strip(group, strips)
        if found:
            yield _section("In pictures" + _which(group, entries), _ABOUT_PICTURES, *found)
    yield _section("All rows", None, _scroll(row_table(entries)))
    yield _section("How it was measured", _ABOUT_MEASURING, *facts(entries, command))


_ABOUT_TIME = (
    "Latency of every frame, the first included, and below it what was executed and what came out. Dots "
    "are frames in which all blocks were executed; the dashed line is the mean of the best dense "
    "execution."
)
_ABOUT_DISTANCE = (
    "mIoU of the labelled frames by the number of frames since the last keyframe; the other rows in grey, "
    "frame by frame over all frames dashed. Each distance has frames of its own, easier and harder ones."
)
_ABOUT_AGE = (
    "mIoU of the pixels by the number of frames since their block was executed; the other rows in grey, "
    "frame by frame over all pixels dashed. Blocks that are kept for long are often easy ones."
)
_ABOUT_PICTURES = (
    "Executed blocks are outlined, kept ones the darker the older they are. Pixels whose class is not that"
    " of frame-by-frame execution are magenta."
)
_ABOUT_MEASURING = (
    "One MAC is a multiplication with its addition. The time of a frame is that of the method's step "
    "alone, the device waited for. The best dense execution is the faster of the network in eager and in "
    "compiled PyTorch on every frame, timed in turns with the method in the same process. Realised is the "
    "speed-up over the saving in MACs."
)


def _section(title: str, about: str | None, *content: Element) -> Element:
    return element(
        "section", element("h2", title), element("p", about, class_="about") if about else None, *content
    )


def _panels(title: str, about: str, panels: Sequence[Element]) -> Iterator[Element]:
    if panels:
        yield _section(title, about, element("div", *panels, class_="panels"))


def _scroll(table: Element) -> Element:
    """A box of its own, in which a wide table scrolls, by keys too."""
    caption = table.findtext("caption")
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _by_work(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """Entries that were measured on the same frames, with what to add to a title where there are several."""
    works = list(dict.fromkeys(work_of(entry.row) for entry in entries))
    return [
        (f": {work}" if len(works) > 1 else "", [e for e in entries if work_of(e.row) == work])
        for work in works
    ]


def _which(group: Sequence[Entry], entries: Sequence[Entry]) -> str:
    """What to add to the title of a group where there are several: what its name has beyond the method's."""
    if len(group) == len(entries):
        return ""
    return f": {group[0].row['network']}, {work_of(group[0].row)}"
