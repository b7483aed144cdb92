import io
import resource
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
import pytest

from saccade.errors import OutputError
from saccade.video import VideoWriter


def decode(file):
    """Plain PyAV: images and times of everything that plays, up to a broken end."""
    images, times = [], []
    with av.open(file) as container, suppress(av.InvalidDataError):
        for frame in container.decode(video=0):
            images.append(frame.to_ndarray(format="rgb24"))
            times.append(frame.time)
    return images, times


def write(path, images):
    with VideoWriter(path, fps=20, size=images[0].shape[:2]) as writer:
        for image in images:
            writer.write(image)


def test_frames_come_back_in_order(tmp_path, numbered, number_of):
    path = tmp_path / "new" / "folder" / "a.mp4"
    with VideoWriter(path, fps=12.5, size=(48, 96)) as writer:
        for number in range(30):
            writer.write(numbered(number))
    images, times = decode(str(path))
    assert writer.frames == 30
    assert [number_of(image) for image in images] == list(range(30))
    assert times == pytest.approx([i / 12.5 for i in range(30)], abs=1e-3)


def test_closed_file_is_a_regular_video_with_an_index(tmp_path, numbered):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, fps=20, size=(48, 96)) as writer:
        for number in range(10):
            writer.write(numbered(number))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.frames == 10
        assert float(stream.average_rate) == pytest.approx(20)
        assert float(stream.duration * stream.time_base) == pytest.approx(0.5)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")


def test_time_stamps_are_kept_and_never_stand_still(tmp_path, numbered, number_of):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, fps=10, size=(48, 96)) as writer:
        for number, seconds in enumerate([0.0, 0.04, 0.5, 0.5, 2.0]):
            writer.write(numbered(number), seconds)
    images, times = decode(str(path))
    assert [number_of(image) for image in images] == [0, 1, 2, 3, 4]
    assert times == pytest.approx([0, 0.04, 0.5, 0.5, 2.0], abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (47, 95), (2, 333)])
def test_odd_and_tiny_sizes_grow_to_even_ones(tmp_path, size):
    image = np.full((*size, 3), 130, np.uint8)
    with VideoWriter(tmp_path / "a.mov", fps=5, size=size) as writer:
        writer.write(image)
        writer.write(image)
    images, _ = decode(str(tmp_path / "a.mov"))
    assert [i.shape for i in images] == [(size[0] + size[0] % 2, size[1] + size[1] % 2, 3)] * 2
    assert np.abs(images[0].astype(int) - 130).max() <= 4


def test_colours_are_bt709_and_say_so(tmp_path):
    image = np.zeros((32, 32, 3), np.uint8)
    image[:] = (200, 60, 30)
    with VideoWriter(tmp_path / "a.mp4", fps=5, size=(32, 32)) as writer:
        writer.write(image)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 1)
    luma = 16 + 219 * (0.2126 * 200 + 0.7152 * 60 + 0.0722 * 30) / 255
    assert frame.to_ndarray()[:32].mean() == pytest.approx(luma, abs=2)
    assert np.abs(frame.to_ndarray(format="rgb24")[16, 16].astype(int) - (200, 60, 30)).max() <= 6


def test_image_may_be_reused_after_write(tmp_path, numbered, number_of):
    buffer = np.empty((48, 96, 3), np.uint8)
    with VideoWriter(tmp_path / "a.mp4", fps=20, size=(48, 96)) as writer:
        for number in range(12):
            buffer[:] = numbered(number)
            writer.write(buffer)
        buffer[:] = 0
    assert [number_of(i) for i in decode(str(tmp_path / "a.mp4"))[0]] == list(range(12))


class RecordedFile(io.BytesIO):
    """A file in memory that remembers what it held after every write."""

    def __init__(self):
        super().__init__()
        self.states = []

    def write(self, data):
        written = super().write(data)
        self.states.append(self.getvalue())
        return written


@pytest.fixture
def record(tmp_path, monkeypatch):
    def record(images):
        """What the file holds after each write to it; the first two are its type and its header."""
        file, real_open = RecordedFile(), av.open
        with monkeypatch.context() as patch:
            patch.setattr(av, "open", lambda path, *rest, **options: real_open(file, *rest, **options))
            write(tmp_path / "a.mp4", images)
        return file.states[2:]

    return record


