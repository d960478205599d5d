"""Live endpoints: the Regions of a world behind HTTP, for AWS's own clients, in real time.

    request -> listeners (ports) -> connection (HTTP, limits) -> edge (whose request) -> sigv4 (who signed)
            -> door (what a fault does to it) -> Region.accept -> aws_json (AWS's answer)

`admin` is the other side: faults, time, records, for whoever breaks the Regions while an application runs.
"""
