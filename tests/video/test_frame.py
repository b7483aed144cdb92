"""Normalising frames, against the formula channel by channel."""

import numpy as np
import pytest
import torch

from saccade.video.frame import MEAN, STD, Frame, normalise


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 3, 1, 1), (3, 3, 2, 1)])
def test_each_channel_is_brought_to_its_mean_and_deviation(memory_format, shape):
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    before = images.clone()
    frames = normalise(images.to(memory_format=memory_format))
    assert frames.shape == shape
    assert frames.dtype == torch.float32
    assert frames.is_contiguous(memory_format=torch.channels_last)
    for channel in range(3):
        expected = (images[:, channel].double() / 255 - MEAN[channel]) / STD[channel]
        assert torch.allclose(frames[:, channel].double(), expected, atol=1e-5)
    assert torch.equal(images, before)


def test_a_frame_is_a_batch_of_one():
    image = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    frame = Frame(image, 0, 0.0, "test")
    assert (frame.height, frame.width) == (2, 4)
    assert frame.tensor.shape == (1, 3, 2, 4)
    assert frame.tensor[0, 1, 1, 2].item() == pytest.approx(
        (image[1, 2, 1] / 255 - MEAN[1]) / STD[1], abs=1e-5
    )
    assert image[1, 2, 1] == 19
