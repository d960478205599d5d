"""Scenario files: read, checked, played; transcripts, metrics and reports."""
