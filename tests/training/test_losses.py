import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from saccade.classes import IGNORE
from saccade.training.losses import (
    bootstrapped_per_image,
    class_weights,
    lovasz_softmax,
    segmentation_loss,
)
from saccade.training.recipe import LossConfig


def logits_of(probabilities: list[list[float]]) -> torch.Tensor:
    """``(1, K, 1, P)`` logits whose softmax is the given K probabilities of P pixels."""
    return torch.tensor(probabilities).log().T[None, :, None]


def test_cross_entropy_leaves_ignored_pixels_out() -> None:
    logits = logits_of([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]])
    labels = torch.tensor([[[0, 1, IGNORE]]])
    expected = -(math.log(0.5) + math.log(0.75)) / 2
    assert segmentation_loss(logits, labels, LossConfig()).item() == pytest.approx(expected, abs=1e-6)


def test_class_weights_multiply_each_pixel() -> None:
    logits = logits_of([[0.5, 0.5], [0.25, 0.75]])
    labels = torch.tensor([[[0, 1]]])
    expected = -(3 * math.log(0.5) + 1 * math.log(0.75)) / 2
    loss = segmentation_loss(logits, labels, LossConfig(), torch.tensor([3.0, 1.0]))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_bootstrapped_takes_the_largest_losses() -> None:
    logits = logits_of([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.7, 0.3]])
    labels = torch.zeros(1, 1, 4, dtype=torch.uint8)
    expected = -(math.log(0.2) + math.log(0.5)) / 2
    loss = segmentation_loss(logits, labels, LossConfig(kind="bootstrapped", keep=0.5))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("threshold", "hard"), [(0.6, [0.5, 0.2]), (0.1, [0.2]), (0.95, [0.9, 0.5, 0.2, 0.7])]
)
def test_ohem_takes_pixels_below_the_threshold_and_at_least_a_share(
    threshold: float, hard: list[float]
) -> None:
    logits = logits_of([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.7, 0.3]])
    labels = torch.zeros(1, 1, 4, dtype=torch.uint8)
    loss = segmentation_loss(logits, labels, LossConfig(kind="ohem", ohem_threshold=threshold, keep=0.25))
    assert loss.item() == pytest.approx(-sum(map(math.log, hard)) / len(hard), abs=1e-6)


@pytest.mark.parametrize(
    ("least", "hard"),
    [
        (1, ([0.5, 0.2, 0.7], [0.4, 0.6])),  # above 0.3 nats is below a probability of exp(-0.3) = 0.741
        (2, ([0.5, 0.2, 0.7], [0.4, 0.6])),  # of the second image exactly two are above, and two is enough
        (3, ([0.5, 0.2, 0.7], [0.4, 0.6, 0.8])),
        (4, ([0.9, 0.5, 0.2, 0.7], [0.4, 0.6, 0.8, 0.99])),
        (5, ([0.9, 0.5, 0.2, 0.7], [0.4, 0.6, 0.8, 0.99])),  # more than there are
    ],
)
def test_bootstrapped_per_image_takes_what_is_above_the_threshold_and_at_least_some(
    least: int, hard: tuple[list[float], list[float]]
) -> None:
    images = [0.9, 0.5, 0.2, 0.7], [0.8, 0.4, 0.99, 0.6]
    logits = torch.cat([logits_of([[p, 1 - p] for p in image]) for image in images])
    config = LossConfig(kind="bootstrapped_per_image", bootstrap_pixels=least)
    loss = segmentation_loss(logits, torch.zeros(2, 1, 4, dtype=torch.uint8), config)
    # The mean of an image's pixels, then that of the images, however many pixels each has.
    expected = sum(-sum(map(math.log, image)) / len(image) for image in hard) / 2
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_bootstrapped_per_image_gives_gradients_to_hard_pixels_alone() -> None:
    losses = torch.tensor([[[0.1, 0.4, 0.0]], [[0.2, 0.1, 0.25]]], requires_grad=True)
    loss = bootstrapped_per_image(losses, 0.15, 1)
    # More than one pixel of the second image has a loss above 0.15, of the first only one.
    assert loss.item() == pytest.approx((0.4 + (0.2 + 0.25) / 2) / 2)
    loss.backward()
    assert losses.grad is not None
    torch.testing.assert_close(losses.grad, torch.tensor([[[0, 0.5, 0]], [[0.25, 0, 0.25]]]))


