"""Labelled clips: Cityscapes, CamVid, plain folders and the built-in world."""

from saccade.datasets.registry import DATASETS, open_dataset

__all__ = ["DATASETS", "open_dataset"]
