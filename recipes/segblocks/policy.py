"""Trains the policy of SegBlocks further, after the network, by what half resolution makes worse.

    python recipes/segblocks/policy.py --weights runs/segblocks-camvid-rn18-040/weights.safetensors \\
        --data DIR --output FILE.safetensors

The network executes frames of CamVid's ``train`` in full, and again on the means of 2x2 pixels. The gain of a
pixel is the difference of its cross-entropies, divided by how many pixels have its class, as classes count
alike in mIoU. The policy learns to rank blocks by the sums of their gains, on frames that are flipped and
moved.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import saccade
from saccade.classes import IGNORE
from saccade.networks import save_weights
from saccade.networks.block_policy import BlockPolicy, add_block_policy, policy_logits
from saccade.networks.weights import weights_info
from saccade.policies.base import block_means
from saccade.policies.images import small_frames
from saccade.policies.reward import ranking_loss
from saccade.video.frame import normalise

BLOCK = 64
CLASSES = 11
BATCH = 16
"""Frames at a time; fewer where there are fewer."""

LARGEST = 3.0
"""Nats that a pixel can gain or lose at most."""

FARTHEST = 32
"""Pixels that a frame is moved at most, in each direction."""


def load(data: Path, every: int) -> tuple[Tensor, Tensor]:
    """One frame in so many ``(N, 3, H, W)`` uint8, and their labels ``(N, H, W)``."""
    chosen = list(saccade.open_dataset("camvid", data, "train").labelled())[::every]
    items = [item.load() for item in chosen]
    frames = [torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1) for image, _ in items]
    return torch.stack(frames), torch.stack([torch.from_numpy(label) for _, label in items])


@torch.no_grad()
def gains(network: nn.Module, frames: Tensor, labels: Tensor) -> Tensor:
    """What full resolution gains in each pixel of the network's output, ``(N, h, w)``."""
    counts = torch.bincount(labels.flatten().long(), minlength=256)[:CLASSES]
    weight = counts.sum() / counts.clamp_min(1) / CLASSES
    found = []
    for some, truth in zip(frames.split(4), labels.split(4), strict=True):
        x = normalise(some)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            full, half = network(x).float(), network(F.avg_pool2d(x, 2)).float()
        size = full.shape[2:]
        half = F.interpolate(half, scale_factor=2.0, mode="bilinear")[:, :, : size[0], : size[1]]
        y = F.interpolate(truth[:, None], size=size, mode="nearest-exact")[:, 0].long()
        lost = [F.cross_entropy(scores, y, ignore_index=IGNORE, reduction="none") for scores in (half, full)]
        weights = weight[y.clamp(max=CLASSES - 1)] * (y != IGNORE)
        found.append((lost[0] - lost[1]).clamp(-LARGEST, LARGEST) * weights)
    return torch.cat(found)


def moved(frames: Tensor, maps: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch, flipped half of the time and moved by some pixels of the maps; no gain beyond the border."""
    if torch.rand((), generator=random) < 0.5:
        frames, maps = frames.flip(-1), maps.flip(-1)
    pixel = frames.shape[-1] // maps.shape[-1]
    far = FARTHEST // pixel
    down, across = (int(v) for v in torch.randint(-far, far + 1, (2,), generator=random))
    rows, columns = (
        torch.arange(size) + shift for size, shift in zip(maps.shape[1:], (down, across), strict=True)
    )
    inside = [(line >= 0) & (line < size) for line, size in zip((rows, columns), maps.shape[1:], strict=True)]
    rows, columns = rows.clamp(0, maps.shape[1] - 1), columns.clamp(0, maps.shape[2] - 1)
    shifted = maps[:, rows][:, :, columns] * (inside[0][:, None] & inside[1])
    down, across = down * pixel, across * pixel
    rows, columns = (
        (torch.arange(size) + shift).clamp(0, size - 1)
        for size, shift in zip(frames.shape[2:], (down, across), strict=True)
    )
    return frames[:, :, rows][:, :, :, columns], shifted


def block_sums(maps: Tensor, grid: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Sums over the blocks, ``(N, GH, GW)``, up to a factor: a block that is cut off has less of them."""
    rows, columns = (
        (torch.tensor([min(BLOCK, side - k * BLOCK) for k in range(n)]) / BLOCK)
        for n, side in zip(grid, size, strict=True)
    )
    return block_means(maps[:, None], grid, size, BLOCK)[:, 0] * rows[:, None] * columns


def main() -> None:
    """Measure the gains, train, and write the network with its policy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights", type=Path, required=True, help="trained network, with or without a policy"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of CamVid")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--every", type=int, default=4, help="one frame in so many (default: 4)")
    parser.add_argument("--epochs", type=int, default=14, help="default: 14")
    parser.add_argument("--lr", type=float, default=1e-3, help="default: 0.001")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    random = torch.Generator().manual_seed(arguments.seed)
    network = saccade.load_network(arguments.weights)
    frames, labels = load(arguments.data, arguments.every)
    started = time.perf_counter()
    maps = gains(network, frames, labels)
    print(f"gains of {len(maps)} frames in {time.perf_counter() - started:.0f} s", flush=True)
    size = int(frames.shape[2]), int(frames.shape[3])
    grid = -(-size[0] // BLOCK), -(-size[1] // BLOCK)
    policy = add_block_policy(network).requires_grad_(True).train()
    optimiser = torch.optim.AdamW(policy.parameters(), lr=arguments.lr, weight_decay=1e-2)
    size_of_batch = min(BATCH, len(frames))
    batches = len(frames) // size_of_batch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, arguments.epochs * batches)
    everything = torch.ones(size_of_batch, *grid, dtype=torch.bool)
    for epoch in range(arguments.epochs):
        order, losses = torch.randperm(len(frames), generator=random), []
        for chosen in order[: batches * size_of_batch].split(size_of_batch):
            some, gain = moved(frames[chosen], maps[chosen], random)
            small = small_frames(normalise(some), grid, BLOCK, BlockPolicy.pixels)
            worth = block_sums(gain, grid, size).clamp_min(0)
            loss = ranking_loss(policy_logits(network, small), worth, everything)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: {sum(losses) / len(losses):.4f}", flush=True)
    policy.eval()
    known = {k: v for k, v in weights_info(arguments.weights).metadata.items() if k not in ("scores",)}
    save_weights(arguments.output, network, known)


if __name__ == "__main__":
    main()
