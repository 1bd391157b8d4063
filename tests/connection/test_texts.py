"""The whole text of every mistake in a policy, a list of origins, a deadline or the rules of messages."""

import math
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.websockets import WebSocket

from fastroute import ANY_ORIGIN, ConnectionPolicy, Deadline, MessageRules, Router
from fastroute.connection.policy import check_seconds


async def on_end(*arguments: Any) -> None: ...


async def talk(websocket: WebSocket) -> None: ...


def policy(**given: Any) -> Callable[[], Any]:
    return lambda: ConnectionPolicy(**given)


def deadline(method: str, value: Any) -> Callable[[], Any]:
    return lambda: getattr(Deadline(SimpleNamespace(expires=math.inf)), method)(value)


TEXTS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        policy(origins=b"https://a"),
        TypeError,
        "origins=b'https://a' is no text; write origins=['https://a']",
    ),
    (
        policy(origins=7),
        TypeError,
        "origins=7 is no list of origins; write ['https://app.example.org']",
    ),
    (
        policy(cancel_on_disconnect=1),
        TypeError,
        "cancel_on_disconnect=1 is neither True nor False",
    ),
    (
        policy(on_end="log"),
        TypeError,
        "on_end='log' is no function; it is called with scope, code, reason and seconds",
    ),
    (
        policy(on_end=on_end),
        TypeError,
        f"on_end={on_end!r} is async, and would not be awaited; write a plain function",
    ),
    (
        policy(idle_timeout="30"),
        TypeError,
        "idle_timeout='30' is no number of seconds; write for example idle_timeout=30",
    ),
    (
        policy(accept_timeout=0),
        ValueError,
        "accept_timeout=0 must be above 0; write seconds, leave it unset, or float('inf') for no limit",
    ),
    (
        policy(max_lifetime=10**12),
        ValueError,
        "max_lifetime is more than 8,000 years; write seconds, or float('inf') for no limit",
    ),
    (
        lambda: check_seconds("seconds", 0),
        ValueError,
        "seconds=0 must be above 0; write seconds or float('inf') for no limit",
    ),
    (
        lambda: check_seconds("seconds", None),
        TypeError,
        "seconds=None is no number of seconds; write for example seconds=30",
    ),
    (
        lambda: Router(policy="none"),
        TypeError,
        "policy='none' is no ConnectionPolicy; write policy=ConnectionPolicy(...)",
    ),
    (
        policy(origins=[]),
        ValueError,
        "origins is empty, so that nobody could connect; name origins, or write ANY_ORIGIN",
    ),
    (
        policy(origins=["*"]),
        ValueError,
        "'*' in origins would make the others pointless; write origins=ANY_ORIGIN for any origin",
    ),
    (
        policy(origins=[ANY_ORIGIN]),
        ValueError,
        "'*' in origins would make the others pointless; write origins=ANY_ORIGIN for any origin",
    ),
    (
        deadline("at", datetime(2030, 1, 1)),
        ValueError,
        "Deadline.at(datetime.datetime(2030, 1, 1, 0, 0)): no time zone; write for example datetime.now(UTC)",
    ),
    (
        deadline("at", "soon"),
        TypeError,
        "Deadline.at('soon'): give a datetime or Unix seconds",
    ),
    (
        deadline("at", True),
        TypeError,
        "Deadline.at(True): give a datetime or Unix seconds",
    ),
    (
        deadline("after", "soon"),
        TypeError,
        "Deadline.after('soon'): give seconds",
    ),
    (
        deadline("after", math.nan),
        ValueError,
        "Deadline.after(nan): there is no such time",
    ),
    (
        deadline("at", 10**12),
        ValueError,
        "Deadline.at() is given a time that no calendar has; give seconds, not milliseconds",
    ),
    (
        deadline("after", -(10**12)),
        ValueError,
        "Deadline.after() is given a time that no calendar has; give seconds, not milliseconds",
    ),
    (
        lambda: MessageRules(on_invalid="drop"),
        ValueError,
        "MessageRules(on_invalid='drop'): write 'close' or 'yield'",
    ),
    (
        lambda: MessageRules(max_size=0),
        ValueError,
        "MessageRules(max_size=0): write a number of bytes, at least 1",
    ),
    (
        lambda: MessageRules(max_size=True),
        ValueError,
        "MessageRules(max_size=True): write a number of bytes, at least 1",
    ),
]


