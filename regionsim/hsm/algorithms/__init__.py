"""The algorithms of the HSMs, as functions over bytes: the only folder that imports a cryptographic library."""
