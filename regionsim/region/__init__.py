"""One Region: admission, the five steps of a call, replication, audit. It holds no reference to any other Region."""
