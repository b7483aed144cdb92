"""Losses for segmentation: cross-entropy over all or the hardest pixels, Lovasz-softmax, distillation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.classes import IGNORE
from saccade.training.recipe import LossConfig


def segmentation_loss(
    logits: Tensor, labels: Tensor, config: LossConfig, class_weights: Tensor | None = None
) -> Tensor:
    """Loss of a batch.

    Args:
        logits: ``(N, K, h, w)``; resized bilinearly to the labels.
        labels: ``(N, H, W)`` integer, ``IGNORE`` where not scored.
        config: Which loss.
        class_weights: ``(K,)``, or None for equal weights.

    Returns:
        Scalar; 0 (with a gradient) where no pixel is labelled.
    """
    coarse = logits.float()
    logits = F.interpolate(coarse, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    labels = labels.long()
    valid = labels != IGNORE
    if not valid.any():
        return logits.sum() * 0
    everywhere = F.cross_entropy(logits, labels, weight=class_weights, ignore_index=IGNORE, reduction="none")
    per_pixel = everywhere[valid]
    if config.kind == "ohem":
        loss = hard_pixels(per_pixel, logits, labels, valid, config).mean()
    elif config.kind == "bootstrapped":
        loss = per_pixel.topk(max(1, int(config.keep * per_pixel.numel()))).values.mean()
    elif config.kind == "bootstrapped_per_image":
        loss = bootstrapped_per_image(everywhere, config.bootstrap_threshold, config.bootstrap_pixels)
    else:
        loss = everywhere.mean() if config.count_ignored else per_pixel.mean()
    if config.lovasz:
        # Sorting every pixel for every class would take longer than the network: a sample will do.
        sample = F.interpolate(labels[:, None].float(), size=coarse.shape[-2:], mode="nearest-exact")
        loss = loss + config.lovasz * lovasz_softmax(coarse, sample[:, 0].long())
    return loss


def hard_pixels(
    per_pixel: Tensor, logits: Tensor, labels: Tensor, valid: Tensor, config: LossConfig
) -> Tensor:
    """Losses of pixels whose true class has a probability below the threshold, at least a share of all.

    Online hard example mining as in Shrivastava et al., CVPR 2016, with the minimum of BiSeNet.
    """
    with torch.no_grad():
        truth = labels.clamp(max=logits.shape[1] - 1)
        probability = logits.softmax(1).gather(1, truth[:, None])[:, 0][valid]
        least = max(1, int(config.keep * probability.numel()))
        threshold = max(config.ohem_threshold, float(probability.kthvalue(least).values))
    return per_pixel[probability <= threshold]


def bootstrapped_per_image(losses: Tensor, threshold: float, least: int) -> Tensor:
    """Mean loss of each image's hard pixels, the mean over images; as SegBlocks trains EfficientNet-Lite1.

    Where more than ``least`` pixels of an image have a loss above the threshold, those are its hard pixels,
    otherwise the ``least`` with the largest losses (all of a smaller image).

    Args:
        losses: ``(N, H, W)`` of all pixels, 0 where they have no label.
        threshold: In nats.
        least: Number of pixels.
    """
    means = []
    for image in losses.flatten(1):
        highest = image.topk(min(least + 1, image.numel())).values
        enough = highest.numel() > least and bool(highest[least] > threshold)
        means.append((image[image > threshold] if enough else highest[:least]).mean())
    return torch.stack(means).mean()


def distillation(logits: Tensor, answers: Tensor) -> Tensor:
    """Divergence of what logits say from what the answers say, the mean over frames, classes and pixels.

    Args:
        logits: ``(N, K, h, w)`` of the network that learns.
        answers: ``(N, K, h, w)`` of the one that it learns from.
    """
    said, known = logits.float().log_softmax(1), answers.float().log_softmax(1)
    return (known.exp() * (known - said)).mean()


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """Lovasz-softmax over the classes present in the batch (Berman et al., CVPR 2018, section 3).

    For each class the errors ``|1 - p|`` (on the class) and ``p`` (elsewhere) are sorted, and
    weighted by how much each raises the Jaccard loss.
    """
    valid = labels != IGNORE
    if not valid.any():
        return logits.sum() * 0
    probabilities = logits.softmax(1).permute(0, 2, 3, 1)[valid]  # (P, K)
    truth = labels[valid]
    losses = []
    for k in truth.unique().tolist():
        foreground = (truth == k).to(probabilities.dtype)
        errors, order = (foreground - probabilities[:, k]).abs().sort(descending=True)
        foreground = foreground[order]
        total = foreground.sum()
        intersection = total - foreground.cumsum(0)
        union = total + (1 - foreground).cumsum(0)
        jaccard = 1 - intersection / union
        steps = torch.cat((jaccard[:1], jaccard[1:] - jaccard[:-1]))
        losses.append(errors @ steps)
    return torch.stack(losses).mean()


def class_weights(kind: str, counts: Tensor) -> Tensor:
    """Weights of the classes in cross-entropy, with mean 1 over the labelled pixels.

    Args:
        kind: ``balanced``, ``1 / log(1.02 + frequency)`` (Paszke et al., ENet, 2016), or
            ``softened``, its square root.
        counts: ``(K,)`` labelled pixels per class in the training data.

    Returns:
        ``(K,)`` float32.
    """
    frequency = counts.double() / counts.sum().clamp(min=1)
    weights = 1 / torch.log(1.02 + frequency)
    if kind == "softened":
        weights = weights.sqrt()
    return (weights / (weights * frequency).sum().clamp(min=1e-12)).float()
