"""The request that `match` and `plan` are asked about: a path alone, or all that a client sends."""

import argparse
import re
from base64 import b64encode
from string import punctuation
from typing import NamedTuple
from urllib.parse import quote, unquote

from ..security import TOKEN
from ..tracing.trace import Scope, scope_of

__all__ = ["Request", "add_request", "request_of"]

_TYPES = {"http": "http", "https": "http", "ws": "websocket", "wss": "websocket"}
_SCHEMES = {"http": "http", "websocket": "ws"}

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?#]*)@)?(?P<host>(?:\[[0-9A-Fa-f:.]+\]|[^][/?#:@\s\\]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<target>(?:[/?#].*)?)",
    re.DOTALL,
)
_CONTROL = re.compile(r"[\r\n\0]")


class Request(NamedTuple):
    """A request or a handshake.

    Attributes:
        title: in one line, as it was asked.
        scope: the ASGI scope, as far as routes, parameters and security schemes look at it.
        whole: it is a handshake with all that its client sends, and not a path alone.
    """

    title: str
    scope: Scope
    whole: bool


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add the options of a request; `request_of` reads them."""
    parser.add_argument("--host", help="the Host header (default: that of the URL, or localhost)")
    kinds = (("-H", "header", _header, "'name: value'"), ("-b", "cookie", _cookie, "'name=value'"))
    for short, name, type_, form in kinds:
        parser.add_argument(
            f"--{name}",
            short,
            dest=f"{name}s",
            metavar=form,
            action="append",
            type=type_,
            default=[],
            help=f"send this {name}, as curl does; can be repeated",
        )


def request_of(arguments: argparse.Namespace, text: str, *, only: str | None = None) -> Request:
    """The request that the arguments describe.

    A `ws` URL, a query, a header or a cookie makes it a whole handshake, unless a method or an `http` URL says that it
    is an HTTP request.

    Args:
        arguments: with the options of `add_request`, and with `method` and `websocket` if the command has them.
        text: the path, or the URL.
        only: the type that the command is about, "http" or "websocket"; None if it takes both.

    Raises:
        argparse.ArgumentTypeError: it is neither a path nor a URL, or an option contradicts it.
    """
    scheme, host, user, target = ("", None, None, text) if text.startswith("/") else _parts(text)
    path, asks, query = target.partition("#")[0].partition("?")
    method = getattr(arguments, "method", None)
    sent = bool(asks or arguments.headers or arguments.cookies)
    type_ = only or _type(scheme, method, getattr(arguments, "websocket", False), sent)
    if scheme and _TYPES[scheme] != type_:
        asked = "a WebSocket" if type_ == "websocket" else f"an HTTP request ({method})"
        raise argparse.ArgumentTypeError(f"{text!r} is no URL of {asked}; write {_SCHEMES[type_]}://")
    if host is not None and arguments.host is not None:
        raise argparse.ArgumentTypeError(f"--host and {text!r} both name a host; leave out one of them")
    headers = _headers(arguments, host or arguments.host or "localhost", user)
    scope = {
        **scope_of(type_, method or "GET", unquote(path), ""),
        "scheme": scheme or _SCHEMES[type_],
        "raw_path": _ascii(path),
        "query_string": _ascii(query),
        "headers": headers,
        "subprotocols": _subprotocols(headers),
    }
    asked = "WebSocket" if type_ == "websocket" else str(scope["method"])
    if not (scheme or sent or arguments.host):
        return Request(f"{asked} {scope['path']}", scope, False)
    origin = f"{scope['scheme']}://{dict(headers)[b'host'].decode('latin-1')}"
    return Request(f"{asked} {origin}{path}{asks}{query}", scope, type_ == "websocket" and bool(scheme or sent))


def _type(scheme: str, method: str | None, websocket: bool, sent: bool) -> str:
    if websocket:
        return "websocket"
    if method is not None:
        return "http"
    return _TYPES[scheme] if scheme else "websocket" if sent else "http"


def _parts(text: str) -> tuple[str, str, str | None, str]:
    """The scheme of a URL, its host with the port, its user, and its path with the query."""
    if "://" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} must start with a slash, or be a URL as ws://localhost/rooms/7")
    found = _URL.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no URL; write scheme://host:port/path?query")
    scheme, host, port, target = found["scheme"].lower(), found["host"], found["port"], found["target"]
    if scheme not in _TYPES:
        raise argparse.ArgumentTypeError(f"{text!r} has the scheme {scheme!r}; write one of {', '.join(_TYPES)}")
    if port is not None and int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: there is no port {port}")
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise argparse.ArgumentTypeError(f"{text!r}: {host!r} is no host name") from None
    return (
        scheme,
        host if port is None else f"{host}:{port}",
        found["user"],
        target if target.startswith("/") else f"/{target}",
    )


def _headers(arguments: argparse.Namespace, host: str, user: str | None) -> list[tuple[bytes, bytes]]:
    """The headers as a server gives them: names in lower case, the host first."""
    sent: list[tuple[bytes, bytes]] = list(arguments.headers)
    if arguments.cookies:
        sent.append((b"cookie", b"; ".join(arguments.cookies)))
    names = {name for name, _ in sent}
    if user is not None and b"authorization" not in names:
        name, _, password = user.partition(":")
        sent.insert(0, (b"authorization", b"Basic " + b64encode(f"{unquote(name)}:{unquote(password)}".encode())))
    return sent if b"host" in names else [(b"host", _bytes(host)), *sent]


def _subprotocols(headers: list[tuple[bytes, bytes]]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [offer.strip() for value in values for offer in value.split(",") if offer.strip()]


def _ascii(text: str) -> bytes:
    """A part of a URL as a client sends it."""
    return quote(text, safe=punctuation, errors="surrogateescape").encode()


def _bytes(text: str) -> bytes:
    """A part of a header as curl sends it."""
    return text.encode(errors="surrogateescape")


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not TOKEN.fullmatch(name) or _CONTROL.search(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not 'name: value'")
    return _bytes(name.lower()), _bytes(value.strip(" \t"))


def _cookie(text: str) -> bytes:
    for pair in text.split(";"):
        name, equals, value = pair.partition("=")
        if not equals or not TOKEN.fullmatch(name.strip(" ")) or _CONTROL.search(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not 'name=value'")
    return _bytes(text.strip(" "))