def test_file_plays_after_every_single_write(record, numbered, number_of):
    """A program killed between any two writes, also while closing, leaves all frames written so far."""
    counts = []
    for state in record([numbered(number) for number in range(50)]):
        numbers = [number_of(image) for image in decode(io.BytesIO(state))[0]]
        assert numbers == list(range(len(numbers)))
        counts.append(len(numbers))
    assert counts == sorted(counts)
    assert counts[:3] == [1, 2, 3]  # every frame goes to the file by itself
    assert counts[-1] == 50


@pytest.mark.parametrize("lost_bytes", [1, 9, 20])
def test_file_cut_within_a_frame_plays_up_to_it(record, numbered, number_of, lost_bytes):
    states = record([numbered(number) for number in range(6)])
    for complete in range(1, 6):
        cut = states[complete][:-lost_bytes]  # the next frame is not all there
        numbers = [number_of(image) for image in decode(io.BytesIO(cut))[0]]
        assert numbers[:complete] == list(range(complete))
    index = states[-2]  # closing writes the index first, and then makes it count
    for end in range(len(states[5]), len(index), 50):
        assert len(decode(io.BytesIO(index[:end]))[0]) == 6


def test_killed_program_leaves_a_playable_file(tmp_path, number_of):
    path = tmp_path / "a.mp4"
    script = Path(__file__).with_name("killed_writer.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        for line in child.stdout:
            if line.strip() == "40":
                child.kill()
                break
    assert child.returncode == -9
    numbers = [number_of(image) for image in decode(str(path))[0]]
    assert numbers == list(range(len(numbers)))
    # Frames 0 to 40 were handed over: at most 4 wait, 1 is being encoded and 1 being written.
    assert len(numbers) >= 41 - 6


def fragment_ends(path):
    """Where the data of each frame ends in a closed file: the same place as while it was written."""
    with av.open(str(path)) as container:
        return [p.pos + p.size for p in container.demux(video=0) if p.size]


@contextmanager
def file_size_limit(size):
    """A real failure to write: no file of this process may grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_written_stays_when_no_more_can_be_written(tmp_path, numbered, number_of):
    path = tmp_path / "a.mp4"
    noise = np.random.default_rng(0).integers(0, 40, (16, 48, 96, 3), np.uint8)
    images = [numbered(number) // 2 + noise[number] for number in range(16)]
    write(path, images)
    ends = fragment_ends(path)
    # Torn within a frame, within the header before it, and within the index that closing writes.
    for limit in (ends[7] - 100, ends[7] + 42, ends[7] + 90, ends[7] + 300, ends[15] + 200):
        with pytest.raises(OutputError, match="the file grew beyond"), file_size_limit(limit):
            write(path, images)
        numbers = [number_of(image) for image in decode(str(path))[0]]
        # The last frame goes out together with the index.
        assert numbers == list(range(sum(end <= limit for end in ends[:15])))


def test_full_disk(tmp_path, numbered):
    path = tmp_path / "a.mp4"
    path.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="disk is full"):
        write(path, [numbered(number) for number in range(20)])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.xyz", r"suffix '.xyz' is not that of a video"),
        ("a", r"suffix '' is not"),
        ("file.txt/a.mp4", "is a file, not a folder"),
        ("folder.mp4", "it is a folder"),
        ("/proc/x.mp4", "cannot write /proc/x.mp4"),
        ("/proc/x/y/a.mp4", "cannot write /proc/x/y/a.mp4"),
        ("a" * 300 + ".mp4", "name is too long"),
    ],
)
def test_places_where_no_video_can_be_written(tmp_path, name, message):
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OutputError, match=message):
        VideoWriter(tmp_path / name, fps=20, size=(48, 96))


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_impossible_rates(tmp_path, fps):
    with pytest.raises(OutputError, match="rate above 0"):
        VideoWriter(tmp_path / "a.mp4", fps=fps, size=(48, 96))


def test_frame_of_another_size_is_refused_and_the_rest_kept(tmp_path, numbered):
    path = tmp_path / "a.mp4"
    with pytest.raises(OutputError, match="resize it"):
        write(path, [numbered(1), numbered(1, 50, 96)])
    assert len(decode(str(path))[0]) == 1


def test_closing_twice_and_writing_after_it(tmp_path, numbered):
    writer = VideoWriter(tmp_path / "a.mp4", fps=20, size=(48, 96))
    writer.write(numbered(1))
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="after close"):
        writer.write(numbered(2))


def test_video_without_frames_is_closed_without_an_error(tmp_path):
    VideoWriter(tmp_path / "a.mp4", fps=20, size=(48, 96)).close()
    assert decode(str(tmp_path / "a.mp4")) == ([], [])
