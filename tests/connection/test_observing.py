"""The logger `fastroute`: refused handshakes and unmatched paths, and no value of a client."""

import logging
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, ConnectionPolicy, Depends, Query, Router

SECRET = "hunter2"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.DEBUG, "fastroute")
    yield caplog
    assert SECRET not in caplog.text


class Strict(BaseModel):
    model_config = {"extra": "forbid"}

    limit: int = 0


async def endpoint(websocket: WebSocket) -> None: ...


async def strict(websocket: WebSocket, filters: Annotated[Strict, Query()]) -> None: ...


async def nested(websocket: WebSocket, data: Annotated[Json[dict[str, int]], Query()]) -> None: ...


async def two(websocket: WebSocket, limit: Annotated[int, Query(le=9)], x: Annotated[int, Query()]) -> None: ...


async def closes(websocket: WebSocket) -> None:
    await websocket.close(4001, SECRET)


async def denies(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse(SECRET, 418))


async def accepts(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(4001, SECRET)


def raising(error: Exception) -> Any:
    async def dependency() -> None:
        raise error

    return Depends(dependency)


REFUSALS: list[tuple[Any, str, str]] = [
    (two, f"limit=10&x={SECRET}", "query.limit: less_than_equal; query.x: int_parsing"),
    (two, "", "query.limit: missing; query.x: missing"),
    (strict, f"limit={SECRET}", "query.limit: int_parsing"),
    (strict, f"{SECRET}=1", "query: extra_forbidden"),
    (nested, f'data={{"{SECRET}": "{SECRET}"}}', "query.data: int_parsing"),
    (endpoint, "", "closed with 1000"),
    (closes, "", "closed with 4001"),
    (denies, "", "denied with 418"),
]


@pytest.mark.parametrize("policy", [None, ConnectionPolicy(idle_timeout=60)])
@pytest.mark.parametrize(("call", "query", "reason"), REFUSALS)
def test_a_refused_handshake_is_logged_with_its_reason(
    log: pytest.LogCaptureFixture, call: Any, query: str, reason: str, policy: Any
) -> None:
    app = Starlette(routes=[Mount("/in", routes=[APIWebSocketRoute("/rooms/{room}", call, policy=policy)])])
    connect(app, websocket_scope(f"/in/rooms/{SECRET}?{query}"))
    assert [(record.levelname, record.getMessage()) for record in log.records] == [
        ("INFO", f"WebSocket /rooms/{{room}}: handshake refused: {reason}")
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(HTTPException(401, SECRET), "HTTPException 401"), (WebSocketException(4001, SECRET), "WebSocketException 4001")],
)
def test_an_error_that_refuses_is_logged_without_its_text(
    log: pytest.LogCaptureFixture, error: Exception, reason: str
) -> None:
    route = APIWebSocketRoute("/", endpoint, dependencies=[raising(error)])
    connect(Starlette(routes=[route]), websocket_scope("/"))
    assert log.messages == [f"WebSocket /: handshake refused: {reason}"]


def test_an_error_that_is_no_answer_is_the_servers(log: pytest.LogCaptureFixture) -> None:
    route = APIWebSocketRoute("/", endpoint, dependencies=[raising(ValueError(SECRET))])
    with pytest.raises(ValueError, match=SECRET):
        connect(Starlette(routes=[route]), websocket_scope("/"))
    assert log.messages == []


def test_a_connection_that_was_accepted_is_not_logged(log: pytest.LogCaptureFixture) -> None:
    connect(Starlette(routes=[APIWebSocketRoute("/", accepts)]), websocket_scope("/"))
    assert log.messages == []


@pytest.mark.parametrize(
    ("origins", "said"),
    [
        (["https://evil.example"], "origin 'https://evil.example'"),
        (["null"], "origin 'null'"),
        (["a\r\n\x1b[31m\xe4"], "origin 'a\\r\\n\\x1b[31m\\xe4'"),
        (["x" * 5000], f"origin '{'x' * 199}"),
        (["a", "b"], "origin 'a', 'b'"),
        (["a", "b", "c"], "origin 'a', 'b' and others"),
    ],
)
def test_a_refused_origin_is_escaped_and_cut(log: pytest.LogCaptureFixture, origins: list[str], said: str) -> None:
    route = APIWebSocketRoute("/", endpoint, policy=ConnectionPolicy(origins=["https://app.example.org"]))
    headers = [("Origin", origin) for origin in origins] + [("Cookie", SECRET)]
    connect(Starlette(routes=[route]), websocket_scope("/", headers=headers))
    assert log.messages == [f"WebSocket /: handshake refused: {said}"]


def test_a_path_that_matches_nothing_is_logged_with_the_nearest_route(log: pytest.LogCaptureFixture) -> None:
    router = Router()
    router.add_api_websocket_route("/rooms/{room:int}/live", accepts)
    router.add_api_websocket_route("/users", accepts)
    for path in ("/rooms/x/live", "/rooms/1/liv", "/nowhere\r\n" + "y" * 500):
        connect(router, websocket_scope(path))
    first, second, third = log.messages
    assert first.startswith(
        "WebSocket path '/rooms/x/live' matches no route; the nearest is WebSocket /rooms/{room:int}"
    )
    assert "`room`: expected digits at position 7" in first
    assert "expected" in second
    assert third == f"WebSocket path '/nowhere\\r\\n{'y' * 187} matches no route"
    assert {record.levelname for record in log.records} == {"DEBUG"}


def test_nothing_is_looked_for_if_nobody_listens(log: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    log.set_level(logging.WARNING, "fastroute")
    router = Router()
    router.add_api_websocket_route("/rooms", accepts)
    monkeypatch.setattr("fastroute.tracing.failures.nearest_route", None)
    connect(router, websocket_scope("/nowhere"))
    assert log.messages == []
