"""The one operator that moves maps along flow, and its convention of corners."""

import pytest
import torch
import torch.nn.functional as F

from saccade.errors import NetworkError
from saccade.networks.flow import resize_flow, warp


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def constant(dx: float, dy: float, size: tuple[int, int] = (4, 5)) -> torch.Tensor:
    return torch.tensor([float(dx), float(dy)]).view(1, 2, 1, 1).expand(1, 2, *size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("outside", ["zeros", "border"])
def test_zero_flow_is_the_identity_bit_for_bit(dtype, outside):
    values = random(2, 3, 37, 53).to(dtype)
    moved = warp(values, torch.zeros(2, 2, 37, 53), outside)
    assert moved.dtype == dtype
    assert torch.equal(moved, values)


def test_flow_of_one_column_shifts_by_one_column():
    values = random(1, 2, 4, 5)
    moved = warp(values, constant(1, 0))
    assert torch.equal(moved[..., :-1], values[..., 1:])
    assert torch.equal(moved[..., -1], torch.zeros(1, 2, 4))
    assert torch.equal(warp(values, constant(1, 0), "border")[..., -1], values[..., -1])


def test_flow_of_two_lines_up_shifts_down():
    values = random(1, 2, 4, 5)
    moved = warp(values, constant(0, -2))
    assert torch.equal(moved[:, :, 2:], values[:, :, :2])
    assert torch.equal(moved[:, :, :2], torch.zeros(1, 2, 2, 5))


def test_halves_are_means_and_the_outside_is_zero_or_the_border():
    values = torch.tensor([[[[1.0, 3.0, 7.0]]]])
    assert warp(values, constant(0.5, 0, (1, 3))).flatten().tolist() == [2.0, 5.0, 3.5]
    assert warp(values, constant(0.5, 0, (1, 3)), "border").flatten().tolist() == [2.0, 5.0, 7.0]
    assert warp(values, constant(-0.25, 0, (1, 3))).flatten().tolist() == [0.75, 2.5, 6.0]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("outside", ["zeros", "border"])
def test_it_is_grid_sample_with_aligned_corners(layout, outside):
    values = random(2, 5, 7, 9).contiguous(memory_format=layout)
    flow = 4 * random(2, 2, 7, 9)
    x = 2 * (torch.arange(9) + flow[:, 0]) / 8 - 1
    y = 2 * (torch.arange(7)[:, None] + flow[:, 1]) / 6 - 1
    expected = F.grid_sample(values, torch.stack((x, y), -1), padding_mode=outside, align_corners=True)
    moved = warp(values, flow, outside)
    torch.testing.assert_close(moved, expected, rtol=1e-4, atol=1e-5)
    assert moved.is_contiguous(memory_format=torch.channels_last)


def test_gradients_are_those_of_small_differences():
    values = random(1, 2, 3, 4).double().requires_grad_()
    flow = (0.7 * random(1, 2, 3, 4)).double().requires_grad_()
    slope = random(1, 2, 3, 4).double()
    by_values, by_flow = torch.autograd.grad((warp(values, flow) * slope).sum(), (values, flow))
    step = 1e-2  # the flow is float32 inside
    for argument, gradient in ((values, by_values), (flow, by_flow)):
        for place in ((0, 0, 1, 1), (0, 1, 1, 2)):
            nudge = torch.zeros_like(argument)
            nudge[place] = step
            pair = [(values + s * nudge, flow) if argument is values else (values, flow + s * nudge)
                    for s in (1, -1)]  # fmt: skip
            up, down = ((warp(*arguments) * slope).sum() for arguments in pair)
            assert gradient[place].item() == pytest.approx(((up - down) / (2 * step)).item(), abs=1e-3)


def test_zero_flow_has_a_gradient_to_learn_from():
    flow = torch.zeros(1, 2, 4, 5, requires_grad=True)
    warp(random(1, 2, 4, 5), flow).square().sum().backward()
    assert flow.grad.isfinite().all()
    assert flow.grad.abs().sum() > 0


def test_positions_far_outside_or_not_finite_are_outside():
    values = random(1, 2, 4, 5)
    for wild in (1e30, -1e30, float("inf"), float("nan")):
        assert torch.equal(warp(values, constant(wild, 0)), torch.zeros(1, 2, 4, 5))


def test_flow_of_another_size_is_refused():
    with pytest.raises(NetworkError, match=r"it must be \(1, 2, 4, 5\): bring it there with resize_flow"):
        warp(random(1, 3, 4, 5), torch.zeros(1, 2, 8, 10))


def test_resized_flow_is_in_pixels_of_the_new_map():
    flow = constant(3, -1, (4, 6))
    for size in ((8, 12), (2, 3), (4, 6)):
        factor = size[0] / 4
        torch.testing.assert_close(resize_flow(flow, size), constant(3 * factor, -factor, size))
    assert resize_flow(flow, (4, 12))[0, :, 0, 0].tolist() == [6, -1]


def test_smaller_flow_is_the_mean_over_areas():
    flow = random(1, 2, 4, 6)
    means = flow.unflatten(3, (3, 2)).unflatten(2, (2, 2)).mean((3, 5))
    torch.testing.assert_close(resize_flow(flow, (2, 3)), means / 2)


def test_moving_and_enlarging_agree():
    """A picture moved at a quarter of the resolution is the moved picture at a quarter."""
    wide = F.interpolate(random(1, 2, 5, 8), size=(40, 64), mode="bicubic")
    flow = constant(8, 4, (40, 64))
    quarter = F.avg_pool2d(warp(wide, flow), 4)
    moved = warp(F.avg_pool2d(wide, 4), resize_flow(flow, (10, 16)))
    torch.testing.assert_close(moved, quarter)
