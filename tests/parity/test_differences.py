"""Where fastroute differs from FastAPI on purpose: a test for each row of the table in docs/differences.md."""

import contextlib
import datetime
import decimal
import enum
import functools
import gc
import inspect
import ipaddress
import pathlib
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Literal, NewType, TypeVar

import anyio
import fastapi
import fastapi.exception_handlers
import fastapi.exceptions
import fastapi.security
import pytest
from annotated_types import Not, Predicate
from oracle import BACKENDS, OURS, Api, Declared, Mounted, Record, Server, handshake, starlette
from pydantic import AfterValidator, AliasChoices, BaseModel, Field, HttpUrl, Json, SecretStr
from pydantic_core import core_schema
from starlette import routing as starlette_routing
from starlette.applications import Starlette
from starlette.background import BackgroundTasks
from starlette.datastructures import State
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

import fastroute
import fastroute.security
from fastroute import APIWebSocketRoute, DeclarationError, DependencyScopeError

SIDES = pytest.mark.parametrize("names", OURS.values(), ids=OURS)
EACH_BACKEND = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture(params=OURS)
def api(request: pytest.FixtureRequest) -> Api:
    """Our route, with our markers and with FastAPI's."""
    return Api(OURS[request.param])


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refused(endpoint: Any, parameter: str | None, *words: str, path: str = "/", **options: Any) -> DeclarationError:
    """The error of a route that cannot be made: it names the place, the parameter and what to write instead."""
    with pytest.raises(DeclarationError) as caught:
        APIWebSocketRoute(path, endpoint, **options)
    error = caught.value
    message = str(error)
    assert error.parameter == parameter
    assert parameter is None or repr(parameter) in message
    for word in words:
        assert word in message, message
    function = inspect.unwrap(error.call)
    if inspect.isfunction(function):
        assert f"{function.__module__}.{function.__qualname__}" in message
        assert f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}" in message
    return error


def shown(declared: Any, api: Api, target: Any = "/", backend: str = "asyncio", path: str = "/") -> Record:
    """What one connection to our route shows."""
    connection = handshake(target) if isinstance(target, str) else target
    mounted = Mounted(api.names, lambda fresh: declared, path, starlette)
    mounted.api.events = api.events
    return mounted.run(connection, backend)


def closed(code: int, reason: str = "") -> dict[str, Any]:
    return {"type": "websocket.close", "code": ("int", str(code)), "reason": reason}


def in_plain_starlette(endpoint: Any, connection: Any, backend: str, **options: Any) -> Record:
    """No handler for validation errors, as in an application that knows nothing of them."""
    handlers = options.pop("handlers", {})

    def host(route: Any, _: Any) -> Any:
        return Starlette(routes=[route], exception_handlers=handlers)

    return Mounted(OURS["fastroute"], lambda api: Declared(endpoint, **options), "/", host).run(connection, backend)


async def nothing(websocket: WebSocket) -> None:
    """An endpoint for what needs no connection."""


# Depends() forgotten or half written


Anything = TypeVar("Anything")


def authenticate() -> str:
    raise AssertionError("not called")


def test_depends_not_called(api: Api) -> None:
    async def endpoint(websocket: WebSocket, user: Annotated[str, api.Depends]) -> None: ...

    refused(endpoint, "user", "Depends(")


def test_a_function_in_annotated_is_refused() -> None:
    async def endpoint(websocket: WebSocket, user: Annotated[str, authenticate]) -> None: ...

    refused(endpoint, "user", "Depends(authenticate)")


@pytest.mark.parametrize("call", [authenticate, lambda: "user", functools.partial(authenticate), BaseModel])
def test_a_function_as_default_is_refused(call: Any) -> None:
    async def endpoint(websocket: WebSocket, user: str = call) -> None: ...

    refused(endpoint, "user", "Depends(")


def lets_in(endpoint: Any, target: str) -> bool:
    """Whether FastAPI lets in a client without credentials."""
    app = fastapi.FastAPI()
    app.add_api_websocket_route("/", endpoint)
    with TestClient(app).websocket_connect(target):
        return True


@pytest.mark.parametrize("scheme", [fastapi.security.HTTPBearer, fastroute.security.HTTPBearer])
def test_a_scheme_that_is_not_called(api: Api, scheme: Any) -> None:
    async def endpoint(websocket: WebSocket, bearer: Annotated[Any, api.Depends(scheme)]) -> None:
        await websocket.accept()

    async def shortcut(websocket: WebSocket, bearer: Annotated[scheme, api.Depends()]) -> None: ...

    refused(endpoint, "bearer", "HTTPBearer", "Depends(HTTPBearer(...))")
    refused(shortcut, "bearer", "HTTPBearer", "Depends(HTTPBearer(...))")
    refused(nothing, None, "Depends(HTTPBearer(...))", dependencies=[api.Depends(scheme)])

    async def open_door(websocket: WebSocket, bearer: Annotated[Any, fastapi.Depends(scheme)]) -> None:
        await websocket.accept()

    assert lets_in(open_door, "/")


def test_a_dropped_coroutine_is_an_error(api: Api, backend: str) -> None:
    def forgets_to_await() -> Any:
        return asynchronous()

    async def asynchronous() -> None: ...

    record = shown(Declared(nothing, [api.Depends(forgets_to_await)]), api, "/", backend)
    assert "forgets_to_await" in str(record.error)
    assert "nothing awaits it" in str(record.error)


def test_a_marker_that_would_vanish_is_refused(api: Api) -> None:
    user = Annotated[str, api.Depends(authenticate)]

    async def beside(websocket: WebSocket, user: Annotated[str, api.Depends(authenticate), api.Query()]) -> None:
        await websocket.accept()

    async def before(websocket: WebSocket, user: Annotated[str, api.Query(), api.Depends(authenticate)]) -> None: ...

    async def places(websocket: WebSocket, user: Annotated[str, api.Header(), api.Query()]) -> None: ...

    async def member(websocket: WebSocket, user: user | None = None) -> None: ...

    async def item(websocket: WebSocket, user: Annotated[list[user], api.Query()]) -> None: ...

    refused(beside, "user", "Depends(authenticate)", "Query()", "remove")
    refused(before, "user", "Depends(authenticate)", "Query()", "remove")
    refused(places, "user", "in one annotation", "remove")
    refused(member, "user", "Annotated[..., Depends(authenticate)]")
    refused(item, "user", "Annotated[..., Depends(authenticate)]")

    async def open_door(
        websocket: WebSocket, user: Annotated[str, fastapi.Depends(authenticate), fastapi.Query()]
    ) -> None:
        await websocket.accept()

    assert lets_in(open_door, "/?user=admin")


def test_depends_not_called_in_a_dependency(api: Api) -> None:
    async def dependency(user: str = authenticate) -> None: ...  # type: ignore[assignment]  # the mistake

    async def endpoint(websocket: WebSocket, a: Annotated[None, api.Depends(dependency)]) -> None: ...

    assert refused(endpoint, "user", "Depends(authenticate)").call is dependency


def test_depends_without_annotation(api: Api) -> None:
    async def endpoint(websocket: WebSocket, user=api.Depends()) -> None: ...  # type: ignore[no-untyped-def]

    refused(endpoint, "user", "annotation")


def test_depends_on_an_annotation_that_cannot_be_called(api: Api) -> None:
    async def endpoint(websocket: WebSocket, user: Annotated[Anything, api.Depends()]) -> None: ...

    refused(endpoint, "user", "~Anything", "name the call")


@pytest.mark.parametrize("word", ["args", "kwargs"])
def test_variable_parameters_are_refused(word: str) -> None:
    async def args(websocket: WebSocket, *args: Any) -> None: ...

    async def kwargs(websocket: WebSocket, **kwargs: Any) -> None: ...

    refused({"args": args, "kwargs": kwargs}[word], word, "functools.wraps")


def test_positional_only_parameters_are_refused() -> None:
    async def endpoint(websocket: WebSocket, q: int, /) -> None: ...

    refused(endpoint, "websocket", "positional-only")


# What a partial has bound


@pytest.mark.parametrize("target", ["/", "/?role=guest&level=1"])
def test_keywords_of_a_partial_are_fixed(api: Api, target: str) -> None:
    async def need(role: str, level: int = 3, q: int = 0) -> str:
        return f"{role} {level} {q}"

    bound = functools.partial(functools.partial(need, role="admin"), level=9)

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(bound)]) -> None:
        await api.end(websocket, a)

    assert shown(endpoint, api, target).events == [("endpoint", "admin 9 0")]


def test_a_marker_bound_by_a_partial_is_read(api: Api) -> None:
    async def user() -> str:
        return "user"

    async def need(role: str, who: str) -> str:
        return f"{role} {who}"

    bound = functools.partial(need, who=api.Depends(user))

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(bound)]) -> None:
        await api.end(websocket, a)

    assert shown(endpoint, api, "/?role=x").events == [("endpoint", "x user")]


# Metadata of Annotated behind a default


