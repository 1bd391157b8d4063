"""`check` on declarations: each kind of mistake is found, and is one; usual declarations pass."""

import inspect
import re
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi import Depends as FastAPIDepends
from fastapi import Path as FastAPIPath
from fastapi import Query as FastAPIQuery
from fastapi import Security as FastAPISecurity
from fastapi.security import APIKeyCookie as FastAPIKeyCookie
from fastapi.security import HTTPBasic as FastAPIHTTPBasic
from fastapi.security import HTTPBearer
from pydantic import BaseModel, BeforeValidator
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import (
    ANY_ORIGIN,
    APIWebSocketRoute,
    ConnectionPolicy,
    Cookie,
    Deadline,
    Depends,
    Messages,
    Query,
    Security,
    SecurityScopes,
)
from fastroute import Router as FastrouteRouter
from fastroute.commands._mistakes import mistakes
from fastroute.security import APIKeyCookie, HTTPBasic
from fastroute.security import HTTPBearer as OurBearer

OPTIONAL = OurBearer(auto_error=False)


async def page(request: Request) -> None: ...
async def socket(websocket: WebSocket) -> None: ...
def user() -> str: ...
def rate(q: int = 1) -> None: ...


def found(app: Any, kind: str) -> list[str]:
    """The paths of the routes with this mistake."""
    return ["".join(e.path for e in (*m.inside, m.entry)) for m in mistakes(app) if m.kind == kind]


def found_in(routes: list[BaseRoute], kind: str) -> list[str]:
    return found(Starlette(routes=routes), kind)


# --- dependencies of FastAPI's application -----------------------------------------------------------------------


def guarded(routes: list[BaseRoute]) -> FastAPI:
    return FastAPI(routes=routes, dependencies=[FastAPIDepends(user), FastAPIDepends(rate)])


def missing(app: FastAPI) -> dict[str, list[str]]:
    """The names of the dependencies that a route does not get, by its path."""
    texts = {m.entry.path: m.text.partition(": ")[0] for m in mistakes(app) if m.kind == "missing_dependencies"}
    return {path: re.findall(r"\b(user|rate|HTTPBearer)\b", text) for path, text in texts.items()}


def test_routes_put_into_routes_get_no_dependencies_of_the_application() -> None:
    app = guarded(
        [
            APIWebSocketRoute("/none", socket),
            APIWebSocketRoute("/one", socket, dependencies=[Depends(rate)]),
            APIWebSocketRoute("/both", socket, dependencies=[Depends(rate), Depends(user)]),
            Mount("/m", routes=[APIWebSocketRoute("/mounted", socket)]),
            Mount("/n", FastrouteRouter([APIWebSocketRoute("/in-router", socket)])),
            Route("/page", page),
        ]
    )
    app.add_api_route("/api", page)
    app.add_api_websocket_route("/api-socket", socket)
    app.router.routes.append(WebSocketRoute("/appended", socket))
    assert missing(app) == {
        "/none": ["user", "rate"],
        "/one": ["user"],
        "/mounted": ["user", "rate"],
        "/in-router": ["user", "rate"],
        "/page": ["user", "rate"],
        "/appended": ["user", "rate"],
    }


