"""Overlay videos and label maps as sinks of a run."""

import doctest
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import saccade
from saccade.errors import OutputError
from saccade.evaluation import sinks
from saccade.evaluation.sinks import ComparisonSink, LabelSink, OverlaySink, stream_names
from saccade.evaluation.stream import Interrupted, process
from saccade.video import open_video

from .painted import CLASSES, HoldConfig, PaintedSource, painted_network


def halves(length: int, name: str, size: tuple[int, int] = (32, 48)) -> PaintedSource:
    """Sky on the left, cars on the right, the boundary moving by two pixels per frame."""
    column = np.arange(size[1])
    return PaintedSource(
        [np.tile(np.where(column < 16 + 2 * i, 0, 2), (size[0], 1)) for i in range(length)], name
    )


def test_label_maps_have_the_ids_as_pixel_values_and_the_colours_as_palette(tmp_path):
    source = halves(3, "a")
    process(saccade.wrap(painted_network()), [source], [LabelSink(tmp_path / "labels", [source], CLASSES)])
    files = sorted((tmp_path / "labels").iterdir())
    assert [file.name for file in files] == ["000000.png", "000001.png", "000002.png"]
    for file, prediction in zip(files, source.predictions, strict=True):
        with Image.open(file) as picture:
            assert np.array_equal(np.asarray(picture), prediction)
            assert picture.getpalette()[6:9] == [99, 9, 9]


def test_the_overlay_video_shows_every_frame_in_the_colours_of_its_classes(tmp_path):
    source = halves(4, "a")
    path = tmp_path / "out.mp4"
    process(saccade.wrap(painted_network()), [source], [OverlaySink(path, [source], CLASSES)])
    frames = list(open_video(path))
    assert [round(frame.timestamp, 3) for frame in frames] == [0, 0.1, 0.2, 0.3]
    for frame, prediction in zip(frames, source.predictions, strict=True):
        # Half the grey of the frame (0 or 120), half the colour of the class, as far as H.264 keeps it.
        assert frame.image.shape == (32, 48, 3)
        car = frame.image[2:8, 42:46].reshape(-1, 3).mean(0)
        sky = frame.image[2:8, 2:10].reshape(-1, 3).mean(0)
        assert np.abs(car - ((120 + 99) / 2, (120 + 9) / 2, (120 + 9) / 2)).max() < 12
        assert sky.max() < 12
        assert prediction[0, 44] == 2


def test_several_sources_have_a_video_and_a_folder_each(tmp_path):
    sources = [halves(2, "day/street.mp4"), halves(3, "night/street.mp4", (16, 20))]
    videos = OverlaySink(tmp_path / "out.mp4", sources, CLASSES)
    process(saccade.wrap(painted_network()), sources, [videos, LabelSink(tmp_path / "labels", sources)])
    assert videos.paths == [tmp_path / "out-street.mp4", tmp_path / "out-street-2.mp4"]
    assert [len(list(open_video(path))) for path in videos.paths] == [2, 3]
    assert [len(list((tmp_path / "labels" / name).iterdir())) for name in ("street", "street-2")] == [2, 3]


def test_classes_without_names_are_drawn_too(tmp_path):
    source = halves(1, "a")
    process(saccade.wrap(painted_network()), [source], [OverlaySink(tmp_path / "a.mp4", [source])])
    assert next(iter(open_video(tmp_path / "a.mp4"))).image.std() > 10


def test_blocks_are_drawn_where_the_method_has_them(tmp_path):
    source = PaintedSource([np.zeros((64, 64), int)] * 2, "a")
    process(
        saccade.wrap(painted_network(), HoldConfig(2)), [source], [OverlaySink(tmp_path / "a.mp4", [source])]
    )
    first, second = (frame.image.astype(int) for frame in open_video(tmp_path / "a.mp4"))
    assert first[0].mean() > first[5:27, 5:27].mean() + 60  # an outline around blocks that were executed
    assert abs(second[0, :30].mean() - second[5:27, 5:27].mean()) < 10  # none around those that were kept


def test_blocks_get_darker_while_they_are_kept(tmp_path):
    source = PaintedSource([np.full((64, 64), 3)] * 6, "a")
    path = tmp_path / "a.mp4"
    process(saccade.wrap(painted_network(), HoldConfig(5)), [source], [OverlaySink(path, [source], CLASSES)])
    # Of four blocks the last is executed in every frame, the others in the first and in the sixth.
    kept = [frame.image[6:26, 6:26].mean() for frame in open_video(path)]
    executed = [frame.image[38:58, 38:58].mean() for frame in open_video(path)]
    assert all(kept[i] > kept[i + 1] + 1 for i in range(4))
    assert kept[5] == pytest.approx(kept[0], abs=3)
    assert max(executed) - min(executed) < 3


