"""Settings of all tests."""

import os

os.environ.setdefault("SACCADE_AUTOTUNE", "0")  # what is executed must not depend on measured times
