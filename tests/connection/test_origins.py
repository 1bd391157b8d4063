"""Origins: which lists mean something, and which handshakes pass one."""

import re
import time
from ast import literal_eval
from typing import Any
from unittest import mock

import pytest
from origin_table import ALLOWED, PASS, REFUSED
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import ANY_ORIGIN, ConnectionPolicy, Router
from fastroute.connection.origins import Origins, origins_of, sent_origin


def header(*values: bytes) -> list[Any]:
    others = [(name, b"x") for name in (b"host", b"origins", b"x-origin", b"cookie", b"origi", b"orange", b"")]
    return [*others, *((b"origin", value) for value in values), (b"user-agent", b"x")]


def allows(headers: Any) -> bool:
    """Whether a handshake with these headers passes the list of the table."""
    origin = sent_origin(headers)
    return origin is None or Origins(ALLOWED).allows(origin)


@pytest.mark.parametrize("origin", PASS)
def test_these_pass(origin: bytes | None) -> None:
    assert allows(header() if origin is None else header(origin))


@pytest.mark.parametrize("origin", REFUSED, ids=lambda origin: ascii(origin)[:60])
def test_these_are_refused(origin: bytes) -> None:
    assert not allows(header(origin))


def test_the_host_of_the_request_is_no_shortcut() -> None:
    assert not allows([(b"host", b"evil.example"), (b"origin", b"https://evil.example")])


def test_several_headers_are_refused_even_if_they_are_equal() -> None:
    good = b"https://app.example.org"
    assert not allows(header(good, good))
    assert not allows(header(good, b"https://evil.example"))
    assert not allows(header(b"https://evil.example", good))


def test_headers_may_be_lists() -> None:
    assert allows([[b"origin", b"https://app.example.org"]])
    assert not allows([[b"origin", b"https://evil.example"]])


BUFFERS: list[Any] = [bytes, bytearray, memoryview, lambda text: memoryview(bytearray(text)), bytes.decode]


@pytest.mark.parametrize("of_name", BUFFERS)
@pytest.mark.parametrize("of_value", BUFFERS)
@pytest.mark.parametrize("name", [b"origin", b"Origin", b"ORIGIN"])
def test_no_type_or_case_of_a_header_opens_a_door(of_name: Any, of_value: Any, name: bytes) -> None:
    for origin in (b"https://app.example.org", b"https://a.tenants.example.org", b"HTTPS://APP.EXAMPLE.ORG"):
        assert allows([(b"host", b"h"), (of_name(name), of_value(origin))])
    for origin in (b"https://evil.example", b"null", b""):
        assert not allows([(b"host", b"h"), (of_name(name), of_value(origin))])
    good = (of_name(name), of_value(b"https://app.example.org"))
    assert not allows([good, good])
    assert not allows([(b"ORIGIN", b"https://evil.example"), good])


@pytest.mark.parametrize("make", [iter, tuple, lambda pairs: (pair for pair in pairs), list])
def test_every_list_of_origins_sees_the_headers_and_so_does_the_endpoint(make: Any) -> None:
    seen: list[Any] = []

    async def endpoint(websocket: WebSocket) -> None:
        seen.append(websocket.headers.get("origin"))
        await websocket.accept()

    router = Router(policy=ConnectionPolicy(origins=["https://a.example", "https://b.example"]))
    router.add_api_websocket_route("/", endpoint, policy=ConnectionPolicy(origins="https://b.example"))

    def first(origin: bytes) -> Any:
        scope = websocket_scope("/", denial=True)
        return connect(router, {**scope, "headers": make([(b"host", b"h"), (b"origin", origin)])})[0]

    assert first(b"https://a.example")["status"] == 403
    assert first(b"https://evil.example")["status"] == 403
    assert first(b"https://b.example")["type"] == "websocket.accept"
    assert seen == ["https://b.example"]


