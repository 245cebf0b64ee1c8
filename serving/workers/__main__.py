"""`python -m serving.workers DESCRIPTOR` is one worker; a supervisor starts it."""

import sys

from serving.workers.worker import main

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
