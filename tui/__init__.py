"""regionsim's terminal app (this package must be the one that regionsim installed)."""

REGIONSIM_TUI = True
"""Mark by which `regionsim` tells this package from a foreign top-level `tui`."""
