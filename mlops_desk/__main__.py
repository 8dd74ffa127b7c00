"""python -m mlops_desk."""

import sys

from mlops_desk.cli import main

if __name__ == "__main__":
    sys.exit(main())
