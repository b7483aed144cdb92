"""The best class at every pixel."""

import pytest
import torch

from saccade.policies.best_class import best_class


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("classes", [1, 2, 19, 300])
def test_it_is_that_of_argmax(dtype, memory, classes):
    random = torch.Generator().manual_seed(classes)
    scores = torch.randn(2, classes, 7, 9, generator=random).to(dtype).contiguous(memory_format=memory)
    scores[0, :, 0, 0] = 1.0  # all are equal: the first
    assert torch.equal(best_class(scores)[0, 0, 0], torch.tensor(0))
    first = (scores.float().numpy() == scores.float().amax(1, keepdim=True).numpy()).argmax(1)
    assert torch.equal(best_class(scores), torch.from_numpy(first))


def test_what_is_not_a_number_is_class_0():
    scores = torch.zeros(1, 3, 1, 2)
    scores[0, 2] = torch.tensor([1.0, torch.nan])
    assert best_class(scores).tolist() == [[[2, 0]]]
