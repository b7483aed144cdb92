"""Everything Saccade raises on purpose.

Each message says what was wrong, what was expected and what to do. The command line prints the
message alone, without a traceback, and exits with code 2.
"""


class SaccadeError(Exception):
    """Base of all errors that a user can cause and mend."""


class SourceError(SaccadeError):
    """A video, image folder, camera or stream cannot be opened or read."""


class OutputError(SaccadeError):
    """A result cannot be written (read-only folder, full disk, unknown format)."""


class DatasetError(SaccadeError):
    """A data set is missing files, or its labels do not fit its frames or classes."""


class NetworkError(SaccadeError):
    """A network is unknown, or cannot process what it is given."""


class WeightsError(SaccadeError):
    """A checkpoint is unreadable, damaged, or belongs to another network."""


class ConfigError(SaccadeError):
    """An option or a recipe has a value that cannot work."""


class TrainingError(SaccadeError):
    """A training run cannot start or go on (loss not finite, mismatched checkpoint)."""
