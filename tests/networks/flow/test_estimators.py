"""Each estimator of optical flow: sizes, totals, units."""

from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from saccade.errors import NetworkError
from saccade.networks.flow import FlowEstimator, build_flow, load_flow
from saccade.networks.flow.dis import DIS, Search, grey
from saccade.networks.flow.flownet import FlowNetS
from saccade.networks.flow.light import FlowLight

from .flow_checks import FlowChecks, texture


class TestDIS(FlowChecks):
    name = "dis"
    sizes: ClassVar = {(128, 160): (128, 160), (9, 33): (9, 33), (1, 1): (1, 1), (300, 1030): (100, 344)}


class TestLight(FlowChecks):
    name = "light"
    options: ClassVar = {"reduction": 2}
    sizes: ClassVar = {(64, 96): (8, 12), (65, 90): (9, 12), (1, 1): (1, 1)}


class TestFlowNetS(FlowChecks):
    name = "flownet-s"
    sizes: ClassVar = {(128, 256): (8, 16), (100, 130): (8, 16), (1, 1): (8, 8)}


class TestFlowNet2S(FlowChecks):
    name = "flownet2-s"
    sizes: ClassVar = {(512, 512): (8, 8), (90, 700): (8, 16)}


class TestRAFTSmall(FlowChecks):
    name = "raft-small"
    options: ClassVar = {"updates": 2}
    sizes: ClassVar = {(128, 136): (128, 136), (40, 130): (128, 136)}


def moves(estimator: FlowEstimator) -> torch.Tensor:
    """Mean flow in the middle of a texture that moved 4 pixels to the right, in pixels of the frame."""
    flow = estimator(texture(4), texture())
    return flow[0, :, 16:-16, 32:-32].mean((1, 2)) * 160 / flow.shape[3]


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
@pytest.mark.parametrize("largest", [512, 80])
def test_dis_points_to_where_things_were(preset, largest):
    dx, dy = moves(DIS(preset=preset, largest=largest)).tolist()
    assert dx == pytest.approx(-4, abs=0.4)
    assert dy == pytest.approx(0, abs=0.4)


def test_dis_does_not_depend_on_pictures_of_other_sizes_before():
    fresh, used = DIS(), DIS()
    used(texture(4, (9, 33)), texture(0, (9, 33)))
    assert torch.equal(used(texture(4), texture()), fresh(texture(4), texture()))


def test_dis_sees_grey_pictures_of_the_mean_colour():
    frames = torch.zeros(1, 3, 4, 4)
    frames[0, 0, :2, :2] = 1.5  # a mean of 0.5 in one of four squares
    (picture,) = grey(frames, 2)
    assert picture.tolist() == [[153, 127], [127, 127]]  # (0.5 + 2.5) * 51, 2.5 * 51 cut to whole levels


def test_the_cost_of_dis_follows_from_its_settings():
    """Fast: patches of 8 every 4 pixels, 16 steps, 5 rounds of refinement, at a quarter of the resolution."""
    patches = (8 / 4) ** 2
    finest = patches * 16 * 7 + patches * 6 + 5 * 100
    assert Search("fast").macs_per_pixel == pytest.approx(finest * 4 / 3 / 16)
    per_pixel = Search("fast").macs_per_pixel
    assert DIS().macs((2, 3, 300, 1030)) == pytest.approx(2 * 100 * 344 * per_pixel)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_light_has_the_totals_of_gsvnet():
    with torch.device("meta"):
        light = FlowLight()
    assert parameters(light) == 186_402
    assert round(light.macs((1, 3, 1024, 2048)) / 1e9, 3) == 0.390