def test_blocks_are_drawn_at_the_size_that_the_method_says(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(sinks, "draw_overlay", lambda image, *_, blocks: drawn.append(blocks) or image)
    source = PaintedSource([np.zeros((20, 24), int)], "a")
    method = saccade.wrap(painted_network(), HoldConfig(2))
    step = method.step
    monkeypatch.setattr(method, "step", lambda frames: replace(step(frames), block_size=16))
    process(method, [source], [OverlaySink(tmp_path / "a.mp4", [source], CLASSES)])
    assert [blocks.size for blocks in drawn] == [16]


def test_a_comparison_shows_both_side_by_side_and_marks_what_differs(tmp_path, compiler):
    sources = [halves(4, "day/a.mp4"), halves(3, "night/b.mp4", (16, 20))]
    videos = ComparisonSink(tmp_path / "out.mp4", sources, "hold", CLASSES)
    process(saccade.wrap(painted_network(), HoldConfig(2)), sources, [videos], compare=True)
    first, second = (list(open_video(path)) for path in videos.paths)
    assert [frame.image.shape for frame in first] == [(32, 96, 3)] * 4
    assert [frame.image.shape for frame in second] == [(16, 40, 3)] * 3
    for i, frame in enumerate(first):
        # A frame that is held shows the boundary two pixels before where frame by frame it is.
        moved = slice(16 + 2 * (i - 1), 16 + 2 * i)
        red, green, blue = frame.image[4:28, :48][:, moved].reshape(-1, 3).mean(0)
        assert (red > green + 80 and blue > green + 80) == (i % 2 == 1)
        sky, car = frame.image[4:28, 48 + 4 : 48 + 12 + 2 * i], frame.image[4:28, 48 + 22 + 2 * i : 94]
        assert sky.mean() < 15
        assert np.abs(car.reshape(-1, 3).mean(0) - ((120 + 99) / 2, 64.5, 64.5)).max() < 12


def test_a_comparison_needs_something_to_compare_with(tmp_path):
    source = halves(2, "a")
    sink = ComparisonSink(tmp_path / "out.mp4", [source], "frame", CLASSES)
    with pytest.raises(ValueError, match="compare=True"):
        process(saccade.wrap(painted_network()), [source], [sink])


def test_a_comparison_that_is_interrupted_plays(tmp_path, compiler):
    source = halves(9, "a")
    sink = ComparisonSink(tmp_path / "out.mp4", [source], "frame", CLASSES)

    def stop(done: int, total: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        process(saccade.wrap(painted_network()), [source], [sink], compare=True, progress=stop)
    assert len(list(open_video(tmp_path / "out.mp4"))) == 3


def test_a_video_that_cannot_be_created_leaves_no_other_open(tmp_path):
    sources = [halves(1, "a"), halves(1, "b")]
    (tmp_path / "out-b.mp4").mkdir()
    with pytest.raises(OutputError, match=r"out-b\.mp4: it is a folder"):
        OverlaySink(tmp_path / "out.mp4", sources)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        LabelSink(tmp_path / "file", sources[:1])


def test_names_of_streams():
    assert stream_names(["a.mp4"]) == ["a"]
    assert stream_names(["x/a.mp4", "y/a.mp4", "a-2.mp4"]) == ["a", "a-2", "a-2-2"]
    assert stream_names(["rtsp://host:554/live/1", "world:7", "*.png", "/", "../left img/"]) == [
        "1", "world-7", "stream", "stream-2", "left-img",
    ]  # fmt: skip


def test_examples_in_the_documentation():
    assert doctest.testmod(sinks).attempted > 0
    assert doctest.testmod(sinks).failed == 0


def test_a_video_never_overwrites_a_source(tmp_path):
    source, other = halves(2, str(tmp_path / "a.mp4")), halves(2, str(tmp_path / "out-a.mp4"))
    for path in ("a.mp4", "out-a.mp4"):
        (tmp_path / path).write_text("precious")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    for output in ("a.mp4", "link.mp4"):
        with pytest.raises(OutputError, match="is one of the sources"):
            OverlaySink(tmp_path / output, [source], CLASSES)
    with pytest.raises(OutputError, match=r"out-a\.mp4: it is one of the sources"):
        OverlaySink(tmp_path / "out.mp4", [source, other], CLASSES)
    assert (tmp_path / "a.mp4").read_text() == (tmp_path / "out-a.mp4").read_text() == "precious"