def test_constraints_hold_in_the_default_style(api: Api) -> None:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[int, Field(gt=5), AfterValidator(lambda value: value * 2)] = api.Query(),
        r: Annotated[int, Field(lt=3)] = api.Query(default=1, gt=0),
        s: Json[list[int]] = api.Query(default=None),
    ) -> None:
        await api.end(websocket, q, r, s)

    assert shown(endpoint, api, "/?q=6&r=2&s=[1,2]").events == [
        ("endpoint", ("int", "12"), ("int", "2"), ("list", [("int", "1"), ("int", "2")]))
    ]
    invalid = shown(endpoint, api, "/?q=1&r=0").events[0]
    assert [dict(error[1])["type"] for error in invalid[2:]] == ["greater_than", "greater_than"]
    invalid = shown(endpoint, api, "/?q=6&r=3&s=x").events[0]
    assert [dict(error[1])["type"] for error in invalid[2:]] == ["less_than", "json_invalid"]


@pytest.mark.parametrize("default", [True, False])
def test_an_empty_text_is_no_json(api: Api, default: bool) -> None:
    """FastAPI takes it for an absent value where the JSON is a list, and for invalid JSON elsewhere."""

    async def optional(websocket: WebSocket, q: Annotated[Json[list[int]], api.Query()] = None) -> None: ...

    async def required(websocket: WebSocket, q: Annotated[Json[list[int]], api.Query()]) -> None: ...

    invalid = shown(optional if default else required, api, "/?q=").events[0]
    assert [dict(error[1])["type"] for error in invalid[2:]] == ["json_invalid"]


def test_json_for_a_dict(api: Api) -> None:
    async def endpoint(websocket: WebSocket, q: Annotated[Json[dict[str, int]], api.Query()]) -> None:
        await api.end(websocket, q)

    assert shown(endpoint, api, '/?q={"a":1}').events == [("endpoint", ("dict", [("a", ("int", "1"))]))]


# include_router


@pytest.mark.parametrize("kind", ["function", "method", "instance"])
@pytest.mark.parametrize("inside", ["application", "router"])
def test_include_router_never_leaves_out_dependencies(api: Api, backend: str, kind: str, inside: str) -> None:
    """FastAPI makes new routes of those of an included router, from their endpoints; ours runs in its place."""
    called: list[str] = []

    async def refuse() -> None:
        called.append("auth")
        raise HTTPException(403)

    async def function(websocket: WebSocket) -> None:
        called.append("endpoint")

    class Chat:
        async def method(self, websocket: WebSocket) -> None:
            called.append("endpoint")

        __call__ = method

    endpoint = {"function": function, "method": Chat().method, "instance": Chat()}[kind]
    router = fastapi.APIRouter()
    router.routes.append(api.route(Declared(endpoint, [api.Depends(refuse)]), "/a"))
    application = fastapi.FastAPI()
    if inside == "router":
        outer = fastapi.APIRouter()
        outer.include_router(router)
        router = outer
    application.include_router(router, prefix="/in", dependencies=[fastapi.Depends(refuse)])
    record = Mounted(api.names, lambda fresh: nothing, "/", lambda route, _: application).run(
        handshake("/in/a"), backend
    )
    assert called == ["auth"]
    assert [message["type"] for message in record.messages][:1] == ["websocket.http.response.start"]
    assert record.messages[0]["status"] == ("int", "403")


def test_a_mount_in_an_included_router_keeps_its_routes(api: Api, backend: str) -> None:
    async def refuse(q: int = 0) -> None:
        api.log("auth", q)
        if not q:
            raise HTTPException(403)

    async def endpoint(websocket: WebSocket, p: int) -> None:
        await api.end(websocket, p)

    router = fastapi.APIRouter()
    router.routes.append(Mount("/m", routes=[api.route(Declared(endpoint, [api.Depends(refuse)]), "/{p}")]))
    application = fastapi.FastAPI()
    application.include_router(router, prefix="/in")

    def ask(target: str) -> Record:
        return Mounted(api.names, lambda fresh: nothing, "/", lambda route, _: application).run(
            handshake(target), backend
        )

    assert ask("/in/m/3").messages[0]["status"] == ("int", "403")
    assert ask("/in/m/3?q=1").messages[-1] == closed(1000)
    assert api.events == [("auth", ("int", "0")), ("auth", ("int", "1")), ("endpoint", ("int", "3"))]


def test_an_endpoint_object_reads_as_itself() -> None:
    class Chat:
        async def __call__(self, websocket: WebSocket) -> None: ...

    chat = Chat()
    route = APIWebSocketRoute("/", chat)
    assert route.endpoint is chat
    assert route.matches(handshake().scope())[1]["endpoint"] is chat


@pytest.mark.parametrize("way", ["routes=", "append", "mount"])
def test_the_class_of_a_route_is_kept(way: str) -> None:
    class Mine(APIWebSocketRoute):
        async def __call__(self, *asgi: Any) -> None:
            raise AssertionError("not called: matched routes are handled")

        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            scope["mine"] = True
            await super().handle(scope, receive, send)

    async def endpoint(websocket: WebSocket, q: int) -> None:
        assert websocket.scope["mine"]
        assert isinstance(websocket.scope["route"], Mine)

    route = Mine("/a", endpoint)

    def host(_: Any, handlers: Any) -> Any:
        if way == "routes=":
            return fastapi.FastAPI(routes=[route])
        application = fastapi.FastAPI()
        if way == "append":
            application.router.routes.append(route)
        else:
            application.mount("/", Starlette(routes=[route]))
        return application

    record = Mounted(OURS["fastroute"], lambda api: nothing, "/", host).run(handshake("/a?q=1"), "asyncio")
    assert record.messages == [closed(1000)]
    assert record.error is None


# Validation errors


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("application", [Starlette, fastapi.FastAPI])
def test_a_validation_error_closes_with_1008_and_a_text(application: Any, accept: bool, backend: str) -> None:
    async def accepts(websocket: WebSocket) -> None:
        if accept:
            await websocket.accept()

    async def endpoint(
        websocket: WebSocket, q: int, long_name: Annotated[int, fastroute.Query(alias="\xe9" * 99)]
    ) -> None:
        raise AssertionError("not called")

    def host(route: Any, _: Any) -> Any:
        return application(routes=[route])

    declared = Declared(endpoint, [fastroute.Depends(accepts)])
    record = Mounted(OURS["fastroute"], lambda api: declared, "/", host).run(handshake("/?q=x"), backend)
    close = record.messages[-1]
    assert (close["type"], close["code"], record.error) == ("websocket.close", ("int", "1008"), None)
    assert close["reason"].startswith("query.q: Input should be a valid integer")
    assert "\xe9\xe9" in close["reason"]
    assert 120 <= len(close["reason"].encode()) <= 123


def test_a_handler_for_the_exception_of_fastapi_runs(backend: str) -> None:
    found: list[Any] = []

    async def endpoint(websocket: WebSocket, q: int) -> None: ...

    async def handler(websocket: WebSocket, error: Any) -> None:
        found.append(error)
        await websocket.close(4000, "mine")

    theirs = fastapi.exceptions.WebSocketRequestValidationError
    record = in_plain_starlette(endpoint, handshake(), backend, handlers={theirs: handler})
    assert record.messages == [closed(4000, "mine")]
    assert isinstance(found[0], theirs)
    assert isinstance(found[0], fastroute.WebSocketRequestValidationError)
    assert [error["loc"] for error in found[0].errors()] == [("query", "q")]


def test_the_default_handler_of_fastapi_counts_as_none() -> None:
    """Its reason is a list, and no server can send that."""

    async def endpoint(websocket: WebSocket, q: int) -> None: ...

    handlers = {
        fastapi.exceptions.WebSocketRequestValidationError: (
            fastapi.exception_handlers.websocket_request_validation_exception_handler
        )
    }
    record = in_plain_starlette(endpoint, handshake(), "asyncio", handlers=handlers)
    assert record.messages == [closed(1008, "query.q: Field required")]


# Exceptions


@pytest.mark.parametrize(("status", "code"), [(403, 1008), (404, 1008), (500, 1011), (503, 1011)])
@pytest.mark.parametrize("place", ["dependency", "endpoint", "clean-up"])
def test_http_exception_after_accept_closes(api: Api, backend: str, place: str, status: int, code: int) -> None:
    async def dependency(websocket: WebSocket) -> AsyncIterator[None]:
        await websocket.accept()
        if place == "dependency":
            raise HTTPException(status, "no")
        yield
        if place == "clean-up":
            raise HTTPException(status, "no")

    async def endpoint(websocket: WebSocket, a: Annotated[None, api.Depends(dependency)]) -> None:
        if place == "endpoint":
            raise HTTPException(status, "no")

    record = shown(endpoint, api, "/", backend)
    assert (record.messages[1:], record.error) == ([closed(code, "no")], None)


@pytest.mark.parametrize(("status", "code"), [(403, 1008), (503, 1011)])
def test_without_denial_responses_http_exception_closes(api: Api, backend: str, status: int, code: int) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        raise HTTPException(status, "no", headers={"X": "y"})

    record = shown(endpoint, api, handshake(denial=False), backend)
    assert (record.messages, record.error) == ([closed(code, "no")], None)


