"""What stays inside an HSM: values that hold key bytes neither show them nor leave by pickle or copy."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex


class Confined:
    """Base of every type that holds key bytes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, contents withheld>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse: pickle and copy would carry key bytes out of the HSM. Errors: TypeError."""
        raise TypeError(f"{type(self).__name__} holds key bytes and stays inside its HSM")
