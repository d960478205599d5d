"""Messages for people: on stderr, in color where that is wanted."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from regionsim import __version__
from regionsim.names.mistakes import RegionsimError

SHOWN_MISTAKES = 50


class Style:
    """How messages look; set once, from the arguments."""

    uses_color = False
    is_quiet = False


style = Style()


def tell(text: str, color: str = "") -> None:
    """Print a message."""
    print(f"\x1b[{color}m{text}\x1b[0m" if color and style.uses_color else text, file=sys.stderr, flush=True)


def tell_mistake(error: RegionsimError) -> None:
    """Print a mistake and the others found with it."""
    mistakes = getattr(error, "all", (error,))
    for mistake in mistakes[:SHOWN_MISTAKES]:
        tell(str(mistake), "31")
    if len(mistakes) > SHOWN_MISTAKES:
        from regionsim.scenario.read import MOST_MISTAKES

        behind = " at least: the rest was not read" if len(mistakes) >= MOST_MISTAKES else ""
        tell(f"... and {len(mistakes) - SHOWN_MISTAKES} more{behind}", "31")


def tell_bug(bug: Exception, words: Sequence[str]) -> None:
    """Print what can be sent in."""
    frames = traceback.extract_tb(bug.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    tell(f"this is a bug in regionsim {__version__}: {type(bug).__name__}: {bug}{place}", "31")
    tell(f"command: regionsim {' '.join(words)}")
    for note in getattr(bug, "__notes__", ()):
        tell(note)
    if os.environ.get("REGIONSIM_TRACEBACK"):
        traceback.print_exception(bug, file=sys.stderr)
    else:
        tell("please send this in; REGIONSIM_TRACEBACK=1 shows where it happened")
