"""The online policy: reinforcement learning of which blocks to execute, while the video runs."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from saccade.actions import FULL, KEEP, LOW
from saccade.errors import WeightsError
from saccade.networks.macs import count_macs
from saccade.policies.allocation import allocate
from saccade.policies.base import Policy, PolicyOutcome, PolicyView, highest
from saccade.policies.boxes import box_gain
from saccade.policies.change import ChangePolicy
from saccade.policies.collapse import CollapseWatch, all_or_nothing, nothing_to_draw, separation
from saccade.policies.inputs import policy_inputs
from saccade.policies.networks import NETWORKS, PolicyNetwork, build_network
from saccade.policies.online_settings import OnlineSettings
from saccade.policies.reward import (
    advantages,
    block_max,
    cost_reward,
    information_gain,
    policy_gradient_loss,
    ranking_loss,
    running_mean,
    signed,
)
from saccade.policies.sampling import (
    Draw,
    as_actions,
    bernoulli_log_prob,
    draw_bernoulli,
    draw_top_k,
    gumbel,
    promote,
    top_k_log_prob,
)

SMALLEST_GAIN, LARGEST_GAIN = 1e-4, 10.0
"""A normalised gain is divided by a mean of at least the first, so that sensor noise stays small in a picture
where nothing happens, and cut off at the second."""


@dataclass(frozen=True, eq=False)
class _Decision:
    """What was decided last, until it is learned from.

    Attributes:
        view: What it was decided on.
        learned: ``(N, GH, GW)``, what the network gave, with a graph where it will be learned from.
        prior: ``(N, GH, GW)``, what was added to it.
        executed: ``(N, GH, GW)`` bool.
        draw: With ``top_k``, how it was drawn.
        macs: Of one pass through the network.
    """

    view: PolicyView
    learned: Tensor
    prior: Tensor
    executed: Tensor
    draw: Draw | None
    macs: float

    @property
    def logits(self) -> Tensor:
        """What was decided by."""
        return self.learned + self.prior


class OnlinePolicy(Policy):
    """Learns while the video runs which blocks are worth executing: those that change the network's answer.

    Its network is made at the first frame, when the number of classes is known. ``state_dict`` holds all that
    it learned and the state of its random numbers, so that a loaded policy goes on as the saved one would; a
    file with the weights alone can be loaded too. It works under ``torch.inference_mode()``.

    One network serves all streams, and learns from all of them. All streams of a frame get the same noise, so
    that a stream that starts with the others is decided on as if it were alone (while nothing is learned).

    Attributes:
        settings: What it was made from.
        frozen: Whether it does not learn now; starts as ``settings.freeze``.
        resets: How often it collapsed and was reset.
        running_cost: Mean executed share, where the reward needs it.
        clock: Seconds, for ``settings.time_share``.
    """

    saves = True

    network: PolicyNetwork | None

    def __init__(self, settings: OnlineSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or OnlineSettings()
        self.frozen = self.settings.freeze
        self.clock: Callable[[], float] = time.perf_counter
        self.register_module("network", None)
        self._change = ChangePolicy()
        self._watch = CollapseWatch(self.settings.patience, self.settings.separation)
        self._start_anew()

    def _start_anew(self) -> None:
        """As before the first frame."""
        self.network = None
        self.resets = 0
        self.running_cost: float | None = None
        self._gain_mean: float | None = None
        self._frame = 0
        self._steps = 0
        self._first = False
        self._all_executed = False
        self._rest_until = -math.inf
        self._decision: _Decision | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._optimizer_state: dict[str, Any] | None = None
        self._generator: torch.Generator | None = None
        self._generator_state: dict[str, Any] | None = None
        self._good: dict[str, Tensor] | None = None
        self._went_back = False
        self._watch.clear()

    # Deciding

    def decide(self, view: PolicyView) -> Tensor:
        given, view = view, _on_device_of_frames(view)
        with torch.inference_mode(False):
            with torch.no_grad():
                inputs, prior = self._see(view)
            network = self._ready(inputs)
            learning = self._is_to_learn(view)
            macs = count_macs(network, inputs.shape)
            self.macs = macs
            with torch.set_grad_enabled(learning):
                logits = network(inputs)
                while not torch.isfinite(logits).all():
                    self._reset("gave values that are not finite")
                    self.macs += macs
                    logits = network(inputs)
            with torch.no_grad():
                actions, draw = self._sample(view, logits.detach() + prior)
                self._decision = _Decision(given, logits, prior, actions > KEEP, draw, macs)
                if not self.frozen:
                    self._look_for_collapse(self._decision)
                return actions

    def _see(self, view: PolicyView) -> tuple[Tensor, Tensor]:
        """What the network gets, and what is added to its logits ``(N, GH, GW)``."""
        settings = self.settings
        inputs = policy_inputs(
            view,
            NETWORKS[settings.net].pixels,
            scores=settings.scores,
            resize=settings.resize,
            age=settings.age,
        )
        prior = inputs.new_zeros(len(inputs), *view.grid)
        if settings.prior:
            prior = settings.prior * torch.nan_to_num(self._change.rank(view).to(prior)).log()
        return inputs, prior

    def _sample(self, view: PolicyView, logits: Tensor) -> tuple[Tensor, Draw | None]:
        """Actions ``(N, GH, GW)`` int8, and with ``top_k`` how blocks were drawn."""
        settings, generator = self.settings, self._generator
        assert generator is not None
        if settings.sampling == "top_k":
            if not settings.deterministic:
                logits = logits + gumbel(view.grid, generator)  # one noise for all streams
            if view.levels == 2:
                return self._sample_levels(view, logits)
            draw = draw_top_k(logits, view.due, view.budget)
            return as_actions(draw.executed), draw
        ranks = probabilities = logits.sigmoid()
        executed = probabilities > 0.5 if settings.deterministic else draw_bernoulli(probabilities, generator)
        if settings.at_least_one:
            executed[0, 0, 0] |= ~executed.any()
        if settings.quantise is not None:
            if not settings.deterministic:
                ranks = torch.rand(ranks.shape, generator=generator, device=generator.device)
            executed = promote(executed, settings.quantise, ranks)
        return as_actions(executed), None

    def _sample_levels(self, view: PolicyView, noisy: Tensor) -> tuple[Tensor, Draw]:
        """The same with blocks at half resolution.

        The logits say what executing a block gains: how many blocks are executed, and how many of them in
        full, is what that would make best. Which are executed is drawn by the logits, so that the probability
        of a draw is known; which of them are in full is what gains most.
        """
        scale = self.settings.prior or 1.0
        gain = ((noisy - noisy.amax((1, 2), keepdim=True)) / scale).exp()
        unit = self._change.rank(view).to(gain)  # what half resolution leaves wrong is in units of change
        unit = unit.sum((1, 2), keepdim=True) / gain.sum((1, 2), keepdim=True)
        low = self._change.low_gain(view, gain * unit) / unit
        best = allocate(gain, low, view.due, view.budget).to(view.due.device)
        draw = draw_top_k(noisy, view.due, (best != KEEP).flatten(1).sum(1))
        more = torch.where(draw.executed, gain - low, -torch.inf)
        in_full = highest(more, view.due, (best == FULL).flatten(1).sum(1)) == FULL
        return torch.where(in_full, FULL, torch.where(draw.executed, LOW, KEEP)).to(torch.int8), draw

    def _ready(self, inputs: Tensor) -> PolicyNetwork:
        """The network, made where there is none yet; it and the random numbers where the frames are."""
        channels, device = inputs.shape[1], inputs.device
        if self.network is None:
            self.network = self._new_network(channels, self.settings.seed)
        stem = self.network.stem
        if stem.in_channels != channels:
            raise WeightsError(
                f"this online policy was made for {stem.in_channels} input channels, and here it gets "
                f"{channels}: the network has another number of classes. Use a policy that was trained with "
                "this network, or a new one"
            )
        if stem.weight.device != device:
            self.to(device)
        if self._generator is None or self._generator.device.type != device.type:
            self._generator = torch.Generator(device).manual_seed(self.settings.seed)
            if self._generator_state is not None and self._generator_state["device"] == device.type:
                self._generator.set_state(self._generator_state["state"])
        if self._good is None:
            self._keep_as_good()
        return self.network

    def _new_network(self, channels: int, seed: int) -> PolicyNetwork:
        network = build_network(self.settings.net, channels, self.settings.norm, seed)
        if self.settings.prior:
            network.start_at_zero()
        return network

    # Learning

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> OnlinePolicy:
        """Where the weights go, the optimiser follows. They stay in float32."""
        with torch.inference_mode(False):
            super()._apply(fn, recurse)
            if self.network is not None:
                self.network.float()
        self._optimizer_state, self._optimizer = self._state_of_optimizer(), None
        return self

    def _is_to_learn(self, view: PolicyView) -> bool:
        """Counts the frame, and says whether it is one to learn from."""
        self._first = self._follows_first_frame(view)
        self._frame = 2 if self._first else self._frame + 1
        interval_over = self._frame % self.settings.train_interval == 0
        return interval_over and not self.frozen and self.clock() >= self._rest_until

    def _follows_first_frame(self, view: PolicyView) -> bool:
        """Whether the frame before was executed in full, and not because this policy said so."""
        if not self.settings.first_frames or self._all_executed:
            return False
        return bool(((view.age == 1) & (view.actions > KEEP)).all())

    def learn(self, outcome: PolicyOutcome) -> None:
        decision, self._decision = self._decision, None
        self.training_macs = 0.0
        with torch.inference_mode(False):
            if self.settings.first_frames or self.settings.cost_weight:
                self._account(outcome)
            if decision is None or decision.view is not outcome.view or not decision.learned.requires_grad:
                return
            started = self._now()
            with torch.enable_grad():
                self._descend(self._loss(decision, outcome))
            self.training_macs = 2 * decision.macs
            if self.settings.time_share is not None:
                self._rest_until = started + (self._now() - started) / self.settings.time_share
            self._steps += 1
            if self._steps % self.settings.snapshot_interval == 0 and not (
                self._watch.strikes or self._watch.indifferent
            ):
                self._keep_as_good()

    def _account(self, outcome: PolicyOutcome) -> None:
        """The running mean of the executed share, with this frame, and with a first frame before it."""
        share = (outcome.actions > KEEP).float().mean().item()
        for cost in [1.0, share] if self._first else [share]:
            self.running_cost = running_mean(self.running_cost, cost, self.settings.cost_momentum)
        self._all_executed = share == 1.0

    def _loss(self, decision: _Decision, outcome: PolicyOutcome) -> Tensor:
        settings, view, logits, draw = self.settings, decision.view, decision.logits, decision.draw
        with torch.no_grad():
            executed = outcome.actions.to(logits.device) > KEEP
            gains = _gains(view, outcome).to(logits.device)
            usual = self._usual_gain(gains, executed)
            if settings.normalise_gain:
                scale = max(usual, SMALLEST_GAIN)
                gains, usual = (gains / scale).clamp_max(LARGEST_GAIN), usual / scale
        if draw is None:
            assert self.running_cost is not None or not settings.cost_weight
            cost = cost_reward(self.running_cost or 0.0, outcome.target) if settings.cost_weight else 0.0
            rewards = signed(gains + settings.cost_weight * cost, decision.executed)
            return policy_gradient_loss(bernoulli_log_prob(logits, decision.executed), rewards)
        if settings.deterministic or settings.objective == "ranking":
            loss = ranking_loss(logits, gains, executed)
        else:
            rewards = advantages(gains, draw.sampled, usual) if settings.baseline else gains
            loss = policy_gradient_loss(top_k_log_prob(logits, draw), rewards, draw.sampled)
        return loss + settings.logit_decay * decision.learned.flatten(1).var(1, correction=0).mean()

    def _usual_gain(self, gains: Tensor, executed: Tensor) -> float:
        """The running mean of the gain of executed blocks, with those of this frame."""
        if executed.any():
            mean = gains[executed].mean().item()
            self._gain_mean = running_mean(self._gain_mean, mean, self.settings.gain_momentum)
        return self._gain_mean or 0.0

    def _descend(self, loss: Tensor) -> None:
        """One step, left out where the gradients are not finite."""
        assert self.network is not None
        settings, weights = self.settings, list(self.network.parameters())
        if self._optimizer is None:
            self._optimizer = torch.optim.RMSprop(
                weights,
                settings.learning_rate,
                weight_decay=settings.weight_decay,
                momentum=settings.momentum,
            )
            if self._optimizer_state is not None:
                self._optimizer.load_state_dict(copy.deepcopy(self._optimizer_state))
        self._optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, settings.max_gradient or math.inf)
        if torch.isfinite(norm):
            self._optimizer.step()

    def _now(self) -> float:
        """The time, when the device has done what it was given."""
        assert self._generator is not None
        if self.settings.time_share is not None and self._generator.device.type != "cpu":
            torch.accelerator.synchronize()
        return self.clock()

    # Safety

    def _look_for_collapse(self, decision: _Decision) -> None:
        draw = decision.draw
        if draw is not None:
            self._watch.look(bool(nothing_to_draw(decision.learned.detach(), decision.prior, draw)))
        else:
            probabilities = decision.logits.detach().sigmoid()
            apart = separation(probabilities, decision.executed).item()
            self._watch.look(bool(all_or_nothing(probabilities)), apart)
        if self._watch.undecided:
            self._reset(f"left nothing to decide for {self.settings.patience} frames")
        elif self._watch.indifferent and self._watch.was_strong:
            self._reset(f"no longer told blocks apart for {self.settings.patience} frames")
        elif self._watch.indifferent:
            self._note(
                f"the online policy has not learned to tell blocks apart in {self.settings.patience} frames"
            )

    def _reset(self, what: str) -> None:
        """Back to the last good weights; to new ones where those have collapsed before."""
        assert self.network is not None
        self.resets += 1
        back = self._good is not None and not self._went_back
        if back:
            assert self._good is not None
            self.network.load_state_dict(self._good)
        else:
            fresh = self._new_network(self.network.stem.in_channels, self.settings.seed + self.resets)
            self.network.load_state_dict(fresh.state_dict())
        self._went_back = True
        self._optimizer = self._optimizer_state = None
        self._decision = None
        self._watch.clear()
        weights = "the weights it had before" if back else "new weights"
        self._note(f"the online policy {what}, and was reset to {weights}")

    def _keep_as_good(self) -> None:
        assert self.network is not None
        self._good = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
        self._went_back = False

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    # Saving and loading

    def get_extra_state(self) -> dict[str, Any]:
        """What it learned besides its weights, and the state of its random numbers."""
        generator = self._generator_state
        if self._generator is not None:
            generator = {"device": self._generator.device.type, "state": self._generator.get_state()}
        state = {
            "optimizer": self._state_of_optimizer(),
            "generator": generator,
            "good": self._good,
            "went_back": self._went_back,
            "running_cost": self.running_cost,
            "gain_mean": self._gain_mean,
            "frame": self._frame,
            "steps": self._steps,
            "all_executed": self._all_executed,
            "resets": self.resets,
            "watch": self._watch.state(),
        }
        return copy.deepcopy(state)

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what ``get_extra_state`` gave."""
        with torch.inference_mode(False):
            state = copy.deepcopy(dict(state))
        self._optimizer_state = state["optimizer"]
        self._generator_state = state["generator"]
        self._good = state["good"]
        self._went_back = state["went_back"]
        self.running_cost = state["running_cost"]
        self._gain_mean = state["gain_mean"]
        self._frame = state["frame"]
        self._steps = state["steps"]
        self._all_executed = state["all_executed"]
        self.resets = state["resets"]
        self._watch.restore(state["watch"])

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Makes the network that the file is for before its weights are loaded."""
        stem, extra = f"{prefix}network.stem.weight", f"{prefix}_extra_state"
        device = None if self.network is None else self.network.stem.weight.device
        if stem in state_dict or extra in state_dict:
            self._start_anew()
        if stem in state_dict:
            self.network = self._new_network(int(state_dict[stem].shape[1]), self.settings.seed).to(device)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if stem in state_dict and extra in missing_keys:  # weights alone
            missing_keys.remove(extra)

    def _state_of_optimizer(self) -> dict[str, Any] | None:
        return self._optimizer_state if self._optimizer is None else self._optimizer.state_dict()


def _gains(view: PolicyView, outcome: PolicyOutcome) -> Tensor:
    """How much the answer changed in each block, ``(N, GH, GW)``."""
    if view.boxes is not None and outcome.boxes is not None:
        return box_gain(view.boxes, outcome.boxes, view.grid, view.block_size)
    size = int(view.frames.shape[2]), int(view.frames.shape[3])
    return block_max(information_gain(view.logits, outcome.logits), view.grid, size, view.block_size)


def _on_device_of_frames(view: PolicyView) -> PolicyView:
    """The same view; what is known of blocks may lie elsewhere."""
    names = ("actions", "age", "due", "budget")
    return replace(view, **{name: getattr(view, name).to(view.frames.device) for name in names})
