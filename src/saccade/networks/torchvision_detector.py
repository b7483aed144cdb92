"""Torchvision's one-stage detectors as Saccade has them: maps per frame, and boxes that follow from these."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.networks.detector import Boxes
from saccade.networks.registry import attach_info, network_info
from saccade.video.frame import MEAN, STD

Level = dict[str, Tensor]
"""Maps of one level of the pyramid, by the names that torchvision gives them."""


class TorchvisionDetector(nn.Module):
    """RetinaNet or FCOS; ``forward`` is all that has convolutions.

    Frames are as the caller gives them: torchvision's own resizing to 800 pixels is left out, so wrap frames
    of the size to detect at. Labels are those of torchvision, where 0 is the background.

    Args:
        model: ``torchvision.models.detection.RetinaNet`` or ``FCOS``.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        transform = model.transform
        self.multiple = int(transform.size_divisible)
        scale = torch.tensor(STD) / torch.tensor(transform.image_std)
        shift = (torch.tensor(MEAN) - torch.tensor(transform.image_mean)) / torch.tensor(transform.image_std)
        self._other_colours = not (
            torch.allclose(scale, torch.ones(3)) and torch.allclose(shift, torch.zeros(3))
        )
        self.register_buffer("scale", scale.view(3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> list[Level]:
        """Maps of each level of the pyramid, the finest first.

        Args:
            x: ``(N, 3, H, W)`` normalised frames. Zeros are added at the right and bottom, to a multiple of
                32 pixels.
        """
        if self._other_colours:
            x = x * self.scale + self.shift
        missing = [-side % self.multiple for side in x.shape[2:]]
        if any(missing):
            x = F.pad(x, (0, missing[1], 0, missing[0]))
        features = self.model.backbone(x)
        levels = [features] if isinstance(features, Tensor) else list(features.values())
        return [self._head(level) for level in levels]

    def _head(self, features: Tensor) -> Level:
        classes, boxes = self.model.head.classification_head, self.model.head.regression_head
        inner = boxes.conv(features)
        maps = {
            "cls_logits": classes.cls_logits(classes.conv(features)),
            "bbox_regression": boxes.bbox_reg(inner),
        }
        if hasattr(boxes, "bbox_ctrness"):  # FCOS: distances to four sides, and how central a place is
            maps["bbox_regression"] = torch.relu(maps["bbox_regression"])
            maps["bbox_ctrness"] = boxes.bbox_ctrness(inner)
        return maps

    def decode(self, maps: list[Level], size: tuple[int, int]) -> list[Boxes]:
        """Boxes of each frame, as the model's thresholds have them.

        Args:
            maps: What ``forward`` returned.
            size: ``(H, W)`` of the frames.
        """
        from torchvision.models.detection.image_list import ImageList

        maps = [{name: values.float() for name, values in level.items()} for level in maps]
        first = [level["cls_logits"] for level in maps]
        frames = len(first[0])
        padded = [side + -side % self.multiple for side in size]
        images = ImageList(first[0].new_empty(frames, 0, *padded), [size] * frames)
        anchors = self.model.anchor_generator(images, first)
        per_place = self.model.anchor_generator.num_anchors_per_location()
        counts = [
            level.shape[2] * level.shape[3] * many for level, many in zip(first, per_place, strict=True)
        ]
        outputs = {
            name: [_rows(level[name], many) for level, many in zip(maps, per_place, strict=True)]
            for name in maps[0]
        }
        split = [list(of_frame.split(counts)) for of_frame in anchors]
        found = self.model.postprocess_detections(outputs, split, images.image_sizes)
        return [Boxes(one["boxes"], one["scores"], one["labels"]) for one in found]


def _rows(maps: Tensor, anchors: int) -> Tensor:
    """``(N, anchors * K, h, w)`` as ``(N, h * w * anchors, K)``."""
    return maps.unflatten(1, (anchors, -1)).permute(0, 3, 4, 1, 2).flatten(1, 3)


def adapted(module: nn.Module) -> nn.Module:
    """The module itself, or, of a detector of torchvision, one that Saccade can run.

    Raises:
        NetworkError: A detector of torchvision with two stages, or another one whose convolutions cannot be
            told from the rest.
    """
    from torchvision.models.detection import FCOS, RetinaNet
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
    from torchvision.models.detection.ssd import SSD

    if isinstance(module, (FCOS, RetinaNet)):
        detector = TorchvisionDetector(module)
        attach_info(detector, network_info(module))
        return detector
    if isinstance(module, (GeneralizedRCNN, SSD)):
        raise NetworkError(
            f"{type(module).__name__} of torchvision gives no maps per frame that boxes follow from; use "
            "RetinaNet or FCOS, or write a module with forward(frames) and decode(maps, size)"
        )
    return module
