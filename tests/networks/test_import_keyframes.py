"""Import of GSVNet, BiSeNet and TDNet, and forward passes written from the spec on the published names."""

import pytest
import torch
import torch.nn.functional as F

from saccade.classes import CITYSCAPES
from saccade.errors import WeightsError
from saccade.networks import import_checkpoint, load_network
from saccade.networks.correction import load_correction
from saccade.networks.flow import load_flow
from saccade.networks.published_gsvnet import shifts
from saccade.networks.registry import network_info
from saccade.video.frame import normalise

IMAGENET = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
SWIFTNET = torch.tensor((73.15, 82.90, 72.3)), torch.tensor((47.67, 48.49, 47.73))


class State(dict):
    """Random tensors under published names."""

    def __init__(self) -> None:
        super().__init__()
        self.random = torch.Generator().manual_seed(0)

    def conv(self, name, outputs, inputs, kernel, bias=False):
        weight = torch.randn(outputs, inputs, kernel, kernel, generator=self.random)
        self[f"{name}.weight"] = weight * (1.5 / (inputs * kernel**2)) ** 0.5
        if bias:
            self[f"{name}.bias"] = 0.2 * torch.randn(outputs, generator=self.random)

    def norm(self, name, channels):
        for part in ("weight", "running_var"):
            self[f"{name}.{part}"] = 0.5 + torch.rand(channels, generator=self.random)
        for part in ("bias", "running_mean"):
            self[f"{name}.{part}"] = 0.2 * torch.randn(channels, generator=self.random)
        self[f"{name}.num_batches_tracked"] = torch.tensor(100)

    def resnet18(self, name):
        self.conv(f"{name}.conv1", 64, 3, 7)
        self.norm(f"{name}.bn1", 64)
        inputs = 64
        for stage in range(4):
            width = 64 << stage
            for block in range(2):
                here = f"{name}.layer{stage + 1}.{block}"
                self.conv(f"{here}.conv1", width, inputs, 3)
                self.norm(f"{here}.bn1", width)
                self.conv(f"{here}.conv2", width, width, 3)
                self.norm(f"{here}.bn2", width)
                if block == 0 and stage:
                    self.conv(f"{here}.downsample.0", width, inputs, 1)
                    self.norm(f"{here}.downsample.1", width)
                inputs = width

    def apply(self, name, x, **options):
        return F.conv2d(x, self[f"{name}.weight"], self.get(f"{name}.bias"), **options)

    def normed(self, name, x):
        values = (self[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *values)

    def unit(self, name, x, stride=1):
        """Convolution, batch norm, ReLU of BiSeNet."""
        padding = self[f"{name}.conv.weight"].shape[-1] // 2
        return self.normed(f"{name}.bn", self.apply(f"{name}.conv", x, stride=stride, padding=padding)).relu()

    def blocks(self, name, x, strides, dilations):
        """The four stages of a ResNet-18: maps after each."""
        x = self.normed(f"{name}.bn1", self.apply(f"{name}.conv1", x, stride=2, padding=3)).relu()
        x = F.max_pool2d(x, 3, 2, 1)
        maps = []
        for stage in range(4):
            for block in range(2):
                here = f"{name}.layer{stage + 1}.{block}"
                stride = strides[stage] if block == 0 else 1
                one, two = dilations[stage][block]
                y = self.apply(f"{here}.conv1", x, stride=stride, padding=one, dilation=one)
                y = self.apply(
                    f"{here}.conv2", self.normed(f"{here}.bn1", y).relu(), padding=two, dilation=two
                )
                y = self.normed(f"{here}.bn2", y)
                if f"{here}.downsample.0.weight" in self:
                    x = self.normed(
                        f"{here}.downsample.1", self.apply(f"{here}.downsample.0", x, stride=stride)
                    )
                x = (x + y).relu()
            maps.append(x)
        return maps


def aligned(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def pictures(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def bisenet_state(classes):
    state = State()
    state.resnet18("context_path")
    units = {
        "spatial_path.conv_7x7": (64, 3, 7), "spatial_path.conv_3x3_1": (64, 64, 3),
        "spatial_path.conv_3x3_2": (64, 64, 3), "spatial_path.conv_1x1": (128, 64, 1),
        "global_context.1": (128, 512, 1), "arms.0.conv_3x3": (128, 512, 3),
        "arms.1.conv_3x3": (128, 256, 3), "arms.0.channel_attention.1": (128, 128, 1),
        "arms.1.channel_attention.1": (128, 128, 1), "refines.0": (128, 128, 3), "refines.1": (128, 128, 3),
        "ffm.conv_1x1": (256, 256, 1), "heads.0.conv_3x3": (256, 128, 3), "heads.1.conv_3x3": (256, 128, 3),
        "heads.2.conv_3x3": (64, 256, 3),
    }  # fmt: skip
    for name, shape in units.items():
        state.conv(f"{name}.conv", *shape)
        state.norm(f"{name}.bn", shape[0])
    for layer in (1, 2):
        state.conv(f"ffm.channel_attention.{layer}.conv", 256, 256, 1)
    for head, inputs in enumerate((256, 256, 64)):
        state.conv(f"heads.{head}.conv_1x1", classes, inputs, 1, bias=True)
    return state


def bisenet_by_spec(state, x):
    spatial = x
    for name, stride in (("7x7", 2), ("3x3_1", 2), ("3x3_2", 2), ("1x1", 1)):
        spatial = state.unit(f"spatial_path.conv_{name}", spatial, stride)
    _, at8, at16, at32 = state.blocks("context_path", x, (1, 2, 2, 2), [[(1, 1)] * 2] * 4)

    def attention(number, x):
        f = state.unit(f"arms.{number}.conv_3x3", x)
        name = f"arms.{number}.channel_attention.1"
        weights = state.normed(f"{name}.bn", state.apply(f"{name}.conv", f.mean((2, 3), keepdim=True)))
        return f * weights.sigmoid()

    context = attention(0, at32) + state.unit("global_context.1", at32.mean((2, 3), keepdim=True))
    context = state.unit("refines.0", aligned(context, at16.shape[2:]))
    context = attention(1, at16) + context
    context = state.unit("refines.1", aligned(context, at8.shape[2:]))
    f = state.unit("ffm.conv_1x1", torch.cat((spatial, context), 1))
    weights = state.apply("ffm.channel_attention.1.conv", f.mean((2, 3), keepdim=True)).relu()
    f = f + f * state.apply("ffm.channel_attention.2.conv", weights).sigmoid()
    return state.apply("heads.2.conv_1x1", state.unit("heads.2.conv_3x3", f))


@torch.no_grad()
def test_bisenet_computes_what_the_checkpoint_means(tmp_path):
    state = bisenet_state(19)
    torch.save({"state_dict": dict(state)}, tmp_path / "published.pth")
    summary = import_checkpoint(tmp_path / "published.pth", tmp_path / "ours.safetensors")
    assert (summary.source, summary.network, summary.classes) == ("GSVNet", "bisenet-r18", 19)
    network = load_network(tmp_path / "ours.safetensors")
    assert network.info.class_set is CITYSCAPES
    images = pictures(2, 3, 64, 96)
    expected = bisenet_by_spec(state, normalise(images))
    torch.testing.assert_close(network(normalise(images)), expected, rtol=1e-3, atol=1e-3)
    assert network.train()(normalise(images))[2].shape == (2, 19, 4, 6)  # the head at stride 16 came along


def test_bisenet_of_another_form_is_refused(tmp_path):
    torch.save({"cp.arm16.conv.conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="CoinCheung"):
        import_checkpoint(tmp_path / "other.pth", tmp_path / "ours.safetensors")


def tdnet_state(classes, grid):
    state = State()
    for n in range(1, 5):
        state.resnet18(f"pretrained{n}")
        state.conv(f"pretrained{n}.fc", 10, 512, 1, bias=True)
        for level in range(1, 5):
            state.conv(f"psp{n}.conv{level}.0", 128, 512, 1)
            state.norm(f"psp{n}.conv{level}.1", 128)
        for part in ("qs", "ks"):
            state.conv(f"enc{n}.w_{part}.0.conv", 64, 512, 1, bias=True)
            state.norm(f"enc{n}.w_{part}.0.bn", 64)
            state.conv(f"enc{n}.w_{part}.1.conv", 64, 64, 1, bias=True)
        state.conv(f"enc{n}.w_vs.0.conv", 512, 512, 1, bias=True)
        for other in {1, 2, 3, 4} - {n}:
            state.conv(f"atn{n}_{other}.fc.0.conv", 512, 512, 1, bias=True)
        state[f"layer_norm{n}.ln.weight"] = torch.rand(grid, generator=state.random)
        state[f"layer_norm{n}.ln.bias"] = torch.randn(grid, generator=state.random)
        state.conv(f"head{n}.conv5.0", 128, 512, 3)
        state.norm(f"head{n}.conv5.1", 128)
        state.conv(f"head{n}.conv5.4", classes, 128, 1, bias=True)
    return state


def tdnet_by_spec(state, frames, numbers):
    """The answer to the last of four frames, seen by the sub-networks of these numbers (from 1)."""
    dilations = [[(1, 1)] * 2, [(1, 1)] * 2, [(1, 2), (2, 2)], [(4, 4), (8, 4)]]
    seen = []
    for n, frame in zip(numbers, frames, strict=True):
        x = state.blocks(f"pretrained{n}", frame, (1, 2, 1, 1), dilations)[-1]
        half = slice(0, 256) if n % 2 else slice(256, 512)
        quarter = slice(0, 64) if n % 2 else slice(64, 128)
        z = [x[:, half]]
        for level, bins in enumerate((1, 2, 3, 6), start=1):
            pooled = state.apply(f"psp{n}.conv{level}.0", F.adaptive_avg_pool2d(x, bins))
            pooled = state.normed(f"psp{n}.conv{level}.1", pooled).relu()
            z.append(aligned(pooled, x.shape[2:])[:, quarter])
        z = torch.cat(z, 1)

        def encoded(part, x, n=n):
            x = state.normed(f"enc{n}.w_{part}.0.bn", state.apply(f"enc{n}.w_{part}.0.conv", x))
            return state.apply(f"enc{n}.w_{part}.1.conv", F.leaky_relu(x, 0.01))

        few = z[:, :, ::4, ::4]
        value = f"enc{n}.w_vs.0.conv"
        seen.append((encoded("qs", few), encoded("ks", few), state.apply(value, few), encoded("qs", z)))
        last = state.apply(value, z)

    def attention(name, q, k, v):
        weights = (q.flatten(2).transpose(1, 2) @ k.flatten(2) / 8).softmax(2)
        moved = (weights @ v.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, q.shape[2:])
        return state.apply(f"{name}.fc.0.conv", moved)

    n, (one, two, three) = numbers[-1], numbers[:3]
    v = attention(f"atn{n}_{one}", seen[1][0], seen[0][1], seen[0][2]) + seen[1][2]
    v = attention(f"atn{n}_{two}", seen[2][0], seen[1][1], v) + seen[2][2]
    o = attention(f"atn{n}_{three}", seen[3][3], seen[2][1], v) + last
    scale, shift = (
        aligned(state[f"layer_norm{n}.ln.{part}"][None, None], o.shape[2:])[0, 0]
        for part in ("weight", "bias")
    )
    o = F.layer_norm(o, o.shape[2:], scale, shift)
    o = state.normed(f"head{n}.conv5.1", state.apply(f"head{n}.conv5.0", o, padding=1)).relu()
    return state.apply(f"head{n}.conv5.4", o)


@pytest.mark.parametrize("numbers", [(1, 2, 3, 4), (3, 4, 1, 2)])
@torch.no_grad()
def test_tdnet_computes_what_the_checkpoint_means(tmp_path, numbers):
    state = tdnet_state(19, (7, 9))
    torch.save(dict(state), tmp_path / "published.pth")
    summary = import_checkpoint(tmp_path / "published.pth", tmp_path / "ours.safetensors")
    assert (summary.source, summary.network, summary.classes) == ("TDNet", "td4-psp18", 19)
    assert len(summary.ignored) == 8  # the classifiers of four backbones
    network = load_network(tmp_path / "ours.safetensors")
    frames = normalise(pictures(4, 3, 56, 72))[:, None]
    past = []
    for number, frame in zip(numbers, frames, strict=True):
        logits, seen = network.step(frame, number - 1, past)
        past.append(seen)
    expected = tdnet_by_spec(state, frames, numbers)
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3 * float(expected.std()))


def test_td2_names_of_the_deep_stem():
    from saccade.networks.published_tdnet import our_name
    from saccade.networks.tdnet import TDNet

    with torch.device("meta"):
        ours = set(TDNet("td2-psp50", norm_grid=(97, 193)).state_dict())
    names = ["conv1.0.weight", "conv1.1.bias", "conv1.3.weight", "conv1.6.weight", "bn1.running_mean"]
    names += [
        "layer1.2.conv3.weight",
        "layer2.0.downsample.1.bias",
        "layer3.5.bn2.weight",
        "layer4.2.conv1.weight",
    ]
    found = [our_name(f"pretrained2.{name}", "td2-psp50") for name in names]
    found += [our_name(name, "td2-psp50") for name in ("atn2.fc.0.conv.bias", "enc1.w_ks.1.conv.weight")]
    assert set(found) <= ours
    assert len(set(found)) == len(names) + 2
    assert found[5] == "paths.1.backbone.stages.2.layers.2.0.weight"
    assert found[7] == "paths.1.backbone.stages.12.layers.1.1.weight"


def gsvnet_state():
    state = State()
    state["grm.ideal_dk.filter_copy_s"] = shifts()
    layers = {
        "intra_net.intra_net": ((0, 32, 3), (3, 32, 32), (6, 19, 32)), "guide.guide_conv": ((0, 32, 20),),
        "guide.guide_conv_feat": ((0, 64, 32), (3, 128, 64)),
        "guide.guide_deconv": ((1, 64, 128), (5, 32, 64)), "guide.guide_decoder": ((0, 11, 32),),
    }  # fmt: skip
    for part, convolutions in layers.items():
        for number, outputs, inputs in convolutions:
            state.conv(f"grm.{part}.{number}", outputs, inputs, 3, bias=True)
            if (part, number) != ("intra_net.intra_net", 6):
                state.norm(f"grm.{part}.{number + 1}", outputs)
    return state


def gsvnet_by_spec(state, picture, scores):
    """From the frame in the channels and statistics of the original, BGR, and moved scores."""

    def unit(part, number, x, stride=1):
        name = f"grm.{part}.{number}"
        x = state.apply(name, x, stride=stride, padding=1)
        return state.normed(f"grm.{part}.{number + 1}", x).relu()

    intra = unit("intra_net.intra_net", 3, unit("intra_net.intra_net", 0, picture))
    intra = state.apply("grm.intra_net.intra_net.6", intra, padding=1)
    kernel = torch.ones(1, 1, 3, 3)
    kernel[..., 1, 1] = -8
    edge = F.conv2d(scores.argmax(1, keepdim=True).float(), kernel, padding=1) != 0
    g0 = unit("guide.guide_conv", 0, torch.cat((intra, edge.float()), 1))
    g1 = unit("guide.guide_conv_feat", 0, g0, 2)
    g2 = unit("guide.guide_conv_feat", 3, g1, 2)
    up = unit("guide.guide_deconv", 1, aligned(g2, g1.shape[2:]))
    up = unit("guide.guide_deconv", 5, aligned(up, g0.shape[2:]))
    k = unit("guide.guide_decoder", 0, g0 + up)
    k = k / (k.sum(1, keepdim=True) + 1e-9)
    shifted = F.conv3d(scores[:, None], state["grm.ideal_dk.filter_copy_s"], padding=(0, 1, 1))
    taps = torch.cat((scores[:, None], shifted, intra[:, None]), 1)
    return (k[:, :, None] * taps).sum(1)


@pytest.mark.parametrize(
    ("segnet", "statistics", "range_"), [("swiftnet", SWIFTNET, 1), ("bisenet", IMAGENET, 255)]
)
@torch.no_grad()
def test_gsvnet_computes_what_the_checkpoint_means(tmp_path, segnet, statistics, range_):
    state = gsvnet_state()
    torch.save({"state_dict": dict(state)}, tmp_path / "published.pth")
    summary = import_checkpoint(tmp_path / "published.pth", tmp_path / "ours.safetensors", segnet=segnet)
    assert (summary.source, summary.network, summary.classes) == ("GSVNet", "guided-correction", 19)
    correction = load_correction(tmp_path / "ours.safetensors")
    assert correction.legacy
    assert network_info(correction).class_set is CITYSCAPES
    images, scores = pictures(2, 3, 16, 24), torch.randn(2, 19, 16, 24)
    mean, std = (values.view(1, 3, 1, 1) for values in statistics)
    theirs = ((images.float() / range_ - mean) / std).flip(1)  # BGR
    expected = gsvnet_by_spec(state, theirs, scores)
    found = correction(normalise(images), scores)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_trained_kernels_are_refused(tmp_path):
    state = gsvnet_state()
    state["grm.ideal_dk.filter_copy_s"] = shifts() + 0.1
    torch.save(dict(state), tmp_path / "published.pth")
    with pytest.raises(WeightsError, match="kernels that shift scores were trained"):
        import_checkpoint(tmp_path / "published.pth", tmp_path / "ours.safetensors")


@torch.no_grad()
def test_light_flow_computes_what_the_checkpoint_means(tmp_path):
    state = State()
    layers = {"conv1": (32, 6, 3), "conv2": (64, 32, 3), "conv_merge": (64, 256, 1)}
    layers |= {f"conv_dilate_{i}": (64, 64, 3) for i in (1, 2, 3, 4)}
    for name, shape in layers.items():
        state.conv(f"{name}.0", *shape, bias=True)
        state.norm(f"{name}.1", shape[0])
    state.conv("toflow", 2, 64, 3, bias=True)
    torch.save(dict(state), tmp_path / "published.pth")
    summary = import_checkpoint(tmp_path / "published.pth", tmp_path / "ours.safetensors")
    assert (summary.network, summary.classes) == ("light", None)
    flow = load_flow(tmp_path / "ours.safetensors")
    images = pictures(2, 3, 128, 192)

    def unit(name, x, stride=1, dilation=1):
        padding = dilation * (state[f"{name}.0.weight"].shape[-1] // 2)
        x = state.apply(f"{name}.0", x, stride=stride, padding=padding, dilation=dilation)
        return F.leaky_relu(state.normed(f"{name}.1", x), 0.1)

    mean, std = (values.view(1, 3, 1, 1) for values in SWIFTNET)
    now, before = (
        aligned(((image[None].float() - mean) / std).flip(1), (16, 24)) for image in images
    )  # an eighth, BGR
    x = unit("conv2", unit("conv1", torch.cat((now, before), 1), 2), 2)
    sums = []
    for i, dilation in enumerate((1, 2, 4, 8), start=1):
        sums.append(unit(f"conv_dilate_{i}", x, dilation=dilation) + (sums[-1] if sums else 0))
    x = x + unit("conv_merge", torch.cat(sums, 1))
    expected = state.apply("toflow", x, padding=1) / 4  # pixels at an eighth
    found = flow(*normalise(images)[:, None]) * 4  # ours are pixels of the map, at a 32nd
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
