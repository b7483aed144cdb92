"""Frame by frame with a detector: from frames to boxes of each stream."""

import pytest
import torch
from torch import Tensor, nn

import saccade
from saccade.errors import NetworkError
from saccade.methods import Detections
from saccade.networks.detector import Boxes


class Brightest(nn.Module):
    """One box of 2x2 pixels at the brightest pixel of each frame; its score is fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 1, 1, bias=False)
        nn.init.ones_(self.mix.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x)

    def decode(self, maps: Tensor, size: tuple[int, int]) -> list[Boxes]:
        found = []
        for grey in maps:
            y, x = divmod(int(grey.argmax()), size[1])
            box = torch.tensor([[x - 0.5, y - 0.5, x + 1.5, y + 1.5]])
            found.append(Boxes(box, torch.tensor([0.75]), torch.tensor([0])))
        return found


def two_frames() -> Tensor:
    frames = torch.zeros(2, 3, 6, 8)
    frames[0, :, 2, 3] = 1
    frames[1, :, 4, 5] = 1
    return frames


def test_each_stream_has_its_boxes() -> None:
    result = saccade.wrap(Brightest()).step(two_frames())
    assert isinstance(result.prediction, Detections)
    assert result.prediction.size == (6, 8)
    assert [boxes.xyxy.tolist() for boxes in result.prediction.frames] == [
        [[2.5, 1.5, 4.5, 3.5]],
        [[4.5, 3.5, 6.5, 5.5]],
    ]
    assert result.cost.network == result.cost.dense == 2 * 3 * 48  # a 1x1 convolution of three channels
    second = result.of_stream(1)
    assert [boxes.xyxy.tolist() for boxes in second.prediction.frames] == [[[4.5, 3.5, 6.5, 5.5]]]
    assert second.cost.network == 3 * 48


def test_boxes_follow_the_size_of_the_frame() -> None:
    prediction = saccade.wrap(Brightest()).step(two_frames()).prediction
    twice = prediction.resized((12, 24))
    assert twice.size == (12, 24)
    assert twice.frames[0].xyxy.tolist() == [[7.5, 3.0, 13.5, 7.0]]
    assert twice.frames[0].scores.tolist() == [0.75]


def test_boxes_for_another_number_of_frames_are_refused() -> None:
    class Forgetful(Brightest):
        def decode(self, maps: Tensor, size: tuple[int, int]) -> list[Boxes]:
            return super().decode(maps[:1], size)

    with pytest.raises(NetworkError, match="boxes of 1 frames for 2"):
        saccade.wrap(Forgetful()).step(two_frames())


def test_a_detector_may_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module, **options: module)
    method = saccade.wrap(Brightest(), saccade.FrameConfig(compile=True))
    assert isinstance(method.step(two_frames()).prediction, Detections)