def test_the_routes_said_to_be_open_are() -> None:
    """The claim and FastAPI: a dependency that refuses everybody is not asked."""

    def nobody() -> None:
        raise WebSocketDisconnect

    async def accept(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    app = FastAPI(
        dependencies=[FastAPIDepends(nobody)],
        routes=[APIWebSocketRoute("/open", accept), APIWebSocketRoute("/shut", accept, dependencies=[Depends(nobody)])],
    )
    app.add_api_websocket_route("/api", accept)
    opened = []
    for path in ("/open", "/shut", "/api"):
        with suppress(WebSocketDisconnect), TestClient(app).websocket_connect(path):
            opened.append(path)
    assert opened == ["/open"] == found(app, "missing_dependencies")


def test_routes_of_an_included_router_that_are_not_fastapis() -> None:
    app, router = guarded([]), APIRouter(dependencies=[FastAPIDepends(HTTPBearer())])
    router.add_route("/plain", page)
    router.add_api_route("/api", page)
    app.include_router(router, prefix="/v1")
    [(path, names)] = missing(app).items()
    assert path.endswith("/plain")
    assert names[:2] == ["user", "rate"]
    # Older releases of FastAPI copy the routes, and forget whose they were.
    assert names[2:] in ([], ["HTTPBearer"])


@pytest.mark.parametrize(
    "routes",
    [
        [Mount("/m", Starlette(routes=[WebSocketRoute("/ws", socket)]))],
        [Mount("/m", FastAPI(routes=[WebSocketRoute("/ws", socket)]))],
        [Mount("/m", routes=[WebSocketRoute("/ws", socket)], middleware=[Middleware(GZipMiddleware)])],
        [WebSocketRoute("/ws", socket, middleware=[Middleware(GZipMiddleware)])],
    ],
)
def test_applications_and_middleware_answer_for_themselves(routes: list[BaseRoute]) -> None:
    assert missing(guarded(routes)) == {}


def test_nothing_is_missing_without_dependencies() -> None:
    app = FastAPI(routes=[WebSocketRoute("/ws", socket), Route("/page", page)])
    assert missing(app) == {}
    assert missing(guarded([])) == {}


def by_default(websocket: WebSocket, user: str = Depends(user)) -> None: ...
def by_annotation(websocket: WebSocket, user: Annotated[str, FastAPIDepends(user)] = "x") -> None: ...


@pytest.mark.parametrize("endpoint", [by_default, by_annotation])
def test_markers_that_starlette_does_not_read(endpoint: Any) -> None:
    routes: list[BaseRoute] = [
        WebSocketRoute("/a", endpoint),
        Mount("/m", routes=[Route("/b", endpoint)]),
        WebSocketRoute("/c", socket),
    ]
    for app in (Starlette(routes=routes), FastAPI(routes=routes)):
        assert found(app, "markers_that_nobody_reads") == ["/a", "/m/b"]
    app = FastAPI()
    app.add_api_websocket_route("/api", endpoint)
    assert found(app, "markers_that_nobody_reads") == []


# --- classes as dependencies -------------------------------------------------------------------------------------


class Limiter:
    def __init__(self, times: int = 1) -> None: ...

    def __call__(self) -> None: ...


class StrictLimiter(Limiter): ...


class Page:
    def __init__(self, page: int = 1) -> None: ...


@pytest.mark.parametrize(("dependency", "expected"), [(Limiter, 1), (StrictLimiter, 1), (Page, 0), (Limiter(), 0)])
def test_a_class_dependency_that_nobody_calls(dependency: Any, expected: int) -> None:
    def inner(value: Annotated[Any, Depends(dependency)]) -> None: ...

    def inner_of_fastapi(value: Annotated[Any, FastAPIDepends(dependency)]) -> None: ...

    route = APIWebSocketRoute("/ws", socket, dependencies=[Depends(inner)])
    assert len(found_in([route], "class_dependency")) == expected
    for depends in (dependency, inner_of_fastapi):
        app = FastAPI()
        app.add_api_route("/page", page, dependencies=[FastAPIDepends(depends)])
        assert len(found(app, "class_dependency")) == expected


def reads_scopes(scopes: SecurityScopes) -> None: ...
def above(value: Annotated[None, Depends(reads_scopes)]) -> None: ...
def above_security(value: Annotated[None, Security(reads_scopes, scopes=["b"])]) -> None: ...


@pytest.mark.parametrize(
    ("dependency", "expected"),
    [
        (Security(user, scopes=["a"]), 1),
        (Security(OurBearer(), scopes=["a", "b"]), 1),
        (FastAPISecurity(HTTPBearer(), scopes=["a"]), 1),
        (Security(reads_scopes, scopes=["a"]), 0),
        (Security(above, scopes=["a"]), 0),
        (Security(above_security, scopes=["a"]), 0),
        (Security(user), 0),
        (Depends(user), 0),
        (Depends(above), 0),
    ],
    ids=lambda case: re.sub(" at 0x[0-9a-f]+", "", str(case)),
)
def test_scopes_that_nobody_reads(dependency: Any, expected: int) -> None:
    def inner(value: Annotated[Any, dependency]) -> None: ...

    for depends in (dependency, Depends(inner)):
        route = APIWebSocketRoute("/ws", socket, dependencies=[depends])
        assert len(found_in([route], "scopes_that_nobody_reads")) == expected


def optional(token: Annotated[Any, Depends(OPTIONAL)]) -> None: ...


@pytest.mark.parametrize(
    ("dependencies", "expected"),
    [
        ([Depends(OurBearer(auto_error=False))], 1),
        ([Depends(OurBearer(auto_error=None))], 1),  # type: ignore[arg-type]  # as a setting that is not set
        ([FastAPIDepends(HTTPBearer(auto_error=False))], 1),
        ([Security(APIKeyCookie(name="key", auto_error=False))], 1),
        ([Depends(OurBearer())], 0),
        ([FastAPIDepends(HTTPBearer())], 0),
        ([Depends(optional)], 0),
        ([Depends(OPTIONAL), Depends(optional)], 0),
    ],
)
def test_a_scheme_that_refuses_nobody(dependencies: list[Any], expected: int) -> None:
    route = APIWebSocketRoute("/ws", socket, dependencies=dependencies)
    assert len(found_in([route], "scheme_that_refuses_nobody")) == expected


def test_each_security_needs_a_reader_of_its_own() -> None:
    route = APIWebSocketRoute("/ws", socket, dependencies=[Security(user, scopes=["a"]), Security(above, scopes=["a"])])
    (mistake,) = [m for m in mistakes(Starlette(routes=[route])) if m.kind == "scopes_that_nobody_reads"]
    assert "'a'" in mistake.text
    assert "user" in mistake.text


# --- names -------------------------------------------------------------------------------------------------------


async def of_tenant(websocket: WebSocket, tenant: str, limit: int = 1) -> None: ...
async def of_alias(websocket: WebSocket, owner: Annotated[str, Query(alias="tenant")]) -> None: ...


def tenant_of(tenant: str) -> str: ...


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (Mount("/{tenant}", routes=[APIWebSocketRoute("/ws", of_tenant)]), ["/{tenant}/ws"]),
        (Mount("/{tenant}", routes=[APIWebSocketRoute("/ws", of_alias)]), ["/{tenant}/ws"]),
        (Host("{tenant}.a.org", Router([APIWebSocketRoute("/ws", of_tenant)])), ["{tenant}.a.org/ws"]),
        (
            Mount("/{tenant}", routes=[APIWebSocketRoute("/ws", socket, dependencies=[Depends(tenant_of)])]),
            ["/{tenant}/ws"],
        ),
        (Mount("/{limit}", routes=[APIWebSocketRoute("/{tenant}", of_tenant)]), ["/{limit}/{tenant}"]),
        (Mount("/{other}", routes=[APIWebSocketRoute("/{tenant}", of_tenant)]), []),
        (APIWebSocketRoute("/{tenant}", of_alias), []),
        (APIWebSocketRoute("/ws", of_tenant), []),
        (Mount("/path", routes=[APIWebSocketRoute("/ws", of_tenant)]), []),
    ],
)
def test_a_query_parameter_named_like_one_of_the_path(route: BaseRoute, expected: list[str]) -> None:
    assert found_in([route], "query_named_like_path_parameter") == expected


