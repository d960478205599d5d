"""A progress bar on the last line of a terminal, under the lines that are told meanwhile."""

from __future__ import annotations

import sys

from regionsim.cli.telling import tell

_CLEAR = "\r\x1b[K"
_CELLS = 30


class Progress:
    """Shows how far a run is. Nothing is shown until `show` is called, so a short run has no bar."""

    def __init__(self) -> None:
        self._bar = ""

    def show(self, share: float, at: str, what: str) -> None:
        """Draw the bar at a share from 0 to 1, with the virtual time and what else there is to say."""
        full = min(_CELLS, round(share * _CELLS))
        self._bar = f"[{'#' * full}{'.' * (_CELLS - full)}] {share:4.0%}  {at}  {what}"
        self._draw(_CLEAR + self._bar)

    def line(self, text: str) -> None:
        """Tell a line above the bar."""
        if not self._bar:
            tell(text)
            return
        self._draw(_CLEAR)
        tell(text)
        self._draw(self._bar)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._draw(_CLEAR)
            self._bar = ""

    def _draw(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
