"""`cookie` headers, one in each line, against Starlette's parser and the `http.cookies` of this Python below it."""

import http.cookies
from typing import Any

from starlette.requests import HTTPConnection, cookie_parser

from fastroute import _starlette
from fastroute.dependencies import parsing
from targets import lines

WORDS = ["a=1", "; ", ";", "=", '"', '\\"', "\\054", "\\", "\\4", "\\400", " ", "\r\n", "\n", "\t", '="', "\ufffd"]

#: The function below Starlette's parser; quadratic on older Pythons, of which ours is the linear twin.
_unquote: Any = http.cookies._unquote


def check(data: bytes) -> None:
    pairs = [(b"cookie", line) for line in lines(data)]
    expected: dict[str, str] = {}
    for _, value in pairs:
        text = value.decode("latin-1")
        expected |= cookie_parser(text)
        for quoted in (text, f'"{text}"'):
            assert _starlette._unquoted(quoted) == _unquote(quoted), quoted
    assert parsing.cookie_values(pairs) == expected, data
    connection = HTTPConnection({"type": "websocket", "headers": pairs})
    assert _starlette.cookies_of(connection) == expected, data
