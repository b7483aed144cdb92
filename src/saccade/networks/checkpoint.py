"""Reading files of tensors, without ever running code that a file may hold."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from saccade.errors import WeightsError

CONTAINERS = ("state_dict", "model_state_dict", "model", "network", "net")
"""Where training scripts put the weights inside a checkpoint."""

WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes that DataParallel and torch.compile put before every name."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file holds.

    Attributes:
        path: The file.
        tensors: By parameter name, on the CPU, wrapper prefixes removed.
        metadata: What a safetensors file says about itself; empty for PyTorch files.
    """

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a safetensors file, or a PyTorch file that holds nothing but tensors and plain values.

    What the file is follows from its first bytes, not from its name.

    Raises:
        WeightsError: The file does not exist, is damaged, holds no tensors, or holds Python objects
            (which would have to be executed to be read).
    """
    path = Path(path).expanduser()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(64)
    except FileNotFoundError:
        raise WeightsError(f"there is no weights file {path}; check the path") from None
    except OSError as error:
        raise WeightsError(f"cannot read weights from {path}: {error.strerror}") from error
    # Safetensors first: the length it begins with may look like the first byte of a pickle.
    if start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] <= size:
        tensors, metadata = _read_safetensors(path)
        return Checkpoint(path, _unwrapped(tensors), metadata)
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return Checkpoint(path, _unwrapped(_read_pytorch(path)), {})
    raise WeightsError(f"{path} is not a weights file: {_guess(start)}")


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says about itself; its tensors are not read.

    Raises:
        WeightsError: The file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"weights file {path} cannot be read: {error}; fetch it again") from error


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"weights file {path} is damaged or incomplete ({error}); copy or download it again"
        ) from error


def _read_pytorch(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # about file flavours that end in an error anyway
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        reason = str(error)
        if "weights_only" in reason or "Weights only" in reason:
            raise WeightsError(
                f"{path} holds Python objects besides tensors, or is damaged, and is not read: loading "
                f"such a file would run code from it ({_unsafe_part(reason)}). Where you trust the file, "
                "save its tensors alone: "
                "torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)"
            ) from error
        raise WeightsError(
            f"weights file {path} is damaged or incomplete ({_first_sentence(reason)}); "
            "copy or download it again"
        ) from error
    return _state_dict(content, path)


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, wherever its training script has put them."""
    candidates = [content]
    if isinstance(content, Mapping):
        candidates = [content[key] for key in CONTAINERS if key in content] + candidates
    for candidate in candidates:
        if isinstance(candidate, Mapping):
            tensors = {
                str(k): v.detach()
                for k, v in candidate.items()
                if isinstance(v, Tensor) and v.layout is torch.strided and not v.is_quantized
            }
            if tensors:
                return tensors
    found = f"a {type(content).__name__}"
    if isinstance(content, Mapping):
        found += f" with the keys {', '.join(map(repr, list(content)[:5]))}"
    raise WeightsError(
        f"{path} holds no named tensors but {found}; expected a state_dict, alone or under one of the "
        f"keys {', '.join(CONTAINERS)}"
    )


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in WRAPPERS * 2:  # they may come in either order
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _guess(start: bytes) -> str:
    """What a file that is neither safetensors nor PyTorch may be, and what to do."""
    if not start:
        return "it is empty; copy or download it again"
    if start.lstrip().startswith(b"<"):
        return "it is a web page, so the download link did not lead to the file; download it again by hand"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer; run git lfs pull"
    return (
        f"it begins with {start[:8].hex(' ')}, which is neither safetensors nor PyTorch; "
        "it is damaged or something else"
    )


def _first_sentence(text: str) -> str:
    return text.strip().splitlines()[0].split(". ")[0] if text.strip() else "no reason given"


def _unsafe_part(reason: str) -> str:
    """The sentence of torch's long explanation that names the object."""
    found = re.search(r"Unsupported \w+:?.*?(?= was not an allowed|$)", reason, re.MULTILINE)
    return found.group() if found else _first_sentence(reason)
