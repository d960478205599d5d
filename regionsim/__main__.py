"""`python -m regionsim`, and what the installed command runs: an interrupt is quiet from the first import on."""

import sys


def main() -> int:
    """Do what the words of the command say; the exit status."""
    try:
        from regionsim.cli import main as do

        return do()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
