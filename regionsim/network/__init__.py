"""Delivery between Regions: envelopes of opaque bytes on links that are late, lossy and cut.

Theory of operation. `Network` has one `Link` for each ordered pair of Regions. Sending asks the faults that are on,
draws the envelope's luck from the link's own stream (`link/{from}->{to}`, always the same number of draws), and puts
the envelope on the link's heap under the instant of its arrival; one loop timer per link, armed for the earliest
arrival, hands over all that is due. No task and no timer per envelope.

A link keeps order, as the TCP connection behind it would, unless it is told to reorder. Regions share nothing but these
bytes: nobody here looks into a body, and no trace says how long one is.
"""
