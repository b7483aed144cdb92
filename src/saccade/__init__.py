"""Saccade runs segmentation and detection networks on video and computes only what changed.

Names are loaded when they are first used: importing the package takes no time and no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from saccade.version import VERSION

if TYPE_CHECKING:
    from saccade import blocks
    from saccade.datasets.registry import open_dataset
    from saccade.errors import SaccadeError
    from saccade.evaluation.evaluate import evaluate
    from saccade.methods.configs import (
        AccelConfig,
        BlockCopyConfig,
        DeepFeatureFlowConfig,
        FrameConfig,
        GSVNetConfig,
        SegBlocksConfig,
        TDNetConfig,
    )
    from saccade.methods.registry import wrap
    from saccade.networks.load import load_network
    from saccade.video.opening import open_video

__version__ = VERSION

_HOMES = {
    "AccelConfig": "methods.configs",
    "BlockCopyConfig": "methods.configs",
    "DeepFeatureFlowConfig": "methods.configs",
    "FrameConfig": "methods.configs",
    "GSVNetConfig": "methods.configs",
    "SaccadeError": "errors",
    "SegBlocksConfig": "methods.configs",
    "TDNetConfig": "methods.configs",
    "evaluate": "evaluation.evaluate",
    "load_network": "networks.load",
    "open_dataset": "datasets.registry",
    "open_video": "video.opening",
    "wrap": "methods.registry",
}

_ROOMS = ("blocks",)
"""Packages that are used by their own name: ``saccade.blocks.convert``."""

_BRINGS = {"open_video": "datasets.world"}
"""What must be imported along with a name: the world adds its scheme to the sources."""

__all__ = [
    "AccelConfig",
    "BlockCopyConfig",
    "DeepFeatureFlowConfig",
    "FrameConfig",
    "GSVNetConfig",
    "SaccadeError",
    "SegBlocksConfig",
    "TDNetConfig",
    "__version__",
    "blocks",
    "evaluate",
    "load_network",
    "open_dataset",
    "open_video",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _BRINGS:
        import_module(f"{__name__}.{_BRINGS[name]}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ROOMS})
