"""Names of things: ids, ARNs, Regions, partitions. One parser and one formatter each; pure."""
