"""The protocols of the literature, through the readers of the data sets and down to the figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import saccade
from saccade.datasets import open_dataset
from saccade.datasets.cityscapes import TRAIN_IDS
from saccade.datasets.world import write_cityscapes_tree
from saccade.evaluation.evaluate import evaluate
from saccade.methods.configs import BlockCopyConfig

from .painted import HoldConfig

SIZE = (32, 64)
NEVER_AGAIN = HoldConfig(100)
"""Only the first frame of a clip is computed; every frame costs 8 MACs of policy."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A street in the layout of Cityscapes: two snippets of 21 frames in each split, the 20th labelled."""
    root = tmp_path_factory.mktemp("cityscapes")
    write_cityscapes_tree(root, snippets=2, frames=21, size=SIZE)
    return root


def street_network() -> nn.Conv2d:
    """Any answer, from the colour of the pixel: 19 classes."""
    torch.manual_seed(0)
    return nn.Conv2d(3, 19, 1).requires_grad_(False)


def answer(network: nn.Module, path: Path) -> np.ndarray:
    """Labels of one image file, without video, data sets or methods."""
    image = torch.from_numpy(np.asarray(Image.open(path), np.float32) / 255).permute(2, 0, 1)[None]
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return network((image - mean) / std)[0].argmax(0).numpy()


def miou(predictions: list[np.ndarray], labels: list[np.ndarray]) -> float:
    """Mean IoU over the classes that occur, from sets of pixels."""
    prediction, label = np.concatenate(predictions), np.concatenate(labels)
    iou = [
        np.sum((prediction == k) & (label == k)) / np.sum((prediction == k) | (label == k))
        for k in range(19)
        if k in prediction or k in label
    ]
    return float(np.mean(iou))


def labels_of(tree: Path) -> list[np.ndarray]:
    files = sorted((tree / "gtFine/val").rglob("*_labelIds.png"))
    return [np.vectorize(TRAIN_IDS.index)(np.asarray(Image.open(file))) for file in files]


def test_cityscapes_scores_the_last_of_twenty_frames_and_forgets_between_clips(tree):
    network = street_network()
    record = evaluate(saccade.wrap(network, NEVER_AGAIN), open_dataset("cityscapes", tree, "val"))
    assert (record.frames, record.extra["clips"], record.extra["labelled_frames"]) == (40, 2, 2)
    # What is scored on frame t is the answer to frame t - 19: the first of the snippet.
    folders = sorted((tree / "leftImg8bit_sequence/val").iterdir())
    firsts = [answer(network, min(folder.iterdir())) for folder in folders]
    assert record.miou == pytest.approx(miou(firsts, labels_of(tree)))
    assert record.miou_by_distance == [None] * 19 + [record.miou]
    assert record.miou_min == record.miou
    assert record.protocol == "blockcopy"
    frame = evaluate(saccade.wrap(network), open_dataset("cityscapes", tree, "val"))
    lasts = [answer(network, file) for file in sorted((tree / "leftImg8bit/val").rglob("*.png"))]
    assert frame.miou == pytest.approx(miou(lasts, labels_of(tree)))
    assert frame.miou != record.miou


def test_cost_is_per_image_of_all_clips_with_and_without_first_frames(tree):
    record = evaluate(saccade.wrap(street_network(), NEVER_AGAIN), open_dataset("cityscapes", tree, "val"))
    dense = 3 * 4 / 1e9 * SIZE[0] * SIZE[1]  # as ``Hold`` counts
    assert record.gmacs["dense"] == pytest.approx(dense)
    assert record.gmacs["network"] == pytest.approx(dense / 20)
    assert record.gmacs["policy"] == pytest.approx(8e-9)
    assert record.gmacs["mean"] == pytest.approx(dense / 20 + 8e-9)
    later = record.extra["gmacs_without_first"]
    assert later.keys() == record.gmacs.keys()
    assert later["network"] == 0
    assert later["mean"] == pytest.approx(8e-9)
    assert later["dense"] == pytest.approx(dense)
    # Of four blocks, all in the first frame and one in each of the 19 others.
    assert record.executed_fraction == pytest.approx((4 + 19) / 80)
    assert record.executed_fraction_without_first == pytest.approx(1 / 4)


