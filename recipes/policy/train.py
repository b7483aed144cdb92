"""Trains the policy `trained`; README.md has the commands.

For each block of each frame, what is learned is the share of its labels that differ from those of frame by
frame execution, pixels of rare classes counting more. No labels made by people are used, and the policy never
sees which classes there are.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from clips import clips
from safetensors.torch import save
from torch import Tensor, nn

import saccade
from saccade.methods.blockcopy import BlockCopy
from saccade.policies.base import Policy, PolicyOutcome, PolicyView, RankingPolicy, highest
from saccade.policies.change import ChangePolicy
from saccade.policies.simple import RandomBlocks
from saccade.policies.trained import ErrorPredictor, TrainedPolicy, features, rarity
from saccade.video.atomic import write_atomic
from saccade.video.frame import normalise

SHARES = (0.1, 0.15, 0.25, 0.35, 0.5)
NOISE = (0.0, 0.1, 0.2)
"""Of the place of blocks in the ranking, so that what is collected has all kinds of blocks of all ages."""


class Recorder(Policy):
    """Decides as another policy does, with noise and a budget of its own, and remembers what came of it."""

    def __init__(self, inner: RankingPolicy, share: float, noise: float, random: torch.Generator) -> None:
        super().__init__()
        self.inner, self.share, self.noise, self.random = inner, share, noise, random
        self.view: PolicyView | None = None
        self.features = torch.zeros(0)
        self.outcome: PolicyOutcome | None = None

    def decide(self, view: PolicyView) -> Tensor:
        due = view.due.flatten(1).sum(1)
        wanted = self.share * view.due[0].numel() + torch.rand((), generator=self.random)
        self.view = replace(view, budget=due.clamp_min(int(wanted)))
        self.features = features(self.view)[0].half()  # now: what was seen before changes in place
        place = self.inner.rank(self.view).flatten(1).argsort(1).argsort(1) / view.due[0].numel()
        place += self.noise * torch.randn(place.shape, generator=self.random)
        return highest(place.view_as(view.due), view.due, self.view.budget)

    def learn(self, outcome: PolicyOutcome) -> None:
        self.outcome = outcome


@torch.inference_mode()
def follow(method: BlockCopy, frames: list[np.ndarray], recorder: Recorder) -> list[dict[str, Tensor]]:
    """What the policy saw and what was wrong, for each frame but the first."""
    method.reset()
    method.policy = recorder
    found = []
    for image in frames:
        frame = normalise(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None])
        method.step(frame)
        view, outcome = recorder.view, recorder.outcome
        if view is None or outcome is None:
            continue
        right = method.network(frame.bfloat16().contiguous(memory_format=torch.channels_last)).argmax(1)
        kept, after = view.logits.argmax(1), outcome.logits.argmax(1)
        found.append(
            {
                "features": recorder.features,
                "executed": outcome.actions[0] > 0,
                "age": view.age[0],
                **{f"plain_{name}": wrong(view, right, given, False) for name, given in _named(kept, after)},
                **{f"weighed_{name}": wrong(view, right, given, True) for name, given in _named(kept, after)},
            }
        )
    return found


def _named(kept: Tensor, after: Tensor) -> list[tuple[str, Tensor]]:
    return [("kept", kept), ("after", after)]


def wrong(view: PolicyView, right: Tensor, given: Tensor, weighed: bool) -> Tensor:
    """Share of the labels of each block that are wrong, ``(GH, GW)`` float16."""
    different = (right != given).float()
    if weighed:
        different *= (rarity(right) + rarity(given)) / 2
    return view.per_block(different)[0].half()


def collect(arguments: argparse.Namespace) -> None:
    """Run, and write what was seen."""
    random = np.random.default_rng(arguments.seed)
    torch_random = torch.Generator().manual_seed(arguments.seed)
    network = saccade.load_network("swiftnet-rn18").eval().bfloat16()
    methods = [
        BlockCopy(network, saccade.BlockCopyConfig(block_size=side, scene_cuts=False))
        for side in arguments.block_sizes
    ]
    inner: list[RankingPolicy] = [
        ChangePolicy(),
        ChangePolicy(),
        ChangePolicy(),
        RandomBlocks(arguments.seed),
    ]
    if arguments.policy:
        inner = [TrainedPolicy(arguments.policy)] * 3 + [ChangePolicy()]
    found: list[dict[str, Tensor]] = []
    start = time.perf_counter()
    made = clips(arguments.stills, arguments.people, arguments.videos, arguments.clips, random)
    for number, (kind, frames) in enumerate(made):
        policy, method = (options[int(random.integers(len(options)))] for options in (inner, methods))
        recorder = Recorder(policy, float(random.choice(SHARES)), float(random.choice(NOISE)), torch_random)
        run = follow(method, frames, recorder)
        found += run
        lost, left = (
            torch.stack([frame[f"plain_{name}"] for frame in run]).float().mean()
            for name in ("kept", "after")
        )
        print(
            f"{number} {kind} {type(policy).__name__} {recorder.share} noise {recorder.noise} "
            f"block {run[0]['features'].shape[1] // 4} rows: {lost:.4f} wrong, then {left:.4f}; "
            f"{len(found)} decisions, {time.perf_counter() - start:.0f} s",
            flush=True,
        )
        if time.perf_counter() - start > arguments.seconds:
            break
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(found, arguments.out)


def train(arguments: argparse.Namespace) -> None:
    """Learn from what was collected, and write the weights."""
    torch.manual_seed(arguments.seed)
    data = [frame for path in arguments.data for frame in torch.load(path)]
    data, held = data[: -len(data) // 10], data[-len(data) // 10 :]
    predictor = ErrorPredictor().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(predictor.parameters(), weight_decay=arguments.weight_decay)
    steps = sum(len(_batches(data, arguments.batch)) for _ in range(arguments.epochs))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, arguments.lr, total_steps=steps)
    for epoch in range(arguments.epochs):
        losses = []
        for batch in _batches(data, arguments.batch):
            flip = 3 if torch.rand(()) < 0.5 else ()
            stacked = {name: torch.stack([frame[name] for frame in batch]).float() for name in batch[0]}
            logs = predictor(stacked["features"].flip(flip)).flip(flip)
            loss = error_loss(
                logs,
                *(stacked[f"{arguments.target}_{name}"] for name in ("kept", "after")),
                stacked["executed"],
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.5f}", flush=True)
    predictor.eval()
    print("held back:", found_share(predictor, held, arguments.target))
    facts = {
        "network": "policy trained",
        "recipe": "recipes/policy/train.py",
        "commit": arguments.commit,
        "seed": str(arguments.seed),
    }
    state = {name: value.detach().half().contiguous() for name, value in predictor.state_dict().items()}
    write_atomic(arguments.out, save(state, facts))


def error_loss(logs: Tensor, kept: Tensor, after: Tensor, executed: Tensor) -> Tensor:
    """What is wrong in each block, after Poisson: if kept (known of all), and if executed."""
    loss = nn.functional.poisson_nll_loss(logs[:, 0], kept, reduction="none").mean()
    of_executed = nn.functional.poisson_nll_loss(logs[:, 1], after, reduction="none") * executed
    return loss + of_executed.mean()


@torch.no_grad()
def found_share(predictor: ErrorPredictor, data: list[dict[str, Tensor]], target: str) -> dict[str, float]:
    """Of what executed blocks mended, the share that lies in the half of them that ranks higher."""
    sums = {"best": 0.0, "change": 0.0, "kept": 0.0, "kept-after": 0.0}
    total = 0.0
    for frame in data:
        x, executed = frame["features"].float()[None], frame["executed"]
        gain = (frame[f"{target}_kept"].float() - frame[f"{target}_after"].float())[executed]
        kept, after = predictor(x)[0].exp()
        ranks = {
            "best": gain,
            "change": x[0, -1, ::4, ::4][executed],
            "kept": kept[executed],
            "kept-after": (kept - after)[executed],
        }
        for name, rank in ranks.items():
            sums[name] += float(gain[rank.topk(len(gain) // 2).indices].sum())
        total += float(gain.sum())
    return {name: round(value / total, 4) for name, value in sums.items()}


def _batches(data: list[dict[str, Tensor]], size: int) -> list[list[dict[str, Tensor]]]:
    """All frames in random order, those of a batch of the same size."""
    groups: dict[torch.Size, list[dict[str, Tensor]]] = {}
    for i in torch.randperm(len(data)).tolist():
        groups.setdefault(data[i]["features"].shape, []).append(data[i])
    batches = [group[i : i + size] for group in groups.values() for i in range(0, len(group), size)]
    return [batches[i] for i in torch.randperm(len(batches)).tolist()]


def main() -> None:
    """Either part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("collect", help="run, and write what was seen")
    part.set_defaults(function=collect)
    part.add_argument("--stills", type=Path, required=True, help="folder of street scenes")
    part.add_argument("--people", type=Path, required=True, help="folder of Penn-Fudan")
    part.add_argument("--videos", nargs="+", default=[], help="videos or folders of frames")
    part.add_argument("--policy", type=Path, help="weights to decide by; none for `change` and `random`")
    part.add_argument("--clips", type=int, default=120)
    part.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    part.add_argument("--block-sizes", type=int, nargs="+", default=[64, 64, 64, 32])
    part = parts.add_parser("train", help="learn from what was collected")
    part.set_defaults(function=train)
    part.add_argument("--data", type=Path, nargs="+", required=True)
    part.add_argument("--target", choices=["plain", "weighed"], default="weighed")
    part.add_argument("--epochs", type=int, default=20)
    part.add_argument("--batch", type=int, default=16)
    part.add_argument("--lr", type=float, default=2e-3)
    part.add_argument("--weight-decay", type=float, default=1e-3)
    part.add_argument("--commit", default="", help="to be written down")
    for part in parts.choices.values():
        part.add_argument("--seed", type=int, default=0)
        part.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    main()