def test_ignored_pixels_count_as_zero_where_they_are_counted() -> None:
    logits = logits_of([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]])
    labels = torch.tensor([[[0, 1, IGNORE]]])
    for config in (LossConfig(count_ignored=True), LossConfig(kind="bootstrapped_per_image")):
        loss = segmentation_loss(logits, labels, config)
        assert loss.item() == pytest.approx(-(math.log(0.5) + math.log(0.75)) / 3, abs=1e-6)


@pytest.mark.parametrize("kind", ["cross_entropy", "ohem", "bootstrapped", "bootstrapped_per_image"])
def test_batch_without_labels_is_zero_with_a_gradient(kind: str) -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 8, 8), IGNORE), LossConfig(kind=kind))  # type: ignore[arg-type]
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def lovasz_by_definition(errors: list[float], foreground: list[bool]) -> float:
    """The Lovasz extension of the Jaccard loss as the largest value of its base polytope.

    The Jaccard loss of a set of mistakes is submodular, so its Lovasz extension is the maximum over
    all orders of the sum of errors times marginal gains.
    """

    def jaccard(wrong: tuple[int, ...]) -> float:
        missed = sum(foreground[i] for i in wrong)
        added = len(wrong) - missed
        return (missed + added) / (sum(foreground) + added)

    return max(
        sum(errors[i] * (jaccard(order[: n + 1]) - jaccard(order[:n])) for n, i in enumerate(order))
        for order in itertools.permutations(range(len(errors)))
    )


def test_lovasz_equals_its_definition() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 1, 6, dtype=torch.float64)
    truth = torch.tensor([0, 1, 1, 2, 0, IGNORE])
    probabilities = logits.softmax(1)[0, :, 0, :5].T
    expected = []
    for k in range(3):
        foreground = [bool(t == k) for t in truth[:5]]
        errors = [(1 - p[k] if f else p[k]).item() for p, f in zip(probabilities, foreground, strict=True)]
        expected.append(lovasz_by_definition(errors, foreground))
    assert lovasz_softmax(logits, truth[None, None]).item() == pytest.approx(sum(expected) / 3, abs=1e-6)


def test_lovasz_is_zero_for_a_perfect_and_one_for_a_hopeless_answer() -> None:
    truth = torch.tensor([[[0, 0, 1, 1]]])
    perfect = F.one_hot(truth, 2).permute(0, 3, 1, 2).float() * 200 - 100
    assert lovasz_softmax(perfect, truth).item() == pytest.approx(0, abs=1e-6)
    assert lovasz_softmax(-perfect, truth).item() == pytest.approx(1, abs=1e-6)


def test_lovasz_joins_the_loss_at_the_networks_own_resolution() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 4, 4)
    labels = torch.randint(0, 3, (1, 4, 4)).repeat_interleave(3, 1).repeat_interleave(3, 2)
    plain = segmentation_loss(logits, labels, LossConfig())
    both = segmentation_loss(logits, labels, LossConfig(lovasz=0.5))
    assert (both - plain).item() == pytest.approx(0.5 * lovasz_softmax(logits, labels[:, ::3, ::3]).item())


@pytest.mark.parametrize(("kind", "power"), [("balanced", 1.0), ("softened", 0.5)])
def test_class_weights_follow_the_formula_and_average_one_over_pixels(kind: str, power: float) -> None:
    weights = class_weights(kind, torch.tensor([900, 100, 0]))
    raw = [(1 / math.log(1.02 + f)) ** power for f in (0.9, 0.1, 0.0)]
    mean = 0.9 * raw[0] + 0.1 * raw[1]
    assert weights.tolist() == pytest.approx([r / mean for r in raw], rel=1e-5)
