"""Optical flow behind one interface, and the operator that moves maps along it."""

from saccade.networks.flow.base import FlowEstimator
from saccade.networks.flow.registry import build_flow, list_flows, load_flow
from saccade.networks.flow.warp import resize_flow, warp

__all__ = ["FlowEstimator", "build_flow", "list_flows", "load_flow", "resize_flow", "warp"]
