"""GSVNet's correcting network: taps, weights, totals."""

import pytest
import torch
import torch.nn.functional as F

from saccade.errors import NetworkError, WeightsError
from saccade.networks import save_weights
from saccade.networks.correction import (
    NAME,
    NEIGHBOURS,
    GuidedCorrection,
    boundaries,
    laplacian,
    load_correction,
    mixed,
    picture_of,
)
from saccade.networks.flow import build_flow
from saccade.networks.macs import count_macs
from saccade.networks.weights import shipped_weights


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_totals_of_the_original():
    """Section 3.10 of the specification: the guide, the guess and the light flow network together."""
    correction, flow = GuidedCorrection(19, legacy=True), build_flow("light")
    guide, guess, light = (
        sum(p.numel() for p in part.parameters()) for part in (correction.guide, correction.intra, flow)
    )
    assert (guide, guess, light) == (194_241, 15_763, 186_402)
    assert guide + guess + light == 396_406
    macs = count_macs(correction, (1, 3, 128, 256), (1, 19, 128, 256)) + flow.macs((1, 3, 1024, 2048))
    # the edges of the original are a convolution too, whose nine MACs a pixel its count leaves out
    assert macs - 9 * 128 * 256 == pytest.approx(2.702e9, rel=2e-4)


def test_ours_has_nine_real_taps_and_the_guess():
    correction = GuidedCorrection(11)
    assert correction.taps == 10
    assert correction.guide.last.out_channels == 10
    assert GuidedCorrection(11, legacy=True).taps == 11


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_are_not_negative_and_sum_to_one(legacy):
    torch.manual_seed(0)
    correction = GuidedCorrection(5, legacy=legacy).eval()
    guess, scores = numbers(2, 5, 12, 16), numbers(2, 5, 12, 16, seed=1)
    weights = correction.weights(guess, scores, numbers(2, 1, 12, 16).abs())
    assert weights.shape == (2, correction.taps, 12, 16)
    assert (weights >= 0).all()
    total = weights.sum(1)
    some = total > 0
    assert some.any()
    torch.testing.assert_close(total[some], torch.ones_like(total[some]), rtol=1e-4, atol=1e-4)
    assert legacy or some.all()


def test_all_weight_on_the_first_tap_gives_the_moved_scores():
    scores, guess = numbers(2, 3, 5, 6), numbers(2, 3, 5, 6, seed=1)
    for taps in (10, 11):
        weights = torch.zeros(2, taps, 5, 6)
        weights[:, 0] = 1
        assert torch.equal(mixed(scores, guess, weights), scores)
        assert torch.equal(mixed(scores, guess, weights.flip(1)), guess)  # the last tap


def test_taps_read_the_neighbours_in_raster_order():
    assert NEIGHBOURS == ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
    scores = torch.zeros(1, 1, 5, 5)
    scores[0, 0, 2, 2] = 1
    for tap, (dy, dx) in enumerate(NEIGHBOURS, start=1):
        weights = torch.zeros(1, 11, 5, 5)
        weights[:, tap] = 1
        result = mixed(scores, torch.zeros(1, 1, 5, 5), weights)
        # the pixel whose neighbour at (dy, dx) is the one
        assert result.nonzero().tolist() == [[0, 0, 2 - dy, 2 - dx]]


def test_the_silent_tap_of_the_original_reads_zero():
    scores, guess = numbers(1, 3, 4, 4), numbers(1, 3, 4, 4, seed=1)
    weights = torch.zeros(1, 11, 4, 4)
    weights[:, 9] = 1
    assert torch.equal(mixed(scores, guess, weights), torch.zeros(1, 3, 4, 4))


