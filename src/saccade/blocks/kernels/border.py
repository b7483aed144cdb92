"""What a window sees where it looks beyond the map."""

from __future__ import annotations

from enum import Enum


class Border(Enum):
    """How the pixels outside a map are made up; the names are the modes of ``torch.nn.functional.pad``.

    Attributes:
        CONSTANT: All have one given value: 0 for convolutions, ``-inf`` for max pooling.
        REPLICATE: Each repeats the nearest pixel of the map.
        REFLECT: The map is mirrored at its outermost pixels, which are not repeated. Beyond the mirror image
            (``h - 1`` pixels further out) its last pixel is repeated.
        CIRCULAR: The map is repeated without end.
    """

    CONSTANT = 0  # the numbers are those of native.c
    REPLICATE = 1
    REFLECT = 2
    CIRCULAR = 3
