"""Values read directly from a scope equal those of Starlette's properties for the same scope."""

from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from websocket_client import websocket_scope

from fastroute.dependencies import parsing

QUERIES = st.lists(st.sampled_from([b"a", b"b", b"=", b"&", b"%41", b"%", b"%ff", b"+", b";", b"\xe9", b" ", b""])).map(
    b"".join
)
NAMES = st.sampled_from([b"cookie", b"x-a", b"x-b", b"X-A", b""])
VALUES = st.one_of(
    st.binary(max_size=8),
    st.lists(st.sampled_from([b"a=1", b"b=2", b"a", b";", b'"', b"\\054", b"=", b" ", b"\xe9"])).map(b"".join),
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)


@given(QUERIES)
def test_query(query: bytes) -> None:
    expected = HTTPConnection({**websocket_scope(), "query_string": query}).query_params
    assert parsing.query_values(query) == dict(expected)
    assert parsing.query_lists(query) == {key: expected.getlist(key) for key in expected}


@given(HEADERS)
def test_headers_and_cookies(headers: list[tuple[bytes, bytes]]) -> None:
    connection = HTTPConnection({**websocket_scope(), "headers": headers})
    assert parsing.cookie_values(headers) == connection.cookies
    found = parsing.headers_by_name(iter(headers))
    for name in (b"x-a", b"x-b", b"cookie"):
        value = found.get(name)
        assert (value if value is None else value.decode("latin-1")) == connection.headers.get(name.decode())
        assert (parsing.header_values(headers, name) or []) == connection.headers.getlist(name.decode())
