"""Cuts are found, and motion is not taken for one."""

import torch

from saccade.policies.scene_cuts import SceneCuts


def scene(seed, shift=0):
    """Smooth random colours, moved to the left."""
    random = torch.Generator().manual_seed(seed)
    small = torch.randn(1, 3, 6, 10, generator=random) * 1.2
    large = torch.nn.functional.interpolate(small, size=(96, 200), mode="bilinear")
    return large[:, :, :, shift : shift + 128]


def test_another_scene_is_a_cut_and_motion_is_none():
    cuts = SceneCuts()
    cuts.resize(1)
    frames = [*(scene(0, 2 * t) for t in range(10)), *(scene(1, 2 * t) for t in range(12))]
    found = [bool(cuts.found(frame)) for frame in frames]
    assert [number for number, cut in enumerate(found) if cut] == [10]


def test_cuts_keep_their_distance():
    cuts = SceneCuts()
    cuts.resize(1)
    found = [bool(cuts.found(scene(seed))) for seed in range(20)]
    assert [number for number, cut in enumerate(found) if cut] == [8, 17]


def test_darker_frames_and_noise_are_no_cuts():
    cuts = SceneCuts()
    cuts.resize(1)
    random = torch.Generator().manual_seed(5)
    for t in range(20):
        dark = scene(0) * (1 - 0.02 * t) - 0.02 * t
        assert not bool(cuts.found(dark + 0.05 * torch.randn(dark.shape, generator=random)))


def test_noise_on_a_plain_picture_is_no_cut():
    cuts = SceneCuts()
    cuts.resize(1)
    random = torch.Generator().manual_seed(5)
    for _ in range(20):
        assert not bool(cuts.found(0.3 * torch.randn(1, 3, 96, 128, generator=random)))


def test_streams_are_compared_with_themselves():
    cuts = SceneCuts()
    cuts.resize(2)
    for _ in range(9):
        cuts.found(torch.cat((scene(0), scene(1))))
    assert cuts.found(torch.cat((scene(0, 2), scene(2)))).tolist() == [False, True]
    cuts.keep([1])
    assert cuts.found(scene(2)).tolist() == [False]


def test_frames_of_one_pixel():
    cuts = SceneCuts()
    cuts.resize(1)
    for _ in range(10):
        assert not bool(cuts.found(torch.zeros(1, 3, 1, 1)))


def test_light_after_darkness_is_a_cut():
    cuts = SceneCuts()
    cuts.resize(1)
    found = [bool(cuts.found(frame)) for frame in [torch.full((1, 3, 96, 128), -1.5)] * 10 + [scene(0)]]
    assert found == [False] * 10 + [True]
