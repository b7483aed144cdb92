"""What the change policy looks at."""

import torch

from saccade.policies.change import ChangePolicy, boundary_weight, label_boundaries, pixel_change
from saccade.policies.simple import AllBlocks, NoBlocks, RandomBlocks


def test_change_is_seen_in_the_block_where_it_is(view_of):
    view = view_of()
    view.frames[0, :, 16:32, 48:64] += 1.0
    change = pixel_change(view)[0]
    assert change.argmax() == 7
    assert (change > 0.5).sum() == 1


def test_noise_of_the_camera_is_no_change(view_of):
    view = view_of()
    view.frames.add_(0.01)
    assert pixel_change(view).max() < 1e-5


def test_boundaries_are_where_labels_meet():
    logits = torch.zeros(1, 2, 8, 12)
    logits[:, 1, :, 6:] = 1.0
    edges = label_boundaries(logits)[0]
    assert edges[:, :4].sum() == 0
    assert edges[:, 8:].sum() == 0
    assert edges[:, 5].all()


def test_boundaries_weigh_their_blocks(view_of):
    logits = torch.zeros(1, 2, 12, 16)
    logits[:, 1, 4:8, 6:] = 1.0  # the boundary runs through the second row of blocks
    weight = boundary_weight(view_of(logits=logits))[0]
    assert weight[1, 1] > 10 * weight[2, 0]
    assert weight.min() > 0


def test_the_product_of_change_age_and_boundaries(view_of):
    view = view_of(age=torch.tensor([[[1, 5, 1, 1]] * 3]))
    view.frames.add_(0.5)
    flat = torch.zeros(1, 2, 12, 16)
    view = view_of(frames=view.frames, seen=view.seen, age=view.age, logits=flat)
    assert ChangePolicy().decide(view)[0].nonzero()[:, 1].tolist().count(1) == 3  # the older column first


def test_all_and_none(view_of):
    due = torch.zeros(1, 3, 4, dtype=torch.bool)
    due[0, 0, 0] = True
    view = view_of(due=due)
    assert (AllBlocks().decide(view) == 2).all()
    assert NoBlocks().decide(view).sum() == 2


def test_random_blocks_of_a_stream_do_not_depend_on_others(view_of):
    together, alone = RandomBlocks(3), RandomBlocks(3)
    one = view_of(streams=2, budget=torch.tensor([4, 6]))
    both = [together.decide(one) for _ in range(3)]
    single = view_of(budget=torch.tensor([4]))
    for frame in both:
        assert torch.equal(frame[:1], alone.decide(single))
        assert (frame != 0).flatten(1).sum(1).tolist() == [4, 6]
    assert not torch.equal(both[0], both[1])