def test_warm_up_clips_are_of_another_split_and_part_of_nothing(tree):
    dataset, train = (open_dataset("cityscapes", tree, split) for split in ("val", "train"))
    plain = evaluate(saccade.wrap(street_network(), NEVER_AGAIN), dataset)
    method, steps = saccade.wrap(street_network(), NEVER_AGAIN), []
    begun = []
    reset = method.reset
    method.reset = lambda: (begun.append(method._ages), reset())
    warm = evaluate(method, dataset, warmup_clips=train.clips(), progress=lambda *step: steps.append(step))
    assert begun == [[], [20], [20], [20]]  # two clips to warm up on and two to score, each from nothing
    assert (warm.extra["warmup_clips"], warm.extra["warmup_frames"]) == (2, 40)
    assert (plain.extra["warmup_clips"], plain.extra["warmup_frames"]) == (0, 0)
    assert steps == [(i, 80) for i in range(1, 81)]
    for key in ("frames", "miou", "gmacs", "executed_fraction", "temporal_consistency"):
        assert getattr(warm, key) == getattr(plain, key), key
    assert warm.extra["labelled_frames"] == 2


def test_blockcopy_meets_its_target_without_first_frames(tree):
    config = BlockCopyConfig(target=0.25, block_size=8, policy="change", scene_cuts=False)
    record = evaluate(saccade.wrap(street_network(), config), open_dataset("cityscapes", tree, "val"))
    assert record.executed_fraction_without_first == pytest.approx(0.25, abs=0.01)
    assert record.executed_fraction == pytest.approx((19 * record.executed_fraction_without_first + 1) / 20)
    assert record.miou_by_distance[:19] == [None] * 19


def test_camvid_scores_every_frame_of_one_clip_that_goes_on(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("val", "valannot"):
        (tmp_path / folder).mkdir()
    for number in range(7959, 7967, 2):
        Image.fromarray(rng.integers(0, 256, (8, 16, 3), np.uint8)).save(
            tmp_path / f"val/0016E5_{number:05d}.png"
        )
        Image.fromarray(rng.integers(0, 11, (8, 16), np.uint8)).save(
            tmp_path / f"valannot/0016E5_{number:05d}.png"
        )
    network = nn.Conv2d(3, 11, 1).requires_grad_(False)
    record = evaluate(saccade.wrap(network, NEVER_AGAIN), open_dataset("camvid", tmp_path, "val"))
    assert (record.frames, record.extra["clips"], record.extra["labelled_frames"]) == (4, 1, 4)
    assert len(record.miou_by_distance) == 4
    assert record.miou_min == min(record.miou_by_distance)
    assert record.executed_fraction == pytest.approx((4 + 3) / 16)  # one first frame
    assert record.protocol == "clip"


def test_blockcopy_protocol_on_labels_in_a_row_takes_the_twenty_frames_up_to_each(tmp_path):
    network = nn.Conv2d(3, 11, 1).requires_grad_(False)
    dataset = open_dataset("world", split="val", clips=1, frames=22, size=(8, 16), flow=False)
    samples = list(dataset.clips()[0])
    record = evaluate(saccade.wrap(network, NEVER_AGAIN), dataset, protocol="blockcopy")
    assert (record.frames, record.extra["clips"]) == (60, 3)
    assert (record.extra["labelled_frames"], record.extra["unscored_labels"]) == (3, 19)
    # Frames 19, 20 and 21 are answered with what frames 0, 1 and 2 show.
    for t, sample in enumerate(samples[:3]):
        Image.fromarray(sample.frame.image).save(tmp_path / f"{t}.png")
    held = [answer(network, tmp_path / f"{t}.png") for t in range(3)]
    assert record.miou == pytest.approx(miou(held, [sample.label for sample in samples[19:]]))
    assert record.miou_by_distance == [None] * 19 + [record.miou]
