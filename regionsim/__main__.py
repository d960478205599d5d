"""`python -m regionsim`."""

import sys

from regionsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
