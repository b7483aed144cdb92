"""The class sets of street scenes: names, order, colours, and how one set maps to another."""

from __future__ import annotations

from dataclasses import dataclass

from saccade.errors import ConfigError

IGNORE = 255
"""Label id of pixels that are not scored and not trained on."""


@dataclass(frozen=True)
class ClassSet:
    """Names and display colours of a label set; the position of a name is its label id.

    Args:
        name: How weights and data sets refer to this set.
        names: One name per label id, 0 first.
        colours: One ``(red, green, blue)`` per label id, 0..255.
    """

    name: str
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.colours):
            raise ConfigError(
                f"class set {self.name!r} has {len(self.names)} names and "
                f"{len(self.colours)} colours; give one colour per name"
            )

    def __len__(self) -> int:
        return len(self.names)


CITYSCAPES = ClassSet(
    "cityscapes",
    (
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
        "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
        "motorcycle", "bicycle",
    ),
    (
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
        (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
        (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
        (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ),
)  # fmt: skip
"""The 19 evaluated Cityscapes classes in train-id order."""

CAMVID = ClassSet(
    "camvid",
    (
        "sky", "building", "pole", "road", "sidewalk", "tree", "sign", "fence", "car",
        "pedestrian", "bicyclist",
    ),
    (
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (0, 0, 192), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
)  # fmt: skip
"""The 11 CamVid classes in the order of SegNet."""

PEDESTRIANS = ClassSet("pedestrians", ("person",), ((255, 77, 109),))
"""The one class of pedestrian detectors."""

CLASS_SETS = {s.name: s for s in (CITYSCAPES, CAMVID, PEDESTRIANS)}

CITYSCAPES_TO_CAMVID = tuple(
    CAMVID.names.index(n)
    for n in (
        "road", "sidewalk", "building", "building", "fence", "pole", "sign", "sign", "tree", "tree",
        "sky", "pedestrian", "bicyclist", "car", "car", "car", "car", "bicyclist", "bicyclist",
    )
)  # fmt: skip
"""CamVid id of each Cityscapes train id, after the usual 32 -> 11 merge (wall -> building,
terrain -> tree, traffic light -> sign, rider and motorcycle -> bicyclist, bus, truck, train -> car)."""
