import pytest
import torch
from torch import nn

from saccade.errors import NetworkError
from saccade.networks import load_network
from saccade.networks.bisenet import Attention, BiSeNet, Fusion
from saccade.networks.macs import count_macs

from .network_checks import NetworkChecks


class TestBiSeNetR18(NetworkChecks):
    name = "bisenet-r18"
    stride = 8
    parameters = 12_894_163
    gmacs = 103.72


def test_totals_of_gsvnet():
    """12.894 M without and 13.495 M with the heads for training; 58.3 GMACs at three quarters."""
    with torch.device("meta"):
        plain, training = BiSeNet(19), BiSeNet(19, auxiliary=True)
    total = sum(p.numel() for p in plain.parameters())
    assert total == 12_894_163
    assert sum(p.numel() for p in training.parameters()) - total == 600_614
    assert round(count_macs(plain, (1, 3, 768, 1536)) / 1e9, 1) == 58.3


def test_auxiliary_heads_answer_in_training_and_only_then():
    torch.manual_seed(0)
    network = BiSeNet(4, auxiliary=True)
    frames = torch.randn(2, 3, 64, 96)
    outputs = network.train()(frames)
    assert [tuple(out.shape) for out in outputs] == [(2, 4, 8, 12), (2, 4, 8, 12), (2, 4, 4, 6)]
    assert network.eval()(frames).shape == (2, 4, 8, 12)
    sum(out.square().mean() for out in outputs).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_one_frame_can_be_trained_on():
    network = BiSeNet(3).train()
    assert network(torch.randn(1, 3, 64, 64)).isfinite().all()


def test_attention_weighs_channels_by_their_means():
    attention = Attention(4).eval()
    nn.init.constant_(attention.weigh[1].bias, 1e3)  # sigmoid(1000) = 1
    x = torch.randn(1, 4, 5, 6)
    torch.testing.assert_close(attention(x), attention.conv(x))
    nn.init.zeros_(attention.weigh[0].weight)
    nn.init.zeros_(attention.weigh[1].bias)  # sigmoid(0) = 1 / 2
    torch.testing.assert_close(attention(x), attention.conv(x) / 2)


def test_fusion_adds_weighted_features_to_themselves():
    fusion = Fusion(4).eval()
    nn.init.zeros_(fusion.weigh[2].weight)  # sigmoid(0) = 1 / 2
    spatial, context = torch.randn(2, 1, 2, 5, 6)
    torch.testing.assert_close(fusion(spatial, context), 1.5 * fusion.conv(torch.cat((spatial, context), 1)))


def test_registered_with_its_options():
    network = load_network("bisenet-r18", weights=None, classes=7, auxiliary=True)
    assert network.info.options == {"classes": 7, "auxiliary": True}
    with pytest.raises(NetworkError, match="at least one class"):
        BiSeNet(0)
