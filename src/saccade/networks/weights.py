"""Weight files: safetensors whose metadata say which network and classes the tensors belong to."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from saccade.classes import CLASS_SETS, ClassSet
from saccade.errors import WeightsError
from saccade.networks.checkpoint import Checkpoint, read_checkpoint, read_metadata
from saccade.networks.fitting import check_finite
from saccade.networks.published import recognise
from saccade.networks.registry import network_info
from saccade.video.atomic import write_atomic

PRETRAINED = Path(__file__).parent / "pretrained"
"""Folder of the weights that come with the package, one model card beside each file."""


@dataclass(frozen=True)
class WeightsInfo:
    """What a weights file says about itself.

    Attributes:
        name: File name without its suffix; shipped weights are looked up by it.
        path: The file.
        network: Registered name of the network; empty where the file does not say.
        classes: Class names by label id; empty where the file does not say.
        class_set: Name of the class set; empty where the file does not say.
        size: Bytes.
        scores: What was measured with these weights, for example ``{"camvid_val_miou": 0.7}``.
        metadata: Everything the file says, as stored.
    """

    name: str
    path: Path
    network: str
    classes: tuple[str, ...]
    class_set: str
    size: int
    scores: dict[str, Any]
    metadata: dict[str, str]


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors together with the network they are for.

    Attributes:
        name: Shipped name, or the file as given.
        network: Registered name; None where neither the metadata nor the tensor names tell.
        class_set: None where nothing says what the classes mean.
        options: Constructor arguments that build the matching network, among them ``classes``.
        tensors: By parameter name, on the CPU.
    """

    name: str
    network: str | None
    class_set: ClassSet | None
    options: dict[str, Any]
    tensors: dict[str, Tensor]


def save_weights(
    path: str | Path, network: nn.Module, metadata: Mapping[str, Any] | None = None, *, half: bool = False
) -> None:
    """Write the weights of a network as safetensors, complete or not at all.

    Name, constructor options and classes of the network are taken from ``network.info`` and stored with
    the tensors, so that ``load_network(path)`` needs nothing else.

    Args:
        path: File to write; its folder is made where missing.
        network: Any module; one that ``load_network`` made can be loaded again by the file alone.
        metadata: Further facts to keep, for example recipe, commit, scores. Values that are not strings
            are stored as JSON.
        half: Store the kernels of convolutions and linear layers in float16. Norms stay as they are:
            their running variances can leave its range.

    Raises:
        WeightsError: A tensor holds NaN or infinity, or does not fit in float16; nothing is written.
        OutputError: The file cannot be written.
    """
    path = Path(path)
    tensors = {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in network.state_dict().items()
        if isinstance(tensor, Tensor)
    }
    check_finite(tensors, "the network to be saved")
    if half:
        for name, parameter in network.named_parameters():
            if parameter.dim() > 1 and parameter.dtype == torch.float32:
                tensors[name] = tensors[name].half()
        check_finite(tensors, "the network in float16 (save it with half=False)")
    description = {k: v if isinstance(v, str) else json.dumps(v) for k, v in (metadata or {}).items()}
    description |= _description(network)
    write_atomic(path, save(tensors, description))


def _description(network: nn.Module) -> dict[str, str]:
    info = network_info(network)
    description = {
        "format": "saccade",
        "network": info.name,
        "options": json.dumps(dict(info.options), default=repr),
    }
    if info.class_set is not None:
        description["class_set"] = info.class_set.name
        description["classes"] = json.dumps(info.class_set.names)
    return description


