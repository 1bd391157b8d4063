"""Origins: from which pages a browser may open a connection (RFC 6454; RFC 6455, section 10.2).

A list is compiled once: origins as a browser writes them into a set of bytes, for the one comparison that nearly every
handshake needs; and all of them in the form in which they are compared (no case, default ports left out, one spelling
of an IPv6 address) for the others.
"""

import logging
import re
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from enum import Enum
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from time import monotonic
from typing import Any, Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from .._starlette import header_pairs
from .denying import deny
from .observing import OnEnd, log_refusal, logger, report_end, shown

__all__ = [
    "ANY_ORIGIN",
    "AnyOrigin",
    "Origins",
    "origin_headers",
    "origins_of",
    "passes",
    "sent_origin",
    "with_origins",
]


class AnyOrigin(Enum):
    """The type of `ANY_ORIGIN`."""

    ANY_ORIGIN = "ANY_ORIGIN"

    def __repr__(self) -> str:
        return self.value


#: In the place of a list of origins: pages of any origin may connect, and somebody decided that.
ANY_ORIGIN: Final = AnyOrigin.ANY_ORIGIN

_DEFAULT_PORTS = {"http": "80", "https": "443"}
#: The schemes that no page has, and that of the page which is meant.
_OF_SOCKETS = {"ws": "http", "wss": "https"}

# Underscores are in no host name, but in the names of some hosts.
_LABEL = "[a-z0-9_-]+"
#: More than any origin has: the name of a host has 253 characters (RFC 1035).
_LONGEST = 512
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_ORIGIN = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<wildcard>\*\.)?(?P<host>{_NAME}|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]+))?"
)


#: The first letter of `Origin`, in bytes and in texts.
_O = frozenset({*b"oO", *"oO"})


class _Origin(NamedTuple):
    """An origin in the form in which it is compared."""

    scheme: str
    host: str
    port: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.port and ':'}{self.port}"


class Origins:
    """The origins that may connect: each is `scheme://host[:port]`, or `scheme://*.host[:port]` for all below a host.

    Two are equal if they allow the same.

    Args:
        origins: at least one.

    Attributes:
        written: those that are no `*.host`, as a browser writes them.
        is_below: matches those below a `*.host`, as a browser writes them; None if there is no such host.

    Raises:
        ValueError: nothing could be meant by one of them; the message says how to write it.
    """

    __slots__ = ("_below", "_exact", "is_below", "written")

    def __init__(self, origins: Iterable[str]) -> None:
        found = [_declared(origin) for origin in origins]
        if not found:
            raise ValueError("origins is empty, so that nobody could connect; name origins, or write ANY_ORIGIN")
        self._exact = frozenset(origin for origin, wildcard in found if not wildcard)
        self._below = frozenset(origin for origin, wildcard in found if wildcard)
        self.written = frozenset(str(origin).encode() for origin in self._exact)
        below = [re.escape(str(origin)).replace("://", rf"://(?:{_LABEL}\.)+") for origin in sorted(self._below)]
        # Nothing long is looked at, as each of many hosts would be looked for in all of it.
        pattern = rf"(?!.{{{_LONGEST + 1}}})(?:{'|'.join(below)})"
        self.is_below = re.compile(pattern.encode(), re.DOTALL).fullmatch if below else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Origins):
            return NotImplemented
        return self._exact == other._exact and self._below == other._below

    def __hash__(self) -> int:
        return hash((self._exact, self._below))

    def __iter__(self) -> Iterator[str]:
        """The origins as they are compared, sorted."""
        below = [f"{scheme}://*.{host}{port and ':'}{port}" for scheme, host, port in self._below]
        yield from sorted([*map(str, self._exact), *below])

    def __repr__(self) -> str:
        return f"Origins({list(self)})"

    def patterns(self) -> list[str]:
        """Regular expressions for the origins as browsers write them."""
        label = rf"({_LABEL}\.)+"
        return [re.escape(origin).replace(r"://\*\.", rf"://{label}") for origin in self]

    def allows(self, origin: bytes) -> bool:
        """Whether a handshake may go on.

        Args:
            origin: as `sent_origin` finds it.

        Returns:
            False for `null`, and for anything else that is no origin.
        """
        if origin in self.written or (self.is_below is not None and self.is_below(origin)):
            return True
        return len(origin) <= _LONGEST and self._allows_unusual(origin)

    def _allows_unusual(self, value: bytes) -> bool:
        """The same for an origin that is not written as a browser does."""
        match = _ORIGIN.fullmatch(value.decode("latin-1").lower())
        if match is None or match["wildcard"]:
            return False
        try:
            origin = _normalized(match)
        except ValueError:
            return False
        if origin in self._exact:
            return True
        # `a.b.example.org` is below `b.example.org` and `example.org`.
        host = origin.host
        while "." in host:
            host = host.partition(".")[2]
            if (origin.scheme, host, origin.port) in self._below:
                return True
        return False