@pytest.mark.parametrize(
    ("origin", "fix"),
    [
        ("app.example.org", "write 'https://app.example.org'"),
        ("//app.example.org", "write 'https://app.example.org'"),
        ("https://app.example.org/", "write 'https://app.example.org'"),
        ("https://app.example.org/chat?x", "write 'https://app.example.org'"),
        ("https://ann:secret@app.example.org", "write 'https://app.example.org'"),
        ("https://*", "ANY_ORIGIN"),
        ("*", "ANY_ORIGIN"),
        ("null", "ANY_ORIGIN"),
        ("https://m\xfcller.example", "write 'https://xn--mller-kva.example'"),
        ("https://*.m\xfcller.example:8443", "write 'https://*.xn--mller-kva.example:8443'"),
        ("https://\xad", "punycode"),
        # Browsers send other hosts for these than Python's codec makes of them.
        ("https://stra\xdfe.example", "write scheme://host[:port], for example"),
        ("https://\uff41.example", "write scheme://host[:port], for example"),
        ("https://M\xfcller.example", "write 'https://xn--mller-kva.example'"),
        ("wss://app.example.org", "write 'https://app.example.org'"),
        ("WS://*.example.org:8080", "write 'http://*.example.org:8080'"),
        ("https://::1", "write 'https://[::1]'"),
        ("regex:.*", "write scheme://host[:port], for example"),
        ("https://a@b@c d", "write scheme://host[:port], for example"),
        ("https://*example.org", "'https://*.example.org'"),
        ("https://a.*.example.org", "'https://*.example.org'"),
        ("https://*.192.0.2.7", "name the host"),
        ("https://*.[::1]", "name the host"),
        ("https://app.example.org:0", "no port 0"),
        ("https://app.example.org:65536", "no port 65536"),
        ("https://app.example.org:x", "scheme://host[:port]"),
        ("https://[::g]", "scheme://host[:port]"),
        ("https://[1::2::3]", "1::2::3"),
        ("https://", "scheme://host[:port]"),
        ("https://a b", "scheme://host[:port]"),
        (" https://a", "write 'https://a'"),
        ("", "write for example 'https://app.example.org'"),
        (" \n", "write for example 'https://app.example.org'"),
        ("https://a.example,https://b.example", "write a list: ['https://a.example', 'https://b.example']"),
        ("https://a.example https://b.example", "write a list: ['https://a.example', 'https://b.example']"),
        ("http:a.example", "write 'http://a.example'"),
        ("https:/a.example", "write 'https://a.example'"),
        ("localhost:3000", "write 'http://localhost:3000'"),
        ("127.0.0.1:3000", "write 'http://127.0.0.1:3000'"),
        ("http://localhost:*", "as 'http://localhost:3000'"),
        ("https://a.example.", "write 'https://a.example'"),
        ("https://a.example\n", "write 'https://a.example'"),
        ("https://a.example,", "write 'https://a.example'"),
        ("https://*.", "'https://*.example.org'"),
        ("app://.", "scheme://host[:port]"),
        (b"https://a.example", "write a string: 'https://a.example'"),
        (7, "write a string"),
        (ANY_ORIGIN, "ANY_ORIGIN"),
    ],
)
def test_what_means_nothing_is_an_error_that_says_how_to_write_it(origin: Any, fix: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fix)) as raised:
        Origins(["https://app.example.org", origin])
    advice = re.search(r"; write ('.*'|\[.*\])$", str(raised.value))
    if advice is not None:
        Origins(literal_eval(f"[{advice[1]}]")[0] if advice[1][0] == "[" else [literal_eval(advice[1])])


def test_an_empty_list_is_an_error() -> None:
    with pytest.raises(ValueError, match="ANY_ORIGIN"):
        Origins([])


def test_a_long_header_costs_no_more_for_many_hosts() -> None:
    many = Origins([f"https://*.tenant{number}.example.org" for number in range(50)])
    for origin in (b"https://" + b"a." * 30_000, b"https://" + b"a" * 60_000, b"https://" + b"a-" * 30_000 + b"."):
        began = time.process_time()
        assert not many.allows(origin)
        assert time.process_time() - began < 0.01


def test_equal_lists_are_equal() -> None:
    one, other = Origins(["https://a", "https://*.b"]), Origins(["https://*.B:443", "https://A:443", "https://a"])
    assert one == other
    assert hash(one) == hash(other)
    assert one != Origins(["https://a"])
    assert one != "https://a"
    assert one == mock.ANY, "others may be equal to it"
    for other in (["https://b", "https://*.b"], ["https://a", "https://*.c"], ["https://a"], ["https://*.b"]):
        assert Origins(other) != one
    assert repr(one) == "Origins(['https://*.b', 'https://a'])"
    assert list(Origins(["https://*.b:8443", "http://a:80"])) == ["http://a", "https://*.b:8443"]


def test_its_patterns_match_what_browsers_write() -> None:
    origins = Origins(ALLOWED)
    for origin in filter(None, (*PASS, *(each for each in REFUSED if len(each) < 512))):
        written = origin in origins.written or (origins.is_below is not None and origins.is_below(origin) is not None)
        matches = any(re.fullmatch(pattern, origin.decode("latin-1")) for pattern in origins.patterns())
        assert matches == written, origin


def test_any_origin_is_no_list() -> None:
    assert origins_of(None) == origins_of(ANY_ORIGIN) == ()
    assert origins_of("https://a") == origins_of(["https://a"]) == (Origins(["https://a"]),)
    assert repr(ANY_ORIGIN) == "ANY_ORIGIN"


def test_an_origin_that_is_longer_than_any_is_refused() -> None:
    origins = Origins(["https://*.example.org"])
    for scheme in (b"https", b"HTTPS"):  # as a browser writes it, and not
        end = b".example.org"
        begin = scheme + b"://"
        longest = begin + b"a" * (512 - len(begin) - len(end)) + end
        assert len(longest) == 512
        assert origins.allows(longest)
        assert not origins.allows(begin + b"a" + longest[len(begin) :])


def test_the_largest_port_is_one() -> None:
    assert Origins(["https://app.example.org:65535"]).allows(b"https://app.example.org:65535")
    assert Origins(["https://app.example.org:1"]).allows(b"https://app.example.org:1")
