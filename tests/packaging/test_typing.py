"""What type checkers make of the public API: mypy and pyright read this file, and every test here runs too."""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, assert_type

import fastapi
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette import routing
from starlette.applications import Starlette
from starlette.convertors import Convertor
from starlette.routing import BaseRoute, Match, Mount, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
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
from fastroute.matching import matcher_py
from fastroute.router import NewerOptions
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


async def not_found(scope: Scope, receive: Receive, send: Send) -> None: ...


def test_router() -> None:
    router = Router([Mount("/m", not_found)], False, not_found, None, middleware=[], prefix="/m")
    assert_type(router.redirect_slashes, bool)
    assert router.default is not_found
    if "max_body_size" in inspect.signature(routing.Router).parameters:
        Router(max_body_size=1000)

    @router.websocket("/feed")
    async def feed(websocket: WebSocket) -> None: ...

    assert_type(router.routes, list[BaseRoute])


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

    def plain(websocket: WebSocket) -> None: ...

    APIWebSocketRoute("/", plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Router().add_api_websocket_route("/", plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Router().websocket("/")(plain)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    Router(redirect_slash=False)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Router(max_body_size="1 MB")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Query(max_lenght=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    PathMatcher(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    APIWebSocketRoute("/")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    APIWebSocketRoute("/", endpoint, dependency_overrides_provider={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Router(dependency_overrides_provider=object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Depends(current_user, scope="for ever")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- what help() and inspect show --------------------------------------------------------------------------------


def shown(function: Any) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


def test_both_twins_of_the_matcher_look_the_same() -> None:
    pure = matcher_py.PathMatcher
    compiled: Any = pytest.importorskip("fastroute.matching.matcher_c", reason="a pure install").PathMatcher
    assert shown(pure) == shown(compiled)
    assert shown(pure.match) == shown(compiled.match)
    assert [name for name, *_ in shown(pure.match)] == ["self", "route_path"]
    for template in ("/a", "/{a}", "/{a}-{b}/x", "{host}"):
        assert shown(pure(template).match) == shown(compiled(template).match) == shown(pure.match)[1:]
        assert inspect.getdoc(pure(template).match) == inspect.getdoc(compiled(template).match)
    assert inspect.getdoc(pure) == inspect.getdoc(compiled)
    assert inspect.getdoc(pure.match) == inspect.getdoc(compiled.match)


def test_markers_show_their_keywords() -> None:
    for marker, theirs in (
        (Path, fastapi.Path),
        (Query, fastapi.Query),
        (Header, fastapi.Header),
        (Cookie, fastapi.Cookie),
    ):
        ours, kept = inspect.signature(marker).parameters, inspect.signature(theirs).parameters
        assert set(kept) - set(ours) <= {"extra"}
        assert all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in ours.values())
        marker(..., **{each.name: each.default for each in list(ours.values())[1:]})


def test_a_router_shows_the_parameters_of_the_oldest_starlette() -> None:
    names = list(inspect.signature(Router).parameters)
    assert names[:5] == ["routes", "redirect_slashes", "default", "lifespan", "middleware"]
    theirs = set(inspect.signature(routing.Router).parameters)
    assert theirs - set(names) <= NewerOptions.__optional_keys__
