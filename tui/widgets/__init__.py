"""Widgets that take values and draw lines."""
