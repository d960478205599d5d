"""What AWS asks for KMS, in USD. Prices of us-east-1, which most Regions share; the free tier (20,000 requests a month
in an account) is not taken off: it is used up elsewhere.

Source: aws.amazon.com/kms/pricing, as of 2026-06; UNVERIFIED for Regions that ask more.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from regionsim.region.charges import Charge

AS_OF = "2026-06"

KEY_MONTH_USD = 1.0
"""One KMS key in one Region, a replica too; nothing while its deletion is scheduled."""

ROTATION_MONTH_USD = 1.0
"""More for each of the first rotations."""

CHARGED_ROTATIONS = 2

REQUEST_USD = 0.03 / 10_000
"""A request with a symmetric key, and every request of the control plane. All that KMS answers or refuses counts."""

MONTH_NS = 730 * 3_600 * 1_000_000_000
"""The month of AWS's price lists has 730 hours; a key is charged by the hour."""


def key_usd(held_ns: int, rotations: int) -> float:
    """What a key costs that was held for so long with so many rotations."""
    monthly = KEY_MONTH_USD + ROTATION_MONTH_USD * min(rotations, CHARGED_ROTATIONS)
    return monthly * held_ns / MONTH_NS


CHARGE_USD: Mapping[Charge, float] = MappingProxyType(
    {
        Charge.ASYMMETRIC: 0.15 / 10_000,
        Charge.ECC_DATA_KEY_PAIR: 0.10 / 10_000,
        Charge.RSA_DATA_KEY_PAIR: 12.0 / 10_000,
        Charge.AWS_OWNED: 0.0,
    }
)
"""A request with a key pair other than RSA_2048, for a data key pair, or with a key that AWS owns; one that is refused
costs the usual price."""


def requests_usd(count: int, charges: Mapping[Charge, int] = MappingProxyType({})) -> float:
    """What so many requests cost, some of which have a price of their own."""
    more = sum(number * (CHARGE_USD[charge] - REQUEST_USD) for charge, number in charges.items())
    return count * REQUEST_USD + more