def test_the_same_weights_serve_all_classes():
    """Against a loop over pixels, taps and classes; beyond the frame scores are zero."""
    scores, guess = numbers(1, 2, 3, 4), numbers(1, 2, 3, 4, seed=1)
    weights = numbers(1, 10, 3, 4, seed=2).softmax(1)
    expected = torch.zeros(1, 2, 3, 4)
    for c in range(2):
        for y in range(3):
            for x in range(4):
                total = weights[0, 0, y, x] * scores[0, c, y, x] + weights[0, 9, y, x] * guess[0, c, y, x]
                for tap, (dy, dx) in enumerate(NEIGHBOURS, start=1):
                    if 0 <= y + dy < 3 and 0 <= x + dx < 4:
                        total += weights[0, tap, y, x] * scores[0, c, y + dy, x + dx]
                expected[0, c, y, x] = total
    torch.testing.assert_close(mixed(scores, guess, weights), expected)


def test_a_new_correction_trusts_the_moved_scores():
    torch.manual_seed(0)
    correction = GuidedCorrection(4).eval()
    scores = F.interpolate(numbers(1, 4, 6, 8) * 3, (24, 32))
    weights = correction.weights(numbers(1, 4, 24, 32), scores, torch.zeros(1, 1, 24, 32))
    assert weights[:, 0].mean() > 0.7


def test_edges_by_hand():
    labels = torch.tensor([[1, 1, 1, 1], [1, 1, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1]])[None, None]
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[:3, 1:] = True
    assert torch.equal(boundaries(labels)[0, 0], expected)
    # the original's: beyond the frame ids are zero, so the border of class 1 is an edge too
    assert laplacian(labels).all()
    assert not laplacian(torch.zeros(1, 1, 4, 4, dtype=torch.long)).any()
    # differences of both signs cancel there
    row = torch.tensor([[3, 2, 1]] * 3)[None, None]
    assert not laplacian(row)[0, 0, 1, 1]
    assert boundaries(row)[0, 0, 1, 1]


def test_scores_finer_than_the_picture_and_odd_sizes():
    torch.manual_seed(0)
    for legacy in (False, True):
        correction = GuidedCorrection(3, legacy=legacy).eval()
        for size, grid in (((45, 60), (45, 60)), ((90, 120), (23, 30)), ((1, 1), (1, 1))):
            result = correction(numbers(2, 3, *grid), numbers(2, 3, *size), torch.zeros(2, 1, *grid))
            assert result.shape == (2, 3, *size)
            assert result.isfinite().all()


def test_pictures_are_a_quarter_or_at_most_256_pixels_wide():
    for frame, grid in (((360, 480), (90, 120)), ((1024, 2048), (128, 256)), ((720, 1281), (120, 214))):
        assert picture_of(torch.zeros(1, 3, *frame), frame).shape == (1, 3, *grid)
    assert picture_of(torch.zeros(1, 3, 360, 480), (45, 60)).shape == (1, 3, 45, 60)
    assert picture_of(torch.zeros(1, 3, 360, 480), (90, 120), legacy=True).shape == (1, 3, 45, 60)


def test_weights_say_what_they_belong_to(tmp_path):
    torch.manual_seed(0)
    correction = GuidedCorrection(6, legacy=True).eval()
    file = tmp_path / "correction.safetensors"
    save_weights(file, correction)
    loaded = load_correction(file)
    assert loaded.legacy
    inputs = numbers(1, 3, 8, 8), numbers(1, 6, 8, 8)
    assert torch.equal(loaded(*inputs), correction(*inputs))
    assert shipped_weights(NAME, keyframe_weights="none of ours", flow="dis") is None


def test_what_does_not_fit(tmp_path):
    correction = GuidedCorrection(6)
    with pytest.raises(NetworkError, match="for 6 classes, the scores are of 5"):
        correction(numbers(1, 3, 8, 8), numbers(1, 5, 8, 8), numbers(1, 1, 8, 8))
    with pytest.raises(NetworkError, match="how well the flow explains"):
        correction(numbers(1, 3, 8, 8), numbers(1, 6, 8, 8))
    with pytest.raises(NetworkError, match="at least one class"):
        GuidedCorrection(0)
    with pytest.raises(WeightsError, match="not of a correction"):
        load_correction("swiftnet-rn18-street")
