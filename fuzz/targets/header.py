"""Headers, `name: value` in each line, against Starlette's `Headers`; what schemes read there against FastAPI's."""

from typing import Any

import fastapi.security
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from fastroute import security
from fastroute.dependencies import parsing
from targets import lines

WORDS = ["\r\n", ":", "a: 1", "A:", "authorization: Basic ", "authorization: bearer ", "YTpi", "Og==", "=", " ", "\t"]
WORDS += ["authorization:", "x-key: k", "digest ", "BASIC", ",", "\ufffd"]

SCHEMES = {
    "HTTPBasic": {"realm": "here"},
    "HTTPBearer": {},
    "HTTPDigest": {},
    "OAuth2PasswordBearer": {"tokenUrl": "https://example.org"},
    "OpenIdConnect": {"openIdConnectUrl": "https://example.org"},
    "APIKeyHeader": {"name": "x-key"},
}
PAIRS: list[tuple[Any, Any]] = [
    tuple(getattr(package, name)(**options, auto_error=auto_error) for package in (fastapi.security, security))
    for name, options in SCHEMES.items()
    for auto_error in (False, True)
]


def check(data: bytes) -> None:
    pairs = [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines(data))]
    headers = Headers(raw=pairs)
    for cast in (bytes, bytearray, memoryview):
        received: list[Any] = [(cast(name), value) for name, value in pairs]
        found = parsing.headers_by_name(received)
        for name, _ in pairs:
            text = name.decode("latin-1")
            # Starlette looks for the name in lower case: a server sends no other.
            if text == text.lower():
                assert found[name].decode("latin-1") == headers[text], (name, data)
                assert parsing.header_values(received, name) == headers.getlist(text), (name, data)
    connection = HTTPConnection({"type": "websocket", "headers": pairs})
    for theirs, ours in PAIRS:
        expected, given = _answer(theirs, connection), _answer(ours, connection)
        assert given == expected, f"{type(ours).__name__}: {given}, FastAPI {expected}"


def _answer(scheme: Any, connection: HTTPConnection) -> Any:
    """What a scheme gives or raises; none of them waits for anything."""
    try:
        scheme(connection).send(None)
    except StopIteration as end:
        dump = getattr(end.value, "model_dump", None)
        return dump() if dump else end.value
    except HTTPException as error:
        return error.status_code, error.detail, error.headers
    raise AssertionError(f"{scheme} waits")
