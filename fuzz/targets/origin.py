"""A list of origins and the `Origin` headers of a handshake, against a strict reading of its own (RFC 6454).

The first line is the list, with spaces between; each other line is a header.
"""

import string
from ipaddress import AddressValueError, IPv6Address
from typing import Any, NamedTuple

from fastroute.connection.origins import origins_of, with_origins
from targets import lines

WORDS = ["\r\n", "https://", "http://", "ws://", "*.", ":443", ":80", ":8443", "a.example", "b.a.example", "[::1]", ":"]
WORDS += ["null", "[2001:db8::1]", ".", "@", "/", "0", "xn--a", "192.0.2.7", " ", "A.EXAMPLE", "65535", "65536", "_"]

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
LETTERS, DIGITS = set(string.ascii_lowercase), set(string.digits)


class Triple(NamedTuple):
    """What two origins are compared by (RFC 6454, section 5)."""

    scheme: str
    host: str
    port: int | None


def check(data: bytes) -> None:
    declared, *values = lines(data)
    names = declared.decode("latin-1").split(" ")
    try:
        door = with_origins(_let_in, origins_of(names), None)
    except ValueError:
        return
    exact = [_strict(name) for name in names if "*" not in name]
    below = [_strict(name.replace("*.", "", 1)) for name in names if "*" in name]
    assert None not in exact + below, f"{names} must not be taken"
    for value in values:
        sent = _strict(value.decode("latin-1"))
        expected = sent is not None and (sent in exact or any(_is_below(sent, base) for base in below if base))
        for name in (b"origin", b"Origin"):
            assert _opens(door, [(name, value)]) is expected, f"{names} {value!r}: {sent}, expected {expected}"
            assert not _opens(door, [(name, value), (b"origin", value)]), f"{value!r} twice"
    assert _opens(door, []), "no Origin header at all"


def _let_in(scope: Any, receive: Any, send: Any) -> Any:
    return None


def _opens(door: Any, headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a handshake with these headers comes to the application; what is awaited if not, is not."""
    refusal = door({"type": "websocket", "headers": [(b"host", b"a.example"), *headers]}, None, None)
    if refusal is None:
        return True
    refusal.close()
    return False


def _is_below(sent: Triple, base: Triple) -> bool:
    return (sent.scheme, sent.port) == (base.scheme, base.port) and sent.host.endswith(f".{base.host}")


def _strict(origin: str) -> Triple | None:
    """`scheme "://" host [ ":" port ]`, and nothing else."""
    scheme, separator, rest = origin.partition("://")
    scheme = _lower(scheme)
    if not separator or not scheme or scheme[0] not in LETTERS or set(scheme) - LETTERS - DIGITS - set("+-."):
        return None
    host, colon, port = rest, "", ""
    if not rest.endswith("]") and ":" in rest:
        host, colon, port = rest.rpartition(":")
    host = _host(_lower(host))
    number = _port(port) if colon else DEFAULT_PORTS.get(scheme)
    if host is None or (colon and number is None):
        return None
    return Triple(scheme, host, number)


def _lower(text: str) -> str:
    """ASCII letters alone have a case here: the long s is no s."""
    return "".join(letter.lower() if letter in string.ascii_uppercase else letter for letter in text)


def _host(host: str) -> str | None:
    if host.startswith("[") and host.endswith("]"):
        if set(host[1:-1]) - set("0123456789abcdef:."):
            return None
        try:
            return f"[{int(IPv6Address(host[1:-1])):x}]"
        except AddressValueError:
            return None
    labels = host.split(".")
    return host if all(label and not set(label) - LETTERS - DIGITS - set("-_") for label in labels) else None


def _port(port: str) -> int | None:
    if not port or set(port) - DIGITS or port[0] == "0" or len(port) > 5 or int(port) > 65535:
        return None
    return int(port)