def test_a_query_parameter_named_like_one_of_the_path_in_fastapi() -> None:
    async def by_query(tenant: str) -> None: ...

    class Model(BaseModel):
        tenant: str

    async def by_model(model: Annotated[Model, FastAPIQuery()]) -> None: ...

    inner = FastAPI(openapi_url=None)
    inner.add_api_route("/query", by_query)
    inner.add_api_route("/model", by_model)
    app, router = FastAPI(openapi_url=None), APIRouter()
    router.add_api_route("/included", by_query)
    app.include_router(router, prefix="/{tenant}")
    app.mount("/{tenant}/m", inner)
    assert found(app, "query_named_like_path_parameter") == ["/{tenant}/m/query", "/{tenant}/m/model"]


def test_a_path_parameter_that_no_template_has() -> None:
    async def endpoint(item: Annotated[int, FastAPIPath()]) -> None: ...

    def app(prefix: str, outer: str) -> FastAPI:
        inner, router, app = FastAPI(openapi_url=None), APIRouter(), FastAPI(openapi_url=None)
        router.add_api_route("/x", endpoint)
        inner.include_router(router, prefix=prefix)
        app.mount(outer, inner)
        return app

    kind = "path_parameter_that_no_template_has"
    assert len(found(app("/v1", "/o"), kind)) == 1
    assert found(app("/{item}", "/o"), kind) == []
    assert found(app("/v1", "/{item}"), kind) == []


