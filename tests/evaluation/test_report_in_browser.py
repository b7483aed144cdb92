"""The report as people see it: in Chromium, light and dark, on a desk and in a hand."""

import math

import pytest

from saccade.evaluation.report import write_report

from .chromium import EXECUTABLE, Chromium
from .report_rows import bench, recorded, value_of

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed")

WINDOWS = [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]

CELLS = """
[...document.querySelectorAll("table.rows td[data-key]")].map(cell => [
  Number(cell.parentElement.dataset.row), cell.dataset.key,
  cell.querySelector("data") ? Number(cell.querySelector("data").value) : null, cell.innerText])
"""

POINTS = """
[...document.querySelectorAll(".frontier-chart")].map(figure => {
  const chart = [...figure.querySelectorAll("svg")].find(each => each.getClientRects().length);
  const middle = each => {
    const box = each.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const ticks = name => [...chart.querySelectorAll(".tick." + name)].map(
    tick => [Number(tick.textContent), ...middle(tick)]);
  return {
    x: ticks("x"), y: ticks("y"),
    points: [...chart.querySelectorAll(".point")].map(
      p => [Number(p.dataset.row), ...middle(p.querySelector("circle"))]),
  };
})
"""

CONTRASTS = """
(() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d");
  const light = colour => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const ratio = ink => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  const of = (query, property) => [...document.querySelectorAll(query)]
    .filter(each => each.getClientRects().length)
    .map(each => ratio(light(getComputedStyle(each)[property])));
  return {text: of("h1, h2, p, th, td, dt, dd, summary, figcaption span", "color"),
          letters: of("svg text", "fill"), marks: of(".mark, .line", "stroke")};
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    strips = [recorded(4, actions=None if i == 0 else [[2, 0, 0], [0, 0, 0]]).strip for i in range(5)]
    write_report(path, bench(), command="saccade bench " + "--an-option and-its-value " * 20, strips=strips)
    return path


@pytest.fixture(params=WINDOWS, ids=lambda window: f"{window[0]}-{window[2]}")
def shown(request, browser, page):
    browser.errors.clear()
    browser.requests.clear()
    browser.show(page, *request.param)
    return browser


def test_figures_are_those_of_the_rows(shown):
    rows = bench()
    cells = shown.ask(CELLS)
    assert len(cells) > 60
    for row, key, value, said in cells:
        assert value == value_of(rows[row], key)
        assert said.strip() == "–" if value is None else any(character.isdigit() for character in said)


def test_points_are_where_the_axes_say(shown):
    macs, times = shown.ask(POINTS)
    for chart, key in ((macs, "gmacs"), (times, "latency_ms")):
        assert len(chart["points"]) == 5
        for row, x, y in chart["points"]:
            assert between(chart["x"], 1, x) == pytest.approx(value_of(bench()[row], key)["mean"], rel=0.02)
            assert between(chart["y"], 2, y) == pytest.approx(bench()[row]["miou"], abs=0.001)


def between(ticks, coordinate, place):
    """The value at a place, by the first and the last number at the axis."""
    first, last = ticks[0], ticks[-1]
    return first[0] + (place - first[coordinate]) * (last[0] - first[0]) / (
        last[coordinate] - first[coordinate]
    )


def test_the_page_is_no_wider_than_its_window(shown):
    assert shown.ask("document.documentElement.scrollWidth <= innerWidth")
    assert shown.ask("[...document.querySelectorAll('.scroll')].every(e => e.clientWidth <= innerWidth)")


def test_nothing_fails_and_nothing_else_is_loaded(shown, page):
    assert shown.errors == []
    assert [url for url in shown.requests if not url.startswith("data:")] == [page.resolve().as_uri()]
    assert shown.ask("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_everything_stands_out_from_the_paper(shown):
    contrasts = shown.ask(CONTRASTS)
    assert min(contrasts["text"]) >= 4.5
    assert min(contrasts["letters"]) >= 4.5
    assert min(contrasts["marks"]) >= 3


def test_dark_is_dark_and_light_is_light(browser, page):
    for scheme, dark in (("light", False), ("dark", True)):
        browser.show(page, 1280, 900, scheme)
        paper = browser.ask("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, paper[4:-1].split(","))) < 3 * 128) == dark


def test_a_click_sorts_and_pointing_names(browser, page):
    browser.show(page, 1280, 900)
    speed = (
        "[...document.querySelectorAll('td[data-key=speedup_vs_dense_best] data')].map(d => Number(d.value))"
    )
    browser.ask("[...document.querySelectorAll('.rows th button')].at(-1).click()")
    assert browser.ask(speed) == sorted(
        (value_of(row, "speedup_vs_dense_best") for row in bench()), reverse=True
    )
    browser.ask("[...document.querySelectorAll('.rows th button')].at(-1).click()")
    assert browser.ask(speed) == sorted(value_of(row, "speedup_vs_dense_best") for row in bench())

    point = "document.querySelector('.wide .point[data-row=\"2\"] circle')"
    browser.ask(f"{point}.scrollIntoView({{block: 'center'}})")
    box = browser.ask(
        f"(() => {{ const b = {point}.getBoundingClientRect(); return [b.x, b.y, b.width]; }})()"
    )
    assert not math.isnan(box[2])
    browser.move_mouse(box[0] + box[2] / 2, box[1] + box[2] / 2)
    assert browser.ask("document.getElementById('tip').innerText") == (
        "blockcopy change 0.25: mIoU 0.6710, 2.25 GMACs"
    )
    assert browser.ask("document.querySelector('.rows tr.marked').dataset.row") == "2"
