"""TDNet: sub-networks take turns, tied by attention (Hu et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.methods.base import Cost, Segmentation, StepResult, VideoMethod
from saccade.methods.configs import TDNetConfig
from saccade.methods.whole_frames import WholeFrames
from saccade.networks.macs import count_macs
from saccade.networks.registry import network_info
from saccade.networks.tdnet import FORMS, Seen, TDNet


@dataclass(eq=False)
class Stream:
    """What is remembered of one stream.

    Attributes:
        number: Of the next frame.
        past: What is left of the frames before, one row each, the oldest first; at most m - 1.
    """

    number: int = 0
    past: list[Seen] = field(default_factory=list)


class TemporallyDistributed(VideoMethod):
    """One sub-network on every frame, in turns, and attention to what the others saw before.

    There are no key frames: every frame counts as one, since its answer is made for it alone.

    Args:
        network: One of TDNet's.
        config: Has no settings.

    Raises:
        NetworkError: The network is another one.
    """

    network: TDNet

    def __init__(self, network: nn.Module, config: TDNetConfig | None = None) -> None:
        super().__init__()
        if not isinstance(network, TDNet):
            raise NetworkError(
                f"method tdnet runs the networks {', '.join(FORMS)}, not {network_info(network).name}; "
                "name one of them, or leave the network out"
            )
        self.config = config or TDNetConfig()
        self.network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._turns = [Turn(network, index) for index in range(network.form.paths)]
        self._whole = [WholeFrames(Encoder(network, index)) for index in range(network.form.paths)]
        self._size: tuple[int, int] | None = None
        self._streams: list[Stream] = []

    @torch.inference_mode()
    def step(self, frames: Tensor) -> StepResult:
        """Process the next frame of every stream.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames, any H, W and N. Frames of another size than before
                begin all streams anew.
        """
        frames = self._taken(frames)
        size = (int(frames.shape[2]), int(frames.shape[3]))
        if self._size != size:
            self._size, self._streams = size, []
        new = [Stream() for _ in range(len(frames) - len(self._streams))]
        self._streams = (self._streams + new)[: len(frames)]
        alike: dict[tuple[int, int], list[int]] = {}  # by sub-network and length of the past
        for row, stream in enumerate(self._streams):
            alike.setdefault((stream.number % self.network.form.paths, len(stream.past)), []).append(row)
        answers: dict[int, Tensor] = {}
        macs = 0.0
        for (index, length), rows in alike.items():
            past = [joined([self._streams[row].past[i] for row in rows]) for i in range(length)]
            full = Seen(*self._whole[index](frames[rows]))
            logits, seen = self.network.answer(full, index, past), self.network.kept(full)
            macs += count_macs(self._turns[index], frames[rows].shape, *(x.shape for x in parts_of(past)))
            for place, row in enumerate(rows):
                answers[row] = logits[place : place + 1]
                stream = self._streams[row]
                stream.number += 1
                stream.past = [*stream.past, row_of(seen, place)][-(self.network.form.paths - 1) :]
        return StepResult(
            prediction=Segmentation(torch.cat([answers[row] for row in range(len(frames))]), size),
            actions=None,
            keyframe=torch.ones(len(frames), dtype=torch.bool),
            cost=Cost(network=macs, dense=count_macs(self.network, tuple(frames.shape))),
        )

    def reset(self, streams: Sequence[int] | None = None) -> None:
        """Forget the past of these streams (all by default); the next frame is for the first sub-network."""
        for row in range(len(self._streams)) if streams is None else streams:
            if row < len(self._streams):
                self._streams[row] = Stream()

    def drop(self, streams: Sequence[int]) -> None:
        """These streams have ended."""
        self._streams = [stream for row, stream in enumerate(self._streams) if row not in streams]

    def get_state(self) -> dict[str, Any]:
        """What is remembered of the streams."""
        if self._size is None:
            return {}
        streams = [(stream.number, [triple(seen) for seen in stream.past]) for stream in self._streams]
        return {"size": self._size, "streams": streams}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from ``get_state``."""
        self._size = tuple(state["size"]) if state else None
        self._streams = [
            Stream(number, [Seen(*parts) for parts in past]) for number, past in state.get("streams", [])
        ]


class Encoder(nn.Module):
    """What a sub-network sees in frames ``(n, 3, H, W)``: queries, keys and values."""

    def __init__(self, network: TDNet, index: int) -> None:
        super().__init__()
        self.network, self.index = network, index

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return triple(self.network.encode(frames, self.index))


class Turn(nn.Module):
    """A sub-network's turn, for counting: frames and the parts of what was seen before, as flat tensors."""

    def __init__(self, network: TDNet, index: int) -> None:
        super().__init__()
        self.network, self.index = network, index

    def forward(self, frames: Tensor, *parts: Tensor) -> Tensor:
        past = [Seen(*parts[i : i + 3]) for i in range(0, len(parts), 3)]
        return self.network.step(frames, self.index, past)[0]


def parts_of(past: Sequence[Seen]) -> list[Tensor]:
    """Queries, keys and values of each frame, one after the other."""
    return [part for seen in past for part in triple(seen)]


def triple(seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
    """Its query, key and value."""
    return seen.query, seen.key, seen.value


def joined(rows: Sequence[Seen]) -> Seen:
    """Several streams in one batch."""
    return Seen(*(torch.cat(parts) for parts in zip(*map(triple, rows), strict=True)))


def row_of(seen: Seen, row: int) -> Seen:
    """One stream of a batch."""
    return Seen(*(part[row : row + 1] for part in triple(seen)))
