"""Detectors of torchvision, with random weights."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import FCOS, RetinaNet, fasterrcnn_resnet50_fpn, ssd300_vgg16
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

import saccade
from saccade.blocks import EngineOptions, convert
from saccade.errors import NetworkError
from saccade.networks.torchvision_detector import TorchvisionDetector
from saccade.video.frame import MEAN, STD

SIZE = (64, 96)


def detector(kind, **options):
    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=5)
    model = kind(backbone, 5, min_size=SIZE[0], max_size=SIZE[1], score_thresh=0.0, **options).eval()
    nn.init.normal_(model.head.classification_head.cls_logits.weight, std=0.5)  # scores that differ
    return model


@pytest.fixture(scope="module", params=[RetinaNet, FCOS])
def model(request):
    return detector(request.param)


@torch.no_grad()
def test_boxes_are_those_of_torchvision(model) -> None:
    images = torch.rand(2, 3, *SIZE)
    theirs = model(list(images))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    ours = saccade.wrap(model).step((images - mean) / std).prediction
    for boxes, expected in zip(ours.frames, theirs, strict=True):
        assert len(boxes) == len(expected["boxes"]) > 0
        torch.testing.assert_close(boxes.scores[:20], expected["scores"][:20], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(boxes.xyxy[:20], expected["boxes"][:20], atol=1e-2, rtol=1e-3)
        assert torch.equal(boxes.labels[:20], expected["labels"][:20])


@torch.no_grad()
def test_other_colours_are_brought_to_what_the_model_expects(model) -> None:
    images = torch.rand(1, 3, *SIZE)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    plain = TorchvisionDetector(model)(images)  # as if they were normalised
    before = model.transform.image_mean, model.transform.image_std
    model.transform.image_mean, model.transform.image_std = [0.0] * 3, [1.0] * 3
    try:
        found = TorchvisionDetector(model)((images - mean) / std)
    finally:
        model.transform.image_mean, model.transform.image_std = before
    for level, expected in zip(found, plain, strict=True):
        torch.testing.assert_close(level["cls_logits"], expected["cls_logits"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(128, 192), (100, 150)])
@torch.no_grad()
def test_all_blocks_are_the_network(model, size) -> None:
    network = TorchvisionDetector(model)
    blocks = convert(
        network, torch.zeros(1, 3, *size), 32, options=EngineOptions(dense_above=1.5), measure=False
    )
    grid = blocks.grid.shape
    blocks.step(torch.randn(1, 3, *size), torch.full((1, *grid), 2, dtype=torch.int8))
    frame = torch.randn(1, 3, *size)
    maps = blocks.step(frame, torch.full((1, *grid), 2, dtype=torch.int8))
    for level, expected in zip(maps, network(frame), strict=True):
        for name, values in expected.items():
            torch.testing.assert_close(level[name], values, atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_blocks_save_most_of_the_convolutions(model) -> None:
    settings = saccade.BlockCopyConfig(target=0.25, block_size=32, savings=0, scene_cuts=False)
    method = saccade.wrap(model, settings)
    frame = torch.randn(1, 3, 128, 192)
    first = method.step(frame)
    result = method.step(frame)
    assert result.cost.network < 0.7 * result.cost.dense
    expected = saccade.wrap(model).step(frame).prediction.frames[0]
    for found in (first.prediction.frames[0], result.prediction.frames[0]):
        torch.testing.assert_close(found.scores[:10], expected.scores[:10], atol=1e-3, rtol=1e-3)


def test_detectors_with_two_stages_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"FasterRCNN .* use RetinaNet or FCOS"):
        saccade.wrap(fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None))
    with pytest.raises(NetworkError, match=r"SSD .* use RetinaNet or FCOS"):
        saccade.wrap(ssd300_vgg16(weights=None, weights_backbone=None))
