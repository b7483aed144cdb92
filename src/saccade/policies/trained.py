"""Executes the blocks in which a small network, trained beforehand, expects most to be mended.

It looks at what has changed, at how old blocks are, and at how sure and how detailed the last output is, not
at which classes there are: so it serves any network with dense scores, and any classes. All is measured
relative to blocks, so that sizes of frames and blocks do not matter either.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saccade.errors import WeightsError
from saccade.networks.checkpoint import read_checkpoint
from saccade.networks.macs import count_macs
from saccade.policies.base import PolicyView, RankingPolicy
from saccade.policies.best_class import best_class
from saccade.policies.change import FLOOR, NOISE, ChangePolicy, boundaries

SHIPPED = Path(__file__).parent / "pretrained" / "trained.safetensors"
"""Weights that come with Saccade; their model card lies beside them."""

CELLS = 4
"""Cells per block and axis that the network sees."""

SAMPLES = 4
"""Pixels per cell and axis that a cell is the mean of."""

CHANNELS = 18
"""Of ``features``."""

RARE = 0.01
"""Share of the pixels of the last output below which classes count as equally rare."""


class ErrorPredictor(nn.Module):
    """From features of cells to logarithms of the share of a block's labels that is expected to be wrong.

    Two of them: where the block is kept, by which the policy ranks; and after it was executed (which does not
    mend all, as its surroundings are old), which is learned beside it and not used. Both are corrections to
    multiples of the logarithm of what the policy ``change`` ranks blocks by. 26 MMACs for 8 x 16 blocks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.Sequential(
            nn.Conv2d(CHANNELS, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 48, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(48, 64, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 2, 1))
        self.prior = nn.Parameter(torch.tensor([0.5, 0.25]))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 2, GH, GW)`` from ``(N, CHANNELS, GH * CELLS, GW * CELLS)``."""
        prior = self.prior[:, None, None] * x[:, -1:, ::CELLS, ::CELLS]
        result: Tensor = self.blocks(self.cells(x)) + prior
        return result


class TrainedPolicy(RankingPolicy):
    """Ranks blocks by what executing them is expected to mend, by a small network trained beforehand.

    Args:
        weights: Its weights; None for those that come with Saccade.

    Raises:
        WeightsError: The file cannot be read, or holds something else.
    """

    saves = True

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        self.predictor = read_predictor(weights or SHIPPED)
        self._change = ChangePolicy()

    def rank(self, view: PolicyView) -> Tensor:
        """The expected number of pixels that are wrong if a block is kept, times its age.

        What executing a block mends is mended until it is wrong again, which takes the longer, the longer it
        took before. Boxes of detectors are ranked as by ``change``.
        """
        if view.boxes is not None:
            return self._change.rank(view)
        x = features(view)
        if self.predictor.prior.device != x.device:
            self.predictor.to(x.device)
        self.macs = count_macs(self.predictor, x.shape)
        wrong = self.predictor(x).float().cpu().exp()[:, 0]
        return wrong * visible(view) * view.age

    def low_gain(self, view: PolicyView, gain: Tensor) -> Tensor:
        """As much of the gain in full as the policy ``change`` expects."""
        rank = self._change.rank(view)
        share = self._change.low_gain(view, rank) / rank.clamp_min(torch.finfo(rank.dtype).tiny)
        return gain * share.to(gain)


def read_predictor(path: str | Path) -> ErrorPredictor:
    """The network with the weights of a file, in float32.

    Raises:
        WeightsError: The file cannot be read, or holds something else.
    """
    predictor = ErrorPredictor()
    tensors = read_checkpoint(path).tensors
    wanted = {name: value.shape for name, value in predictor.state_dict().items()}
    if {name: value.shape for name, value in tensors.items()} != wanted:
        raise WeightsError(
            f"{path} holds no weights of the policy `trained` of this version; train them again with "
            "recipes/policy/train.py, or leave them out for those that come with Saccade"
        )
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise WeightsError(f"{path} holds values that are not finite; copy or train the weights again")
    predictor.load_state_dict({name: value.float() for name, value in tensors.items()})
    return predictor.eval().requires_grad_(False)


def features(view: PolicyView) -> Tensor:
    """What the network sees, ``(N, CHANNELS, GH * CELLS, GW * CELLS)`` float32; 0 to about 3 each.

    Channels: change of pixels (4: mean, root, largest, relative to the frame), change at boundaries and where
    the output is unsure (2), texture (1), density of boundaries (2: absolute, relative to the frame), doubt
    (2: everywhere, at boundaries), rarity of the classes seen (3: everywhere, at boundaries, with doubt), age
    (2), share of the blocks that is executed (1), the logarithm of the rank by the policy ``change`` (1).
    """
    now, before = (samples(maps, view).float() for maps in (view.frames, view.seen))
    scores = torch.nan_to_num(samples(view.logits, view).float())
    change = ((now - before).abs().mean(1, keepdim=True).nan_to_num() - NOISE).clamp_min(0)
    labels = best_class(scores)
    edges = boundaries(labels)[:, None]
    doubt = uncertainty(scores, labels)
    rare = rarity(labels)[:, None]
    maps = torch.cat(
        (
            change,
            change.sqrt(),
            change * edges,
            change * doubt,
            gradients(now.mean(1, keepdim=True)).nan_to_num(),
            edges,
            doubt,
            doubt * edges,
            rare / 3,
            rare * edges / 3,
            rare * doubt / 3,
        ),
        1,
    )
    seen = F.avg_pool2d(maps.clamp_max(10), SAMPLES)
    largest = F.max_pool2d(change.clamp_max(10), SAMPLES)
    changed, bounded = (F.avg_pool2d(seen[:, i : i + 1], CELLS) for i in (0, 5))
    age = view.age.to(now.device, torch.float32)[:, None].clamp_min(1)
    relative = bounded / bounded.mean((2, 3), keepdim=True).clamp_min(1e-6) + FLOOR
    blocks = torch.cat(
        (
            centred((changed + 1e-6).log()) / 3,
            centred(relative.log()) / 3,
            age / (age + 8),
            age.log2() / 5,
            (view.budget.to(age) / age[0].numel()).view(-1, 1, 1, 1).expand_as(age),
            centred(((changed + 1e-6) * age * relative).log()),
        ),
        1,
    )
    blocks = blocks.repeat_interleave(CELLS, 2).repeat_interleave(CELLS, 3)
    return torch.cat((seen, largest, blocks), 1)


def samples(maps: Tensor, view: PolicyView) -> Tensor:
    """``CELLS * SAMPLES`` values per block and axis, the nearest ones.

    Beyond the right and lower border, the last values go on.

    Args:
        maps: ``(N, C, h, w)``, which show the whole frame in any resolution.
        view: For its frames, grid and block size.

    Returns:
        ``(N, C, GH * CELLS * SAMPLES, GW * CELLS * SAMPLES)``.
    """
    per_block = CELLS * SAMPLES
    found = maps.permute(0, 2, 3, 1)  # the usual order in memory: whole rows and pixels are copied
    for dim, blocks in zip((1, 2), view.grid, strict=True):
        place = (torch.arange(blocks * per_block, dtype=torch.float64) + 0.5) * view.block_size / per_block
        cells = (place * found.shape[dim] / view.frames.shape[1 + dim]).long().clamp_max(found.shape[dim] - 1)
        found = found.index_select(dim, cells.to(maps.device))
    return found.permute(0, 3, 1, 2).contiguous()


def visible(view: PolicyView) -> Tensor:
    """Share of each block that lies in the frame, ``(GH, GW)`` float32 above 0."""
    height, width = (
        (pixels - torch.arange(blocks) * view.block_size).clamp(1, view.block_size) / view.block_size
        for pixels, blocks in zip(view.frames.shape[2:], view.grid, strict=True)
    )
    return height[:, None] * width


def uncertainty(scores: Tensor, labels: Tensor) -> Tensor:
    """``(N, 1, h, w)``: 1 minus what the best class is more probable than the second best, 0..1.

    Args:
        scores: ``(N, K, h, w)`` float32.
        labels: ``(N, h, w)`` int64, their best class.
    """
    shares = scores.softmax(1)
    best = shares.amax(1, keepdim=True)
    second = shares.scatter_(1, labels[:, None], 0.0).amax(1, keepdim=True)
    return 1 - best + second


def rarity(labels: Tensor) -> Tensor:
    """How much pixels count in a mean over classes, ``(N, h, w)`` float32 above 0, with mean 1 in each frame.

    The inverse root of their class's share of the frame (plus ``RARE``): half way between a pixel that counts
    as every other, and a class that does.
    """
    found = torch.stack([torch.bincount(row.flatten(), minlength=int(labels.max()) + 1) for row in labels])
    weight = (found / labels[0].numel() + RARE).rsqrt()
    of_pixels = torch.stack([row[label] for row, label in zip(weight, labels, strict=True)])
    return of_pixels / of_pixels.mean((1, 2), keepdim=True)


def gradients(maps: Tensor) -> Tensor:
    """Mean absolute difference to the right and lower neighbour, of the same size."""
    across = F.pad((maps[..., 1:] - maps[..., :-1]).abs(), (0, 1))
    down = F.pad((maps[..., 1:, :] - maps[..., :-1, :]).abs(), (0, 0, 0, 1))
    return (across + down) / 2


def centred(maps: Tensor) -> Tensor:
    """Minus the mean over the frame."""
    return maps - maps.mean((2, 3), keepdim=True)