@pytest.mark.parametrize("extensions", [None, {}])
def test_a_route_by_itself_closes_without_denial_responses(backend: str, extensions: Any) -> None:
    """Without an application there are no handlers; the detail may be more than text, as FastAPI's."""

    async def endpoint(websocket: WebSocket, accept: bool = False) -> None:
        if accept:
            await websocket.accept()
        raise fastapi.HTTPException(403, {"why": "no"})

    for target, offered in (("/", extensions), ("/?accept=1", extensions), ("/", {"websocket.http.response": {}})):
        server = Server(handshake(target))
        server.scope["extensions"] = offered
        anyio.run(APIWebSocketRoute("/", endpoint), server.scope, server.receive, server.send, backend=backend)
        if offered:
            assert server.messages[0]["status"] == ("int", "403")
            assert server.messages[1]["body"] == ("bytes", """b'{"why": "no"}'""")
        else:
            assert server.messages[-1] == closed(1008, '{"why": "no"}')


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body(backend: str, status: int) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        raise HTTPException(status)

    server = Server(handshake())
    anyio.run(APIWebSocketRoute("/", endpoint), server.scope, server.receive, server.send, backend=backend)
    assert [message.get("body") for message in server.messages] == [None, ("bytes", "b''")]


def test_a_response_of_a_handler_becomes_a_close(api: Api, backend: str) -> None:
    async def handler(websocket: WebSocket, error: HTTPException) -> Response:
        api.log("handler", error)
        return JSONResponse({}, error.status_code)

    async def endpoint(websocket: WebSocket, accept: bool = False) -> None:
        if accept:
            await websocket.accept()
        raise HTTPException(403, "no")

    declared = Declared(endpoint, handlers={HTTPException: handler})
    assert shown(declared, api, handshake(denial=False), backend).messages == [closed(1008, "no")]
    assert shown(declared, api, handshake("/?accept=1"), backend).messages[1:] == [closed(1008, "no")]
    assert shown(declared, api, handshake(), backend).messages[0]["type"] == "websocket.http.response.start"


@pytest.mark.parametrize("accept", [True, False])
def test_a_long_reason_is_cut_at_a_character(api: Api, backend: str, accept: bool) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        if accept:
            await websocket.accept()
        raise WebSocketException(4000, "x" + "\u20ac" * 99)

    record = shown(endpoint, api, "/", backend)
    assert record.messages[-1] == closed(4000, "x" + "\u20ac" * 40)
    assert record.error is None


def test_http_exception_after_the_own_close_changes_nothing(api: Api, backend: str) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(3000, "mine")
        raise HTTPException(403, "late")

    record = shown(endpoint, api, "/", backend)
    assert (record.messages[1:], record.error) == ([closed(3000, "mine")], None)


# Parameters that only HTTP has


class Model(BaseModel):
    a: int


NOT_HERE: dict[str, tuple[Any, str]] = {
    "request": (Request, "HTTPConnection"),
    "response": (Response, "websocket.accept(headers=...)"),
    "background": (BackgroundTasks, "task group"),
}


@pytest.mark.parametrize("kind", NOT_HERE)
def test_parameters_that_only_http_has_are_refused(api: Api, kind: str) -> None:
    annotation, fix = NOT_HERE[kind]

    async def endpoint(websocket: WebSocket, value: annotation) -> None: ...

    async def dependency(value: annotation) -> None: ...

    async def with_dependency(websocket: WebSocket, a: Annotated[None, api.Depends(dependency)]) -> None: ...

    refused(endpoint, "value", fix)
    assert refused(with_dependency, "value", fix).call is dependency


@pytest.mark.parametrize("kind", NOT_HERE)
def test_a_decorated_function_still_cannot_ask_for_them(api: Api, kind: str) -> None:
    annotation, fix = NOT_HERE[kind]

    async def endpoint(websocket: WebSocket, value: annotation) -> None: ...

    @functools.wraps(endpoint)
    async def plain(*args: Any, **kwargs: Any) -> None: ...

    @functools.wraps(endpoint)
    async def signed(*args: Any, **kwargs: Any) -> None: ...

    @functools.wraps(endpoint)
    async def strict(websocket: WebSocket) -> None: ...

    signed.__signature__ = strict.__signature__ = inspect.signature(endpoint)  # type: ignore[attr-defined]
    for decorated in (plain, signed, strict):
        refused(decorated, "value", fix)


def test_a_response_that_a_decorator_asks_for_is_made_without_arguments() -> None:
    async def endpoint(**kwargs: Any) -> None: ...

    extra = inspect.Parameter("file", inspect.Parameter.KEYWORD_ONLY, annotation=FileResponse)
    endpoint.__signature__ = inspect.Signature([extra])  # type: ignore[attr-defined]
    refused(endpoint, "file", "FileResponse", "annotate Response")


@pytest.mark.parametrize("kind", NOT_HERE)
def test_http_parameters_with_a_default_are_left_out(api: Api, kind: str) -> None:
    annotation, _ = NOT_HERE[kind]

    async def endpoint(websocket: WebSocket, value: annotation = None) -> None:
        await api.end(websocket, value)

    assert shown(endpoint, api).events == [("endpoint", ("NoneType", "None"))]


@pytest.mark.parametrize("annotation", [list[int], Model, Model | None, dict[str, int], set[str], list[int] | None])
@pytest.mark.parametrize("default", [True, False])
def test_an_unmarked_model_or_list_is_refused(annotation: Any, default: bool) -> None:
    async def required(websocket: WebSocket, value: annotation) -> None: ...

    async def optional(websocket: WebSocket, value: annotation = None) -> None: ...

    refused(optional if default else required, "value", "Query()", "receive_json")


@pytest.mark.parametrize("marker", [fastapi.Body, fastapi.Form, fastapi.File])
@pytest.mark.parametrize("default_style", [True, False])
def test_body_form_and_file_are_refused(marker: Any, default_style: bool) -> None:
    async def default(websocket: WebSocket, value: str = marker()) -> None: ...

    async def annotated(websocket: WebSocket, value: Annotated[str, marker()]) -> None: ...

    refused(default if default_style else annotated, "value", "body", "receive_json")


def test_an_upload_is_refused() -> None:
    async def endpoint(websocket: WebSocket, value: fastapi.UploadFile) -> None: ...

    refused(endpoint, "value", "body")


def test_endpoints_that_cannot_be_awaited_are_refused() -> None:
    def sync(websocket: WebSocket) -> None: ...

    def generator(websocket: WebSocket) -> Iterator[None]:
        yield

    async def asynchronous(websocket: WebSocket) -> AsyncIterator[None]:
        yield

    class Endpoint(WebSocketEndpoint):
        pass

    class Instance:
        def __call__(self, websocket: WebSocket) -> None: ...

    refused(sync, None, "async def")
    refused(Instance(), None, "async def")
    refused(generator, None, "yield", "dependency")
    refused(asynchronous, None, "yield", "dependency")
    refused(Endpoint, None, "class", "WebSocketRoute")


# Special types


def test_two_websockets_in_one_signature(api: Api) -> None:
    async def endpoint(websocket: WebSocket, other: WebSocket) -> None: ...

    async def connections(websocket: WebSocket, one: HTTPConnection, two: HTTPConnection) -> None: ...

    async def scopes(websocket: WebSocket, a: api.SecurityScopes, b: api.SecurityScopes) -> None: ...

    refused(endpoint, "other", "websocket", "remove")
    refused(connections, "two", "one", "remove")
    refused(scopes, "b", "'a'", "remove")


def test_optional_and_generic_websockets(api: Api, backend: str) -> None:
    async def optional(connection: HTTPConnection | None, websocket: WebSocket | None = None) -> Any:
        return [connection, websocket]

    async def endpoint(websocket: WebSocket[State], found: Annotated[Any, api.Depends(optional)]) -> None:
        await api.end(websocket, found)

    record = shown(endpoint, api, "/", backend)
    assert record.events == [("endpoint", ("list", ["the WebSocket", "the WebSocket"]))]


# Context managers as dependencies


def test_context_managers_are_yield_dependencies(api: Api, backend: str) -> None:
    @contextlib.asynccontextmanager
    async def asynchronous(q: int) -> AsyncIterator[int]:
        api.log("asynchronous", q)
        try:
            yield q
        finally:
            api.log("asynchronous exit")

    @contextlib.contextmanager
    def synchronous(q: int) -> Iterator[int]:
        api.log("synchronous", q)
        yield q + 1
        api.log("synchronous exit")

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[int, api.Depends(asynchronous)],
        b: Annotated[int, api.Depends(synchronous)],
    ) -> None:
        await api.end(websocket, a, b)

    assert shown(endpoint, api, "/?q=1", backend).events == [
        ("asynchronous", ("int", "1")),
        ("synchronous", ("int", "1")),
        ("endpoint", ("int", "1"), ("int", "2")),
        ("synchronous exit",),
        ("asynchronous exit",),
    ]


# Calls and errors, no more than needed


def test_use_cache_of_route_dependencies(api: Api, backend: str) -> None:
    async def counted() -> None:
        api.log("counted")

    async def endpoint(websocket: WebSocket, a: Annotated[None, api.Depends(counted)]) -> None: ...

    again = api.Depends(counted, use_cache=False)
    assert shown(Declared(endpoint, [again, again]), api, "/", backend).events == [("counted",)] * 2
    assert shown(Declared(endpoint, [api.Depends(counted), again]), api, "/", backend).events == [("counted",)] * 2
    assert shown(Declared(endpoint, [api.Depends(counted)] * 2), api, "/", backend).events == [("counted",)]