def test_flownet_s_has_the_totals_of_deep_feature_flow():
    with torch.device("meta"):
        flownet = build_flow("flownet-s")
        with_scale = build_flow("flownet-s", scale_channels=1024)
    assert round(parameters(flownet) / 1e6, 2) == 38.68
    # Of a half-size frame of 512x1024: encoder and transposed convolutions have 41.9 GMACs, predictions 0.1.
    pixels = {stride: 512 * 1024 // stride**2 for stride in (64, 32, 16, 8)}
    predictions = [(64, 1024), (32, 1026), (16, 770), (8, 386), (8, 194)]
    predicting = sum(pixels[stride] * 9 * inputs * 2 for stride, inputs in predictions)
    enlarging_flow = sum(pixels.values()) * 2 * 2 * 16
    rest = flownet.macs((1, 3, 1024, 2048)) - predicting - enlarging_flow
    assert round(rest / 1e9, 1) == 41.9
    assert parameters(with_scale) - parameters(flownet) == 194 * 1024 + 1024


def test_a_pair_of_256x512_gives_flow_and_a_scale_map_of_16x32_that_is_one_at_first():
    torch.manual_seed(0)
    flownet = build_flow("flownet-s", scale_channels=24).eval()
    now, before = torch.randn(2, 2, 3, 256, 512)
    with torch.no_grad():
        flow, scale = flownet.flow_and_scale(now, before)
        assert torch.equal(flow, flownet(now, before))
    assert flow.shape == (2, 2, 16, 32)
    assert torch.equal(scale, torch.ones(2, 24, 16, 32))


def test_the_scale_map_learns_by_its_weights_and_its_bias_stays():
    scale = build_flow("flownet-s", scale_channels=3).scale
    assert scale.weight.requires_grad
    assert not scale.bias.requires_grad
    with pytest.raises(NetworkError, match="build it with scale_channels"):
        build_flow("flownet-s").flow_and_scale(texture(), texture())


def test_raw_flow_of_one_is_two_and_a_half_pixels_of_the_feature_grid():
    flownet = build_flow("flownet-s").eval()
    nn.init.zeros_(flownet.flow.weight)
    flownet.flow.bias.data = torch.tensor([1.0, -0.5])
    flow = flownet(texture(size=(128, 128)), texture(size=(128, 128)))
    expected = torch.tensor([2.5, -1.25]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    torch.testing.assert_close(flow, expected)


def test_gsvnet_divides_by_four_in_pixels_of_the_eighth():
    for name, stride in (("light", 4), ("flownet2-s", 8)):
        estimator = build_flow(name).eval()
        nn.init.zeros_(estimator.flow.weight)
        nn.init.ones_(estimator.flow.bias)
        flow = estimator(torch.zeros(1, 3, 512, 512), torch.zeros(1, 3, 512, 512))
        assert flow.shape[2] * stride == 64
        torch.testing.assert_close(flow * stride, torch.full_like(flow, 0.25))


def test_flownet_sees_frames_minus_the_mean_over_255():
    """DFF subtracts (123.15, 115.90, 103.06) from 0..255 and divides by 255; the current frame is first."""
    seen = {}
    flownet = build_flow("flownet-s").eval()
    flownet.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.update(pair=inputs[0]))
    white = (torch.ones(3) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    grey = (torch.full((3,), 0.5) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    now, before = (colour.view(1, 3, 1, 1).expand(1, 3, 128, 128) for colour in (white, grey))
    flownet(now, before)
    subtracted = torch.tensor([123.15, 115.90, 103.06])
    expected = torch.cat(((255 - subtracted) / 255, (127.5 - subtracted) / 255))
    torch.testing.assert_close(seen["pair"][0, :, 0, 0], expected, rtol=1e-5, atol=1e-5)
    assert seen["pair"].shape == (1, 6, 64, 64)


def test_coarser_predictions_are_in_pixels_of_their_maps():
    flownet = build_flow("flownet-s").eval()
    for step in flownet.decoder:
        nn.init.zeros_(step.flow.weight)
        nn.init.ones_(step.flow.bias)
    frames = torch.randn(1, 3, 128, 256)
    final, *coarser = flownet.predictions(frames, frames)
    torch.testing.assert_close(final, flownet(frames, frames))
    assert [tuple(flow.shape[2:]) for flow in coarser] == [(8, 16), (4, 8), (2, 4), (1, 2)]
    # 20 pixels of the half-size frame are 20 / 8, 20 / 16, ... pixels of maps at stride 8, 16, 32, 64 of it
    for flow, expected in zip(coarser, (2.5, 1.25, 0.625, 0.3125), strict=True):
        assert flow.unique().tolist() == [expected]


def test_transposed_convolutions_are_those_of_a_crop_by_one_or_by_none():
    """MXNet computes the full output and crops it to the skip, from pixel (1, 1) in DFF."""
    torch.manual_seed(0)
    x = torch.randn(1, 1024, 2, 3)
    for crop in (0, 1):
        step = FlowNetS(crop=crop).decoder[0]
        full = F.conv_transpose2d(x, step.enlarge.weight, step.enlarge.bias, stride=2)
        expected = F.leaky_relu(full[:, :, crop : crop + 4, crop : crop + 6], 0.1)
        enlarged = step(x, torch.zeros(1, 512, 4, 6))[0][:, 512:1024]
        torch.testing.assert_close(enlarged, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["light", "flownet-s", "raft-small"])
def test_training_reaches_every_parameter(name):
    torch.manual_seed(0)
    estimator = build_flow(name, **({"updates": 2} if name == "raft-small" else {})).train()
    now, before = texture(3, (128, 256)), texture(0, (128, 256))
    now, before = (torch.cat((x, x.flip(3))) for x in (now, before))
    sum(flow.square().mean() for flow in estimator.predictions(now, before)).backward()
    for parameter_name, parameter in estimator.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name


def test_light_in_bfloat16_follows_float32():
    torch.manual_seed(0)
    light = load_flow("light", weights=None, reduction=1)
    with torch.no_grad():
        expected = light(texture(3), texture())
        flow = light.bfloat16()(texture(3).bfloat16(), texture().bfloat16())
    assert flow.dtype == torch.float32
    assert (flow - expected).norm() < 0.1 * expected.norm()


def test_legacy_light_reduces_by_interpolation_with_aligned_corners():
    """Halving four columns with aligned corners keeps the first and the last."""
    columns = torch.arange(8.0).expand(1, 3, 8, 8)
    assert FlowLight(reduction=2, legacy=True)._reduced(columns)[0, 0, 0].tolist() == pytest.approx(
        [0, 7 / 3, 14 / 3, 7]
    )
    assert FlowLight(reduction=2)._reduced(columns)[0, 0, 0].tolist() == [0.5, 2.5, 4.5, 6.5]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dis", {"preset": "slow"}, "choose one of ultrafast, fast, medium"),
        ("dis", {"largest": 0}, "for example 512"),
        ("light", {"reduction": 0}, "1 or more"),
        ("flownet-s", {"crop": 2}, "crop of 0 or 1"),
        ("raft-small", {"updates": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_work(name, options, message):
    with pytest.raises(NetworkError, match=message):
        build_flow(name, **options)
