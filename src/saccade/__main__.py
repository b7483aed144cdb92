"""``python -m saccade`` is ``saccade``; ``torchrun`` needs it."""

import sys

from saccade.cli import main

if __name__ == "__main__":
    sys.exit(main())