def test_an_error_is_told_once(api: Api, backend: str) -> None:
    async def leaf(q: int) -> int:
        return q

    async def middle(value: Annotated[int, api.Depends(leaf)], r: int) -> int:
        return value

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[int, api.Depends(middle)],
        b: Annotated[int, api.Depends(leaf)],
        c: Annotated[int, api.Depends(middle)],
        q: float,
    ) -> None: ...

    invalid = shown(endpoint, api, "/", backend).events[0]
    assert [dict(error[1])["loc"][1][1] for error in invalid[2:]] == ["q", "r", "q"]


def test_a_cached_call_does_not_call_what_is_below_it_again(api: Api, backend: str) -> None:
    async def leaf() -> None:
        api.log("leaf")

    async def middle(a: Annotated[None, api.Depends(leaf, use_cache=False)]) -> None:
        api.log("middle")

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[None, api.Depends(middle)],
        b: Annotated[None, api.Depends(middle)],
        c: Annotated[None, api.Depends(middle, use_cache=False)],
    ) -> None: ...

    assert shown(endpoint, api, "/", backend).events == [("leaf",), ("middle",)] * 2


def test_diamonds_cost_linear_time(api: Api, backend: str) -> None:
    """Doubling per level would take longer than the universe has."""
    calls: list[int] = []

    async def bottom(q: Annotated[int, AfterValidator(lambda value: calls.append(value) or value)]) -> int:
        return q

    def above(call: Callable[..., Any]) -> Callable[..., Any]:
        async def level(
            a: Annotated[int, api.Depends(call)],
            b: Annotated[int, api.Depends(call)],
            c: Annotated[int, api.Security(call, scopes=["unused"])],
        ) -> int:
            return a

        return level

    call: Callable[..., Any] = bottom
    for _ in range(100):
        call = above(call)

    async def endpoint(websocket: WebSocket, a: Annotated[int, api.Depends(call)]) -> None:
        await api.end(websocket, a)

    assert shown(endpoint, api, "/?q=7", backend).events == [("endpoint", ("int", "7"))]
    assert set(calls) == {7}


def test_a_diamond_is_called_once_per_level(api: Api, backend: str) -> None:
    async def bottom(q: int) -> int:
        api.log("bottom")
        return q

    def above(call: Callable[..., Any]) -> Callable[..., Any]:
        async def level(a: Annotated[int, api.Depends(call)], b: Annotated[int, api.Depends(call)]) -> int:
            api.log("level")
            return a + b

        return level

    call: Callable[..., Any] = bottom
    for _ in range(60):
        call = above(call)

    async def endpoint(websocket: WebSocket, a: Annotated[int, api.Depends(call)]) -> None:
        await api.end(websocket, a)

    record = shown(endpoint, api, "/?q=1", backend)
    assert record.events == [("bottom",), *[("level",)] * 60, ("endpoint", ("int", str(2**60)))]


# Overrides, lifetimes, scopes


def test_an_override_may_use_the_original(api: Api, backend: str) -> None:
    async def original(q: int) -> int:
        api.log("original")
        return q

    async def replacement(value: Annotated[int, api.Depends(original)]) -> int:
        return value + 1

    async def other(value: Annotated[int, api.Depends(original)]) -> int:
        return value

    async def endpoint(
        websocket: WebSocket, a: Annotated[int, api.Depends(original)], b: Annotated[int, api.Depends(other)]
    ) -> None:
        await api.end(websocket, a, b)

    record = shown(Declared(endpoint, overrides={original: replacement}), api, "/?q=1", backend)
    assert record.events == [("original",), ("endpoint", ("int", "2"), ("int", "2"))]


def _through(count: int, marker: Any, api: Api) -> Any:
    """The value of `marker`, handed on by so many plain dependencies."""
    if count == 0:
        return marker

    async def plain(value: Annotated[str, marker]) -> str:
        return value

    return _through(count - 1, api.Depends(plain), api)


@pytest.mark.parametrize("through", [0, 1, 3])
def test_scopes_are_checked_through_plain_dependencies(api: Api, through: int) -> None:
    async def session() -> AsyncIterator[str]:
        yield "session"

    marker = _through(through, api.Depends(session, scope="function"), api)

    async def user(value: Annotated[str, marker]) -> AsyncIterator[str]:
        yield value

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(user)]) -> None: ...

    with pytest.raises(DependencyScopeError) as caught:
        APIWebSocketRoute("/", endpoint)
    for words in ("user", "session", "'function'", "'request'", "same scope"):
        assert words in str(caught.value)


def test_an_unknown_scope_is_refused(api: Api) -> None:
    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(authenticate, scope="bogus")]) -> None: ...

    refused(endpoint, "a", "bogus", "'handshake'", "'function'", "'request'")
    with pytest.raises(DeclarationError, match="bogus"):
        APIWebSocketRoute("/", nothing, dependencies=[api.Depends(authenticate, scope="bogus")])


@pytest.mark.parametrize("given", [authenticate, "text", None, 3])
def test_route_dependencies_are_depends(given: Any) -> None:
    refused(nothing, None, "dependencies=[...]", "Depends(function)", dependencies=[given])


# Parameters that can never be filled


def test_field_as_the_default_is_refused(api: Api) -> None:
    async def endpoint(websocket: WebSocket, q: int = Field(gt=3)) -> None: ...

    refused(endpoint, "q", "Field()", "Query()")


@pytest.mark.parametrize("factory", [lambda values: values["a"], lambda *, values: values["a"]])
def test_a_default_factory_that_takes_the_other_values(api: Api, factory: Any) -> None:
    async def endpoint(websocket: WebSocket, a: int, q: Annotated[int, api.Query(default_factory=factory)]) -> None: ...

    refused(endpoint, "q", "default_factory", "no argument")


@pytest.mark.parametrize("alias", ["x-\u20ac", "x-\xe9"])
def test_a_name_no_header_can_have_is_refused(api: Api, alias: str) -> None:
    async def endpoint(websocket: WebSocket, h: Annotated[str, api.Header(alias=alias)]) -> None: ...

    refused(endpoint, "h", "header", alias)


@pytest.mark.parametrize("annotation", [list[int], set[str], tuple[int, ...], list[str] | None])
def test_sequences_of_cookies_are_refused(api: Api, annotation: Any) -> None:
    async def endpoint(websocket: WebSocket, c: Annotated[annotation, api.Cookie()]) -> None: ...

    refused(endpoint, "c", "cookie", "split")


# Handshake


@pytest.mark.parametrize("sync", [False, True])
def test_handshake_ends_before_the_endpoint(api: Api, backend: str, sync: bool) -> None:
    session = api.resource("session", sync=sync)

    async def user(value: Annotated[str, api.Depends(session, scope="handshake")]) -> str:
        api.log("user", value)
        return "user"

    async def endpoint(
        websocket: WebSocket, a: Annotated[str, api.Depends(user)], b: Annotated[str, api.Depends(api.resource("b"))]
    ) -> None:
        await api.end(websocket, a, b)

    assert shown(endpoint, api, "/", backend).events == [
        ("session", "enter"),
        ("user", "session"),
        ("b", "enter"),
        ("session", "exit"),
        ("endpoint", "user", "b"),
        ("b", "exit"),
    ]


def test_handshake_dependencies_of_each_other_and_of_the_route(api: Api, backend: str) -> None:
    pool, leading = api.resource("pool"), api.resource("leading")

    async def session(value: Annotated[str, api.Depends(pool, scope="handshake")]) -> AsyncIterator[str]:
        api.log("session enter", value)
        yield "session"
        api.log("session exit")

    async def user(value: Annotated[str, api.Depends(session, scope="handshake")]) -> str:
        return value

    async def long(value: Annotated[str, api.Depends(pool)]) -> str:
        return value

    async def endpoint(
        websocket: WebSocket, a: Annotated[str, api.Depends(user)], b: Annotated[str, api.Depends(long)]
    ) -> None:
        await api.end(websocket, a, b)

    declared = Declared(endpoint, [api.Depends(leading, scope="handshake")])
    assert shown(declared, api, "/", backend).events == [
        ("leading", "enter"),
        ("pool", "enter"),
        ("session enter", "pool"),
        ("pool", "enter"),  # another scope is another value
        ("session exit",),
        ("pool", "exit"),
        ("leading", "exit"),
        ("endpoint", "session", "pool"),
        ("pool", "exit"),
    ]


