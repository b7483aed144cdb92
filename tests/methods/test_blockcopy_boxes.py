"""BlockCopy on detectors: one whose answers are known, and CSP with random weights."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

import saccade
from saccade.networks.csp import CSP
from saccade.networks.csp_decode import Thresholds
from saccade.networks.detector import Boxes

SIZE, BLOCK, SIDE = (96, 128), 16, 16  # 6 x 8 blocks


class Squares(nn.Module):
    """Finds bright squares of 16x16 pixels, wherever they are on a grid of 4 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Conv2d(3, 1, SIDE, stride=4, padding=6, bias=False)
        nn.init.constant_(self.mean.weight, 1 / (3 * SIDE**2))

    def forward(self, x: Tensor) -> Tensor:
        return self.mean(x)

    def decode(self, maps: Tensor, size: tuple[int, int]) -> list[Boxes]:
        found = []
        for frame in maps[:, 0]:
            middle = 4 * (frame > 0.9).nonzero().flip(1) + 2
            box = torch.cat((middle - SIDE // 2, middle + SIDE // 2), 1).float()
            scores = torch.full((len(box),), 0.9)
            found.append(Boxes(box, scores, torch.zeros(len(box), dtype=torch.int64)))
        return found


def wrapped(network, **settings):
    plain = {"block_size": BLOCK, "policy": "change", "savings": 0, "scene_cuts": False}
    return saccade.wrap(network, saccade.BlockCopyConfig(**plain | settings))


def street(frames: int):
    """Somebody walks to the right in front of waving trees, and somebody stands; where both are.

    Both are bright, with patterns of their own that are not seen in the mean.
    """
    random = torch.Generator().manual_seed(0)
    still = 0.2 * torch.randn(1, 3, *SIZE, generator=random)
    patterns = 0.3 * torch.randn(2, SIDE, SIDE, generator=random)
    patterns -= patterns.mean((1, 2), keepdim=True)
    for t in range(frames):
        picture = still.clone()
        picture[:, :, :32] += 0.3 * torch.randn(1, 3, 32, SIZE[1], generator=random)
        places = [(10, 74), (2 + 4 * t, 42)]
        for (left, top), pattern in zip(places, patterns, strict=True):
            inside = pattern[:, : SIZE[1] - left]
            picture[:, :, top : top + SIDE, left : left + SIDE] = 1.0 + inside
        where = torch.tensor([[x, y, x + SIDE, y + SIDE] for x, y in places if x + SIDE <= SIZE[1]])
        yield picture, where.float()


def test_the_first_frame_is_the_networks() -> None:
    frame, where = next(street(1))
    result = wrapped(Squares(), target=0.25).step(frame)
    assert result.keyframe.tolist() == [True]
    assert result.prediction.size == SIZE
    assert result.cost.network == result.cost.dense
    assert sorted(result.prediction.frames[0].xyxy.tolist()) == sorted(where.tolist())


def test_nobody_is_left_behind_where_somebody_has_gone() -> None:
    method = wrapped(Squares(), target=0.25, max_age=0)
    ghosts, missed, shares = [], 0, []
    for frame, where in street(32):  # the walker leaves the picture in the end
        result = method.step(frame)
        overlap = box_iou(result.prediction.frames[0].xyxy, where)
        ghosts.append(int((overlap.amax(1) < 0.3).sum()))
        missed += int((overlap.amax(0) < 0.3).sum())
        shares.append(float((result.actions != 0).float().mean()))
    assert sum(shares[1:]) / 31 == pytest.approx(0.25, abs=0.01)
    assert missed == 0
    longest = max(len(run) for run in "".join("x" if n else " " for n in ghosts).split(" "))
    assert longest <= 3
    assert len(result.prediction.frames[0]) == 1


def test_without_motion_boxes_stay_where_nothing_is_executed() -> None:
    method = wrapped(Squares(), policy="none", max_age=0, motion=False)
    frames = [frame for frame, _ in street(3)]
    first, *later = (method.step(frame) for frame in frames)
    for result in later:
        assert not result.actions.any()
        assert result.cost.network == 0
        assert torch.equal(result.prediction.frames[0].xyxy, first.prediction.frames[0].xyxy)


def test_streams_together_are_as_alone() -> None:
    clip = [frame for frame, _ in street(6)]
    together = wrapped(Squares(), target=0.25)
    alone = [wrapped(Squares(), target=0.25) for _ in range(2)]
    for t in range(5):
        both = together.step(torch.cat((clip[t], clip[t + 1])))
        for row in range(2):
            single = alone[row].step(clip[t + row])
            assert torch.equal(both.actions[row], single.actions[0])
            assert torch.equal(both.prediction.frames[row].xyxy, single.prediction.frames[0].xyxy)


def test_streams_come_and_go_and_state_goes_on_elsewhere(tmp_path) -> None:
    network, clip = Squares(), [frame for frame, _ in street(6)]
    method, alone = wrapped(network, target=0.25), wrapped(network, target=0.25)
    method.step(torch.cat((clip[5], clip[0])))
    method.drop([0])
    alone.step(clip[0])
    other = wrapped(network, target=0.25)
    torch.save(method.get_state(), tmp_path / "state.pt")
    other.set_state(torch.load(tmp_path / "state.pt"))
    for frame in clip[1:]:
        expected = alone.step(frame)
        for going_on in (method, other):
            result = going_on.step(frame)
            assert torch.equal(result.actions, expected.actions)
            assert torch.equal(result.prediction.frames[0].xyxy, expected.prediction.frames[0].xyxy)


@pytest.mark.parametrize("net", ["small", "resnet8"])
def test_the_original_learns_from_boxes(net: str) -> None:
    method = wrapped(Squares(), target=0.5, policy="online", legacy=True, policy_net=net)
    results = [method.step(frame) for frame, _ in street(8)]
    assert any(result.cost.policy_training > 0 for result in results)
    assert all(result.cost.policy > 0 for result in results[1:])
    assert method.policy.network.stem.in_channels == 8  # frame, frame state, mask of boxes, last grid


@pytest.mark.parametrize(
    ("net", "target", "interval", "decay"),
    [
        ("small", 0.3, 3, 1e-3),
        ("small", 0.4, 3, 1e-3),
        ("small", 0.5, 1, 1e-3),
        ("resnet8", 0.3, 4, 1e-4),
        ("resnet8", 0.4, 3, 1e-4),
        ("resnet8", 0.5, 4, 1e-4),
        ("small", 0.15, 3, 1e-3),  # as at the nearest target that the original has
    ],
)
def test_the_original_has_settings_of_its_own_for_detectors(
    net: str, target: float, interval: int, decay: float
) -> None:
    legacy = {"policy": "online", "legacy": True, "policy_net": net, "target": target}
    settings = wrapped(Squares(), **legacy).policy.settings
    assert (settings.train_interval, settings.weight_decay) == (interval, decay)
    assert wrapped(Squares(), **legacy, train_interval=7).policy.settings.train_interval == 7
    pixels = wrapped(nn.Conv2d(3, 2, 4, stride=4), **legacy).policy.settings
    assert (pixels.train_interval, pixels.weight_decay) == (4, 1e-3)
    ours = wrapped(Squares(), **legacy | {"legacy": False}).policy.settings
    assert (ours.train_interval, ours.weight_decay) == (2, 0.0)


def test_matching_is_charged_and_without_motion_nothing_is() -> None:
    moving = [wrapped(Squares(), target=0.25).step(frame).cost.flow for frame, _ in street(2)]
    assert moving == [0.0, 0.0]  # first frames
    method = wrapped(Squares(), target=0.25)
    # Two boxes of 16 x 16: patterns of 12 x 12, compared at 9 x 9 places.
    assert [method.step(frame).cost.flow for frame, _ in street(2)] == [0.0, 144 * 2 * 81]
    for off in ({"motion": False}, {"policy": "online", "legacy": True}):
        method = wrapped(Squares(), target=0.25, **off)
        assert [method.step(frame).cost.flow for frame, _ in street(3)] == [0.0] * 3


def test_boxes_in_kept_blocks_go_along() -> None:
    method = wrapped(Squares(), policy="none", max_age=0)
    for frame, where in street(6):  # nothing but the first frame is executed
        result = method.step(frame)
        found = result.prediction.frames[0].xyxy
        assert len(found) == 2
        assert box_iou(found, where).amax(0).min() > 0.99


@torch.no_grad()
def test_csp_that_stands_still_stays_as_it_is() -> None:
    torch.manual_seed(0)
    network = CSP("resnet18", width=8, thresholds=Thresholds(score=0.0)).eval()
    nn.init.normal_(network.centre.out.weight, std=2.0)  # scores that differ
    method = wrapped(network, target=0.5, policy="random", block_size=32)
    frame = torch.randn(1, 3, 96, 160)
    (expected,) = network.decode(network(frame), (96, 160))
    for _ in range(4):
        result = method.step(frame)
        found = result.prediction.frames[0]
        torch.testing.assert_close(found.scores[:20], expected.scores[:20], atol=1e-4, rtol=1e-4)
        overlap = box_iou(found.xyxy, expected.xyxy[:20])  # where scores are equal, the order is free
        assert overlap.amax(0).min() > 0.999
        assert result.keyframe.all() or 0 < (result.actions != 0).float().mean() < 0.8
