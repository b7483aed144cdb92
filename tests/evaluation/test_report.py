"""The report: its figures are those of the rows, its points lie where these say, and nothing is invented."""

import json
import math
import re
from pathlib import Path

import pytest

from saccade.errors import ConfigError, OutputError
from saccade.evaluation.report import report, write_report
from saccade.evaluation.report.entries import entries_of
from saccade.evaluation.report.measures import frontier
from saccade.evaluation.report.placing import Box, place_names

from .report_rows import bench, blocks, dense, read, row, text, value_of, with_class


def headline_of(rows):
    return text(next(read(report(rows)).iter("h1")))


def test_every_figure_of_the_table_is_that_of_its_row():
    rows = bench()
    (table,) = with_class(read(report(rows)), "rows")
    lines = [line for line in table.iter("tr") if line.get("data-row")]
    assert [int(line.get("data-row")) for line in lines] == [0, 1, 2, 3, 4]
    compared = 0
    for line, measured in zip(lines, rows, strict=True):
        for cell in line.iter("td"):
            expected, data = value_of(measured, cell.get("data-key")), cell.find("data")
            if expected is None:
                assert data is None
                assert text(cell) == "–"
                continue
            assert float(data.get("value")) == expected
            number = float(text(cell).removesuffix(" %"))
            number /= 100 if text(cell).endswith("%") else 1
            assert number == pytest.approx(expected, rel=0.006)
            compared += 1
    assert compared > 50


def axis(chart, letter, attribute):
    """From places to values, by the first and the last number that are written along an axis."""
    ticks = [tick for tick in with_class(chart, letter) if "tick" in tick.get("class")]
    first, last = ((float(tick.get(attribute)), float(text(tick))) for tick in (ticks[0], ticks[-1]))
    return lambda place: first[1] + (place - first[0]) * (last[1] - first[1]) / (last[0] - first[0])


@pytest.mark.parametrize(
    ("number", "key"), [(0, "gmacs"), (1, "gmacs"), (2, "latency_ms"), (3, "latency_ms")]
)
def test_points_lie_at_their_values(number, key):
    rows = bench()
    chart = with_class(read(report(rows)), "chart")[number]
    x, y = axis(chart, "x", "x"), axis(chart, "y", "y")
    points = with_class(chart, "point")
    assert sorted(int(point.get("data-row")) for point in points) == [0, 1, 2, 3, 4]
    for point in points:
        measured = rows[int(point.get("data-row"))]
        centre = point.find("circle")
        assert x(float(centre.get("cx"))) == pytest.approx(measured[key]["mean"], rel=0.001)
        # the base line of a number is 4 below the line that it names
        assert y(float(centre.get("cy")) + 4) == pytest.approx(measured["miou"], abs=0.0002)


def test_a_score_far_below_all_others_stands_at_the_foot_with_its_value():
    rows = [*bench(), blocks(0.125, 0.2, 20.0, 0.5, policy="none")]
    chart = with_class(read(report(rows)), "chart")[0]
    y = axis(chart, "y", "y")
    feet = [float(tick.get("y")) for tick in with_class(chart, "x")]
    places = {
        point.get("data-row"): float(point.find("circle").get("cy")) for point in with_class(chart, "point")
    }
    assert y(places["3"] + 4) == pytest.approx(0.62, abs=0.0002)
    assert feet[0] - 30 < places["5"] < feet[0]
    assert [text(name) for name in with_class(chart, "name") if name.get("data-row") == "5"] == [
        "none 0.125 ↓ 0.2000"
    ]


def test_points_of_the_frontier_are_filled_and_the_others_hollow():
    (macs, *_) = with_class(read(report(bench())), "chart")
    filled = {
        int(point.get("data-row")): bool(with_class(point, "full")) and point.get("data-row") != "0"
        for point in with_class(macs, "point")
    }
    assert filled == {0: False, 1: True, 2: True, 3: False, 4: False}


def test_frontier_by_hand():
    assert frontier([(1, 0.5), (2, 0.5), (2, 0.7), (3, 0.6), (0.5, 0.1)]) == [4, 0, 2]
    assert frontier([(1, 0.5), (1, 0.5)]) == [0]
    assert frontier([]) == []


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            bench(),
            "With blockcopy change 0.5, the network runs 1.6 times as fast as the best dense execution, "
            "and loses 0.006 of mIoU (0.694 instead of 0.700).",
        ),
        (
            [dense(0.7), blocks(0.5, 0.65, 75.0, 4.0)],
            "With blockcopy, the network runs 1.3 times as fast as the best dense execution, "
            "and loses 0.050 of mIoU (0.650 instead of 0.700).",
        ),
        (
            [dense(0.7), blocks(0.5, 0.71, 125.0, 4.0)],
            "No setting is faster than the best dense execution: the closest, blockcopy, reaches 0.80 of its "
            "speed, and gains 0.010 of mIoU (0.710 instead of 0.700).",
        ),
        (
            [dense(None), blocks(0.5, None, 50.0, 4.0, agreement_with_dense=0.987)],
            "With blockcopy, the network runs 2.0 times as fast as the best dense execution, "
            "and answers the same at 98.7 % of the pixels.",
        ),
        (
            [dense(None), blocks(0.5, None, 50.0, 4.0, f1_with_dense=0.9)],
            "With blockcopy, the network runs 2.0 times as fast as the best dense execution, "
            "and finds the same boxes with an F1 of 90.0 %.",
        ),
        ([dense(0.7)], "Frame by frame: mIoU 0.700 at 125 ms a frame."),
        ([row()], "Frame by frame, and nothing to compare it with."),
    ],
)
def test_the_finding_is_one_sentence(rows, sentence):
    assert headline_of(rows) == sentence