@pytest.mark.parametrize("replacement", ["generator", "function"])
def test_handshake_with_overrides(api: Api, backend: str, replacement: str) -> None:
    session = api.resource("session")

    async def user(value: Annotated[str, api.Depends(session, scope="handshake")]) -> str:
        return value

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(user)]) -> None:
        await api.end(websocket, a)

    overrides = {session: api.resource("other") if replacement == "generator" else lambda: "other"}
    events = shown(Declared(endpoint, overrides=overrides), api, "/", backend).events
    if replacement == "generator":
        assert events == [("other", "enter"), ("other", "exit"), ("endpoint", "other")]
    else:
        assert events == [("endpoint", "other")]


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("place", ["dependency", "validation"])
def test_an_error_reaches_the_handshake_dependency(api: Api, backend: str, place: str, sync: bool) -> None:
    session = api.resource("session", sync=sync)

    async def user(value: Annotated[str, api.Depends(session, scope="handshake")]) -> str:
        if place == "dependency":
            raise HTTPException(403, "no")
        return value

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(user)], q: int) -> None:
        raise AssertionError("not called")

    record = shown(endpoint, api, "/", backend)
    assert [event[:2] for event in record.events[:3]] == [
        ("session", "enter"),
        ("session", "sees"),
        ("session", "exit"),
    ]
    if place == "dependency":
        assert record.events[1][2][0] == "HTTPException"
        assert record.messages[0]["status"] == ("int", "403")
    else:
        assert record.events[1][2][0] == "WebSocketRequestValidationError"
        assert record.messages == [closed(1008)]


def test_an_error_of_the_handshake_clean_up(api: Api, backend: str) -> None:
    async def session() -> AsyncIterator[str]:
        yield "session"
        raise HTTPException(503, "commit failed")

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(api.resource("a"))]) -> None:
        raise AssertionError("not called")

    declared = Declared(endpoint, [api.Depends(session, scope="handshake")])
    record = shown(declared, api, "/", backend)
    assert [event[:2] for event in record.events] == [("a", "enter"), ("a", "sees"), ("a", "exit")]
    assert (record.messages[0]["status"], record.error) == (("int", "503"), None)


@pytest.mark.parametrize("when", ["solving", "clean-up", "endpoint"])
def test_cancellation_during_a_handshake(api: Api, backend: str, when: str) -> None:
    """A clean-up that has begun, or has to begin, runs to its end."""
    waiting = anyio.Event

    async def session() -> AsyncIterator[str]:
        try:
            yield "session"
        finally:
            if when == "clean-up":
                reached[0].set()
            await anyio.sleep(0.01)
            api.log("session exit")

    async def waits() -> None:
        if when == "solving":
            reached[0].set()
            await anyio.sleep_forever()

    async def endpoint(websocket: WebSocket) -> None:
        api.log("endpoint")
        reached[0].set()
        await anyio.sleep_forever()

    dependencies = [
        api.Depends(api.resource("long")),
        api.Depends(session, scope="handshake"),
        api.Depends(waits),
    ]
    route = api.route(Declared(endpoint, dependencies), "/")
    server = Server(handshake())
    reached: list[anyio.Event] = []

    async def main() -> None:
        reached.append(waiting())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(route, server.scope, server.receive, server.send)
            await reached[0].wait()
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    events = [event[:2] for event in api.events]
    expected = [("long", "enter"), ("session exit",), ("long", "sees"), ("long", "exit")]
    if when == "endpoint":
        expected.insert(2, ("endpoint",))
    assert events == expected


def test_handshake_gives_back_its_slot(backend: str, api: Api) -> None:
    async def session() -> AsyncIterator[None]:
        yield

    limited = api.Depends(session, scope="handshake", max_concurrency=1)
    route = api.route(Declared(nothing_until_all_are_here, [limited]), "/")
    arrived: list[int] = []

    async def main() -> None:
        route.all_here, route.arrived = anyio.Event(), arrived
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    server = Server(handshake())
                    tasks.start_soon(route, server.scope, server.receive, server.send)

    anyio.run(main, backend=backend)
    assert len(arrived) == 3


async def nothing_until_all_are_here(websocket: WebSocket) -> None:
    route = websocket.scope["route"]
    route.arrived.append(1)
    if len(route.arrived) == 3:
        route.all_here.set()
    await route.all_here.wait()


@pytest.mark.parametrize("scope", ["request", "function", None])
@pytest.mark.parametrize("through", [0, 1, 2])
def test_a_longer_lived_dependency_cannot_take_a_handshake_value(api: Api, through: int, scope: str | None) -> None:
    async def session() -> AsyncIterator[str]:
        yield "session"

    marker = _through(through, api.Depends(session, scope="handshake"), api)

    async def longer(value: Annotated[str, marker]) -> AsyncIterator[str]:
        yield value

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(longer, scope=scope)]) -> None: ...

    with pytest.raises(DependencyScopeError) as caught:
        APIWebSocketRoute("/", endpoint)
    for words in ("longer", "session", "'handshake'", "same scope"):
        assert words in str(caught.value)


def test_the_endpoint_cannot_take_a_handshake_value(api: Api) -> None:
    async def session() -> AsyncIterator[str]:
        yield "session"

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(session, scope="handshake")]) -> None: ...

    with pytest.raises(DependencyScopeError) as caught:
        APIWebSocketRoute("/", endpoint)
    for words in ("endpoint", "'a'", "session", "'handshake'", "dependency without yield"):
        assert words in str(caught.value)


# Defaults and markers stay what they are


def test_only_mutable_defaults_are_copied(api: Api, backend: str) -> None:
    class Uncopyable:
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("not to be copied")

    class Frozen:
        copies = 0

        def __deepcopy__(self, memo: Any) -> Any:
            type(self).copies += 1
            return self

    uncopyable, frozen, mutable = Uncopyable(), Frozen(), ["a"]

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Any, api.Query()] = uncopyable,
        b: Annotated[Any, api.Query()] = frozen,
        c: Annotated[list[str], api.Query()] = mutable,
    ) -> None:
        await api.end(websocket, a is uncopyable, b is frozen, c == mutable, c is mutable)

    mounted = Mounted(api.names, lambda fresh: endpoint, "/", starlette)
    Frozen.copies = 0
    for _ in range(3):
        mounted.run(handshake(), backend)
    truth = [("bool", str(each)) for each in (True, True, True, False)]
    assert api.events == [("endpoint", *truth)] * 3
    assert Frozen.copies == 0


def test_markers_are_not_changed(api: Api, backend: str) -> None:
    """One marker may be the default of several parameters; in FastAPI the second takes the name of the first."""
    marker = api.Query()

    async def endpoint(websocket: WebSocket, a: int = marker, b: str = marker) -> None:
        await api.end(websocket, a, b)

    for _ in range(2):
        record = shown(endpoint, api, "/?a=1&b=x", backend)
        assert record.events == [("endpoint", ("int", "1"), "x")]
        api.events.clear()


# Every connection ends with a close frame


@pytest.mark.parametrize("receive", ["receive_text", "receive_bytes", "receive_json"])
def test_a_client_that_leaves_is_a_normal_end(api: Api, backend: str, receive: str) -> None:
    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(api.resource("a"))]) -> None:
        await websocket.accept()
        await getattr(websocket, receive)()

    record = shown(endpoint, api, "/", backend)
    assert record.error is None
    assert [message["type"] for message in record.messages] == ["websocket.accept"]
    assert record.events[1][:2] == ("a", "sees")


def test_a_client_that_leaves_is_a_normal_end_through_task_groups(api: Api, backend: str) -> None:
    async def endpoint(websocket: WebSocket, other: bool = False) -> None:
        await websocket.accept()

        async def fails() -> None:
            raise ValueError("unexpected")

        async with anyio.create_task_group() as outer, anyio.create_task_group() as inner:
            inner.start_soon(websocket.receive_text)
            if other:
                outer.start_soon(fails)

    record = shown(endpoint, api, "/", backend)
    assert (record.messages[1:], record.error) == ([], None)
    assert shown(endpoint, api, "/?other=1", backend).error[0] == "ExceptionGroup"


@pytest.mark.parametrize("accept", [True, False])
def test_what_the_endpoint_leaves_open_is_closed(api: Api, backend: str, accept: bool) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        if accept:
            await websocket.accept()

    record = shown(endpoint, api, "/", backend)
    assert (record.messages[-1], record.error) == (closed(1000), None)


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("place", ["dependency", "endpoint", "validation"])
@pytest.mark.parametrize("scope", ["handshake", "function", "request"])
def test_a_swallowed_error_is_closed(backend: str, place: str, accept: bool, scope: str) -> None:
    api = Api(OURS["fastroute"])

    async def swallows(websocket: WebSocket) -> AsyncIterator[None]:
        if accept:
            await websocket.accept()
        with contextlib.suppress(Exception):
            yield

    async def fails() -> None:
        if place == "dependency":
            raise ValueError("swallowed")

    async def endpoint(
        websocket: WebSocket,
        b: Annotated[None, api.Depends(fails)],
        q: int = 0,
    ) -> None:
        raise ValueError("in the endpoint")

    declared = Declared(endpoint, [api.Depends(swallows, scope=scope)])
    record = shown(declared, api, "/?q=x" if place == "validation" else "/", backend)
    if place == "endpoint" and scope == "handshake":
        assert record.error == ("ValueError", "in the endpoint", None)
        return
    assert record.error is None
    assert record.messages[-1]["type"] == "websocket.close"


# Underscores of one field


