"""What type checkers make of the public API: mypy and pyright read this file, and every test here runs too."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, assert_type

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.convertors import Convertor
from starlette.routing import BaseRoute, Match, WebSocketRoute
from starlette.types import ASGIApp, Scope
from starlette.websockets import WebSocket

import fastroute
from fastroute import (
    APIWebSocketRoute,
    Cookie,
    Depends,
    Header,
    MessageRules,
    Messages,
    Path,
    PathMatcher,
    Query,
    Router,
    Security,
    SecurityScopes,
    WebSocketRequestValidationError,
)
from fastroute.security import HTTPAuthorizationCredentials, HTTPBearer
from fastroute.testing import ClientSession, connect


def scope(path: str) -> Scope:
    return {"type": "websocket", "path": path, "headers": [], "query_string": b""}


async def current_user(scopes: SecurityScopes) -> str:
    return scopes.scope_str


async def endpoint(
    websocket: WebSocket,
    room_id: Annotated[int, Path(ge=1)],
    user: Annotated[str, Security(current_user, scopes=["chat"])],
    bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
    q: Annotated[str | None, Query(max_length=3)] = None,
    limit: int = Query(default=10),
    version: Annotated[int, Header()] = 1,
    color: Annotated[str, Cookie()] = "black",
) -> None:
    await websocket.accept()


def test_route() -> None:
    route = APIWebSocketRoute("/rooms/{room_id:int}", endpoint, name="room", dependencies=[Depends(current_user)])
    as_starlette: WebSocketRoute = route
    assert as_starlette is route
    assert_type(route.path, str)
    assert_type(route.name, str)
    assert_type(route.endpoint, Callable[..., Any])
    assert_type(route.path_regex, re.Pattern[str])
    assert_type(route.path_format, str)
    assert_type(route.param_convertors, dict[str, Convertor[Any]])
    app: ASGIApp = route.app
    assert callable(app)
    assert_type(route.matches(scope("/rooms/7")), tuple[Match, Scope])


def test_routes_are_routes_of_starlette() -> None:
    routes: list[BaseRoute] = [APIWebSocketRoute("/rooms/{room_id:int}", endpoint)]
    assert Starlette(routes=routes).routes == routes


class Provider:
    dependency_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}  # noqa: RUF012  # as FastAPI has it


def test_providers_of_overrides() -> None:
    APIWebSocketRoute("/", current_user, dependency_overrides_provider=FastAPI())
    APIWebSocketRoute("/", current_user, dependency_overrides_provider=Starlette())
    APIWebSocketRoute("/", current_user, dependency_overrides_provider=None)
    assert Router(dependency_overrides_provider=Provider()).dependency_overrides_provider is not None


def test_matcher() -> None:
    matcher = PathMatcher("/rooms/{room_id:int}")
    assert_type(matcher.path, str)
    assert_type(matcher.path_format, str)
    assert_type(matcher.path_regex, re.Pattern[str])
    assert_type(matcher.param_convertors, dict[str, Convertor[Any]])
    assert assert_type(matcher.match("/rooms/7"), dict[str, Any] | None) == {"room_id": 7}


def test_package() -> None:
    assert_type(fastroute.IMPLEMENTATION, Literal["cython", "python"])
    assert_type(fastroute.__version__, str)


def test_error() -> None:
    with pytest.raises(WebSocketRequestValidationError) as caught:
        raise WebSocketRequestValidationError([])
    assert_type(caught.value.errors(), Sequence[Any])


class In(BaseModel):
    text: str


class Out(BaseModel):
    length: int


async def typed(
    messages: Messages[In, Out],
    yielding: Annotated[Messages[In | ValidationError, Out], MessageRules(on_invalid="yield")],
) -> None:
    assert_type(await messages.receive(), In)
    async for message in messages:
        assert_type(message, In)
        await messages.send(Out(length=len(message.text)))
    assert_type(messages.websocket, WebSocket)
    async for message_or_error in yielding:
        if isinstance(message_or_error, ValidationError):
            continue
        assert_type(message_or_error, In)
    await messages.send(In(text=""))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await messages.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_messages() -> None:
    assert APIWebSocketRoute("/", typed).endpoint is typed


async def client_of_tests() -> None:
    async with connect(Starlette(), "/", headers={"x": "y"}, subprotocols=["chat"], timeout=2) as socket:
        assert_type(socket, ClientSession)
        assert_type(await socket.receive_text(), str)
        assert_type(await socket.receive_bytes(), bytes)


def refused() -> None:
    """Only read: both checkers also report an `ignore` that nothing needs."""
    PathMatcher(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    APIWebSocketRoute("/")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    APIWebSocketRoute("/", endpoint, dependency_overrides_provider={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Router(dependency_overrides_provider=object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Depends(current_user, scope="for ever")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