@pytest.mark.parametrize(("make", "kind", "text"), TEXTS, ids=range(len(TEXTS)))
def test_a_mistake_is_told_in_full(make: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as error:
        make()
    assert (type(error.value), str(error.value)) == (kind, text)


ORIGINS: list[tuple[Any, str]] = [
    (
        b"https://a.example",
        "; write a string: 'https://a.example'",
    ),
    (
        5,
        "; write a string such as 'https://app.example.org'",
    ),
    (
        "https://a.example:99999",
        ": there is no port 99999",
    ),
    (
        "https://a.example:080",
        ": there is no port 080",
    ),
    (
        "https://a.example:0",
        ": there is no port 0",
    ),
    (
        "https://a.example:65536",
        ": there is no port 65536",
    ),
    (
        "https://*.192.0.2.7",
        ", but nothing is below an address; name the host",
    ),
    (
        "https://*.[::1]",
        ", but nothing is below an address; name the host",
    ),
    (
        "https://[::g]",
        ", which is no scheme://host[:port]; write for example 'https://app.example.org:8443'",
    ),
    (
        "Null",
        ", which any sandboxed page can send; name the origins that may connect, or write origins=ANY_ORIGIN",
    ),
    (
        " ",
        ", which is empty; write for example 'https://app.example.org', or leave origins unset",
    ),
    (
        "https://a.example, https://b.example;https://c.example",
        ", which is several in one text; write a list: ['https://a.example', 'https://b.example', 'https://c.example']",
    ),
    (
        "https://a.example b.example",
        ", which is no scheme://host[:port]; write for example 'https://app.example.org:8443'",
    ),
    (
        " https://a.example,",
        ", but an origin has no spaces or commas around it; write 'https://a.example'",
    ),
    (
        "a.example",
        ", which has no scheme; write 'https://a.example'",
    ),
    (
        "http",
        ", which has no scheme; write 'https://http'",
    ),
    (
        "//a.example",
        ", which has no scheme; write 'https://a.example'",
    ),
    (
        "localhost:3000",
        ", which has no scheme; write 'http://localhost:3000'",
    ),
    (
        "192.0.2.7",
        ", which has no scheme; write 'http://192.0.2.7'",
    ),
    (
        "http:a.example",
        ", which has no scheme; write 'http://a.example'",
    ),
    (
        "WSS:/a.example",
        ", which has no scheme; write 'WSS://a.example'",
    ),
    (
        "https://a.example/",
        ", but an origin has no path; write 'https://a.example'",
    ),
    (
        "https://a.example?x/y",
        ", but an origin has no path; write 'https://a.example'",
    ),
    (
        "https://a.example\\x",
        ", but an origin has no path; write 'https://a.example'",
    ),
    (
        "https://ann:secret@a.example",
        ", but an origin has no user; write 'https://a.example'",
    ),
    (
        "https://*",
        ", which means any host; write origins=ANY_ORIGIN, or 'https://*.example.org' for all below a host",
    ),
    (
        "https://m\xfcller.example",
        ", but a browser sends it in ASCII (punycode); write 'https://xn--mller-kva.example'",
    ),
    (
        "https://\xad",
        ", but a browser sends it in ASCII (punycode); write scheme://host[:port], for example "
        "'https://app.example.org:8443'",
    ),
    (
        "wss://a.example:8443",
        ", but a browser sends the origin of the page; write 'https://a.example:8443'",
    ),
    (
        "ws://a.example",
        ", but a browser sends the origin of the page; write 'http://a.example'",
    ),
    (
        "https://::1",
        ", but an IPv6 address stands in brackets; write 'https://[::1]'",
    ),
    (
        "https://a.example:*",
        ", but a port is a number; write each origin with its port, as 'https://a.example:3000'",
    ),
    (
        "https://a.example:",
        ", but a port is a number; write each origin with its port, as 'https://a.example:3000'",
    ),
    (
        "https://a.example.",
        ", but a browser sends a host without the dot at its end; write 'https://a.example'",
    ),
    (
        "https://...",
        ", which is no scheme://host[:port]; write for example 'https://app.example.org:8443'",
    ),
    (
        "https://*a.example",
        ", but `*.` can only be all of the first labels, as in 'https://*.example.org'",
    ),
    (
        "https://a_b!",
        ", which is no scheme://host[:port]; write for example 'https://app.example.org:8443'",
    ),
]


@pytest.mark.parametrize(("origin", "problem"), ORIGINS, ids=range(len(ORIGINS)))
def test_a_mistake_in_an_origin_is_told_in_full(origin: Any, problem: str) -> None:
    with pytest.raises(ValueError, match="origins has ") as error:
        ConnectionPolicy(origins=[origin])
    assert str(error.value) == f"origins has {origin!r}{problem}"
