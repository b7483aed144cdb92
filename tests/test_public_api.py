import saccade


def test_the_built_in_world_opens_as_a_source() -> None:
    with saccade.open_video("world:3", size=(36, 48), max_frames=2) as source:
        frames = list(source)
    assert [frame.image.shape for frame in frames] == [(36, 48, 3)] * 2
    assert frames[0].timestamp == 0 < frames[1].timestamp
