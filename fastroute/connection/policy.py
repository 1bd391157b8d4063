"""ConnectionPolicy: from where a connection may come, when it ends, and who is told of it."""

import inspect
import math
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from .._starlette import is_async_callable
from .observing import OnEnd
from .origins import AnyOrigin, Origins, origins_of

__all__ = ["YEAR_10000", "ConnectionPolicy", "Terms", "check_seconds", "nested"]

#: In Unix seconds. Nothing is meant to last as long, and a larger int may be no float.
YEAR_10000 = 253_402_300_800


class Terms(NamedTuple):
    """The values of a policy for a connection that is let in; the defaults count if nothing is set."""

    cancel_on_disconnect: bool = False
    accept_timeout: float = math.inf
    idle_timeout: float = math.inf
    max_lifetime: float = math.inf
    on_end: OnEnd | None = None


@dataclass(frozen=True, kw_only=True)
class ConnectionPolicy:
    """From where the connections of a route may come, when they end, and who is told of it.

    Nothing is set unless it is given. The policies of a router, of `include_router` and of a route add up: a handshake
    must pass the `origins` of each of them; of everything else, the innermost value that is set counts.

    A timeout of `float("inf")` is none: it takes back the timeout of a policy around this one. All are looked at five
    times a second.

    Args:
        origins: from which pages a browser may open a connection: `"https://app.example.org"`, or
            `"https://*.example.org"` for all hosts below one, but not for itself. A port that is left out is the
            default of the scheme. Other origins are refused with 403 before any dependency runs; so are `null`,
            several `Origin` headers, and a header that is no origin. Without an `Origin` header it was no browser, and
            the handshake goes on. `ANY_ORIGIN` says that anybody may come.
        cancel_on_disconnect: end an endpoint that is not receiving within a second of its client leaving. Yield
            dependencies see a `WebSocketDisconnect`.
        accept_timeout: seconds from the start of a handshake until it is accepted or refused. Then it is denied with
            408, or closed with 1008 if the server cannot send a denial.
        idle_timeout: seconds without a message from the client, after which the connection is closed with 1001.
        max_lifetime: seconds from the start of a handshake, after which the connection is closed with 1001.
        on_end: a plain function, called once for every handshake and connection when all is over, with the scope, the
            code, the reason and the seconds since the start of the handshake. For a handshake that was refused the code
            is the HTTP status, else the one of the close frame (RFC 6455, section 7.4.1). An exception that it raises
            is logged, and changes nothing.
        _outer_lists: not for you: the lists of the policies around this one, which `dataclasses.replace` keeps.

    Attributes:
        origins: as given, as a tuple.
        origin_lists: the compiled lists that a handshake must pass, the outermost first.

    Raises:
        ValueError: a value that could mean nothing; the message says what to write.
        TypeError: a value of a type that could mean nothing.
    """

    origins: Collection[str] | AnyOrigin | None = None
    cancel_on_disconnect: bool | None = None
    accept_timeout: float | None = None
    idle_timeout: float | None = None
    max_lifetime: float | None = None
    on_end: OnEnd | None = None
    origin_lists: tuple[Origins, ...] = field(init=False, repr=False)
    #: The lists of the policies around this one. `dataclasses.replace` keeps them, as every argument.
    _outer_lists: tuple[Origins, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_class(type(self))
        if isinstance(self.origins, bytes):
            raise TypeError(f"origins={self.origins!r} is no text; write origins=[{self.origins.decode('latin-1')!r}]")
        if isinstance(self.origins, str):
            object.__setattr__(self, "origins", (self.origins,))
        elif isinstance(self.origins, Collection):
            object.__setattr__(self, "origins", tuple(self.origins))
        elif self.origins is not None and not isinstance(self.origins, AnyOrigin):
            raise TypeError(f"origins={self.origins!r} is no list of origins; write ['https://app.example.org']")
        lists = dict.fromkeys((*self._outer_lists, *origins_of(self.origins)))
        object.__setattr__(self, "origin_lists", tuple(lists))
        if not isinstance(self.cancel_on_disconnect, bool | None):
            raise TypeError(f"cancel_on_disconnect={self.cancel_on_disconnect!r} is neither True nor False")
        for name in ("accept_timeout", "idle_timeout", "max_lifetime"):
            check_seconds(name, getattr(self, name), or_none=True)
        if self.on_end is not None:
            _check_function(self.on_end)

    def within(self, outer: "ConnectionPolicy | None") -> "ConnectionPolicy":
        """This policy inside of another one.

        Args:
            outer: what is around it, as the policy of a router is around that of a route.

        Returns:
            A policy with the origins of both, and else with the values of this one, or of `outer` if they are unset.
        """
        if outer is None:
            return self
        unset = {each.name: getattr(outer, each.name) for each in fields(self) if getattr(self, each.name) is None}
        return replace(self, **unset, _outer_lists=(*outer.origin_lists, *self._outer_lists))

    @property
    def terms(self) -> Terms | None:
        """The values for a connection that is let in; None if only origins are set."""
        given = {name: value for name in Terms._fields if (value := getattr(self, name)) is not None}
        return Terms(**given) if given else None


def nested(*policies: ConnectionPolicy | None) -> ConnectionPolicy | None:
    """What policies inside each other come to; the outermost first, None for one that is not set."""
    merged = None
    for policy in policies:
        if not isinstance(policy, ConnectionPolicy | None):
            raise TypeError(f"policy={policy!r} is no ConnectionPolicy; write policy=ConnectionPolicy(...)")
        merged = merged if policy is None else policy.within(merged)
    return merged


def check_seconds(name: str, seconds: Any, *, or_none: bool = False) -> None:
    """Raises TypeError or ValueError for what is no timeout."""
    if seconds is None and or_none:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name}={seconds!r} is no number of seconds; write for example {name}=30")
    if YEAR_10000 < seconds < math.inf:
        raise ValueError(f"{name} is more than 8,000 years; write seconds, or float('inf') for no limit")
    if not seconds > 0:  # neither is NaN; an int can be too large for math.isnan
        unset = ", leave it unset," if or_none else ""
        raise ValueError(f"{name}={seconds!r} must be above 0; write seconds{unset} or float('inf') for no limit")


def _check_class(cls: type[ConnectionPolicy]) -> None:
    """Check that a subclass does not give values as attributes, which its constructor would not read."""
    for each in fields(cls):
        if each.init and getattr(cls, each.name) is not each.default:
            problem = f"as an attribute of the class nobody would read it; write super().__init__({each.name}=...)"
            raise TypeError(f"{cls.__module__}.{cls.__qualname__}.{each.name}: {problem}, or decorate it by @dataclass")


def _check_function(on_end: Any) -> None:
    if not callable(on_end):
        raise TypeError(f"on_end={on_end!r} is no function; it is called with scope, code, reason and seconds")
    if is_async_callable(on_end):
        raise TypeError(f"on_end={on_end!r} is async, and would not be awaited; write a plain function")
    try:
        inspect.signature(on_end).bind(None, None, None, None)
    except ValueError:  # some functions in C do not tell
        pass
    except TypeError as error:
        raise TypeError(f"on_end={on_end!r} is called with scope, code, reason and seconds: {error}") from None
