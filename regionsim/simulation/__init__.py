"""A world: Regions, links, clock and entropy put together, with faults to break them."""