def test_a_field_of_a_header_model_keeps_its_underscores(api: Api, backend: str) -> None:
    class Headers(BaseModel):
        x_raw: Annotated[str, api.Header(convert_underscores=False)]
        x_usual: str

    async def endpoint(websocket: WebSocket, headers: Annotated[Headers, api.Header()]) -> None:
        await api.end(websocket, headers)

    record = shown(endpoint, api, handshake("/", ("x_raw", "a"), ("x-usual", "b")), backend)
    assert record.events == [("endpoint", ("Headers", "Headers(x_raw='a', x_usual='b')"))]
    invalid = shown(endpoint, api, handshake("/", ("x-raw", "a"), ("x_usual", "b")), backend).events[-1]
    assert [dict(error[1])["loc"][1][1] for error in invalid[2:]] == ["x_raw", "x-usual"]


# Names that cannot be resolved


@pytest.mark.parametrize("default", ["", " = 3"])
def test_a_name_that_cannot_be_resolved_is_refused(api: Api, default: str) -> None:
    source = f"async def endpoint(websocket: WebSocket, q: Local{default}) -> None: ..."
    error = refused(api.run(source)["endpoint"], "q", "Local", "top of its module")
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "parameter",
    [
        "q: Annotated[Local, api.Query()]",
        "q: Local = api.Query()",
        "q: Local = api.Depends()",
        # The default says what to call, but the dependency in Annotated would be lost.
        "q: Annotated[Local, api.Depends(made)] = api.Depends(made)",
    ],
)
def test_an_unknown_annotation_that_is_needed_is_refused(api: Api, parameter: str) -> None:
    source = f"async def endpoint(websocket: WebSocket, {parameter}) -> None: ..."
    refused(api.run(source, Annotated=Annotated, made=authenticate)["endpoint"], "q", "Local", "top of its module")


@pytest.mark.parametrize("annotation", ["inspect.Hidden", "'no annotation'", "int[3]"])
def test_any_annotation_beside_a_call_may_be_wrong(api: Api, annotation: str) -> None:
    source = (
        f"async def endpoint(websocket: WebSocket, q: {annotation} = api.Depends(made)): await api.end(websocket, q)"
    )
    endpoint = api.run(source, inspect=inspect, made=lambda: "made")["endpoint"]
    assert shown(endpoint, api, "/?q=x").events == [("endpoint", "made")]


def test_a_local_name_in_a_dependency_is_refused(api: Api) -> None:
    namespace = api.run("async def dependency(q: list[Local]) -> None: ...")

    async def endpoint(websocket: WebSocket, a: Annotated[None, api.Depends(namespace["dependency"])]) -> None: ...

    assert refused(endpoint, "q", "Local").call is namespace["dependency"]


# One function on two paths


def test_an_error_names_the_path_of_its_own_route(api: Api, backend: str) -> None:
    found: list[Any] = []

    async def endpoint(websocket: WebSocket, q: int) -> None: ...

    async def handler(websocket: WebSocket, error: Any) -> None:
        found.append(error)
        await websocket.close()

    application = Starlette(
        routes=[api.route(endpoint, "/one"), api.route(endpoint, "/two")],
        exception_handlers={api.ValidationError: handler},
    )
    for target in ("/one", "/two", "/one"):
        Mounted(api.names, lambda fresh: nothing, "/", lambda route, _: application).run(handshake(target), backend)
    assert [error.endpoint_path for error in found] == ["WS /one", "WS /two", "WS /one"]
    assert [error.endpoint_ctx["path"] for error in found] == ["WS /one", "WS /two", "WS /one"]


def test_an_error_names_its_own_function_where_another_was_before(api: Api) -> None:
    def named(name: str) -> Any:
        endpoint = api.run(f"async def {name}(websocket: WebSocket, q: int) -> None: ...")[name]
        events = shown(endpoint, api, "/").events
        del endpoint
        # The function is gone, so that the next one may have its `id()`.
        gc.collect()
        return events[0][1][1][0]

    names = [f"endpoint_{number}" for number in range(4)]
    assert list(map(named, names)) == names


# Errors that nobody expected


@pytest.mark.parametrize("key", [Exception, 500])
@pytest.mark.parametrize("accept", [True, False])
def test_the_handler_for_every_exception_is_called(api: Api, backend: str, key: Any, accept: bool) -> None:
    async def handler(websocket: WebSocket, error: Exception) -> None:
        api.log("handler", websocket, error)

    async def endpoint(websocket: WebSocket) -> None:
        if accept:
            await websocket.accept()
        raise ValueError("unexpected")

    record = shown(Declared(endpoint, handlers={key: handler}), api, "/", backend)
    assert record.events == [("handler", "the WebSocket", ("ValueError", ("tuple", ["unexpected"])))]
    assert record.error == ("ValueError", "unexpected", None)
    if accept:
        assert record.messages[1:] == [closed(1011, "Internal Server Error")]


def test_the_log_of_the_server_still_says_where_it_happened(backend: str) -> None:
    async def broken(websocket: WebSocket) -> None:
        raise ValueError("unexpected")

    async def handler(websocket: WebSocket, error: Exception) -> None: ...

    application = Starlette(routes=[APIWebSocketRoute("/", broken)], exception_handlers={Exception: handler})
    server = Server(handshake())

    async def main() -> None:
        await application(server.scope, server.receive, server.send)

    with pytest.raises(ValueError, match="unexpected") as caught:
        anyio.run(main, backend=backend)
    assert caught.traceback[-1].name == "broken"


def test_a_failing_handler_still_closes(api: Api, backend: str) -> None:
    async def handler(websocket: WebSocket, error: Exception) -> None:
        raise KeyError("in the handler") from error

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise ValueError("first")

    for key in (ValueError, Exception):
        record = shown(Declared(endpoint, handlers={key: handler}), api, "/", backend)
        assert record.messages[1:] == [closed(1011, "Internal Server Error")]
        assert record.error[0] == "KeyError"


# Other differences


@pytest.mark.slow
def test_nothing_of_fastapi_or_telemetry_is_imported() -> None:
    """Serving a connection needs neither FastAPI, nor OpenTelemetry, nor hypothesis."""
    code = """
import sys, anyio, fastroute, fastroute.security
from starlette.websockets import WebSocket

async def dependency(q: int):
    yield q

async def endpoint(websocket: WebSocket, q: int = fastroute.Depends(dependency)):
    await websocket.accept()

messages = []

async def main():
    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        messages.append(message["type"])

    scope = {"type": "websocket", "path": "/", "query_string": b"q=1", "headers": []}
    await fastroute.APIWebSocketRoute("/", endpoint)(scope, receive, send)

anyio.run(main)
loaded = {name.partition(".")[0] for name in sys.modules}
print(messages, sorted(loaded & {"fastapi", "opentelemetry", "hypothesis", "trio"}))
"""
    done = subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("['websocket.accept', 'websocket.close'] []\n", "")


@pytest.mark.parametrize("path", ["", "a", "{p}"])
def test_a_path_begins_with_a_slash(path: str) -> None:
    with pytest.raises(ValueError, match="start with"):
        APIWebSocketRoute(path, nothing)


def test_unhashable_dependencies_work(api: Api, backend: str) -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]  # the case

        def __call__(self, q: int) -> int:
            api.log("called")
            return q

    one = Unhashable()

    async def endpoint(
        websocket: WebSocket, a: Annotated[int, api.Depends(one)], b: Annotated[int, api.Depends(one)]
    ) -> None:
        await api.end(websocket, a, b)

    assert shown(endpoint, api, "/?q=1", backend).events == [("called",), ("endpoint", ("int", "1"), ("int", "1"))]


def test_no_security_scope_is_repeated(api: Api, backend: str) -> None:
    async def leaf(scopes: api.SecurityScopes) -> str:
        return scopes.scope_str

    async def middle(value: Annotated[str, api.Security(leaf, scopes=["a", "b"])]) -> str:
        return value

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Security(middle, scopes=["a", "a"])]) -> None:
        await api.end(websocket, a)

    assert shown(endpoint, api, "/", backend).events == [("endpoint", "a b")]


def test_nothing_is_left_in_the_asgi_scope(api: Api, backend: str) -> None:
    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(api.resource("a"))]) -> None:
        api.log(sorted(key for key in websocket.scope if key.startswith(("fastapi", "fastroute"))))

    assert ("list", []) in [event[0] for event in shown(endpoint, api, "/", backend).events]


def test_schemes_written_for_http_work(backend: str) -> None:
    """Third-party schemes often ask for a `Request`; what they read of it, a WebSocket has as well."""
    api = Api(OURS["moved"])

    class Scheme(fastapi.security.base.SecurityBase):
        async def __call__(self, request: Request) -> str | None:
            return request.headers.get("x-user")

    async def endpoint(websocket: WebSocket, user: Annotated[str | None, api.Depends(Scheme())]) -> None:
        await api.end(websocket, user)

    assert shown(endpoint, api, handshake("/", ("x-user", "a")), backend).events == [("endpoint", "a")]


def test_cycles_are_refused(api: Api) -> None:
    async def first(value: Any = None) -> None: ...

    async def second(value: Annotated[None, api.Depends(first)]) -> None: ...

    async def endpoint(websocket: WebSocket, a: Annotated[None, api.Depends(second)]) -> None: ...

    first.__defaults__ = (api.Depends(second),)
    assert refused(endpoint, None, "depends on itself").call is second


# Mistakes that FastAPI takes, or tells without their place


class Service:
    """A class that pydantic does not know."""


