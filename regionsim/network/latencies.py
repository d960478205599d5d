"""How long a message takes from Region to Region: measured where it was measured, estimated elsewhere.

Round trips in milliseconds; one way is half of one. Three sources, the first that knows a pair wins:

1. **measured**: the minimum of a series of ICMP pings between EC2 instances of 19 Regions on 5 June 2020.
   Source: github.com/vitorenesduarte/fantoch, folder latency_aws/2020_06_05.
2. **estimates near an anchor**: younger Regions, by their distance to a measured neighbour; the GovCloud Regions have
   the latencies of the commercial Regions of their coast. Source: ours, unverified.
3. **great circle**: twice the distance at 200,000 km/s in fibre, times 1.5 for the way cables go (measured pairs lie
   between 1.3 and 1.8). Source: ours, unverified.
"""

from __future__ import annotations

import math
from functools import cache

from regionsim.names.regions import partition_of

LOCAL_RTT_MS = 0.25
"""A round trip inside a Region. Source: the measured table's diagonal, 0.07 to 0.28."""

_NEAREST_RTT_MS = 1.0
"""No two Regions are closer than this. Source: ours."""

_NS_PER_MS = 1_000_000

# Row by row the upper triangle: each Region's round trips to all that stand below it.
_MEASURED_ROWS = (
    ("us-east-1", "10.5 15.0 59.8 69.2 110.4 70.5 76.3 78.1 85.5 94.1 102.7 193.3 215.5 181.2 229.0 209.8 152.4 197.9"),
    ("us-east-2", "24.0 50.6 48.3 124.6 84.5 85.6 88.1 95.3 103.5 113.2 203.3 225.7 189.3 216.5 204.3 155.4 187.8"),
    ("ca-central-1", "77.8 65.5 123.8 72.3 88.8 92.1 98.8 107.7 114.2 207.2 223.9 196.1 220.2 202.3 154.3 195.6"),
    ("us-west-1", "21.0 190.1 141.1 136.4 137.6 145.5 153.2 162.8 252.5 275.8 227.8 178.9 154.9 111.6 137.1"),
    ("us-west-2", "180.2 126.8 143.7 150.1 157.4 171.4 156.5 259.9 271.7 220.4 162.6 144.6 100.8 138.3"),
    ("sa-east-1", "183.5 194.1 195.9 203.1 211.5 217.2 311.0 329.2 299.3 338.1 315.0 267.4 308.2"),
    ("eu-west-1", "10.1 15.8 23.7 31.5 34.7 130.5 150.6 117.9 186.6 220.3 199.3 253.6"),
    ("eu-west-2", "7.7 14.6 23.9 26.6 122.6 142.4 112.8 168.9 210.9 208.9 273.7"),
    ("eu-west-3", "8.9 17.2 28.2 116.6 147.5 106.3 168.5 199.6 243.2 272.0"),
    ("eu-central-1", "9.6 19.9 122.0 199.2 111.4 178.0 202.6 243.8 281.9"),
    ("eu-south-1", "29.9 129.2 190.3 101.8 159.3 193.2 232.9 287.8"),
    ("eu-north-1", "142.5 165.7 131.1 195.5 230.6 265.3 294.7"),
    ("me-south-1", "279.3 34.6 91.2 126.5 170.2 177.4"),
    ("af-south-1", "291.6 357.3 382.9 382.8 412.8"),
    ("ap-south-1", "63.1 95.8 131.9 143.2"),
    ("ap-southeast-1", "35.0 73.0 90.4"),
    ("ap-east-1", "51.1 127.6"),
    ("ap-northeast-1", "103.7"),
    ("ap-southeast-2", ""),
)  # fmt: skip

_ESTIMATED = {
    ("ap-northeast-1", "ap-northeast-2"): 35.0,
    ("ap-northeast-1", "ap-northeast-3"): 9.0,
    ("ca-west-1", "us-west-2"): 27.5,
    ("eu-central-1", "eu-central-2"): 8.0,
    ("eu-south-2", "eu-west-3"): 27.5,
    ("me-central-1", "me-south-1"): 10.0,
    ("eu-central-1", "il-central-1"): 47.5,
    ("mx-central-1", "us-east-1"): 52.5,
    ("mx-central-1", "us-west-2"): 52.5,
}
"""Pairs in alphabetical order; the middle where a range was estimated."""

_STANDS_AT = {"us-gov-east-1": "us-east-2", "us-gov-west-1": "us-west-2"}
"""Region -> the commercial Region of its coast, whose round trips it has."""

