"""What is done with a block of a frame."""

KEEP, LOW, FULL = 0, 1, 2
"""Keep the last values, compute at half resolution, compute in full."""

LOW_COST = 0.25
"""Operations of a block at half resolution, as a share of those in full."""
