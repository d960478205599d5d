"""What must hold in every run, whatever the scenario: one module each, watching through the trace, the links and
snapshots."""
