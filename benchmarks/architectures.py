"""Public architectures that the block engine is tried on, with random weights.

Nothing is downloaded. Parameters that their author starts at a constant (batch norm, layer scales) and
the statistics of batch norm get a little noise, so that no branch of a network is zero or the identity by
accident.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

SIZE = (256, 512)
"""Height and width of the frames, where a network has no wish of its own."""

BLOCK = 64
"""Side of a block in pixels at ``SIZE``."""


@dataclass(frozen=True)
class Architecture:
    """A network of a library.

    Attributes:
        library: Name of the package that it comes from.
        name: How the library calls it (and what is taken of it).
        make: Builds it with random weights.
        size: Height and width of the frames.
        block: Side of a block in pixels.
    """

    library: str
    name: str
    make: Callable[[], nn.Module]
    size: tuple[int, int] = SIZE
    block: int = BLOCK

    @property
    def key(self) -> str:
        """Unique name."""
        return f"{self.library}/{self.name}"

    def network(self) -> nn.Module:
        """The network in evaluation mode, with noise where the library starts at constants."""
        torch.manual_seed(0)
        network = self.make().eval()
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                    parameter.add_(0.25 * torch.randn_like(parameter))
            for module in network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
                    assert module.running_var is not None
                    module.running_mean += 0.1 * torch.randn_like(module.running_mean)
                    module.running_var *= 0.5 + torch.rand_like(module.running_var)
        return network


def catalogue() -> dict[str, Architecture]:
    """All architectures by key. Their libraries are imported when one is built."""
    found = [*own(), *torchvision(), *segmentation_models(), *timm()]
    return {architecture.key: architecture for architecture in found}


# --- Saccade -------------------------------------------------------------------------------------------


def own() -> Iterator[Architecture]:
    """The networks that Saccade brings."""
    for name in ("swiftnet-rn18", "swiftnet-rn34", "swiftnet-rn50"):
        yield Architecture("saccade", name, partial(load_own, name))


def load_own(name: str) -> nn.Module:
    """A network of the registry, with random weights."""
    return importlib.import_module("saccade").load_network(name, weights=None)


# --- torchvision ---------------------------------------------------------------------------------------


class FeaturesAndHead(nn.Module):
    """The convolutional part of a detector: features, and the head's boxes and scores for every anchor."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """What the detector's post-processing gets."""
        result: dict[str, Tensor] = self.head(list(self.backbone(frames).values()))
        return result


def torchvision() -> Iterator[Architecture]:
    """Segmentation networks, detection backbones with their heads, and classification trunks."""
    of = partial(Architecture, "torchvision")
    for name in (
        "fcn_resnet50",
        "fcn_resnet101",
        "deeplabv3_resnet50",
        "deeplabv3_resnet101",
        "deeplabv3_mobilenet_v3_large",
        "lraspp_mobilenet_v3_large",
    ):
        yield of(name, partial(load_torchvision, f"segmentation.{name}", weights_backbone=None))
    for backbone in ("resnet18", "resnet50", "resnext50_32x4d"):
        yield of(f"resnet_fpn_backbone({backbone})", partial(fpn_backbone, backbone))
    for name in (
        "retinanet_resnet50_fpn",
        "retinanet_resnet50_fpn_v2",
        "fcos_resnet50_fpn",
        "ssd300_vgg16",
        "ssdlite320_mobilenet_v3_large",
    ):
        # Its last maps are too small for their convolutions where frames are less than 300 pixels high.
        size = (320, 512) if name == "ssd300_vgg16" else SIZE
        yield of(f"{name} without post-processing", partial(load_detector, name), size)
    yield of("fasterrcnn_mobilenet_v3_large_fpn backbone", partial(load_detector_backbone))
    for name, part in (
        ("vgg16", "features"),
        ("vgg16_bn", "features"),
        ("densenet121", "features"),
        ("squeezenet1_1", "features"),
        ("mobilenet_v2", "features"),
        ("mobilenet_v3_small", "features"),
        ("mnasnet1_0", "layers"),
        ("efficientnet_b0", "features"),
        ("efficientnet_v2_s", "features"),
        ("convnext_tiny", "features"),
        ("swin_t", "features"),
        ("regnet_y_400mf", "trunk_output"),
        ("regnet_x_400mf", "trunk_output"),
        ("shufflenet_v2_x1_0", "conv5"),
        ("googlenet", "inception5b.cat"),
        ("inception_v3", "Mixed_7c"),
        ("maxvit_t", "blocks"),
    ):
        size, block = (SIZE, BLOCK) if name != "maxvit_t" else ((224, 224), 56)  # takes squares only
        yield of(f"{name} to {part}", partial(trunk, name, part), size, block)


def load_torchvision(name: str, **options: Any) -> nn.Module:
    """A network of torchvision.models."""
    *folder, function = name.split(".")
    module = importlib.import_module(".".join(["torchvision.models", *folder]))
    network: nn.Module = getattr(module, function)(weights=None, **options)
    return network


def fpn_backbone(name: str) -> nn.Module:
    """A residual network with a feature pyramid, its batch norms frozen."""
    module = importlib.import_module("torchvision.models.detection.backbone_utils")
    network: nn.Module = module.resnet_fpn_backbone(backbone_name=name, weights=None, trainable_layers=5)
    return network


def load_detector(name: str) -> nn.Module:
    """A detector without its post-processing."""
    detector = load_torchvision(f"detection.{name}", weights_backbone=None)
    return FeaturesAndHead(detector.get_submodule("backbone"), detector.get_submodule("head"))


def load_detector_backbone() -> nn.Module:
    """The backbone of a two-stage detector."""
    detector = load_torchvision("detection.fasterrcnn_mobilenet_v3_large_fpn", weights_backbone=None)
    return detector.get_submodule("backbone")


def trunk(name: str, part: str) -> nn.Module:
    """A classifier up to one of its parts."""
    options: dict[str, Any] = {"input_size": (224, 224)} if name == "maxvit_t" else {}
    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False, "aux_logits": False}
    classifier = load_torchvision(name, **options)
    if hasattr(classifier, part):
        inner: nn.Module = getattr(classifier, part)
        if next(iter(classifier.named_children()))[0] == part:
            return inner
    extraction = importlib.import_module("torchvision.models.feature_extraction")
    network: nn.Module = extraction.create_feature_extractor(classifier, {part: "features"})
    return network


# --- segmentation_models_pytorch -----------------------------------------------------------------------

SMP_DECODERS = (
    "Unet",
    "UnetPlusPlus",
    "MAnet",
    "Linknet",
    "FPN",
    "PSPNet",
    "PAN",
    "DeepLabV3",
    "DeepLabV3Plus",
    "UPerNet",
    "Segformer",
)
SMP_ENCODERS = (
    "resnet18",
    "resnet34",
    "mobilenet_v2",
    "efficientnet-b0",
    "timm-tf_efficientnet_lite0",
    "tu-regnety_004",
    "tu-convnext_atto",
    "mit_b0",
)
NEEDS_ALL_STRIDES = ("UnetPlusPlus", "Linknet")
NEEDS_DILATION = ("PAN", "DeepLabV3", "DeepLabV3Plus")
"""Decoders that change the encoder's strides to dilations."""


