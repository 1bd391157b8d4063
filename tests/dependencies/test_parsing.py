"""Values read directly from a scope equal those of Starlette's properties for the same scope."""

import http.cookies
import tracemalloc
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import parse_qsl

import pytest
from engines import ENGINES, engine
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection, cookie_parser
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Cookie, Depends, Header, Query, _starlette
from fastroute.dependencies import parsing
from fastroute.security import APIKeyCookie

QUERIES = st.lists(st.sampled_from([b"a", b"b", b"=", b"&", b"%41", b"%", b"%ff", b"+", b";", b"\xe9", b" ", b""])).map(
    b"".join
)
NAMES = st.sampled_from([b"cookie", b"x-a", b"x-b", b"X-A", b""])
VALUES = st.one_of(
    st.binary(max_size=8),
    st.lists(
        st.sampled_from([b"a=1", b"b=2", b"a", b";", b'"', b"\\054", b"\\", b"\\4", b"=", b" ", b"\n", b"\xe9"])
    ).map(b"".join),
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
TYPES = st.sampled_from([bytes, bytearray])


@given(QUERIES)
def test_query(query: bytes) -> None:
    expected = HTTPConnection({**websocket_scope(), "query_string": query}).query_params
    assert parsing.query_values(query) == dict(expected)
    assert parsing.query_lists(query) == {key: expected.getlist(key) for key in expected}


def test_a_query_with_nothing_to_decode_is_split_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "parse_qsl", None)
    assert parsing.query_lists(b"a=1&b=&a=\xe9") == {"a": ["1", "\xe9"], "b": [""]}


@pytest.mark.parametrize(
    "query",
    ["", "a=1&b=2&a=3", "a&b=%e2%82%ac+c", "a=\u20ac", None, {"a": 1}, [("a", 1), ("a", "2")], QueryParams("a=1")],
)
def test_query_of_another_type(query: Any) -> None:
    expected = HTTPConnection({**websocket_scope(), "query_string": query}).query_params
    assert parsing.query_values(query) == dict(expected)
    assert parsing.query_lists(query) == {key: expected.getlist(key) for key in expected}


@given(HEADERS, TYPES, TYPES, st.sampled_from([list, tuple, iter]))
def test_headers_and_cookies(headers: list[tuple[bytes, bytes]], name_type: Any, value_type: Any, outer: Any) -> None:
    def scope() -> dict[str, Any]:
        pairs = [(name_type(name), value_type(value)) for name, value in headers]
        return {**websocket_scope(), "headers": outer(pairs)}

    connection = HTTPConnection(scope())
    ours = scope()
    pairs = parsing.header_pairs(ours)
    assert parsing.header_pairs(ours) is ours["headers"] is pairs
    assert parsing.cookie_values(pairs) == connection.cookies
    assert _starlette.cookies_of(HTTPConnection(ours)) == connection.cookies
    found = parsing.headers_by_name(pairs)
    for name in (b"x-a", b"x-b", b"cookie"):
        value = found.get(name)
        assert (value if value is None else value.decode("latin-1")) == connection.headers.get(name.decode())
        assert (parsing.header_values(pairs, name) or []) == connection.headers.getlist(name.decode())


@pytest.mark.parametrize("name", [memoryview(b"x-a"), memoryview(bytearray(b"x-a")), bytearray(b"x-a")])
def test_headers_with_names_of_other_types(name: Any) -> None:
    pairs: Any = [("x-a", b"a text is no name"), (b"x-b", b"2"), (name, b"1"), (name, b"3")]
    headers = HTTPConnection({**websocket_scope(), "headers": pairs}).headers
    found = parsing.headers_by_name(pairs)
    assert [found[b"x-a"].decode(), found[b"x-b"].decode()] == [headers["x-a"], headers["x-b"]] == ["1", "2"]
    assert parsing.header_values(pairs, b"x-a") == headers.getlist("x-a") == ["1", "3"]


# The whole way, for both engines


class Cookies(BaseModel):
    c: str = "none"


