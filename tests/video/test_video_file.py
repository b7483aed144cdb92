import struct

import av
import numpy as np
import pytest

from saccade.errors import SourceError
from saccade.video import open_video

CODECS = [
    ("a.mp4", "libx264", "yuv420p"),
    ("a.mkv", "libx265", "yuv420p10le"),
    ("a.avi", "mpeg4", "yuv420p"),
    ("a.mov", "mjpeg", "yuvj422p"),
    ("a.webm", "libvpx-vp9", "yuv420p"),
    ("a.nut", "ffv1", "gray"),
]


@pytest.mark.parametrize(("name", "codec", "pixels"), CODECS)
def test_every_frame_in_order(tmp_path, make_video, numbered, number_of, name, codec, pixels):
    path = make_video(tmp_path / name, [numbered(i) for i in range(9)], codec=codec, pixels=pixels)
    source = open_video(path)
    frames = list(source)
    assert [number_of(frame.image) for frame in frames] == list(range(9))
    assert [frame.index for frame in frames] == list(range(9))
    assert [frame.timestamp for frame in frames] == pytest.approx([i / 20 for i in range(9)], abs=2e-3)
    assert (source.fps, source.height, source.width, source.live) == (20.0, 48, 96, False)
    assert source.length in (9, None)  # Matroska does not say
    assert source.warnings == []
    assert all(frame.image.flags.c_contiguous and frame.image.dtype == np.uint8 for frame in frames)


def test_iterating_twice_gives_the_same_frames(tmp_path, make_video, numbered):
    source = open_video(make_video(tmp_path / "a.mp4", [numbered(i) for i in range(5)]))
    first, second = [f.image for f in source], [f.image for f in source]
    assert len(first) == len(second) == source.length == 5
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_variable_frame_rate_keeps_its_times(tmp_path, make_video, numbered):
    ticks = [40, 41, 45, 46, 60]
    path = make_video(tmp_path / "a.mp4", [numbered(i) for i in range(5)], ticks=ticks)
    stamps = [frame.timestamp for frame in open_video(path)]
    assert stamps == pytest.approx([0, 1 / 20, 5 / 20, 6 / 20, 20 / 20], abs=1e-3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotation_metadata_turns_frames_upright(tmp_path, make_video, turns):
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:16, :24] = (250, 10, 10)
    picture[16:, 24:] = (10, 10, 250)
    path = make_video(tmp_path / "a.mp4", [picture] * 2, codec_options={"crf": "5"})
    _set_rotation(path, turns)
    source = open_video(path)
    expected = np.rot90(picture, -turns)  # clockwise
    assert (source.height, source.width) == expected.shape[:2]
    for frame in source:
        assert np.abs(frame.image.astype(int) - expected).mean() < 6
    half = open_video(path, scale=0.5)
    assert next(iter(half)).image.shape[:2] == (half.height, half.width)
    assert half.height == expected.shape[0] // 2


def _set_rotation(path, clockwise_turns):
    """Write the display matrix of ISO 14496-12 into the track header: (a b u / c d v / x y w)."""
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][clockwise_turns]
    matrix = struct.pack(">9i", cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    data[header + 40 : header + 76] = matrix
    path.write_bytes(data)


@pytest.mark.parametrize(("matrix", "weights"), [(1, (0.2126, 0.0722)), (6, (0.299, 0.114))])
def test_colours_follow_the_matrix_of_the_video(tmp_path, matrix, weights):
    red_weight, blue_weight = weights
    colour = np.array([200, 60, 30]) / 255
    luma = colour @ [red_weight, 1 - red_weight - blue_weight, blue_weight]
    blue = (colour[2] - luma) / (2 * (1 - blue_weight))
    red = (colour[0] - luma) / (2 * (1 - red_weight))
    planes = np.concatenate(
        [
            np.full((16, 16), round(16 + 219 * luma), np.uint8),
            np.full((4, 16), round(128 + 224 * blue), np.uint8),
            np.full((4, 16), round(128 + 224 * red), np.uint8),
        ]
    )
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"qp": "0"})
        stream.height = stream.width = 16
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 1
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))
    (frame,) = open_video(path)
    assert np.abs(frame.image[8, 8].astype(int) - [200, 60, 30]).max() <= 3


