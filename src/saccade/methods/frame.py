"""Frame by frame: the network in full on every frame. What all other methods are measured against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saccade.errors import NetworkError
from saccade.methods.answers import prediction_of
from saccade.methods.base import Cost, StepResult, VideoMethod
from saccade.methods.configs import FrameConfig
from saccade.networks.macs import count_macs
from saccade.networks.registry import network_info


class FrameByFrame(VideoMethod):
    """Runs the network on every frame, in channels-last layout and inference mode; remembers nothing.

    Args:
        network: As for ``saccade.wrap``. Frames are cast to the device and the precision of its first
            parameter.
        config: Its settings.
    """

    def __init__(self, network: nn.Module, config: FrameConfig | None = None) -> None:
        super().__init__()
        self.config = config or FrameConfig()
        self.network = network.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def step(self, frames: Tensor) -> StepResult:
        """Process the next frame of every stream.

        Args:
            frames: ``(N, 3, H, W)`` normalised frames, any H, W and N.

        Raises:
            NetworkError: The network cannot process frames of this shape, or returns neither scores nor
                boxes.
        """
        frames = self._taken(frames)
        size = (int(frames.shape[2]), int(frames.shape[3]))
        prediction = prediction_of(self.network, self._run(frames), len(frames), size)
        macs = count_macs(self.network, tuple(frames.shape))
        return StepResult(
            prediction=prediction,
            actions=None,
            keyframe=torch.ones(len(frames), dtype=torch.bool),
            cost=Cost(network=macs, dense=macs),
        )

    def reset(self, streams: Sequence[int] | None = None) -> None:
        """Nothing to forget."""

    def drop(self, streams: Sequence[int]) -> None:
        """Nothing to drop."""

    def _run(self, frames: Tensor) -> object:
        try:
            return self._executable(frames)
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                raise
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise NetworkError(
                f"network {network_info(self.network).name} cannot process frames of shape "
                f"{tuple(frames.shape)} in {frames.dtype} on {frames.device}: {reason}"
            ) from error

    @property
    def _executable(self) -> nn.Module:
        if not self.config.compile:
            return self.network
        if "_compiled" not in self.__dict__:
            # Past nn.Module's bookkeeping, which would list every parameter a second time.
            self.__dict__["_compiled"] = compile_dense(self.network)
        compiled: nn.Module = self.__dict__["_compiled"]
        return compiled


def compile_dense(network: nn.Module) -> nn.Module:
    """The network as fast as torch makes it: one program per frame size, weights folded in as constants.

    Compilation happens when the result is first called with a size. Weights changed afterwards are not seen.
    """
    compiled: nn.Module = torch.compile(network, dynamic=False, options={"freezing": True})  # type: ignore[assignment]
    return compiled
