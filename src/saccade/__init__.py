"""Saccade runs segmentation and detection networks on video and computes only what changed."""

__version__ = "0.1.0"
