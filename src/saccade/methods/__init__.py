"""Video methods: ways to run a network over a video. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saccade.methods.base import Cost, Detections, Segmentation, StepResult, VideoMethod
    from saccade.methods.configs import FrameConfig
    from saccade.methods.placement import Placement, choose_placement
    from saccade.methods.registry import list_methods, method_of, register_method, registered_method, wrap

_HOMES = {
    "Cost": "base",
    "Detections": "base",
    "FrameConfig": "configs",
    "Placement": "placement",
    "Segmentation": "base",
    "StepResult": "base",
    "VideoMethod": "base",
    "choose_placement": "placement",
    "list_methods": "registry",
    "method_of": "registry",
    "register_method": "registry",
    "registered_method": "registry",
    "wrap": "registry",
}

__all__ = [
    "Cost",
    "Detections",
    "FrameConfig",
    "Placement",
    "Segmentation",
    "StepResult",
    "VideoMethod",
    "choose_placement",
    "list_methods",
    "method_of",
    "register_method",
    "registered_method",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
