from __future__ import annotations

import cv2
import numpy as np
import pytest

from saccade.classes import CAMVID, CITYSCAPES, CITYSCAPES_TO_CAMVID
from saccade.datasets.world import WorldDataset
from saccade.datasets.world.film import Film
from saccade.errors import ConfigError


def test_labelled_images_are_all_different_and_come_back_the_same() -> None:
    images = WorldDataset(seed=4, clips=2, frames=2, size=(45, 61)).labelled()
    first = [image.load() for image in images]
    assert len(images) == len({i.name for i in images}) == 4
    for i, (image, label) in enumerate(first):
        assert (image.shape, image.dtype) == ((45, 61, 3), np.uint8)
        assert (label.shape, label.dtype) == ((45, 61), np.uint8)
        assert label.max() < len(CAMVID)
        again = images[i].load()
        assert np.array_equal(again[0], image)
        assert np.array_equal(again[1], label)
        assert all(not np.array_equal(image, other) for other, _ in first[i + 1 :])


def test_splits_and_seeds_never_share_a_street() -> None:
    def one(**options: object) -> np.ndarray:
        return WorldDataset(clips=1, frames=1, size=(24, 32), **options).labelled()[0].load()[0]  # type: ignore[arg-type]

    base = one(seed=1, split="train")
    assert not np.array_equal(base, one(seed=1, split="val"))
    assert not np.array_equal(base, one(seed=2, split="train"))
    assert np.array_equal(base, one(seed=1, split="train", classes="cityscapes"))


def test_clips_have_every_ground_truth() -> None:
    dataset = WorldDataset(seed=2, clips=1, frames=3, size=(60, 80), fps=10, classes="cityscapes")
    (clip,) = dataset.clips()
    samples = list(clip)
    assert len(samples) == len(clip) == 3
    assert [s.frame.timestamp for s in samples] == pytest.approx([0, 0.1, 0.2])
    assert [s.frame.index for s in samples] == [0, 1, 2]
    assert samples[0].flow is samples[0].occluded is None
    for s in samples[1:]:
        assert s.flow is not None
        assert s.occluded is not None
        assert (s.flow.shape, s.flow.dtype) == ((60, 80, 2), np.float32)
        assert (s.occluded.shape, s.occluded.dtype) == ((60, 80), bool)
    assert all(s.label is not None and s.label.max() < len(CITYSCAPES) for s in samples)
    without = WorldDataset(seed=2, clips=1, frames=3, size=(60, 80), fps=10, classes="cityscapes", flow=False)
    for a, b in zip(samples, without.clips()[0], strict=True):
        assert np.array_equal(a.frame.image, b.frame.image)
        assert b.flow is None


def test_a_frame_does_not_depend_on_the_frames_drawn_before_it() -> None:
    dataset = WorldDataset(seed=6, clips=1, frames=4, size=(48, 64), mode="driving")
    (clip,) = dataset.clips()
    in_order = [s.frame.image for s in clip]
    film = Film(clip.seed, clip.frames, clip.fps, clip.size, clip.mode)
    for index in (3, 1):
        assert np.array_equal(film.develop(film.view(index), index), in_order[index])


def test_both_class_sets_describe_the_same_picture() -> None:
    options = {"seed": 8, "clips": 1, "frames": 1, "size": (60, 80)}
    camvid = WorldDataset(classes="camvid", **options).labelled()[0].load()[1]  # type: ignore[arg-type]
    cityscapes = WorldDataset(classes="cityscapes", **options).labelled()[0].load()[1]  # type: ignore[arg-type]
    assert np.array_equal(camvid, np.array(CITYSCAPES_TO_CAMVID)[cityscapes])