_COORDINATES = {
    "af-south-1": (-33.93, 18.42),  # Cape Town
    "ap-east-1": (22.32, 114.17),  # Hong Kong
    "ap-east-2": (25.03, 121.57),  # Taipei
    "ap-northeast-1": (35.68, 139.69),  # Tokyo
    "ap-northeast-2": (37.57, 126.98),  # Seoul
    "ap-northeast-3": (34.69, 135.50),  # Osaka
    "ap-south-1": (19.08, 72.88),  # Mumbai
    "ap-south-2": (17.39, 78.49),  # Hyderabad
    "ap-southeast-1": (1.35, 103.82),  # Singapore
    "ap-southeast-2": (-33.87, 151.21),  # Sydney
    "ap-southeast-3": (-6.21, 106.85),  # Jakarta
    "ap-southeast-4": (-37.81, 144.96),  # Melbourne
    "ap-southeast-5": (3.14, 101.69),  # Kuala Lumpur
    "ap-southeast-6": (-36.85, 174.76),  # Auckland
    "ap-southeast-7": (13.76, 100.50),  # Bangkok
    "ca-central-1": (45.50, -73.57),  # Montreal
    "ca-west-1": (51.05, -114.07),  # Calgary
    "cn-north-1": (39.90, 116.41),  # Beijing
    "cn-northwest-1": (37.50, 105.20),  # Zhongwei, Ningxia
    "eu-central-1": (50.11, 8.68),  # Frankfurt
    "eu-central-2": (47.38, 8.54),  # Zurich
    "eu-isoe-west-1": (51.51, -0.13),  # not published: London stands in
    "eu-north-1": (59.33, 18.07),  # Stockholm
    "eu-south-1": (45.46, 9.19),  # Milan
    "eu-south-2": (41.65, -0.89),  # Zaragoza
    "eu-west-1": (53.35, -6.26),  # Dublin
    "eu-west-2": (51.51, -0.13),  # London
    "eu-west-3": (48.86, 2.35),  # Paris
    "eusc-de-east-1": (52.41, 12.53),  # Brandenburg
    "il-central-1": (32.09, 34.78),  # Tel Aviv
    "me-central-1": (25.20, 55.27),  # Dubai
    "me-south-1": (26.23, 50.59),  # Manama
    "mx-central-1": (20.59, -100.39),  # Queretaro
    "sa-east-1": (-23.55, -46.63),  # Sao Paulo
    "us-east-1": (39.04, -77.49),  # Ashburn, Virginia
    "us-east-2": (39.96, -83.00),  # Columbus, Ohio
    "us-iso-east-1": (39.04, -77.49),  # not published beyond the coast: its commercial Region stands in
    "us-iso-west-1": (45.84, -119.70),  # the same
    "us-isob-east-1": (39.96, -83.00),  # the same
    "us-isob-west-1": (45.84, -119.70),  # the same
    "us-isof-east-1": (39.04, -77.49),  # the same
    "us-isof-south-1": (32.78, -96.80),  # not published beyond "south": Dallas stands in
    "us-west-1": (37.34, -121.89),  # San Jose, California
    "us-west-2": (45.84, -119.70),  # Boardman, Oregon
}
"""Region -> degrees north and east of its city. Source: AWS's Region names, which say cities, not sites."""


def _triangle() -> dict[tuple[str, str], float]:
    """Every measured pair, in alphabetical order, -> its round trip."""
    names = [name for name, _ in _MEASURED_ROWS]
    measured = {}
    for index, (name, row) in enumerate(_MEASURED_ROWS):
        for other, value in zip(names[index + 1 :], row.split(), strict=True):
            measured[min(name, other), max(name, other)] = float(value)
    return measured


_MEASURED = _triangle()


def is_measured(a: str, b: str) -> bool:
    """True when the latency between two Regions was measured, False when it is an estimate."""
    return (min(a, b), max(a, b)) in _MEASURED


@cache
def rtt_ms(a: str, b: str) -> float:
    """The round trip between two Regions of any partition, in milliseconds to a tenth; the same in both directions.

    Errors: ConfigError naming the nearest Region when there is no such Region.
    """
    for region in (a, b):
        partition_of(region)
    if a == b:
        return LOCAL_RTT_MS
    pair = (min(a, b), max(a, b))
    known = _MEASURED.get(pair) or _ESTIMATED.get(pair)
    if known is not None:
        return known
    stand_ins = (_STANDS_AT.get(pair[0], pair[0]), _STANDS_AT.get(pair[1], pair[1]))
    if stand_ins == pair:
        return max(_NEAREST_RTT_MS, round(_great_circle_rtt_ms(*pair), 1))
    return max(_NEAREST_RTT_MS, rtt_ms(*stand_ins))


def place_of(region: str) -> tuple[float, float] | None:
    """Degrees north and east of a Region's city; None when nothing is published of where it is."""
    return _COORDINATES.get(_STANDS_AT.get(region, region))


def one_way_ns(a: str, b: str) -> int:
    """The way from one Region to another in nanoseconds: half a round trip, without jitter.

    Errors: ConfigError naming the nearest Region when there is no such Region.
    """
    return round(rtt_ms(a, b) * _NS_PER_MS / 2)


def _great_circle_rtt_ms(a: str, b: str) -> float:
    """There and back at 200 km/ms over 1.5 times the great circle (haversine, radius 6,371 km)."""
    (south, west), (north, east) = _COORDINATES[a], _COORDINATES[b]
    rise, turn = math.radians(north - south), math.radians(east - west)
    chord = (
        math.sin(rise / 2) ** 2
        + math.cos(math.radians(south)) * math.cos(math.radians(north)) * math.sin(turn / 2) ** 2
    )
    kilometres = 2 * 6371 * math.asin(math.sqrt(chord))
    return 2 * kilometres / 200 * 1.5