def segmentation_models() -> Iterator[Architecture]:
    """All decoders with encoders of several families, where the library allows the pair."""
    of = partial(Architecture, "segmentation_models_pytorch")
    for decoder in SMP_DECODERS:
        for encoder in SMP_ENCODERS:
            if encoder == "mit_b0" and decoder in (*NEEDS_ALL_STRIDES, *NEEDS_DILATION):
                continue  # has no map of stride 2, and no dilations
            if encoder == "tu-convnext_atto" and decoder == "UnetPlusPlus":
                continue  # has no map of stride 2
            yield of(f"{decoder}({encoder})", partial(load_smp, decoder, encoder))
    yield of("Unet(resnet18, scse)", partial(load_smp, "Unet", "resnet18", decoder_attention_type="scse"))
    for encoder in (
        "densenet121",
        "xception",
        "inceptionresnetv2",
        "dpn68",
        "se_resnet50",
        "timm-skresnet18",
    ):
        yield of(f"Unet({encoder})", partial(load_smp, "Unet", encoder))
    for encoder in ("mobileone_s0", "vgg13_bn", "resnext50_32x4d", "tu-hrnet_w18_small_v2", "inceptionv4"):
        yield of(f"FPN({encoder})", partial(load_smp, "FPN", encoder))
    yield of(
        "DPT(tu-vit_tiny_patch16_224)",
        partial(load_smp, "DPT", "tu-vit_tiny_patch16_224", dynamic_img_size=True),
    )