def test_losses_stand_beside_the_finding():
    page = read(report(bench()))
    (deck,) = with_class(page, "deck")
    assert text(deck) == (
        "1 of 4 settings is slower than the best dense execution. 2 of 4 settings are more than 0.010 mIoU "
        "below frame by frame, blockcopy random 0.5 the most: 0.080."
    )
    (slow,) = with_class(page, "worse")
    assert float(slow.find("data").get("value")) == 100.0 / 118.0


def test_of_a_single_setting_the_headline_says_all():
    assert not with_class(read(report([dense(0.7), blocks(0.5, 0.6, 125.0, 4.0)])), "deck")


def test_classes_differ_by_what_they_differ_and_the_largest_loss_is_first():
    (table,) = with_class(read(report(bench())), "classes")
    lines = [[text(cell) for cell in line] for line in table.iter("tr")]
    assert lines[0] == ["class", "frame by frame", "change 0.5", "change 0.25"]
    assert lines[1] == ["sign", "0.4000", "−1.5", "−10.0"]
    assert lines[2] == ["road", "0.9500", "0.0", "0.0"]
    assert lines[3] == ["car", "0.8000", "0.0", "+1.5"]
    assert len(with_class(table, "loss")) == 2
    assert len(with_class(table, "gain")) == 1