def read_weights(name_or_path: str | Path) -> Weights:
    """Read shipped weights by name, or a file of ours or of a known other system.

    Raises:
        WeightsError: No such name or file, or one that cannot be read.
    """
    path = find_weights(name_or_path)
    checkpoint = read_checkpoint(path)
    name = path.stem if path.parent == PRETRAINED else str(name_or_path)
    if checkpoint.metadata.get("format") == "saccade":
        return _described(name, checkpoint)
    try:
        found = recognise(checkpoint.tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    if found is None:
        return Weights(name, None, None, {}, checkpoint.tensors)
    return Weights(name, found.network, found.class_set, found.options, found.tensors)


def find_weights(name_or_path: str | Path) -> Path:
    """The file behind a shipped name or a path.

    Raises:
        WeightsError: Neither a shipped name nor a file.
    """
    shipped = PRETRAINED / f"{name_or_path}.safetensors"
    if isinstance(name_or_path, str) and Path(name_or_path).name == name_or_path and shipped.is_file():
        return shipped
    path = Path(name_or_path).expanduser()
    if not path.exists():
        names = ", ".join(info.name for info in list_weights()) or "none"
        raise WeightsError(
            f"there are no weights {str(name_or_path)!r}: neither a file nor shipped (shipped: {names})"
        )
    return path


def list_weights() -> list[WeightsInfo]:
    """The weights that come with the package, by name, with classes, size and scores."""
    return [weights_info(path) for path in sorted(PRETRAINED.glob("*.safetensors"))]


def shipped_weights(network: str, **facts: str) -> str | None:
    """Name of the weights of a network that come with the package and say these things; None without any.

    Args:
        network: Its name.
        facts: What must stand in the file: ``flow="dis"``.
    """
    for info in list_weights():
        if info.network == network and all(info.metadata.get(key) == fact for key, fact in facts.items()):
            return info.name
    return None


def weights_of_methods(network: str, methods: Collection[str]) -> str | None:
    """Name of the shipped weights of a network that were trained for these methods.

    Args:
        network: Its name.
        methods: Their names. Frame by frame goes along with any other.

    Returns:
        None where the methods have no weights of their own, or not the same.
    """
    found = {shipped_weights(network, method=method) for method in methods if method != "frame"}
    return found.pop() if len(found) == 1 else None


def weights_info(path: Path) -> WeightsInfo:
    """What a safetensors file says about itself; its tensors are not read.

    Raises:
        WeightsError: The file is missing or damaged.
    """
    metadata = read_metadata(path)
    class_set = _class_set(metadata.get("class_set", ""), tuple(_json(metadata, "classes", [], path)))
    return WeightsInfo(
        name=path.stem,
        path=path,
        network=metadata.get("network", ""),
        classes=class_set.names if class_set else (),
        class_set=class_set.name if class_set else "",
        size=path.stat().st_size,
        scores=_json(metadata, "scores", {}, path),
        metadata=metadata,
    )


def _described(name: str, checkpoint: Checkpoint) -> Weights:
    metadata, path = checkpoint.metadata, checkpoint.path
    class_set = _class_set(metadata.get("class_set", ""), tuple(_json(metadata, "classes", [], path)))
    options = _json(metadata, "options", {}, path)
    if class_set is not None and len(class_set) != options.get("classes", len(class_set)):
        raise WeightsError(
            f"the metadata of {path} contradict themselves: class set {class_set.name!r} has "
            f"{len(class_set)} classes, the network {options['classes']}; write the file again with the "
            "class set it was trained on"
        )
    return Weights(name, metadata.get("network"), class_set, options, checkpoint.tensors)


def _json(metadata: Mapping[str, str], key: str, default: Any, path: Path) -> Any:
    try:
        value = json.loads(metadata[key]) if key in metadata else default
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, type(default)):
        kind = "object" if isinstance(default, dict) else "list"
        raise WeightsError(
            f"the metadata entry {key!r} of {path} is {metadata[key][:60]!r}; expected a JSON {kind}: "
            "write the file again with save_weights"
        )
    return value


def _class_set(name: str, names: tuple[str, ...]) -> ClassSet | None:
    """The known set of this name, or a new one with generated colours where the classes are others."""
    known = CLASS_SETS.get(name)
    if known is not None and names in ((), known.names):
        return known
    if not names:
        return None
    return ClassSet(name or "unnamed", names, tuple(_colour(i) for i in range(len(names))))


def _colour(index: int) -> tuple[int, int, int]:
    """A colour that differs from its neighbours': hues a golden angle apart, in three brightnesses."""
    rgb = colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.75, (0.95, 0.7, 0.5)[index % 3])
    return (round(rgb[0] * 255), round(rgb[1] * 255), round(rgb[2] * 255))