@pytest.mark.parametrize("name", ["websocket", "ws", "socket"])
def test_a_connection_without_annotation_is_refused(api: Api, name: str) -> None:
    namespace = api.run(
        f"async def endpoint({name}): ...\n"
        f"async def dependency({name}, q: int = 1): ...\n"
        f"async def in_the_path(websocket: WebSocket, {name}_): await api.end(websocket, {name}_)\n"
        f"async def with_a_default(connection: WebSocket, {name}=None): await api.end(connection, {name})\n"
    )
    refused(namespace["endpoint"], name, f"write `{name}: WebSocket`")

    async def endpoint(connection: WebSocket, a: Annotated[None, api.Depends(namespace["dependency"])]) -> None: ...

    assert refused(endpoint, name, "WebSocket").call is namespace["dependency"]
    # A name that the path has, a default, and every other name stay.
    assert shown(namespace["in_the_path"], api, "/x", path=f"/{{{name}_}}").events == [("endpoint", "x")]
    assert shown(namespace["with_a_default"], api, f"/?{name}=x").events == [("endpoint", "x")]
    APIWebSocketRoute(f"/{{{name}}}", namespace["endpoint"])


def test_a_lambda_keeps_its_parameter(api: Api) -> None:
    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(lambda q: q)]) -> None:
        await api.end(websocket, a)

    assert shown(endpoint, api, "/?q=x").events == [("endpoint", "x")]


def test_a_method_without_its_object_is_refused(api: Api) -> None:
    router = fastroute.Router()

    with pytest.raises(DeclarationError, match=r"parameter 'self'.*object\.method"):

        class Rooms:
            @router.websocket("/")
            async def enter(self, websocket: WebSocket) -> None: ...

    with pytest.raises(DeclarationError, match=r"parameter 'cls'.*object\.method"):

        class Halls:
            async def enter(cls, websocket: WebSocket) -> None: ...  # the mistake

            router.add_api_websocket_route("/", enter)

    class Users:
        def current(self, q: int = 1) -> int:
            return q

        @classmethod
        async def all(cls, websocket: WebSocket) -> None: ...

    async def endpoint(websocket: WebSocket, user: Annotated[int, api.Depends(Users.current)]) -> None: ...

    async def good(websocket: WebSocket, user: Annotated[int, api.Depends(Users().current)]) -> None:
        await api.end(websocket, user)

    assert refused(endpoint, "self", "Depends(object.method)").call is Users.current
    assert shown(good, api, "/?q=2").events == [("endpoint", ("int", "2"))]
    refused(vars(Users)["all"], None, "Class.all")
    APIWebSocketRoute("/", Users.all)


async def called() -> None: ...


@pytest.mark.filterwarnings("error")
def test_an_endpoint_or_dependency_that_is_called_is_refused() -> None:
    for make in (APIWebSocketRoute, fastroute.Router().add_api_websocket_route):
        with pytest.raises(DeclarationError) as caught:
            make("/", called())  # type: ignore[arg-type]  # the mistake
        assert "called without parentheses" in str(caught.value)
        assert f"{__file__}:{called.__code__.co_firstlineno}" in str(caught.value)
    for make_dependency in (fastroute.Depends, fastapi.Depends):
        with pytest.raises(DeclarationError, match=r"write Depends\(called\) without its parentheses"):
            APIWebSocketRoute("/", nothing, dependencies=[make_dependency(called())])
    with pytest.raises(DeclarationError, match="the endpoint None cannot be called"):
        APIWebSocketRoute("/", None)  # type: ignore[arg-type]  # the result of a function that was called


@pytest.mark.parametrize("annotation", ["api.Depends(f)", "api.Security(f, scopes=['a'])", "api.Query()", "api.Header"])
@pytest.mark.parametrize("postponed", [True, False])
def test_a_marker_in_the_place_of_the_type_is_refused(api: Api, annotation: str, postponed: bool) -> None:
    async def endpoint(websocket: WebSocket, u: Any) -> None: ...

    endpoint.__annotations__["u"] = annotation if postponed else eval(annotation, {"api": api, "f": authenticate})
    endpoint.__globals__.update(api=api, f=authenticate)
    try:
        refused(endpoint, "u", "in the place of the type", "`u: Annotated[...,")
    finally:
        del endpoint.__globals__["api"], endpoint.__globals__["f"]


@pytest.mark.parametrize(
    ("annotation", "code"),
    [
        (authenticate, "Depends(authenticate)"),
        (functools.partial(authenticate), "Depends("),
        (len, "Depends(len)"),
        (fastroute.security.HTTPBearer(), "Depends(HTTPBearer(...))"),
        (fastapi.security.HTTPBearer(), "Depends(HTTPBearer(...))"),
    ],
)
def test_a_call_in_the_place_of_the_type_is_refused(api: Api, annotation: Any, code: str) -> None:
    async def endpoint(websocket: WebSocket, user: annotation) -> None: ...

    async def marked(websocket: WebSocket, user: Annotated[annotation, api.Header()]) -> None: ...

    for each in (endpoint, marked):
        refused(each, "user", "in the place of the type", code)


def test_a_function_may_be_the_annotation_of_depends(api: Api) -> None:
    def made() -> str:
        return "made"

    async def endpoint(websocket: WebSocket, a: Annotated[made, api.Depends()], b: made = api.Depends()) -> None:  # type: ignore[valid-type]
        await api.end(websocket, a, b)

    assert shown(endpoint, api).events == [("endpoint", "made", "made")]


@pytest.mark.parametrize("path", [None, b"/", 3])
def test_a_path_that_is_no_text_is_refused(path: Any) -> None:
    refused(nothing, None, repr(path), "'/'", path=path)


def test_path_and_endpoint_may_not_be_swapped() -> None:
    with pytest.raises(DeclarationError, match=r"swapped; write \('/rooms', nothing\)"):
        APIWebSocketRoute(nothing, "/rooms")  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize("alias", ["a;b", "a=b", " a", "a\t"])
def test_a_name_no_cookie_can_have_is_refused(api: Api, alias: str) -> None:
    class Cookies(BaseModel):
        field: Annotated[str, Field(alias=alias)]

    async def endpoint(websocket: WebSocket, c: Annotated[str, api.Cookie(alias=alias)]) -> None: ...

    async def with_a_model(websocket: WebSocket, c: Annotated[Cookies, api.Cookie()]) -> None: ...

    refused(endpoint, "c", "no cookie can have the name", repr(alias))
    refused(with_a_model, "c", "no cookie can have the name", repr(alias))


KEYWORDS = {"min_lenght": "min_length", "max_lengt": "max_length", "patern": "pattern", "discription": "description"}


@pytest.mark.parametrize("marker", [fastroute.Path, fastroute.Query, fastroute.Header, fastroute.Cookie])
def test_a_keyword_that_a_marker_does_not_have_is_refused(marker: Any) -> None:
    for wrong, right in KEYWORDS.items():
        with pytest.raises(TypeError, match=rf"{marker.__name__}\(\) has no keyword '{wrong}'; did you mean {right}\?"):
            marker(**{wrong: 3})
    with pytest.raises(TypeError, match=r"no keyword 'zzz'; it takes default, .*max_length"):
        marker(zzz=1)


def test_a_misspelt_keyword_of_a_header_alone() -> None:
    with pytest.raises(TypeError, match="did you mean convert_underscores"):
        fastroute.Header(convert_underscore=False)  # type: ignore[call-arg]  # the mistake


class Color(enum.Enum):
    RED = "red"