def test_every_row_with_a_timeline_has_its_course_and_its_keyframes():
    page = read(report(bench()))
    panels = {
        panel.get("data-row"): panel for panel in with_class(page, "panel") if with_class(panel, "track")
    }
    assert sorted(panels) == ["0", "1", "2"]
    ms = [150.0, 55.5, 54.0, 160.25, 56.0]
    course, *_ = with_class(panels["1"], "line")
    places = [tuple(map(float, pair)) for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", course.get("d"))]
    ticks = with_class(panels["1"], "y")[:2]
    (low, zero), (high, value) = ((float(tick.get("y")) - 4, float(text(tick))) for tick in ticks)
    drawn = [zero + (y - low) * (value - zero) / (high - low) for _, y in places]
    assert drawn == pytest.approx(ms, abs=0.02)
    assert len(with_class(panels["1"], "keyframe")) == 2
    assert not with_class(panels["0"], "keyframe")


def test_a_long_run_keeps_its_peak_and_says_how_high_it_is():
    ms = [10.0 + i % 3 for i in range(5000)]
    ms[1234] = 900.0
    timeline = {"frames_per_point": 2, "latency_ms": ms, "executed_fraction": None}
    page = read(report([dense(), blocks(0.5, 0.7, 50.0, 4.0, timeline=timeline)]))
    (panel,) = [panel for panel in with_class(page, "panel") if with_class(panel, "track")]
    assert text(with_class(panel, "cut")[0]) == "↑ 900"
    assert len(with_class(panel, "line")[0].get("d")) < 12000
    assert [text(tick) for tick in with_class(panel, "x")][:2] == ["0", "2000"]


def test_what_is_null_or_no_number_is_left_out():
    rows = [
        dense(0.7),
        blocks(0.5, math.nan, 50.0, 4.0, miou_by_distance=[None, math.nan], iou_per_class={"car": math.inf}),
        blocks(0.25, 0.6, math.inf, 2.0, timeline={"latency_ms": [math.nan, None], "frames_per_point": 1}),
    ]
    text_of_page = report(rows)
    page = read(text_of_page)
    assert [[p.get("data-row") for p in with_class(c, "point")] for c in with_class(page, "chart")] == [
        ["2", "0"], ["2", "0"], ["0"], ["0"],
    ]  # fmt: skip
    assert not with_class(page, "panel")
    assert not with_class(page, "classes")
    for word in ("nan", "inf", "None", "null"):
        assert not re.search(rf"\b{word}\b", text_of_page.split("</style>")[1].split("<script>")[0])


def test_curves_of_a_series_share_a_panel_and_are_named_by_their_targets():
    curve = {"miou_by_block_age": [0.72, 0.7, 0.69]}
    rows = [dense(0.7), *(blocks(target, 0.7, 50.0, 4.0, **curve) for target in (0.5, 0.25))]
    page = read(report(rows))
    (panel,) = with_class(page, "panel")
    assert text(panel.find("figcaption")) == "blockcopy0.5: 0.700 · 0.25: 0.700"
    assert [text(end) for end in with_class(panel, "end")] == ["0.5", "0.25"]
    paths = {path.get("id"): path.get("d") for path in page.iter("path") if path.get("id")}
    drawn = [paths[use.get("href").removeprefix("#")] for use in with_class(panel, "line")]
    y = axis(panel, "y", "y")
    for path in drawn:
        heights = [float(height) for height in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]
        assert [y(height + 4) for height in heights] == pytest.approx([0.72, 0.7, 0.69], abs=0.0005)


def test_without_labels_accuracy_is_agreement():
    rows = [dense(None, agreement_with_dense=1.0), blocks(0.5, None, 50.0, 4.0, agreement_with_dense=0.98)]
    titles = [text(title) for title in with_class(read(report(rows)), "title")]
    assert titles[:2] == ["↑ share of pixels as frame by frame", "GMACs per frame →"]


def test_times_of_an_unsteady_machine_are_warned_of():
    assert not with_class(read(report(bench())), "unsteady")
    rows = [dense(0.7), blocks(0.5, 0.7, 50.0, 4.0, dense_best_ms=130.0)]
    (warning,) = with_class(read(report(rows)), "unsteady")
    assert "took 100 to 130 ms" in text(warning)


def test_names_tell_rows_apart_and_shapes_go_by_series():
    rows = [
        dense(),
        blocks(0.5, 0.7, 50, 4),
        blocks(0.25, 0.7, 50, 4),
        blocks(0.5, 0.7, 50, 4, policy="random"),
        blocks(0.5, 0.7, 50, 4, policy="random"),
        row("dff", {"interval": 5}),
        row("dff", {"interval": 10}),
        dense(network="large"),
    ]
    entries = entries_of(rows)
    assert [entry.label for entry in entries] == [
        "frame by frame net", "blockcopy change 0.5 net", "blockcopy change 0.25 net",
        "blockcopy random 0.5 net", "blockcopy random 0.5 net (2)", "dff interval 5 net",
        "dff interval 10 net", "frame by frame large",
    ]  # fmt: skip
    assert [entry.look for entry in entries] == [None, 0, 0, 1, 1, 2, 3, None]


def test_no_name_covers_a_point_or_another_name():
    points = [(40.0 + 31 * (i * i % 17), 30.0 + 23 * (i * 7 % 13)) for i in range(60)]
    names = [f"method {i}" for i in range(60)]
    room = Box(0, 0, 570, 340)
    found = place_names(points, names, room, radius=7.0)
    boxes = [place.box for place in found if place is not None]
    assert len(boxes) > 40
    assert found[0] is not None
    for i, box in enumerate(boxes):
        assert room.holds(box)
        assert not any(box.meets(other) for other in boxes[:i])
        assert not any(box.left < x < box.right and box.top < y < box.bottom for x, y in points)


def test_whatever_users_write_stays_text():
    evil = "</style><script>alert('x')</script> & http://example.org/a.png \"q\""
    rows = [
        dense(network=evil, device_name=evil, iou_per_class={evil: 0.5}, warnings=[evil]),
        blocks(0.5, 0.7, 50.0, 4.0, network=evil, device_name=evil, iou_per_class={evil: 0.4}, policy=evil),
    ]
    page = report(rows, command=f"saccade bench {evil}")
    assert "http://" not in page
    assert "https://" not in page
    found = read(page)
    assert len(list(found.iter("script"))) == len(list(found.iter("style"))) == 1
    assert text(with_class(found, "command")[0]) == f"saccade bench {evil}"
    assert [text(note) for note in with_class(found, "warnings")] == [evil]


def test_the_page_needs_nothing_but_itself():
    page = report(bench(), command="saccade bench")
    found = read(page)
    assert not [each for each in found.iter() if each.tag in ("link", "iframe", "object", "embed", "base")]
    assert not [each for each in found.iter() if each.get("src")]
    assert all(each.get("href", "#").startswith("#") for each in found.iter())
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", page)


def test_command_versions_machine_and_seed_are_there():
    command = "saccade bench clip.mp4 --targets '0.5,0.25'"
    page = read(report(bench(), command=command))
    assert text(with_class(page, "command")[0]) == command
    facts = {text(each[0]): text(each[1]) for each in with_class(page, "facts")[0]}
    assert facts["seed"] == "7"
    assert facts["saccade"] == "0.1.0"
    assert facts["torch"] == "2.11.0"
    assert facts["machine"] == "a processor (cpu, 2 threads)"


def test_one_file_is_written_or_none(tmp_path):
    write_report(tmp_path / "a" / "r.html", bench())
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["r.html"]
    with pytest.raises(ConfigError, match="no rows"):
        write_report(tmp_path / "b.html", [])
    with pytest.raises(ConfigError, match="1 strips for 5 rows"):
        write_report(tmp_path / "b.html", bench(), strips=[None])
    with pytest.raises(OutputError):
        write_report(tmp_path / "a", bench())
    assert not (tmp_path / "b.html").exists()


def test_the_example_of_the_page_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("r.json").write_text(json.dumps({"schema": 1, "rows": bench()}))
    exec(compile(example, "report.md", "exec"), {})
    assert "saccade bench street.mp4" in text(read(Path("r.html").read_text()))