def test_street_scenes_look_like_street_scenes() -> None:
    labels = np.stack(
        [i.load()[1] for i in WorldDataset(seed=0, clips=1, frames=24, size=(60, 80)).labelled()]
    )
    share = np.bincount(labels.ravel(), minlength=len(CAMVID)) / labels.size
    assert (share > 0.0005).all()  # every class occurs
    named = dict(zip(CAMVID.names, share, strict=True))
    assert 0.2 < named["road"] < 0.5
    assert 0.1 < named["sky"] < 0.35
    assert 0.1 < named["building"] < 0.4
    sky, road = CAMVID.names.index("sky"), CAMVID.names.index("road")
    assert (labels[:, :10] == sky).mean() > 0.4
    assert (labels[:, :10] == road).mean() == 0
    assert (labels[:, -10:] == road).mean() > 0.5
    assert (labels[:, -10:] == sky).mean() == 0


@pytest.mark.parametrize("mode", ["driving", "static", "panning"])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (33, 65)])
def test_any_size_in_any_mode(mode: str, size: tuple[int, int]) -> None:
    dataset = WorldDataset(clips=1, frames=2, size=size, mode=mode)
    for sample in dataset.clips()[0]:
        assert sample.frame.image.shape == (*size, 3)
        assert sample.label is not None
        assert sample.label.shape == size


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": "kitti"}, "no class set 'kitti'; choose one of cityscapes, camvid"),
        ({"split": "test"}, "no split 'test'; choose one of train, val"),
        ({"mode": "flying"}, "no camera mode 'flying'; choose one of driving, static, panning"),
        ({"size": (0, 5)}, r"size \(0, 5\) is not a frame size"),
        ({"size": (5,)}, r"size \(5,\) is not a frame size"),
        ({"frames": 0}, "must be positive"),
        ({"fps": 0.0}, "must be positive"),
        ({"seed": -1}, "seed not negative"),
    ],
)
def test_values_that_cannot_work_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WorldDataset(**options)  # type: ignore[arg-type]


def test_frames_for_detectors_are_those_with_labels_and_have_the_people_of_the_picture():
    world = WorldDataset(clips=1, frames=8, size=(96, 128), classes="cityscapes", split="val")
    people = 0
    for boxed, labelled in zip(world.boxed(), world.labelled(), strict=True):
        image, boxes = boxed.load()
        picture, label = labelled.load()
        assert (image == picture).all()
        assert {box.label for box in boxes} == {CITYSCAPES.names[i] for i in (11, 12) if (label == i).any()}
        people += len(boxes)
    assert people


def test_flow_pairs_are_frames_of_streets_of_their_own_with_flow_between_them() -> None:
    dataset = WorldDataset(seed=4, clips=1, frames=2, size=(45, 61), fps=10, mode="driving")
    pairs = dataset.flow_pairs()
    loaded = [pair.load() for pair in pairs]
    assert len(pairs) == len({pair.name for pair in pairs}) == 2
    for now, before, flow, occluded in loaded:
        assert now.shape == before.shape == (45, 61, 3)
        assert now.dtype == before.dtype == np.uint8
        assert (flow.shape, flow.dtype) == ((45, 61, 2), np.float32)
        assert (occluded.shape, occluded.dtype) == ((45, 61), bool)
    assert not np.array_equal(loaded[0][0], loaded[1][0])
    assert all(np.array_equal(a, b) for a, b in zip(loaded[0], pairs[0].load(), strict=True))


def test_flow_of_a_pair_points_to_what_was_there_before() -> None:
    """Fetched along the flow, the earlier frame is closer to the current one than where it stood."""
    now, before, flow, occluded = (
        WorldDataset(seed=4, clips=1, frames=1, size=(120, 160), fps=10, mode="panning")
        .flow_pairs()[0]
        .load()
    )
    x = np.arange(160, dtype=np.float32) + flow[..., 0]
    y = np.arange(120, dtype=np.float32)[:, None] + flow[..., 1]
    fetched = cv2.remap(before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved, still = (np.abs(image.astype(float) - now)[~occluded].mean() for image in (fetched, before))
    assert np.abs(flow).mean() > 0.5
    assert moved < 0.5 * still