def endpoint_with(**annotations: Any) -> Callable[..., Any]:
    async def endpoint(websocket: WebSocket, **_: Any) -> None: ...

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        for name, annotation in {"websocket": WebSocket, **annotations}.items()
    ]
    endpoint.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return endpoint


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/rooms/{room_id}", "roomid"),
        ("/rooms/{room_id}", "room_id_"),
        ("/rooms/{roomId}", "room_id"),
        ("/rooms/{room_id}", "room"),
        ("/rooms/{room}", "room_id"),
        ("/rooms/{id}", "room_id"),
        ("/rooms/{tennant}", "tenant"),
        ("/rooms/{item_id}", "items_id"),
    ],
)
def test_a_template_parameter_that_nobody_reads(path: str, key: str) -> None:
    route = APIWebSocketRoute(path, endpoint_with(**{key: int}))
    assert found_in([route], "template_parameter_that_nobody_reads") == [path]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/rooms/{room_id}", {"room_id": int, "room": int}),
        ("/rooms/{id}", {"user_id": int}),
        ("/rooms/{room}", {"room_type": int}),
        ("/{from_x}/{to}", {"from_y": int}),
        ("/{a}", {"b": int}),
        ("/rooms/{room_id}", {"roomid": Annotated[int | None, Query(default_factory=lambda: 1)]}),
    ],
)
def test_other_names_are_no_mistake(path: str, parameters: dict[str, Any]) -> None:
    route = APIWebSocketRoute(path, endpoint_with(**parameters))
    assert found_in([route], "template_parameter_that_nobody_reads") == []


def test_a_parameter_may_be_read_from_the_scope() -> None:
    async def by_params(websocket: WebSocket, roomid: int) -> None:
        websocket.path_params["room_id"]

    async def by_scope(websocket: WebSocket, roomid: int) -> None:
        def inner() -> Any:
            return websocket.scope["path_params"]

        inner()

    class Dependency:
        def __call__(self, connection: HTTPConnection) -> Any:
            return connection.path_params["room_id"]

    async def by_dependency(roomid: int, websocket: WebSocket, room: Annotated[Any, Depends(Dependency())]) -> None: ...

    for endpoint in (by_params, by_scope, by_dependency):
        route = APIWebSocketRoute("/{room_id}", endpoint)
        assert found_in([route], "template_parameter_that_nobody_reads") == []


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("/{room-id}", ["'{room-id}'"]),
        ("/{i", ["'{i'"]),
        ("/{ i }", ["'{ i }'"]),
        ("/i}", ["'}'"]),
        ("/{a}/{b:int}/{1}", ["'{1}'"]),
        ("/{a-}/{-b}", ["'{a-}', '{-b}'"]),
        ("/{a}-{b:path}", []),
        ("/a-b", []),
    ],
)
def test_braces_that_are_text(path: str, texts: list[str]) -> None:
    for route in (Route(path, page), WebSocketRoute(path, socket), Mount(path, Router()), Host(path[1:], Router())):
        told = [
            m.text.partition(" in its path")[0] for m in mistakes(Router([route])) if m.kind == "braces_that_are_text"
        ]
        assert told == texts


