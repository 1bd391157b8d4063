"""Deadline: a parameter by which a dependency ends the connection later on, as a token expires."""

import math
from collections.abc import Sequence
from datetime import datetime
from time import monotonic, time
from typing import Any, Protocol

from .injected import Injected, Injection
from .policy import YEAR_10000

__all__ = ["Deadline"]


class _Expiring(Protocol):
    expires: float


class Deadline(Injected):
    """Ends the connection at a given time. A parameter of this type is injected, as a WebSocket is.

    Of several times the earliest counts. Then the connection is closed with 1008 "session expired", or the handshake is
    refused with 401 if it is not accepted yet. Its endpoint sees a `ConnectionEnded`.

    Args:
        life: the connection.
    """

    __slots__ = ("_life",)

    def __init__(self, life: _Expiring) -> None:
        self._life = life

    @classmethod
    def _injection(cls, annotation: Any, metadata: Sequence[Any]) -> Injection:
        return Injection(lambda websocket, life: cls(life), needs_life=True)

    def at(self, when: datetime | float) -> None:
        """End the connection at a time.

        Args:
            when: a datetime with a time zone, or Unix seconds (as `exp` of a JSON Web Token). A time that is over ends
                the connection at once.

        Raises:
            ValueError: a datetime without a time zone, NaN, or a time after the year 9999, as milliseconds are.
            TypeError: something else.
        """
        if isinstance(when, datetime):
            if when.utcoffset() is None:
                raise ValueError(f"Deadline.at({when!r}): no time zone; write for example datetime.now(UTC)")
            when = when.timestamp()
        else:
            _check("at", when)
        self._set(when - time())

    def after(self, seconds: float) -> None:
        """End the connection some seconds from now.

        Raises:
            ValueError: NaN, or more than 8,000 years.
            TypeError: no number.
        """
        _check("after", seconds)
        self._set(seconds)

    def _set(self, seconds: float) -> None:
        life, due = self._life, monotonic() + seconds
        if due < life.expires:
            life.expires = due


_NUMBERS = frozenset({int, float})


def _check(method: str, value: Any) -> None:
    if type(value) in _NUMBERS and -YEAR_10000 <= value <= YEAR_10000:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        unit = "a datetime or Unix seconds" if method == "at" else "seconds"
        raise TypeError(f"Deadline.{method}({value!r}): give {unit}")
    if value != value:  # an int can be too large for math.isnan
        raise ValueError(f"Deadline.{method}({value!r}): there is no such time")
    if YEAR_10000 < abs(value) < math.inf:
        raise ValueError(f"Deadline.{method}() is given a time that no calendar has; give seconds, not milliseconds")
