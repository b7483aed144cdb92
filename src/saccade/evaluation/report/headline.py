"""What was found, in one sentence, and what speaks against it in another."""

from __future__ import annotations

from collections.abc import Sequence

from saccade.evaluation.report.entries import Entry, dense_of
from saccade.evaluation.report.figures import percent, three
from saccade.evaluation.report.measures import Measure

SPEED = "speedup_vs_dense_best"
DENSE_AT_BEST = "the best dense execution"


def headline(entries: Sequence[Entry], measure: Measure | None) -> str:
    """The fastest setting that loses little; where there is none, the fastest; else that there is none."""
    others = [entry for entry in entries if not entry.dense]
    timed = sorted((e for e in others if e.number(SPEED) is not None), key=_speed, reverse=True)
    if not others:
        return _alone(entries, measure)
    if not timed:
        return f"{len(others)} {_settings(len(others))} beside frame-by-frame execution, without times."
    if _speed(timed[0]) <= 1:
        return (
            f"No setting is faster than {DENSE_AT_BEST}: the closest, {timed[0].label}, reaches "
            f"{_speed(timed[0]):.2f} of its speed{_lost(timed[0], entries, measure)}."
        )
    faster = [entry for entry in timed if _speed(entry) > 1]
    keeping = [entry for entry in faster if _keeps(entry, entries, measure)]
    chosen = (keeping or faster)[0]
    return (
        f"With {chosen.label}, the network runs {_times(chosen)} as fast as {DENSE_AT_BEST}"
        f"{_lost(chosen, entries, measure)}."
    )


def drawbacks(entries: Sequence[Entry], measure: Measure | None) -> str:
    """How many settings are slower, how many lose more than little, and which loses most; may be empty."""
    others = [entry for entry in entries if not entry.dense]
    speeds = [speed for entry in others if (speed := entry.number(SPEED)) is not None]
    losses = [(loss, e) for e in others if (loss := loss_of(e, entries, measure)) is not None]
    if len(others) < 2:
        return ""  # the headline has said all of a single setting
    said = []
    if speeds:
        said.append(f"{_of(sum(speed < 1 for speed in speeds), speeds)} slower than {DENSE_AT_BEST}.")
    if measure is not None and losses:
        most, worst = max(losses, key=lambda pair: pair[0])
        unit = "" if measure.alike is not None else f" {measure.name}"
        lossy = sum(loss > measure.tolerance for loss, _ in losses)
        said.append(
            f"{_of(lossy, losses)} more than {_amount(measure.tolerance, measure)}{unit} below frame by frame"
            + (f", {worst.label} the most: {_amount(most, measure)}." if lossy else ".")
        )
    return " ".join(said)


def _of(count: int, all_of_them: Sequence[object]) -> str:
    many = len(all_of_them)
    return f"{count or 'None'} of {many} {_settings(many)} {'are' if count > 1 else 'is'}"


def loss_of(entry: Entry, entries: Sequence[Entry], measure: Measure | None) -> float | None:
    """Score of frame-by-frame execution minus that of an entry; None where one of them is not known."""
    dense = dense_of(entry, entries)
    if measure is None or dense is None:
        return None
    one, other = measure.of(dense), measure.of(entry)
    if measure.alike is not None and other is not None:
        return 1 - other
    return None if one is None or other is None else one - other


def _keeps(entry: Entry, entries: Sequence[Entry], measure: Measure | None) -> bool:
    loss = loss_of(entry, entries, measure)
    return measure is not None and loss is not None and loss <= measure.tolerance


def _lost(entry: Entry, entries: Sequence[Entry], measure: Measure | None) -> str:
    """What that costs in accuracy, as the end of a sentence."""
    loss = loss_of(entry, entries, measure)
    if measure is None or loss is None:
        return ""
    own = measure.of(entry) or 0.0
    if measure.alike is not None:
        return f", and {measure.alike.format(percent(own))}"
    change = "keeps its" if abs(loss) < 5e-4 else "loses" if loss > 0 else "gains"
    amount = "" if change == "keeps its" else f"{_amount(abs(loss), measure)} of "
    return f", and {change} {amount}{measure.name} ({own:.3f} instead of {own + loss:.3f})"


def _alone(entries: Sequence[Entry], measure: Measure | None) -> str:
    said = []
    for entry in entries[:1]:
        ms, accuracy = entry.number("latency_ms", "mean"), None if measure is None else measure.of(entry)
        if measure is not None and accuracy is not None and measure.alike is None:
            said.append(f"{measure.name} {accuracy:.3f}")
        if ms is not None:
            said.append(f"{three(ms)} ms a frame")
    return "Frame by frame" + (": " + " at ".join(said) if said else ", and nothing to compare it with") + "."


def _amount(loss: float, measure: Measure) -> str:
    return percent(loss) if measure.alike is not None else f"{loss:.3f}"


def _speed(entry: Entry) -> float:
    return entry.number(SPEED) or 0.0


def _times(entry: Entry) -> str:
    speed = _speed(entry)
    return f"{speed:.2f} times" if speed < 1.2 else f"{speed:.1f} times"


def _settings(count: int) -> str:
    return "setting" if count == 1 else "settings"