# --- types -------------------------------------------------------------------------------------------------------


class Color(StrEnum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


class Lenient(Enum):
    ONE = object()

    @classmethod
    def _missing_(cls, value: object) -> "Lenient":
        return cls.ONE


TYPES = [
    *(str, int, float, bool, bytes, UUID, Color, Size, Lenient),
    *(
        Literal[Color.RED],
        Literal[Size.SMALL],
        Literal["a", "b"],
        Literal[1, 2],
        Literal[1, "x"],
        int | None,
        str | None,
        str | UUID,
    ),
    *(Annotated[str, BeforeValidator(str)], Annotated[int, FastAPIPath(ge=5)]),
]
TEXTS = {
    "": ["x", "a", "red", "1", "7", "0.5", "true", str(UUID(int=5))],
    ":path": ["x", "a", "red", "1", "7", "0.5", "true", str(UUID(int=5))],
    ":int": ["0", "1", "2", "7", "100000"],
    ":float": ["0", "1", "2", "1.5", "7"],
    ":uuid": [str(UUID(int=0)), "6ba7b810-9dad-41d1-80b4-00c04fd430c8"],
}


@pytest.mark.parametrize("convertor", TEXTS)
def test_a_type_that_never_fits_never_does(convertor: str) -> None:
    """In FastAPI and here: the mistake is reported exactly if no path is answered."""
    for type_ in TYPES:
        path = f"/{{value{convertor}}}"

        async def endpoint(value: Any) -> str:
            return "fits"

        endpoint.__annotations__["value"] = type_
        app = FastAPI(openapi_url=None)
        app.add_api_route(path, endpoint)
        client = TestClient(app)
        fits = any(client.get(f"/{text}").status_code == 200 for text in TEXTS[convertor])
        assert bool(found(app, "type_that_never_fits")) != fits, (convertor, type_)
        if type_ not in (bytes, Annotated[int, FastAPIPath(ge=5)]):
            route = APIWebSocketRoute(path, endpoint_with(value=type_))
            assert bool(found_in([route], "type_that_never_fits")) != fits, (convertor, type_)


class Rare(Enum):
    ONE = object()

    @classmethod
    def _missing_(cls, value: object) -> "Rare | None":
        return cls.ONE if value == 123_456 else None


def fails(value: object) -> object:
    raise KeyError(value)


@pytest.mark.parametrize("type_", [Rare, Annotated[str, BeforeValidator(fails)]])
def test_nothing_is_said_about_code_of_the_user(type_: Any) -> None:
    route = APIWebSocketRoute("/{value:int}", endpoint_with(value=type_))
    assert found_in([route], "type_that_never_fits") == []


def test_a_type_is_compared_with_the_convertor_of_an_outer_path() -> None:
    async def endpoint(value: Annotated[str, FastAPIPath()]) -> None: ...

    for outer, expected in (("/{value}", 0), ("/{value:int}", 1)):
        inner, app = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
        inner.add_api_route("/x", endpoint)
        app.mount(outer, inner)
        assert len(found(app, "type_that_never_fits")) == expected


# --- endpoints without a WebSocket -------------------------------------------------------------------------------


async def deaf(q: int = 1) -> None: ...


async def refuses(q: int = 1) -> None:
    raise ValueError


def accepts(websocket: WebSocket) -> None: ...
def reads(connection: HTTPConnection) -> None: ...


async def with_messages(messages: Messages[int, int]) -> None: ...


async def with_deadline(deadline: Deadline) -> None: ...


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (APIWebSocketRoute("/", deaf), ["/"]),
        (APIWebSocketRoute("/", deaf, dependencies=[Depends(user)]), ["/"]),
        (APIWebSocketRoute("/", deaf, dependencies=[Depends(accepts)]), []),
        (APIWebSocketRoute("/", deaf, dependencies=[Depends(reads)]), []),
        (APIWebSocketRoute("/", refuses), []),
        (APIWebSocketRoute("/", socket), []),
        (WebSocketRoute("/", socket), []),
        (Route("/", page), []),
        (APIWebSocketRoute("/", with_messages), []),
        (APIWebSocketRoute("/deadline", with_deadline), ["/deadline"]),
    ],
)
def test_an_endpoint_without_a_websocket(route: BaseRoute, expected: list[str]) -> None:
    assert found_in([route], "endpoint_without_websocket") == expected