def with_origins(application: ASGIApp, lists: Sequence[Origins], on_end: OnEnd | None) -> ASGIApp:
    """The application, for those handshakes alone that pass all lists.

    Args:
        application: runs for no other handshake.
        lists: of a policy.
        on_end: of the policy; it is told of a refusal.
    """
    if not lists:
        return application

    # Those that nearly every handshake has: by all lists, or by the only one.
    usual = frozenset.intersection(*(origins.written for origins in lists))
    is_below = lists[0].is_below if len(lists) == 1 else None

    # Not a coroutine of its own: a handshake that passes pays for the comparison alone.
    def connect(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        origin = sent_origin(header_pairs(scope))
        if origin is None or origin in usual or (is_below is not None and is_below(origin)) or passes(lists, origin):
            return application(scope, receive, send)
        return _deny(scope, receive, send, on_end)

    return connect


async def _deny(scope: Scope, receive: Receive, send: Send, on_end: OnEnd | None) -> None:
    began = monotonic()
    if logger.isEnabledFor(logging.INFO):
        found = origin_headers(header_pairs(scope))
        log_refusal(scope, f"origin {', '.join(map(shown, found[:2]))}{' and others' if len(found) > 2 else ''}")
    try:
        await deny(scope, receive, send, 403, "Origin not allowed")
    finally:
        if on_end is not None:
            report_end(on_end, scope, 403, "Origin not allowed", began)


def sent_origin(headers: Sequence[Any]) -> bytes | None:
    """The `Origin` that a client sent: None without one, which every browser sends; nothing in the place of several.

    Args:
        headers: of the ASGI scope: pairs of bytes. A server that breaks ASGI, by the case of a name or by a type, does
            not hide one.
    """
    found = None
    for name, value in headers:
        if len(name) == 6 and name[0] in _O and (name == b"origin" or _text(name).lower() == "origin"):
            if found is not None:
                return b""
            found = value
    return found if found is None or type(found) is bytes else _text(found).encode()


def passes(lists: Iterable[Origins], origin: bytes) -> bool:
    """Whether each of the lists allows an origin."""
    # No `all`: its generator would cost more than the rest.
    for origins in lists:  # noqa: SIM110
        if not origins.allows(origin):
            return False
    return True


def origin_headers(headers: Iterable[Any]) -> list[str]:
    """The values of all `Origin` headers, however their names are written."""
    return [_text(value) for name, value in headers if len(name) == 6 and _text(name).lower() == "origin"]


def _text(value: Any) -> str:
    """A part of a header. ASGI says bytes; servers and tests also give other buffers, and texts."""
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


def _normalized(match: re.Match[str]) -> _Origin:
    """Raises ValueError for a port or an address that there cannot be."""
    scheme, host, port = match["scheme"], match["host"], match["port"] or ""
    if port and (port != str(int(port[:6])) or not 0 < int(port) <= 65535):
        raise ValueError(f"there is no port {port}")
    if host.startswith("["):
        host = f"[{IPv6Address(host[1:-1]).compressed}]"
    return _Origin(scheme, host, "" if port == _DEFAULT_PORTS.get(scheme) else port)


def _declared(origin: object) -> tuple[_Origin, bool]:
    """An origin of a list, and whether it stands for all that is below it."""
    if origin is ANY_ORIGIN or origin == "*":
        raise ValueError("'*' in origins would make the others pointless; write origins=ANY_ORIGIN for any origin")
    if isinstance(origin, bytes):
        raise ValueError(f"origins has {origin!r}; write a string: {origin.decode('latin-1')!r}")
    if not isinstance(origin, str):
        raise ValueError(f"origins has {origin!r}; write a string such as 'https://app.example.org'")
    match = _ORIGIN.fullmatch(origin.lower()) if origin.isascii() else None
    if match is None:
        raise ValueError(f"origins has {origin!r}, {_problem(origin)}")
    try:
        normalized = _normalized(match)
    except ValueError as error:
        raise ValueError(f"origins has {origin!r}: {error}") from None
    if normalized.scheme in _OF_SOCKETS:
        page = f"{_OF_SOCKETS[normalized.scheme]}{origin[len(normalized.scheme) :]}"
        raise ValueError(f"origins has {origin!r}, but a browser sends the origin of the page; write {page!r}")
    if match["wildcard"] and _is_address(normalized.host):
        raise ValueError(f"origins has {origin!r}, but nothing is below an address; name the host")
    return normalized, bool(match["wildcard"])


def _is_address(host: str) -> bool:
    try:
        IPv4Address(host)
    except AddressValueError:
        return host.startswith("[")
    return True


def _problem(origin: str) -> str:
    """How to write what is no origin."""
    scheme, colon, rest = origin.partition("://")
    if origin.lower() == "null":
        return "which any sandboxed page can send; name the origins that may connect, or write origins=ANY_ORIGIN"
    if not origin.strip():
        return "which is empty; write for example 'https://app.example.org', or leave origins unset"
    several = [part for part in re.split(r"[\s,;]+", origin) if part]
    if len(several) > 1 and all("://" in part for part in several):
        return f"which is several in one text; write a list: {several}"
    if len(several) == 1 and several != [origin]:
        return _with_advice("but an origin has no spaces or commas around it", several[0])
    if not colon:
        return _with_advice("which has no scheme", _with_scheme(origin))
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    if authority != rest:
        return _with_advice("but an origin has no path", f"{scheme}://{authority}")
    if "@" in rest:
        return _with_advice("but an origin has no user", f"{scheme}://{rest.rpartition('@')[2]}")
    if rest == "*":
        return "which means any host; write origins=ANY_ORIGIN, or 'https://*.example.org' for all below a host"
    if not rest.isascii():
        return _with_advice("but a browser sends it in ASCII (punycode)", f"{scheme}://{_punycode(rest)}")
    if rest.count(":") > 1 and "[" not in rest:
        return _with_advice("but an IPv6 address stands in brackets", f"{scheme}://[{rest}]")
    if rest.endswith((":*", ":")):
        host = rest.rpartition(":")[0]
        return _with_advice("but a port is a number", f"{scheme}://{host}:3000", "each origin with its port, as ")
    if rest.strip("*.") and rest.endswith("."):
        return _with_advice("but a browser sends a host without the dot at its end", f"{scheme}://{rest.rstrip('.')}")
    if "*" in rest:
        return "but `*.` can only be all of the first labels, as in 'https://*.example.org'"
    return "which is no scheme://host[:port]; write for example 'https://app.example.org:8443'"


def _with_advice(problem: str, origin: str, before: str = "") -> str:
    """A problem, and what to write, if that is an origin."""
    if _ORIGIN.fullmatch(origin.lower()):
        return f"{problem}; write {before}{origin!r}"
    return f"{problem}; write scheme://host[:port], for example 'https://app.example.org:8443'"


def _with_scheme(origin: str) -> str:
    scheme, colon, rest = origin.partition(":")
    if colon and scheme.lower() in (*_DEFAULT_PORTS, *_OF_SOCKETS):
        return f"{scheme}://{rest.lstrip('/')}"
    host = origin.lstrip("/")
    name = host.partition(":")[0]
    return f"{'http' if name == 'localhost' or _is_address(name) else 'https'}://{host}"


def _punycode(host: str) -> str:
    """The host as a browser sends it; nothing if that is not known for sure."""
    try:
        written = host.encode("idna").decode("ascii")
        # Python maps some letters in another way than browsers do (a sharp s becomes two), to the host of others.
        return written if written.encode().decode("idna") == host.lower() else ""
    except UnicodeError:
        return ""


def origins_of(origins: Iterable[str] | AnyOrigin | None) -> tuple[Origins, ...]:
    """The lists that a handshake must pass: none, or the one that is compiled from `origins`."""
    if origins is None or origins is ANY_ORIGIN:
        return ()
    return (Origins([origins] if isinstance(origins, str) else origins),)
