"""Policies: which blocks of a frame are executed."""

from saccade.policies.base import Policy, PolicyOutcome, PolicyView

__all__ = ["Policy", "PolicyOutcome", "PolicyView"]
