"""Rows of a bench with figures that are chosen, and a reader of the page that is made from them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder

import numpy as np
import torch

from saccade.evaluation.report import StripRecorder
from saccade.methods.base import Cost, Segmentation, StepResult

from .painted import CLASSES

_VOID = {"meta", "img", "link", "br", "hr", "input"}


def row(method: str = "frame", config: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    """A row of the contract in which nothing was measured but ``values``."""
    return {
        "schema": 1,
        "saccade": "0.1.0",
        "torch": "2.11.0",
        "device": "cpu",
        "device_name": "a processor",
        "threads": 2,
        "precision": "fp32",
        "seed": 7,
        "method": method,
        "network": "net",
        "config": {"compile": False} if config is None else config,
        "streams": 1,
        "frames": 10,
        "height": 360,
        "width": 480,
        "latency_ms": dict.fromkeys(("mean", "p50", "p95", "max", "keyframe_p50", "other_p50")),
        "gmacs": dict.fromkeys(("mean", "dense", "network", "policy", "policy_training", "flow", "halo")),
        "miou": None,
        "iou_per_class": None,
        "warnings": [],
        "dataset": "camvid",
        "split": "val",
        **values,
    }


def blocks(target: float, miou: float | None, ms: float, gmacs: float, **values: Any) -> dict[str, Any]:
    """A row of BlockCopy; dense execution takes 100 ms at best, and 8 GMACs."""
    config = {"target": target, "policy": values.pop("policy", "change"), "seed": 0}
    known = {
        "miou": miou,
        "latency_ms": {"mean": ms, "p50": ms - 1, "p95": ms + 5, "max": 2 * ms, "keyframe_p50": 2 * ms},
        "gmacs": {"mean": gmacs, "dense": 8.0, "network": gmacs, "policy": 0.0},
        "dense_eager_ms": 125.0,
        "dense_best_ms": 100.0,
        "speedup_vs_dense_best": 100.0 / ms,
        "executed_fraction": target,
    }
    return row("blockcopy", config, **known | values)


def dense(miou: float | None = 0.7, **values: Any) -> dict[str, Any]:
    """The row of frame-by-frame execution."""
    known = {
        "miou": miou,
        "latency_ms": {"mean": 125.0, "p50": 124.0, "p95": 130.0, "max": 140.0, "keyframe_p50": 124.0},
        "gmacs": {"mean": 8.0, "dense": 8.0, "network": 8.0, "policy": 0.0},
        "dense_eager_ms": 125.0,
        "dense_best_ms": 100.0,
        "speedup_vs_dense_best": 0.8,
    }
    return row(**known | values)


def bench() -> list[dict[str, Any]]:
    """Wins, losses and everything that the report can draw."""
    timeline = {
        "frames_per_point": 1,
        "executed_fraction": [1.0, 0.5, 0.5, 1.0, 0.5],
        "latency_ms": [150.0, 55.5, 54.0, 160.25, 56.0],
        "agreement_with_dense": [1.0, 0.97, 0.95, 1.0, 0.98],
    }
    curves = {"miou_by_distance": [0.71, 0.69, None, 0.66], "miou_by_block_age": [0.72, 0.68]}
    names = {"road": 0.95, "sign": 0.4, "car": 0.8}
    return [
        dense(0.7, iou_per_class=names, timeline=timeline | {"executed_fraction": None}),
        blocks(0.5, 0.694, 62.5, 4.3, iou_per_class=names | {"sign": 0.385}, timeline=timeline, **curves),
        blocks(0.25, 0.671, 40.0, 2.25, iou_per_class=names | {"sign": 0.3, "car": 0.815}, timeline=timeline),
        blocks(0.5, 0.62, 61.0, 4.1, policy="random"),
        blocks(1.0, 0.7, 118.0, 8.2, policy="all"),
    ]


def result(
    actions: list[list[int]] | None = None, size: tuple[int, int] = (64, 96), block: int = 32
) -> StepResult:
    """Of one frame; without actions, of a method without blocks."""
    grid = None if actions is None else torch.tensor([actions], dtype=torch.int8)
    logits = Segmentation(torch.zeros(1, 4, 2, 2), size)
    return StepResult(logits, grid, torch.tensor([False]), Cost(), None if actions is None else block)


def recorded(frames: int, actions: list[list[int]] | None = None) -> StripRecorder:
    """A recorder that has seen so many black frames, all of one class."""
    recorder = StripRecorder(CLASSES)
    labels = np.zeros((64, 96), np.uint8)
    for _ in range(frames):
        recorder.add(np.zeros((64, 96, 3), np.uint8), result(actions), labels, labels)
    return recorder


def value_of(row: Any, key: str) -> Any:
    """The value at ``a.b``; None where there is none."""
    for part in key.split("."):
        row = (row or {}).get(part)
    return row


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.builder = TreeBuilder()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in _VOID:
            self.builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.data(data)


def read(page: str) -> Element:
    """The elements of a page; every tag must be closed in its order."""
    reader = _Reader()
    reader.feed(page)
    return reader.builder.close()


def with_class(root: Element, name: str) -> list[Element]:
    """All elements of a class, in their order."""
    return [each for each in root.iter() if name in each.get("class", "").split()]


def text(element: Element) -> str:
    """All text within."""
    return "".join(element.itertext())