async def endpoint(
    websocket: WebSocket,
    x_a: Annotated[str, Header()],
    x_b: Annotated[list[str], Header()],
    c: Annotated[str, Cookie()],
    model: Annotated[Cookies, Cookie()],
    key: Annotated[str, Depends(APIKeyCookie(name="c"))],
    q: str,
    r: Annotated[list[int], Query()],
) -> None:
    found = [x_a, x_b, c, model.c, key, q, r]
    assert websocket.headers["x-a"] == x_a
    await websocket.accept()
    await websocket.send_json(found)


PAIRS = [(b"x-b", b"1"), (b"x-a", b"a"), (b"x-b", b"2"), (b"cookie", b'c="\\"x\\054"')]
RECEIVED: dict[str, tuple[Any, Callable[[], Any]]] = {
    "as ASGI says": (b"q=x&r=1&r=2", lambda: list(PAIRS)),
    "a text": ("q=x&r=1&r=2", lambda: list(PAIRS)),
    "a tuple": (b"q=x&r=1&r=2", lambda: tuple(PAIRS)),
    "an iterator": (b"q=x&r=1&r=2", lambda: iter(PAIRS)),
    "lists": (b"q=x&r=1&r=2", lambda: [list(pair) for pair in PAIRS]),
    "bytearrays": (b"q=x&r=1&r=2", lambda: [(bytearray(name), bytearray(value)) for name, value in PAIRS]),
    "memoryviews": (b"q=x&r=1&r=2", lambda: [(memoryview(name), value) for name, value in PAIRS]),
}


@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("received", RECEIVED)
def test_scopes_of_other_types(received: str, engine_name: str) -> None:
    query, headers = RECEIVED[received]
    with engine(engine_name):
        route = APIWebSocketRoute("/", endpoint)
        messages = connect(route, {**websocket_scope(), "query_string": query, "headers": headers()})
    assert messages[1]["text"] == '["a",["1","2"],"\\"x,","\\"x,","\\"x,","x",[1,2]]'


@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("missing", ["query_string", "headers"])
def test_a_scope_without_one_of_its_parts(missing: str, engine_name: str) -> None:
    """ASGI demands both, and Starlette's classes fail without them."""
    scope = {**websocket_scope(), "query_string": b"q=x&r=1", "headers": list(PAIRS)}
    del scope[missing]
    with engine(engine_name), pytest.raises(KeyError, match=missing):
        connect(APIWebSocketRoute("/", endpoint), scope)


# What a client can send to keep the loop busy


def test_escapes_of_a_cookie_cost_linear_time() -> None:
    """With `http.cookies` of Python 3.11.9 this takes minutes."""
    pairs = [(b"cookie", b'c="' + b'\\"\\054' * 100_000 + b'"')]
    assert parsing.cookie_values(pairs) == {"c": '",' * 100_000}
    connection = HTTPConnection({**websocket_scope(), "headers": pairs})
    assert APIKeyCookie(name="c").credentials(connection) == '",' * 100_000


def test_only_older_pythons_get_another_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(http.cookies, "_QuotePatt", raising=False)
    assert _starlette._linear_cookie_parser() is cookie_parser
    # Those whose `_unquote` takes quadratic time have this name.
    monkeypatch.setattr(http.cookies, "_QuotePatt", None, raising=False)
    linear = _starlette._linear_cookie_parser()
    monkeypatch.undo()
    assert linear is not cookie_parser
    assert linear('a="x\\054"; b=1') == cookie_parser('a="x\\054"; b=1') == {"a": "x,", "b": "1"}


@given(st.text(st.sampled_from('"\\\n01234789a\xe9 '), max_size=12))
def test_cookies_are_unquoted_as_by_python(value: str) -> None:
    unquote: Any = http.cookies._unquote  # type: ignore[attr-defined]  # the function Starlette uses
    for text in (value, f'"{value}"'):
        assert _starlette._unquoted(text) == unquote(text)


@pytest.mark.parametrize("part", [b"&", b"a&", b"a=&", b"=&"])
def test_a_long_query_needs_no_more_memory_than_in_starlette(part: bytes) -> None:
    query = part * 20_000 + b"a"

    def peak(read: Callable[[], Any]) -> int:
        tracemalloc.start()
        read()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    theirs = peak(lambda: dict(parse_qsl(query.decode(), keep_blank_values=True)))
    assert peak(lambda: parsing.query_values(query)) < 1.5 * theirs + len(query)
