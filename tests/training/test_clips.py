"""Clips to learn from: stills, videos and data sets; how much of them stays in memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from saccade.classes import CAMVID, IGNORE
from saccade.datasets import open_dataset
from saccade.errors import ConfigError, DatasetError
from saccade.training import load_recipe
from saccade.training.clips import Clips, class_counts, clips_of, fitted
from saccade.training.recipe import DataConfig, TrainConfig

WORLD = "{dataset: world, options: {clips: 3, frames: 4, size: [32, 48], flow: false}}"


def config(tmp_path: Path, *overrides: str) -> TrainConfig:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"""
name: tiny
network: td2-swiftnet-rn18
data: [{WORLD}]
stages: [{{epochs: 1, crop: [32, 48]}}]
"""
    )
    return load_recipe(path, overrides)


def test_pictures_of_other_shapes_are_cut_in_the_middle():
    image = torch.arange(100, dtype=torch.uint8).expand(3, 40, 100)
    assert fitted(image, (40, 100)) is image
    assert torch.equal(fitted(image, (40, 60)), image[:, :, 20:80])
    half = fitted(image, (20, 30), nearest=True)
    assert half.shape == (3, 20, 30)
    assert set(half[0, 0].tolist()) <= set(range(20, 80))


def test_clips_of_stills_and_videos(tmp_path):
    data = DataConfig("world", options={"clips": 1, "frames": 3, "size": [32, 48]}, moving=True, every=2)
    clips = clips_of(data, (32, 48), CAMVID, 2, seed=0)
    assert [clip.length for clip in clips] == [3, 3]
    for clip in clips:
        images, labels = clip.read()
        assert [image.shape for image in images] == [(3, 32, 48)] * 3
        assert torch.equal(torch.stack(clip.read()[0]), torch.stack(images))  # the camera moves as before
        assert [label.shape for label in labels] == [(32, 48)] * 3
    (tmp_path / "frames").mkdir()
    for number in range(3):
        Image.fromarray(np.full((40, 100, 3), 50 * number, np.uint8)).save(tmp_path / f"frames/{number}.png")
    (clip,) = clips_of(DataConfig("video", str(tmp_path / "frames")), (20, 30), CAMVID, 2, 0)
    images, labels = clip.read()
    assert clip.length == 3
    assert [int(image[0, 0, 0]) for image in images] == [0, 50, 100]
    assert all((label == IGNORE).all() for label in labels)
    with pytest.raises(DatasetError, match="needs its file as root"):
        clips_of(DataConfig("video"), (32, 48), CAMVID, 2, seed=0)


@dataclass(frozen=True, eq=False)
class Stacked:
    images: Tensor


class Counted(Clips[Stacked]):
    """Clips as they are; counts how many were made."""

    def __init__(self, recipe: TrainConfig) -> None:
        self.made = 0
        super().__init__(recipe, CAMVID, farthest=2, first=2)

    def make(self, images, labels):
        self.made += 1
        return Stacked(torch.stack(list(images)))


def test_what_has_no_room_in_memory_is_made_when_it_is_needed(tmp_path):
    clip = 4 * 3 * 32 * 48  # bytes
    roomy = Counted(config(tmp_path))
    tight = Counted(config(tmp_path, f"keyframes.memory={1.5 * clip / 1e9}"))
    assert (roomy.made, tight.made) == (3, 2)  # one that fits, and one that was found not to
    stage = config(tmp_path).stages[0]
    assert roomy.of(stage) == tight.of(stage) == list(range(6))  # of three clips the last two frames each
    for index in range(6):
        (one, number), (other, same) = roomy.frame(index), tight.frame(index)
        assert (number, same) == (2 + index % 2,) * 2
        assert torch.equal(one.images, other.images)
    assert (roomy.made, tight.made) == (3, 6)  # two frames of each of two clips more
    with pytest.raises(ConfigError, match=r"1 of 3 clips fit .* set workers to 0"):
        Counted(config(tmp_path, f"keyframes.memory={1.5 * clip / 1e9}", "workers=2"))


def test_stages_choose_among_the_data(tmp_path):
    other = WORLD.replace("clips: 3", "clips: 1")
    recipe = config(
        tmp_path,
        "data.0.repeat=2",
        f"stages=[{{epochs: 1, crop: [32, 48], data: [{other}]}}, {{epochs: 1, crop: [32, 48]}}, "
        "{epochs: 1, crop: [16, 24]}]",
    )
    clips = Counted(recipe)
    first, second, third = map(clips.of, recipe.stages)
    assert first == [0, 1]
    assert second == list(range(2, 8)) * 2
    assert third == list(range(8, 14)) * 2  # the same data in another size
    assert clips.frame(8)[0].images.shape[2:] == (16, 24)


def test_classes_are_counted_once_for_each_data_set(tmp_path):
    counts = class_counts(config(tmp_path, "data.0.repeat=3"), 11)
    dataset = open_dataset("world", None, "train", clips=3, frames=4, size=[32, 48], flow=False)
    labels = np.stack([image.load()[1] for image in dataset.labelled()])
    assert counts.tolist() == [int((labels == k).sum()) for k in range(11)]
