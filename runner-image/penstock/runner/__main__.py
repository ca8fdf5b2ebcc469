"""`python -m penstock.runner`: the command of every flow's pod."""

import sys

from penstock.runner.main import main

if __name__ == "__main__":
    sys.exit(main())
