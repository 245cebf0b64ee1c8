"""`python -m training RECIPE`: the same door as `zoo train RECIPE`."""

import sys

from training.cli import main

if __name__ == "__main__":
    sys.exit(main())