def load_smp(decoder: str, encoder: str, **options: Any) -> nn.Module:
    """A decoder on an encoder, for 19 classes."""
    library = importlib.import_module("segmentation_models_pytorch")
    network: nn.Module = getattr(library, decoder)(encoder, encoder_weights=None, classes=19, **options)
    return network


# --- timm ----------------------------------------------------------------------------------------------

TIMM_NETWORKS = (
    "resnet18",
    "resnet50d",
    "resnext50_32x4d",
    "resnetblur50",
    "resnetaa50",
    "seresnet50",
    "ecaresnet26t",
    "gcresnet33ts",
    "skresnet18",
    "resnest14d",
    "res2net50_26w_4s",
    "resnetv2_50",
    "regnetx_002",
    "regnety_002",
    "regnetz_005",
    "efficientnet_lite0",
    "tf_efficientnet_lite0",
    "tf_efficientnet_b0",
    "tf_efficientnetv2_b0",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "tf_mobilenetv3_large_100",
    "mobilenetv4_conv_small",
    "mobilenetv4_conv_blur_medium",
    "mnasnet_small",
    "fbnetc_100",
    "tinynet_e",
    "lcnet_050",
    "convnext_atto",
    "convnextv2_atto",
    "inception_next_atto",
    "hrnet_w18_small",
    "repvgg_a0",
    "densenet121",
    "densenetblur121d",
    "dla34",
    "dla60_res2net",
    "ese_vovnet19b_dw",
    "ese_vovnet39b",
    "cspdarknet53",
    "cspresnet50",
    "darknetaa53",
    "ghostnet_100",
    "ghostnetv2_100",
    "repghostnet_050",
    "fastvit_t8",
    "mobileone_s0",
    "repvit_m1",
    "edgenext_xx_small",
    "nf_regnet_b0",
    "nf_resnet26",
    "eca_nfnet_l0",
    "dm_nfnet_f0",
    "rexnet_100",
    "selecsls42b",
    "xception41",
    "inception_v4",
    "hgnetv2_b0",
    "starnet_s1",
    "mambaout_femto",
    "rdnet_tiny",
    "poolformer_s12",
    "convformer_s18",
    "caformer_s18",
    "efficientformer_l1",
    "efficientformerv2_s0",
    "focalnet_tiny_srf",
    "nextvit_small",
    "swiftformer_xs",
    "efficientvit_b0",
    "pvt_v2_b0",
    "davit_tiny",
    "twins_svt_small",
    "coat_lite_tiny",
    "swin_tiny_patch4_window7_224",
    "vgg11_bn",
    "tresnet_m",
    "dpn68b",
)


def timm() -> Iterator[Architecture]:
    """Feature extractors: the maps of all strides."""
    for name in TIMM_NETWORKS:
        make = partial(load_timm, name)
        if "swin" in name:
            yield Architecture("timm", name, partial(load_timm, name, img_size=(224, 448)), (224, 448), 56)
        elif "efficientformer" in name:
            yield Architecture("timm", name, make, (224, 224), 32)
        elif "coat" in name:
            yield Architecture("timm", name, partial(load_timm, name, img_size=SIZE))
        else:
            yield Architecture("timm", name, make)


def load_timm(name: str, **options: Any) -> nn.Module:
    """A feature extractor that gives the maps of all its strides."""
    library = importlib.import_module("timm")
    network: nn.Module = library.create_model(name, pretrained=False, features_only=True, **options)
    return network
