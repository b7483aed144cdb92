import copy
import io
import itertools
from math import inf, log, nan

import pytest
import torch

from saccade.errors import ConfigError, WeightsError
from saccade.policies.base import FULL, PolicyOutcome, PolicyView
from saccade.policies.change import ChangePolicy
from saccade.policies.online import OnlinePolicy
from saccade.policies.online_settings import OnlineSettings

BLOCK = 16


def view_of(
    frames: torch.Tensor,
    *,
    seen: torch.Tensor | None = None,
    logits: torch.Tensor | None = None,
    actions: torch.Tensor | None = None,
    age: torch.Tensor | None = None,
    due: torch.Tensor | None = None,
    budget: int | list[int] = 2,
    block_size: int = BLOCK,
) -> PolicyView:
    """A view of these frames; by default of a network with two classes, after one block was executed."""
    streams, _, height, width = frames.shape
    grid = (streams, -(-height // block_size), -(-width // block_size))
    if actions is None:
        actions = torch.zeros(grid, dtype=torch.int8)
        actions[:, 0, 0] = FULL
    return PolicyView(
        streams=tuple(range(streams)),
        frames=frames,
        seen=torch.zeros_like(frames) if seen is None else seen,
        logits=torch.zeros(streams, 2, height // 4, width // 4) if logits is None else logits,
        actions=actions,
        age=torch.full(grid, 2) if age is None else age,
        due=torch.zeros(grid, dtype=torch.bool) if due is None else due,
        budget=torch.tensor([budget] * streams if isinstance(budget, int) else budget),
        block_size=block_size,
    )


def random_view(seed: int, streams: int = 1, rows: int = 2, columns: int = 3, **parts) -> PolicyView:
    generator = torch.Generator().manual_seed(seed)
    size = rows * BLOCK, columns * BLOCK
    frames, seen = torch.randn(2, streams, 3, *size, generator=generator)
    logits = torch.randn(streams, 2, size[0] // 4, size[1] // 4, generator=generator)
    return view_of(frames, **{"seen": seen, "logits": logits, **parts})


def outcome_of(view: PolicyView, actions: torch.Tensor, seed: int = 0) -> PolicyOutcome:
    logits = torch.randn(view.logits.shape, generator=torch.Generator().manual_seed(seed))
    return PolicyOutcome(view, actions, logits, target=0.5)


def run(policy: OnlinePolicy, frames: range, **parts) -> list[list[int]]:
    """Decide on random frames and learn from them; what was executed."""
    executed = []
    for number in frames:
        view = random_view(number, **parts)
        actions = policy.decide(view)
        policy.learn(outcome_of(view, actions, number))
        executed.append(actions.flatten().tolist())
    return executed


def weights_of(policy: OnlinePolicy) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in policy.parameters()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, first, second))


def with_equal_logits(policy: OnlinePolicy, logit: float = 0.0) -> OnlinePolicy:
    """A policy whose network gives every block this logit."""
    policy.decide(random_view(0))
    with torch.no_grad():
        policy.network.layers[-1].weight.zero_()
        policy.network.layers[-1].bias.fill_(logit)
    return policy


# Decisions


@pytest.mark.parametrize("deterministic", [False, True])
def test_meets_every_budget_and_executes_what_is_due(deterministic: bool) -> None:
    policy = OnlinePolicy(OnlineSettings(deterministic=deterministic))
    budget = [0, 1, 3, 6]
    due = torch.zeros(4, 2, 3, dtype=torch.bool)
    due[1, 1, 2] = due[2, 0, 1] = True
    for number in range(5):
        actions = policy.decide(random_view(number, streams=4, due=due, budget=budget))
        assert actions.dtype == torch.int8
        assert (actions == FULL).sum((1, 2)).tolist() == budget
        assert (actions[due] == FULL).all()


def test_starts_as_the_policy_change() -> None:
    policy = OnlinePolicy(OnlineSettings(deterministic=True))
    for number in range(5):
        age = torch.randint(1, 9, (1, 2, 3), generator=torch.Generator().manual_seed(number))
        view = random_view(number, age=age)
        assert torch.equal(policy.decide(view), ChangePolicy().decide(view))


def test_decisions_come_from_the_seed_and_leave_the_global_random_numbers_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (run(OnlinePolicy(OnlineSettings(seed=seed)), range(8)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert torch.equal(torch.random.get_rng_state(), before)


def test_deterministic_decisions_depend_on_the_frame_alone() -> None:
    policy = OnlinePolicy(OnlineSettings(deterministic=True, freeze=True))
    first = policy.decide(random_view(0))
    policy.decide(random_view(1))
    assert torch.equal(policy.decide(random_view(0)), first)
    noisy = OnlinePolicy(OnlineSettings(freeze=True, prior=1.0))
    assert len({tuple(noisy.decide(random_view(0)).flatten().tolist()) for _ in range(20)}) > 1


def test_streams_together_are_decided_on_as_alone() -> None:
    first, second = (OnlinePolicy(OnlineSettings(freeze=True)) for _ in range(2))
    both = OnlinePolicy(OnlineSettings(freeze=True))
    for number in range(10):
        views = [random_view(number), random_view(100 + number)]
        names = ("frames", "seen", "logits")
        joined = {name: torch.cat([getattr(view, name) for view in views]) for name in names}
        actions = both.decide(view_of(joined.pop("frames"), **joined))
        assert torch.equal(actions[:1], first.decide(views[0]))
        assert torch.equal(actions[1:], second.decide(views[1]))


def test_the_original_samples_each_block_whatever_the_budget() -> None:
    policy = with_equal_logits(OnlinePolicy(OnlineSettings.legacy(train_interval=1000)), log(3.0))
    due = torch.ones(1, 2, 3, dtype=torch.bool)
    executed = torch.tensor(run(policy, range(400), due=due, budget=6)) == FULL
    assert executed.float().mean().item() == pytest.approx(0.75, abs=0.03)
    counts = executed.sum(1).unique().tolist()
    assert counts[0] < 4
    assert counts[-1] == 6


def test_the_original_executes_a_multiple_of_a_sixteenth() -> None:
    policy = OnlinePolicy(OnlineSettings.legacy(quantise=1 / 16))
    counts = {sum(actions) // FULL for actions in run(policy, range(20), rows=4, columns=8)}
    assert len(counts) > 3
    assert all(count % 2 == 0 for count in counts)


def test_the_original_can_execute_at_least_one() -> None:
    nothing = with_equal_logits(OnlinePolicy(OnlineSettings.legacy()), -30.0)
    assert run(nothing, range(1)) == [[0, 0, 0, 0, 0, 0]]
    one = with_equal_logits(OnlinePolicy(OnlineSettings.legacy(at_least_one=True)), -30.0)
    assert run(one, range(1)) == [[2, 0, 0, 0, 0, 0]]


# Learning


def captured_loss(policy: OnlinePolicy, view: PolicyView, logits: torch.Tensor) -> tuple[torch.Tensor, float]:
    """What it decides, and its loss where the network then gives these logits."""
    losses: list[torch.Tensor] = []
    policy._descend = losses.append  # type: ignore[method-assign]
    actions = policy.decide(view)
    policy.learn(PolicyOutcome(view, actions, logits, target=0.5))
    (loss,) = losses
    return actions, loss.item()


@pytest.mark.parametrize("executes", [True, False])
def test_loss_of_the_original(executes: bool) -> None:
    sign = 1 if executes else -1
    policy = OnlinePolicy(OnlineSettings.legacy(deterministic=True, train_interval=2))
    policy = with_equal_logits(policy, sign * log(3.0))  # probability 3/4 of what is done
    current = torch.zeros(1, 2, 8, 8)
    if executes:
        current[0, 0, :, 4:] = log(9.0)  # probabilities 0.9 and 0.1 in the right column, after 1/2 and 1/2
    first_frame = {
        "actions": torch.full((1, 2, 2), FULL, dtype=torch.int8),
        "age": torch.ones(1, 2, 2).long(),
    }
    view = view_of(torch.rand(1, 3, 32, 32), **first_frame)
    actions, loss = captured_loss(policy, view, current)
    assert (actions == FULL).all() == executes
    cost = 0.9 * 1.0 + 0.1 * (1.0 if executes else 0.0)
    cost_reward = -((cost - 0.5) ** 2)
    gain = (0.5 * log(0.5 / 0.9) + 0.5 * log(0.5 / 0.1)) / 2 if executes else 0.0
    rewards = [sign * (right + 5 * cost_reward) for right in (0.0, gain, 0.0, gain)]
    assert policy.running_cost == pytest.approx(cost)
    assert loss == pytest.approx(-log(0.75) * sum(rewards) / 4, rel=1e-4)


def test_running_cost_of_the_original_includes_every_first_frame() -> None:
    policy = with_equal_logits(OnlinePolicy(OnlineSettings.legacy()), -30.0)  # executes nothing
    cost = 1.0
    full = {"actions": torch.full((1, 2, 3), FULL, dtype=torch.int8), "age": torch.ones(1, 2, 3).long()}
    for _clip in range(2):
        cost = 0.9 * cost + 0.1 * 1.0  # the first frame
        for frame in range(3):
            run(policy, range(1), **(full if frame == 0 else {}))
            cost *= 0.9
        assert policy.running_cost == pytest.approx(cost)


def test_interval_of_the_original_starts_with_the_clip() -> None:
    policy = OnlinePolicy(OnlineSettings.legacy(train_interval=3))
    full = {"actions": torch.full((1, 2, 3), FULL, dtype=torch.int8), "age": torch.ones(1, 2, 3).long()}
    learned = []
    for frame in [2, 3, 4, 5, 2, 3, 4, 5, 6]:  # in its clip; the first frame has no decision
        run(policy, range(frame, frame + 1), **(full if frame == 2 else {}))
        learned.append(policy.training_macs > 0)
    assert learned == [False, True, False, False, False, True, False, False, True]


def test_our_loss_compares_the_sampled_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = with_equal_logits(OnlinePolicy(OnlineSettings(train_interval=1, prior=0.0)))
    noise = torch.tensor([[0.0, 2.0, 0.0, 3.0]])  # draws the last block, then the second
    monkeypatch.setattr("saccade.policies.online.gumbel", lambda grid, generator: noise)
    odds = [2.0, 3.0, 5.0, 9.0]  # after even odds, in blocks from left to right
    current = torch.zeros(1, 2, 4, 16)
    for block, value in enumerate(odds):
        current[0, 0, :, 4 * block : 4 * block + 4] = log(value)
    actions, loss = captured_loss(policy, view_of(torch.rand(1, 3, 16, 64)), current)
    # gain: KL(1/2 || p) / 2 = -log(4 p (1 - p)) / 4
    gains = [-log(4 * value / (1 + value) ** 2) / 4 for value in odds]
    usual = (gains[1] + gains[3]) / 2
    first, second = (gains[3] - gains[1]) / usual, (gains[1] - gains[3]) / usual
    assert actions.tolist() == [[[0, FULL, 0, FULL]]]
    assert loss == pytest.approx(-(log(1 / 4) * first + log(1 / 3) * second) / 2, rel=1e-4)


def test_deterministic_decisions_are_learned_from_by_ranking() -> None:
    policy = with_equal_logits(OnlinePolicy(OnlineSettings(deterministic=True, train_interval=1, prior=0.0)))
    current = torch.zeros(1, 2, 4, 16)
    current[0, 0, :, 4:8] = log(3.0)
    actions, loss = captured_loss(policy, view_of(torch.rand(1, 3, 16, 64)), current)
    assert actions.tolist() == [[[2, 2, 0, 0]]]  # equal logits: by position
    assert loss == pytest.approx(-log(1 / 2), rel=1e-5)  # all the gain is in one of the two


@pytest.mark.parametrize("objective", ["gradient", "ranking"])
def test_learns_where_the_gain_is(objective) -> None:
    settings = OnlineSettings(train_interval=1, learning_rate=1e-3, objective=objective, prior=0.0)
    policy = OnlinePolicy(settings)
    generator = torch.Generator().manual_seed(0)
    hits = []
    for _ in range(120):
        changed = torch.rand(4, 4, generator=generator).flatten().argsort() < 4  # 4 of 16 blocks
        pixels = changed.view(1, 1, 4, 4).float().repeat_interleave(16, 2).repeat_interleave(16, 3)
        seen = torch.randn(1, 3, 64, 64, generator=generator)
        view = view_of(seen + 2 * pixels, seen=seen, budget=4, logits=torch.zeros(1, 2, 16, 16))
        actions = policy.decide(view)
        executed = (actions == FULL).flatten()
        now = torch.zeros(1, 2, 16, 16)
        now[:, 0] = ((executed & changed).view(1, 4, 4) * 2.0).repeat_interleave(4, 1).repeat_interleave(4, 2)
        policy.learn(PolicyOutcome(view, actions, now, 0.25))
        hits.append((executed & changed).sum().item() / 4)
    assert sum(hits[:20]) / 20 < 0.5  # chance is 0.25
    assert sum(hits[-20:]) / 20 > 0.6


def test_learns_in_every_nth_frame_and_says_what_it_costs() -> None:
    policy = OnlinePolicy(OnlineSettings(train_interval=3))
    # 8 x 16 blocks of 16 x 16 pixels, 10 channels
    macs = 64 * 128 * 9 * 10 * 32 + 32 * 64 * 9 * 32 * 96
    macs += (2 * 16 * 32 + 8 * 16) * 25 * 96 * 96 + 8 * 16 * 9 * 96
    for number in range(1, 8):
        before = weights_of(policy)
        run(policy, range(number, number + 1), rows=8, columns=16)
        assert policy.macs == macs
        assert policy.training_macs == (2 * macs if number % 3 == 0 else 0)
        assert number == 1 or same(before, weights_of(policy)) == (number % 3 != 0)


def test_decides_and_learns_under_inference_mode() -> None:
    with torch.inference_mode():
        policy = OnlinePolicy(OnlineSettings(train_interval=2))
        run(policy, range(1), streams=2)
        before = weights_of(policy)
        due = torch.zeros(2, 2, 3, dtype=torch.bool)
        due[1, 0, 0] = True
        executed = run(policy, range(1, 4), streams=2, due=due)
    assert not same(before, weights_of(policy))
    assert [sum(actions) for actions in executed] == [4 * FULL] * 3
    assert run(policy, range(4, 6))  # and outside


def test_a_frozen_policy_does_not_learn() -> None:
    policy = OnlinePolicy(OnlineSettings(train_interval=1, freeze=True))
    run(policy, range(1))
    before = weights_of(policy)
    run(policy, range(5))
    assert same(before, weights_of(policy))
    assert policy.training_macs == 0
    policy.frozen = False
    run(policy, range(1))
    assert not same(before, weights_of(policy))


def test_learns_in_no_more_than_its_share_of_the_time() -> None:
    policy = OnlinePolicy(OnlineSettings(train_interval=1, time_share=0.1))
    seconds = itertools.count()
    policy.clock = lambda: next(seconds)  # looked at in each decision, and before and after learning
    learned = []
    for number in range(19):
        run(policy, range(number, number + 1))
        learned.append(policy.training_macs > 0)
    # Learning from second 1 to 2 is a tenth of the seconds 1 to 11; decisions fall on 3, 4, ..., 11.
    assert [number for number, did in enumerate(learned) if did] == [0, 9, 18]


# Saving and loading


def saved(policy: OnlinePolicy) -> dict:
    file = io.BytesIO()
    torch.save(policy.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(
    "settings", [OnlineSettings(train_interval=2), OnlineSettings.legacy(train_interval=2)]
)
@pytest.mark.parametrize("used", [False, True])
def test_a_loaded_policy_goes_on_as_the_saved_one(settings: OnlineSettings, used: bool) -> None:
    policy, other = OnlinePolicy(settings), OnlinePolicy(settings)
    run(policy, range(7))
    if used:  # with another number of classes
        run(other, range(3), logits=torch.zeros(1, 5, 8, 12))
    with torch.inference_mode():
        other.load_state_dict(saved(policy))
    expected = run(policy, range(7, 20))
    assert run(other, range(7, 20)) == expected
    assert same(weights_of(policy), weights_of(other))
    assert other.running_cost == policy.running_cost


def test_a_loaded_policy_does_not_share_its_state() -> None:
    settings = OnlineSettings(train_interval=1)
    policy, other, third = (OnlinePolicy(settings) for _ in range(3))
    run(policy, range(3))
    state = copy.deepcopy(policy.state_dict())
    other.load_state_dict(state)
    run(other, range(3, 9))
    third.load_state_dict(state)
    assert run(third, range(3, 9)) == run(policy, range(3, 9))


def test_the_state_before_the_first_frame_can_be_loaded() -> None:
    fresh, used = OnlinePolicy(), OnlinePolicy()
    run(used, range(5))
    used.load_state_dict(saved(fresh))
    assert run(used, range(9)) == run(fresh, range(9))


def test_weights_alone_can_be_loaded() -> None:
    policy, other = OnlinePolicy(OnlineSettings(train_interval=1)), OnlinePolicy()
    run(policy, range(3))
    other.load_state_dict({k: v for k, v in policy.state_dict().items() if isinstance(v, torch.Tensor)})
    assert same(weights_of(policy), weights_of(other))
    run(other, range(8))  # and learns from there


def test_weights_for_another_number_of_classes_are_an_error() -> None:
    policy, other = OnlinePolicy(), OnlinePolicy()
    run(policy, range(1))
    other.load_state_dict(saved(policy))
    with pytest.raises(WeightsError, match="number of classes"):
        other.decide(random_view(0, logits=torch.zeros(1, 3, 8, 12)))


def test_stays_in_float32_where_the_rest_goes_to_half_precision() -> None:
    policy = OnlinePolicy(OnlineSettings(train_interval=1))
    run(policy, range(2))
    policy.to(torch.bfloat16)
    assert {weight.dtype for weight in policy.parameters()} == {torch.float32}
    view = random_view(2)
    halves = view_of(view.frames.bfloat16(), seen=view.seen.bfloat16(), logits=view.logits.bfloat16())
    policy.learn(outcome_of(halves, policy.decide(halves)))
    assert policy.training_macs > 0


# Safety


def test_scores_that_are_not_finite_do_no_harm() -> None:
    policy = OnlinePolicy(OnlineSettings(train_interval=1))
    logits = torch.zeros(1, 2, 8, 12)
    logits[0, :, 0, :3] = torch.tensor([nan, inf, -inf])
    view = random_view(0, logits=logits)
    actions = policy.decide(view)
    policy.learn(PolicyOutcome(view, actions, logits * 2, 0.5))
    assert all(torch.isfinite(weight).all() for weight in policy.parameters())
    assert policy.resets == 0


def test_weights_that_are_not_numbers_are_replaced_by_the_last_good_ones() -> None:
    policy = OnlinePolicy(OnlineSettings(train_interval=1, snapshot_interval=4))
    run(policy, range(4))
    good = weights_of(policy)
    run(policy, range(4, 6))
    with torch.no_grad():
        policy.network.stem.weight[0, 0, 0, 0] = nan
    actions = policy.decide(random_view(6))
    assert (actions == FULL).sum() == 2
    assert same(weights_of(policy), good)
    assert policy.resets == 1
    assert len(policy.notes) == 1
    assert "not finite" in policy.notes[0]


def test_weights_that_collapse_again_are_replaced_by_new_ones() -> None:
    policy = OnlinePolicy()
    run(policy, range(1))
    first = weights_of(policy)
    for _ in range(3):
        with torch.no_grad():
            policy.network.stem.weight.fill_(inf)
        run(policy, range(1))
        assert all(torch.isfinite(weight).all() for weight in policy.parameters())
    assert policy.resets == 3
    assert not same(weights_of(policy), first)
    assert len(policy.notes) == 2  # each kind of reset once


def test_gradients_that_are_not_finite_are_not_followed() -> None:
    policy = OnlinePolicy(OnlineSettings(train_interval=1))
    run(policy, range(2))
    before = weights_of(policy)
    policy._descend(sum(weight.sum() for weight in policy.parameters()) * nan)  # type: ignore[arg-type]
    assert same(weights_of(policy), before)


@pytest.mark.parametrize("logit", [30.0, -30.0])
def test_all_or_nothing_for_too_long_is_reset(logit: float) -> None:
    policy = with_equal_logits(OnlinePolicy(OnlineSettings.legacy(patience=5, train_interval=1000)), logit)
    run(policy, range(4))
    assert policy.resets == 0
    run(policy, range(1))
    assert policy.resets == 1
    assert "nothing to decide" in policy.notes[0]
    assert 0 < sum(map(sum, run(policy, range(4)))) < 4 * 6 * FULL


def test_logits_that_are_all_the_same_for_too_long_are_reset() -> None:
    policy = with_equal_logits(OnlinePolicy(OnlineSettings(patience=5, train_interval=1000, prior=0.0)))
    run(policy, range(5))
    assert policy.resets == 1
    run(policy, range(5))
    assert policy.resets == 1


def test_a_policy_of_the_original_that_never_learns_is_noted_and_goes_on() -> None:
    policy = OnlinePolicy(OnlineSettings.legacy(patience=5, train_interval=1000))
    run(policy, range(12))
    assert policy.resets == 0
    assert len(policy.notes) == 1
    assert "has not learned" in policy.notes[0]


def test_a_policy_of_the_original_that_forgets_is_reset() -> None:
    policy = OnlinePolicy(OnlineSettings.legacy(patience=5, train_interval=1000))
    run(policy, range(1))
    policy._watch.look(False, separation=0.5)
    run(policy, range(5))
    assert policy.resets == 1
    assert "no longer told blocks apart" in policy.notes[0]


# Settings


def test_legacy_has_the_settings_of_the_original() -> None:
    paper, published = OnlineSettings.legacy(), OnlineSettings.legacy("resnet8")
    assert (paper.net, paper.quantise) == ("small", None)
    assert (published.net, published.quantise) == ("resnet8", 1 / 16)
    for legacy in (paper, published):
        assert (legacy.prior, legacy.train_interval) == (0.0, 4)
        assert (legacy.sampling, legacy.scores, legacy.norm, legacy.age) == (
            "bernoulli",
            "logits",
            "batch",
            False,
        )
        assert (legacy.learning_rate, legacy.weight_decay, legacy.momentum) == (1e-4, 1e-3, 0.0)
        assert (legacy.cost_weight, legacy.cost_momentum, legacy.baseline) == (5.0, 0.9, False)
    assert OnlineSettings.legacy("resnet8", quantise=1 / 8, train_interval=3).quantise == 1 / 8


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("net", "large"),
        ("sampling", "all"),
        ("train_interval", 0),
        ("quantise", 0.0),
        ("time_share", 1.5),
        ("cost_momentum", 1.0),
    ],
)
def test_settings_that_cannot_work_are_named(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=setting):
        OnlineSettings(**{setting: value})  # type: ignore[arg-type]