class TextColor(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class OwnType:
    """Its validation is code of a user, which no declaration runs."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(cls.made)

    @staticmethod
    def made(value: Any) -> int:
        assert value == "7"
        return int(value)


def only_seven(value: Any) -> bool:
    assert value == "7"
    return True


NEVER_APPLY = [
    (int, {"min_length": 3}),
    (int | None, {"max_length": 3}),
    (float, {"pattern": "a"}),
    (bool, {"min_length": 1}),
    (uuid.UUID, {"max_length": 3}),
    (datetime.date, {"multiple_of": 2}),
    (str, {"gt": 3}),
    (str, {"multiple_of": 2}),
    (int, {"max_digits": 3}),
    (float, {"decimal_places": 1}),
    (list[int], {"ge": 1}),
    (set[str], {"pattern": "a"}),
    (int | float, {"min_length": 3}),
    (int | str, {"ge": 3}),
    (Literal["a"], {"ge": 3}),
    (Color, {"ge": 3}),
    (Color, {"max_length": 3}),
    (TextColor, {"ge": 3}),
    (Number, {"max_length": 3}),
    (NewType("Name", str), {"ge": 3}),
    (TypeVar("TextT", bound=str), {"ge": 3}),
    (Any, {"ge": 3}),
    (HttpUrl, {"ge": 3}),
    (SecretStr, {"ge": 3}),
    (ipaddress.IPv4Address, {"max_length": 3}),
    (pathlib.Path, {"max_length": 3}),
    (Annotated[str, "a note"], {"ge": 3}),
    (list[str], {"max_length": 3, "gt": 1}),
    # Each alone applies to one of the types.
    (int | datetime.date, {"le": datetime.date(2030, 1, 1), "ge": -1_000_000_000}),
    # pydantic itself finds these.
    (str, {"allow_inf_nan": True}),
    (int, {"fail_fast": True}),
    (datetime.date, {"gt": 3}),
]


@pytest.mark.parametrize(("annotation", "constraint"), NEVER_APPLY, ids=str)
def test_constraints_that_cannot_apply_are_refused(api: Api, annotation: Any, constraint: dict[str, Any]) -> None:
    async def annotated(websocket: WebSocket, q: Annotated[annotation, api.Query(**constraint)]) -> None: ...

    async def default(websocket: WebSocket, q: annotation = api.Query(**constraint)) -> None: ...

    for endpoint in (annotated, default):
        refused(endpoint, "q", list(constraint)[-1])


class FiveIfYes:
    """A validator, whose text is the same in every process."""

    def __call__(self, text: str) -> Any:
        return 5 if text == "yes" else text

    def __repr__(self) -> str:
        return "FiveIfYes()"


APPLY = [
    (int, {"gt": 3, "multiple_of": 2}, "4"),
    (decimal.Decimal, {"max_digits": 3, "decimal_places": 1, "gt": 0}, "1.5"),
    (bool, {"ge": 0}, "1"),
    (str, {"gt": "a", "min_length": 1, "max_length": 3, "pattern": "b"}, "b"),
    (bytes, {"max_length": 3}, "b"),
    (list[int], {"min_length": 1}, "1"),
    (int | str, {"min_length": 1}, "b"),
    (datetime.date, {"gt": datetime.date(2000, 1, 1)}, "2026-11-28"),
    (Annotated[int, AfterValidator(str)], {"min_length": 1}, "4"),
    (datetime.datetime, {"ge": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)}, "2021-01-01T00:00:00Z"),
    (datetime.time, {"ge": datetime.time(1, tzinfo=datetime.UTC)}, "02:00:00Z"),
    (int | datetime.datetime, {"ge": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)}, "2021-01-01T00:00:00Z"),
    (datetime.datetime, {"ge": datetime.date(2020, 1, 1)}, "2021-01-01T00:00:00"),
    (datetime.datetime, {"ge": "2020-01-01T00:00:00"}, "2021-01-01T00:00:00"),
    (datetime.date, {"ge": "2020-01-01"}, "2021-01-01"),
    (datetime.timedelta, {"ge": 5}, "PT10S"),
    (int, {"ge": "5"}, "7"),
    (decimal.Decimal, {"ge": "5"}, "7"),
    (decimal.Decimal, {"multiple_of": 0.01}, "1.25"),
    (decimal.Decimal, {"multiple_of": "0.5"}, "7.5"),
    (float, {"multiple_of": decimal.Decimal("0.5")}, "1.5"),
    (int, {"ge": 10**9}, str(10**9)),
    (Json[list[int]], {"max_length": 3}, "[1]"),
    (list[int] | None, {"min_length": 2}, "1&q=2"),
    (TextColor, {"max_length": 3}, "red"),
    (Any, {"max_length": 3}, "abc"),
    (SecretStr, {"max_length": 3}, "abc"),
    (OwnType, {"ge": 3}, "7"),
    (Annotated[str, Predicate(only_seven)], {"max_length": 3}, "7"),
    (Annotated[str, Not(str.isdigit)], {"max_length": 3}, "abc"),
    (Annotated[str, AfterValidator(FiveIfYes())], {"gt": 3}, "yes"),
    (Annotated[str, AfterValidator(FiveIfYes())] | None, {"gt": 3}, "yes"),
    (Json[str], {"min_length": 2}, '"ab"'),
    (Json[dict[str, int]], {"min_length": 1}, '{"a": 1}'),
    (datetime.time, {"ge": datetime.time(1)}, "02:00:00"),
]


@pytest.mark.parametrize(("annotation", "constraint", "value"), APPLY, ids=str)
def test_constraints_that_apply_are_taken(api: Api, annotation: Any, constraint: dict[str, Any], value: str) -> None:
    async def endpoint(websocket: WebSocket, q: Annotated[annotation, api.Query(**constraint)]) -> None:
        await api.end(websocket)

    assert shown(endpoint, api, f"/?q={value}").events == [("endpoint",)]


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "(?<=a)b"])
def test_a_pattern_that_does_not_compile_is_refused(api: Api, pattern: str) -> None:
    async def endpoint(websocket: WebSocket, q: Annotated[str, api.Query(pattern=pattern)]) -> None: ...

    refused(endpoint, "q", "regex", pattern)


@pytest.mark.parametrize("scopes", ["admin", ["a", 1]])
def test_scopes_that_are_no_list_of_texts_are_refused(api: Api, scopes: Any) -> None:
    async def endpoint(
        websocket: WebSocket, user: Annotated[str, api.Security(authenticate, scopes=scopes)]
    ) -> None: ...

    refused(endpoint, "user", "scopes=['admin']" if scopes == "admin" else "scopes=['a', '1']")
    refused(nothing, None, "list of texts", dependencies=[api.Security(authenticate, scopes=scopes)])


@pytest.mark.parametrize("alias", ["x token", "x:token", "x(token)", "x\n", ""])
def test_a_header_name_with_other_characters_is_refused(api: Api, alias: str) -> None:
    choices = AliasChoices("x-ok", alias)

    class Headers(BaseModel):
        field: Annotated[str, Field(validation_alias=choices)]

    async def endpoint(websocket: WebSocket, h: Annotated[str, api.Header(validation_alias=choices)]) -> None: ...

    async def with_a_model(websocket: WebSocket, h: Annotated[Headers, api.Header()]) -> None: ...

    refused(endpoint, "h", "no header can have the name", repr(alias))
    refused(with_a_model, "h", "no header can have the name", repr(alias))


@pytest.mark.parametrize("annotation", [Service, list[Service], Service | None])
def test_a_class_that_no_client_can_send_is_refused(api: Api, annotation: Any) -> None:
    async def marked(websocket: WebSocket, service: annotation = api.Query()) -> None: ...

    async def header(websocket: WebSocket, service: Annotated[annotation, api.Header()]) -> None: ...

    for endpoint in (marked, header):
        error = refused(endpoint, "service")
        assert "arbitrary_types_allowed" not in str(error)
    if annotation is Service:
        refused(marked, "service", "Annotated[Service, Depends(function)]")


@pytest.mark.parametrize("path", ["/{a:foo}", "/{a}/{a}"])
def test_a_template_that_cannot_be_read_names_the_endpoint(path: str) -> None:
    refused(nothing, None, path, path=path)


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("yields", [0, 2])
@pytest.mark.parametrize("fails", [True, False])
def test_a_generator_that_does_not_yield_once_is_named(sync: bool, yields: int, fails: bool, backend: str) -> None:
    def values() -> Iterator[int]:
        for each in range(yields):
            with contextlib.suppress(ZeroDivisionError):
                yield each

    async def async_values() -> AsyncIterator[int]:
        for each in range(yields):
            with contextlib.suppress(ZeroDivisionError):
                yield each

    call = values if sync else async_values

    async def endpoint(websocket: WebSocket, a: Annotated[int, fastroute.Depends(call)]) -> None:
        if fails:
            raise ZeroDivisionError

    async def connect() -> None:
        server = Server(handshake())
        with pytest.raises(RuntimeError, match="generator didn't") as caught:
            await APIWebSocketRoute("/", endpoint)(server.scope, server.receive, server.send)
        (note,) = caught.value.__notes__
        assert f"{call.__qualname__} ({__file__}:{call.__code__.co_firstlineno})" in note
        assert "one `yield`" in note

    anyio.run(connect, backend=backend)


def test_only_a_class_keeps_a_default_that_no_client_can_send(api: Api) -> None:
    class Settings:
        def __init__(self, service: Service | None = None, tags: list[str] = ["a"]) -> None:  # noqa: B006
            self.values = service, tags

    class Required:
        def __init__(self, tags: list[str]) -> None: ...

    def function(tags: list[str] = ["a"]) -> None: ...  # noqa: B006

    async def endpoint(websocket: WebSocket, settings: Annotated[Settings, api.Depends()]) -> None:
        await api.end(websocket, *settings.values)

    async def partial(
        websocket: WebSocket, settings: Annotated[Any, api.Depends(functools.partial(Settings, None))]
    ) -> None:
        await api.end(websocket, *settings.values)

    async def required(websocket: WebSocket, a: Annotated[Required, api.Depends()]) -> None: ...

    async def of_a_function(websocket: WebSocket, a: Annotated[None, api.Depends(function)]) -> None: ...

    for each in (endpoint, partial):
        assert shown(each, api, "/?tags=b&service=x").events == [("endpoint", ("NoneType", "None"), ("list", ["a"]))]
    assert refused(required, "tags", "Query()").call is Required
    assert refused(of_a_function, "tags", "Query()").call is function


def test_ours_is_no_route_of_fastapi() -> None:
    """FastAPI would rebuild a route of its class from the endpoint alone."""
    route = APIWebSocketRoute("/", nothing)
    assert not isinstance(route, fastapi.routing.APIWebSocketRoute)
    assert isinstance(route, starlette_routing.WebSocketRoute)
    assert issubclass(fastapi.routing.APIWebSocketRoute, starlette_routing.WebSocketRoute)
