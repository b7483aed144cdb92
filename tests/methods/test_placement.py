"""What is chosen for device and precision, and why."""

import pytest
import torch
from torch import nn

from saccade.errors import ConfigError
from saccade.methods import placement
from saccade.methods.placement import Placement, choose_placement

NETWORK = nn.Conv2d(3, 4, 3)


@pytest.fixture
def _no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def trials(monkeypatch):
    """Lets a test say how long bf16 takes against fp32, and records what would be timed."""
    seen = []

    def answer_with(ratio):
        def time_ratio(network, device, half, size):
            seen.append((device.type, half, size))
            return ratio

        monkeypatch.setattr(placement, "_time_ratio", time_ratio)
        return seen

    return answer_with


@pytest.mark.usefixtures("_no_gpu")
@pytest.mark.parametrize(("ratio", "chosen"), [(2.8, "fp32"), (0.97, "fp32"), (0.5, "bf16")])
def test_the_cpu_gets_the_precision_that_is_clearly_faster(trials, ratio, chosen):
    seen = trials(ratio)
    found = choose_placement(NETWORK, size=(1024, 2048))
    assert (found.device.type, found.precision) == ("cpu", chosen)
    assert f"{chosen} (bf16 takes {ratio:.2g} times as long as fp32 here)" in found.reason
    assert seen == [("cpu", torch.bfloat16, (128, 256))]


@pytest.mark.usefixtures("_no_gpu")
def test_explicit_values_are_taken_without_a_trial(trials):
    seen = trials(0.1)
    found = choose_placement(NETWORK, "cpu", "fp16")
    assert (found.device.type, found.precision, found.dtype) == ("cpu", "fp16", torch.float16)
    assert seen == []


@pytest.mark.parametrize(
    ("capability", "chosen"), [((9, 0), "bf16"), ((8, 6), "bf16"), ((7, 5), "fp16"), ((6, 1), "fp32")]
)
def test_cuda_comes_first_with_a_precision_by_its_capability(monkeypatch, capability, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Test GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    found = choose_placement(NETWORK)
    assert (str(found.device), found.precision) == ("cuda:0", chosen)
    assert "Test GPU" in found.reason
    with pytest.raises(ConfigError, match=r"cuda:3 is not there: torch finds 1 CUDA device"):
        choose_placement(NETWORK, "cuda:3")


@pytest.mark.usefixtures("_no_gpu")
def test_mps_is_chosen_before_the_cpu(monkeypatch, trials):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    trials(0.6)
    found = choose_placement(NETWORK)
    assert (found.device.type, found.precision) == ("mps", "fp16")


@pytest.mark.usefixtures("_no_gpu")
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "device cuda is not there: torch finds no CUDA device; use --device auto or cpu"),
        ("mps", "device mps is not there"),
        ("gpu", "no device 'gpu'; give auto, cpu, cuda, cuda:N or mps"),
        ("meta", "no device 'meta'"),
    ],
)
def test_devices_that_are_not_there(device, message):
    with pytest.raises(ConfigError, match=message):
        choose_placement(NETWORK, device)


@pytest.mark.usefixtures("_no_gpu")
def test_unknown_precision():
    with pytest.raises(ConfigError, match="no precision 'int8'; give auto, fp32, bf16, fp16"):
        choose_placement(NETWORK, "cpu", "int8")


@pytest.mark.usefixtures("_no_gpu")
def test_a_real_trial_gives_a_ratio_and_leaves_the_network_as_it_was():
    network = nn.Conv2d(3, 4, 3).train()
    threads = torch.get_num_threads()
    found = choose_placement(network, "auto", "auto", (32, 32))
    assert found.precision in ("fp32", "bf16")
    assert "times as long as fp32 here" in found.reason
    assert network.training
    assert network.weight.dtype == torch.float32
    assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("_no_gpu")
def test_a_network_that_cannot_be_tried_runs_in_float32():
    found = choose_placement(nn.Linear(7, 2), "cpu", "auto")
    assert found.precision == "fp32"
    assert "cannot be timed" in found.reason


def test_apply_moves_the_network():
    network = nn.Conv2d(3, 4, 3)
    Placement(torch.device("cpu"), "bf16", "").apply(network)
    assert network.weight.dtype == torch.bfloat16
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