def test_size_scale_and_max_frames(tmp_path, make_video, numbered, number_of):
    path = make_video(tmp_path / "a.mp4", [numbered(i) for i in range(6)])
    source = open_video(path, size=(30, 50), max_frames=4)
    assert (source.height, source.width, source.length) == (30, 50, 4)
    frames = list(source)
    assert [frame.image.shape for frame in frames] == [(30, 50, 3)] * 4
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 3]
    assert next(iter(open_video(path, scale=2))).image.shape == (96, 192, 3)


def test_truncated_video_gives_the_frames_before_the_damage_then_one_warning(
    tmp_path, make_video, numbered, number_of
):
    images = [numbered(i) + np.uint8(i % 3) for i in range(40)]
    whole = make_video(tmp_path / "a.mp4", images, container_options={"movflags": "faststart"})
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 7 // 10])
    source = open_video(whole)
    numbers = [number_of(frame.image) for frame in source]
    assert 3 < len(numbers) < 40
    assert numbers == list(range(len(numbers)))
    (warning,) = source.warnings
    assert "damaged" in warning
    assert f"{len(numbers)} frames" in warning
    list(source)
    assert len(source.warnings) == 1


def test_truncated_matroska_warns_of_the_missing_end(tmp_path, make_video, numbered, number_of):
    path = make_video(tmp_path / "a.mkv", [numbered(i) for i in range(40)])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = open_video(path)
    numbers = [number_of(frame.image) for frame in source]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) < 40
    assert "missing" in source.warnings[0]


def test_damage_in_the_middle_is_skipped_with_a_warning(tmp_path, make_video, numbered, number_of):
    path = make_video(tmp_path / "a.avi", [numbered(i) for i in range(30)], codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    frames = data.index(b"movi")
    starts = [i for i in range(frames, len(data)) if data[i : i + 4] == b"00dc"]
    data[starts[12] + 8 : starts[13]] = bytes(starts[13] - starts[12] - 8)
    path.write_bytes(data)
    source = open_video(path)
    numbers = [number_of(frame.image) for frame in source]
    assert numbers == [i for i in range(30) if i != 12]
    assert len(source.warnings) == 1


def test_video_without_its_index_is_refused_with_the_reason(tmp_path, make_video, numbered):
    path = make_video(tmp_path / "a.mp4", [numbered(i) for i in range(20)])  # index at the end
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(SourceError, match="broken off"):
        open_video(path)


def test_text_file_named_mp4(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("This is no video.\n" * 50)
    with pytest.raises(SourceError, match=r"notes\.mp4 cannot be read as a video"):
        open_video(path)


def test_empty_file(tmp_path):
    path = tmp_path / "a.mp4"
    path.touch()
    with pytest.raises(SourceError, match="is empty"):
        open_video(path)


def test_video_without_frames(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", container_options={"movflags": "empty_moov"}) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height = stream.width = 16
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    with pytest.raises(SourceError, match="no frame that can be decoded"):
        open_video(path)


def test_sound_without_pictures(tmp_path):
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(SourceError, match="no video stream"):
        open_video(path)


def test_missing_file_and_one_that_goes_missing(tmp_path, make_video, numbered):
    with pytest.raises(SourceError, match="there is no"):
        open_video(tmp_path / "nowhere.mp4")
    source = open_video(make_video(tmp_path / "a.mp4", [numbered(0)]))
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(SourceError, match=r"a\.mp4"):
        list(source)


def test_frames_of_changing_size(tmp_path, make_video, numbered, number_of):
    small = make_video(tmp_path / "1.ts", [numbered(i) for i in range(4)])
    large = make_video(tmp_path / "2.ts", [numbered(i, 64, 128) for i in range(4, 8)])
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    seen = []
    with pytest.raises(SourceError, match="from 48x96 to 64x128"):
        seen.extend(number_of(frame.image) for frame in open_video(both))
    resized = [frame.image for frame in open_video(both, size=(48, 96))]
    assert [number_of(image) for image in resized] == list(range(8))
    assert {image.shape for image in resized} == {(48, 96, 3)}


def test_leaving_early_ends_the_decoder(tmp_path, make_video, numbered):
    source = open_video(make_video(tmp_path / "a.mp4", [numbered(i) for i in range(30)]), prefetch=2)
    for frame in source:
        if frame.index == 3:
            break
    with source:
        assert next(iter(source)).index == 0