def test_an_endpoint_of_fastapi_without_a_websocket() -> None:
    app = FastAPI(openapi_url=None)
    app.add_api_websocket_route("/deaf", deaf)
    app.add_api_websocket_route("/socket", socket)
    app.add_api_route("/http", deaf)
    assert found(app, "endpoint_without_websocket") == ["/deaf"]


# --- credentials that a browser sends from any page ------------------------------------------------------------------


class Cookies(BaseModel):
    theme: str


async def session(session: Annotated[str, Cookie()]) -> None: ...
async def cookies(cookies: Annotated[Cookies, Cookie()]) -> None: ...


@pytest.mark.parametrize(
    ("dependency", "credentials"),
    [
        (session, "the cookie 'session' (parameter 'session' of "),
        (cookies, "the cookie 'theme' (parameter 'cookies' of "),
        (APIKeyCookie(name="key"), "the cookie 'key' (APIKeyCookie)"),
        (HTTPBasic(), "HTTP basic credentials (HTTPBasic)"),
        (FastAPIKeyCookie(name="key"), "the cookie 'key' (APIKeyCookie)"),
        (FastAPIHTTPBasic(), "HTTP basic credentials (HTTPBasic)"),
    ],
)
def test_credentials_that_a_browser_sends_from_any_page(dependency: Any, credentials: str) -> None:
    async def deep(_: Annotated[Any, Depends(dependency)]) -> None: ...

    def route(path: str, **items: Any) -> APIWebSocketRoute:
        return APIWebSocketRoute(path, socket, dependencies=[Depends(deep)], **items)

    app = Starlette(
        routes=[
            route("/open"),
            route("/timed", policy=ConnectionPolicy(idle_timeout=60)),
            route("/named", policy=ConnectionPolicy(origins=["https://app.example.org"])),
            route("/anybody", policy=ConnectionPolicy(origins=ANY_ORIGIN)),
            APIWebSocketRoute("/without", socket),
        ]
    )
    texts = [m.text for m in mistakes(app) if m.kind == "credentials_from_any_origin"]
    assert found(app, "credentials_from_any_origin") == ["/open", "/timed"]
    assert all(text.startswith(f"reads {credentials}") for text in texts), texts
    assert all("ConnectionPolicy(origins=" in text for text in texts)


def test_credentials_behind_middleware_or_a_router_with_origins() -> None:
    router = FastrouteRouter(policy=ConnectionPolicy(origins=["https://app.example.org"]))
    router.add_api_websocket_route("/", socket, dependencies=[Depends(session)])
    wrapped = Mount("/wrapped", routes=[APIWebSocketRoute("/", socket, dependencies=[Depends(session)])])
    assert found_in(router.routes, "credentials_from_any_origin") == []
    assert found_in([wrapped], "credentials_from_any_origin") == ["/wrapped/"]
    assert found_in([Route("/", page)], "credentials_from_any_origin") == []
