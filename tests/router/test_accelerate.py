"""accelerate(): an application answers as before, from an index."""

import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgi import request, with_lifespan
from fastapi import APIRouter, FastAPI
from starlette import routing
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Router, accelerate
from fastroute._starlette import layers
from fastroute.acceleration import Acceleration
from fastroute.indexing.index_router import IndexRouter

pytestmark = pytest.mark.twins


async def page(request: Any) -> PlainTextResponse:
    return PlainTextResponse(f"{request.url.path} {request.path_params} {request.scope.get('marks')}")


async def failing(request: Any) -> PlainTextResponse:
    raise LookupError("nothing here")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(f"hello {websocket.path_params} {websocket.scope.get('marks')}")
    await websocket.close()


class Marking:
    """Middleware that shows the application it is around."""

    def __init__(self, app: ASGIApp, mark: str) -> None:
        self.app = app
        self.mark = mark

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["marks"] = [*scope.get("marks", []), self.mark]
        await self.app(scope, receive, send)


class Hiding(Marking):
    """Middleware that does not."""

    def __init__(self, app: ASGIApp, mark: str) -> None:
        super().__init__(app, mark)
        self.hidden = self.__dict__.pop("app")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.hidden(scope, receive, send)


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    yield {"started": True}


async def not_found(request: Any, error: Exception) -> PlainTextResponse:
    return PlainTextResponse("own not found", 404)


async def on_lookup_error(request: Any, error: Exception) -> PlainTextResponse:
    return PlainTextResponse(f"handled {error}", 400)


def application() -> Starlette:
    inner = Starlette(
        routes=[Route("/page/{p:int}", page, name="page"), Mount("/deep", routes=[Route("/page", page, name="page")])],
        middleware=[Middleware(Marking, "inner app")],
    )
    return Starlette(
        routes=[
            Route("/", page, name="home"),
            Route("/page/{p:int}", page, methods=["POST"], name="page"),
            Route("/page/{p}", page),
            Route("/failing", failing),
            WebSocketRoute("/talk/{name}", talk, name="talk"),
            APIWebSocketRoute("/api-talk", talk),
            Mount("/inner", inner, name="inner"),
            Mount("/with", routes=[Route("/page", page)], middleware=[Middleware(Marking, "mount")]),
            Mount("/hidden", routes=[Route("/page", page)], middleware=[Middleware(Hiding, "mount")]),
            Mount("/wrapped", Marking(routing.Router([Route("/page", page)]), "by hand")),
            Mount("/router", routing.Router([Route("/page", page)], middleware=[Middleware(Marking, "router")])),
            Host("example.org", routing.Router([Route("/hosted", page, name="hosted")]), name="host"),
            Mount("/files", bare),
        ],
        middleware=[Middleware(Marking, "app"), Middleware(GZipMiddleware)],
        exception_handlers={404: not_found, LookupError: on_lookup_error},
        lifespan=lifespan,
    )


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(f"bare {scope['path']} {scope['root_path']}")(scope, receive, send)


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/", {}),
    ("/page/7", {}),
    ("/page/7", {"method": "POST"}),
    ("/page/x", {"method": "POST"}),
    ("/page/7/", {}),
    ("/failing", {}),
    ("/nowhere", {}),
    ("/inner/page/7", {}),
    ("/inner/page/x", {}),
    ("/inner/deep/page", {}),
    ("/inner/deep/page/", {}),
    ("/with/page", {}),
    ("/hidden/page", {}),
    ("/wrapped/page", {}),
    ("/router/page", {}),
    ("/hosted", {"headers": {"host": "example.org"}}),
    ("/files/a/b", {}),
    ("/proxy/page/7", {"root_path": "/proxy"}),
]
CONNECTIONS = ["/talk/me", "/api-talk", "/talk", "/nowhere", "/inner/page/7"]


def answers(app: Any) -> list[Any]:
    seen: list[Any] = [request(app, path, **items) for path, items in REQUESTS]
    seen += [connect(app, websocket_scope(path)) for path in CONNECTIONS]
    seen.append(with_lifespan(app, lambda state: state))
    seen += [
        str(app.url_path_for("page", p=1)),
        str(app.url_path_for("talk", name="x")),
        str(app.url_path_for("inner:page", p=2)),
        str(app.url_path_for("host:hosted")),
    ]
    return seen


def routers(app: Starlette) -> list[routing.Router]:
    """Every router there is, by hand."""
    mounted = {route.path: route for route in app.routes if isinstance(route, Mount)}
    inner = mounted["/inner"].app.router  # type: ignore[attr-defined]
    host = next(route for route in app.routes if isinstance(route, Host))
    return [
        app.router,
        inner,
        inner.routes[1].app,
        mounted["/with"].app.app,  # type: ignore[attr-defined]
        mounted["/hidden"].app.hidden,  # type: ignore[attr-defined]
        mounted["/wrapped"].app.app,  # type: ignore[attr-defined]
        mounted["/router"].app,  # type: ignore[list-item]
        host.app,  # type: ignore[list-item]
    ]


def names(router: routing.Router) -> tuple[str, str, str]:
    cls = type(router)
    return cls.__module__, cls.__qualname__, cls.__name__


@pytest.mark.parametrize("started", [False, True])
def test_every_answer_is_as_before(started: bool) -> None:
    app, untouched = application(), application()
    if started:
        answers(app)
    before, routes = routers(app), list(app.routes)
    classes = [names(router) for router in before]
    report = accelerate(app)
    assert answers(app) == answers(untouched)
    assert [names(router) for router in before] == classes
    assert [*map(id, routers(app))] == [*map(id, before)]
    assert [*map(id, app.routes)] == [*map(id, routes)]
    assert all(isinstance(router, IndexRouter) and not isinstance(router, Router) for router in before)
    assert {id(indexed.router) for indexed in report.indexed} == {id(router) for router in before}
    assert report.left == ()


def asks_only_candidates(app: Any, path: str, routes: list[BaseRoute], monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that the index is really used: the routes that cannot match are not even asked."""
    with monkeypatch.context() as patch:
        for route in routes:
            patch.setattr(route, "matches", lambda scope: pytest.fail("asked"))
        assert request(app, path)[0] == 200


@pytest.mark.parametrize("prefix", ["", "/with", "/wrapped", "/router", "/inner/deep"])
def test_the_index_is_used(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = application()
    accelerate(app)
    others: list[BaseRoute] = [Route(f"/other/{number}", page) for number in range(5)]
    router = {"": 0, "/with": 3, "/wrapped": 5, "/router": 6, "/inner/deep": 2}[prefix]
    routers(app)[router].routes[:0] = others
    assert request(app, f"{prefix}/page" if prefix else "/page/7")[0] == 200
    asks_only_candidates(app, f"{prefix}/page" if prefix else "/page/7", others, monkeypatch)


def test_routes_may_be_changed_afterwards() -> None:
    app = application()
    accelerate(app)
    app.add_route("/late", page)
    app.mount("/late-mount", routing.Router([Route("/page", page)]))
    assert request(app, "/late")[0] == request(app, "/late-mount/page")[0] == 200
    del app.routes[1:3]
    assert request(app, "/page/x")[0] == 404


def test_a_second_call_changes_nothing() -> None:
    app = application()
    first = accelerate(app)
    classes = [type(router) for router in routers(app)]
    stacks = [router.middleware_stack for router in routers(app)]
    lists = [router.routes for router in routers(app)]
    second = accelerate(app)
    assert [type(router) for router in routers(app)] == classes
    assert [router.middleware_stack for router in routers(app)] == stacks
    assert [*map(id, (router.routes for router in routers(app)))] == [*map(id, lists)]
    assert second == first


def test_middleware_around_a_router_stays() -> None:
    router = routing.Router(
        [Route("/page", page)], middleware=[Middleware(Marking, "outer"), Middleware(Marking, "inner")]
    )
    outer = router.middleware_stack
    accelerate(router)
    assert router.middleware_stack is outer
    assert request(router, "/page") == (200, "/page {} ['outer', 'inner']")
    assert outer.app.app == router.app  # type: ignore[attr-defined]


def test_middleware_of_starlettes_own_kind_is_seen_through() -> None:
    async def dispatch(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app = BaseHTTPMiddleware(Starlette(routes=[Route("/page", page)]), dispatch)
    assert len(accelerate(app).indexed) == 1
    assert request(app, "/page")[0] == 200


def test_middleware_that_hides_its_application_is_reported_and_left() -> None:
    router = routing.Router([Route("/page", page)], middleware=[Middleware(Hiding, "router")])
    (left,) = accelerate(router).left
    assert left.router is router
    assert "Hiding" in left.reason
    assert type(router) is routing.Router
    assert request(router, "/page")[0] == 200


def test_the_layers_of_an_application_end_with_its_router() -> None:
    app = Starlette()
    wrapped = GZipMiddleware(app)
    assert list(layers(wrapped)) == [wrapped, app, app.router]


class HasEverything:
    """Has every attribute that somebody asks for, as a mock."""

    def __getattr__(self, name: str) -> "HasEverything":
        return HasEverything()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("everything")(scope, receive, send)


def test_an_application_that_has_every_attribute_is_looked_through_once() -> None:
    app = Starlette(routes=[Mount("/mock", HasEverything())])
    assert len(accelerate(app).indexed) == 1
    assert request(app, "/mock/page") == (200, "everything")


class NotReady:
    @property
    def app(self) -> Any:
        raise RuntimeError("not ready")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("not ready")(scope, receive, send)


def test_an_application_may_have_a_property_that_raises() -> None:
    app = Starlette(routes=[Mount("/mounted", NotReady())])
    assert len(accelerate(app).indexed) == 1
    assert request(app, "/mounted/page") == (200, "not ready")


@pytest.mark.parametrize("cls", [Starlette, FastAPI])
def test_the_router_of_an_application_may_be_wrapped(cls: Any) -> None:
    app = cls(routes=[Route("/page", page)])
    app.router = Marking(app.router, "wrapped")
    (indexed,) = accelerate(app).indexed
    assert indexed.routes == len(app.router.app.routes)
    assert request(app, "/page") == (200, "/page {} ['wrapped']")


def test_what_takes_the_place_of_a_router_is_left_alone() -> None:
    inner = Starlette()
    inner.router = HasEverything()  # type: ignore[assignment]
    app = Starlette(routes=[Mount("/inner", inner)])
    assert [indexed.where for indexed in accelerate(app).indexed] == ["Starlette"]
    assert request(app, "/inner/page") == (200, "everything")
    with pytest.raises(TypeError, match="not a Starlette application"):
        accelerate(inner)


class Following(list[BaseRoute]):
    """The routes of another list, whatever these are now."""

    def __init__(self, followed: list[BaseRoute]) -> None:
        self.followed = followed

    def __iter__(self) -> Iterator[BaseRoute]:
        return iter(self.followed)


@pytest.mark.parametrize("cls", [routing.Router, APIRouter])
@pytest.mark.parametrize("routes", [Following([]), (Route("/page", page),)])
def test_a_router_whose_routes_are_no_plain_list_is_reported_and_left(cls: Any, routes: Any) -> None:
    router = cls()
    router.routes = routes
    (left,) = accelerate(router).left
    assert left.reason == f"its `routes` are no plain list: {type(routes).__module__}.{type(routes).__qualname__}"
    assert router.routes is routes
    assert type(router) is cls


class OwnApp(routing.Router):
    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["marks"] = ["own"]
        await super().app(scope, receive, send)


class OwnRoutes(routing.Router):
    @property
    def routes(self) -> Any:
        return self.kept

    @routes.setter
    def routes(self, routes: Any) -> None:
        self.kept = routes


class OwnAccess(routing.Router):
    def __getattribute__(self, name: str) -> Any:
        return list(super().__getattribute__(name)) if name == "routes" else super().__getattribute__(name)


class OwnMethods(routing.Router):
    """Overrides methods that have nothing to do with looking routes up."""

    async def not_found(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("own not found", 404)(scope, receive, send)

    def add_route(self, path: str, *args: Any, **kwargs: Any) -> None:
        super().add_route(f"/own{path}", *args, **kwargs)


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (OwnApp, "`app` of its own"),
        (OwnRoutes, "`routes` of its own"),
        (OwnAccess, "`__getattribute__` of its own"),
    ],
)
def test_a_router_that_overrides_the_lookup_is_reported_and_left(cls: Any, reason: str) -> None:
    router = cls([Route("/page", page), Mount("/inner", routes=[Route("/page", page)])])
    report = accelerate(router)
    assert type(router) is cls
    assert reason in report.left[0].reason
    assert cls.__name__ in report.left[0].reason
    assert [indexed.where for indexed in report.indexed] == [f"{cls.__name__} > Mount '/inner'"]
    assert request(router, "/page")[0] == request(router, "/inner/page")[0] == 200


def test_a_router_whose_app_was_replaced_is_reported_and_left() -> None:
    router = routing.Router([Route("/page", page)])
    router.app = functools.partial(router.app)  # type: ignore[method-assign]
    assert "replaced" in accelerate(router).left[0].reason
    assert type(router) is routing.Router


def test_a_subclass_keeps_its_methods() -> None:
    router = OwnMethods([Route("/page", page)])
    report = accelerate(router)
    assert len(report.indexed) == 1
    assert isinstance(router, OwnMethods)
    assert isinstance(router, IndexRouter)
    assert type(router).__name__ == "OwnMethods"
    assert request(router, "/page")[0] == 200
    assert request(router, "/nowhere") == (404, "own not found")
    router.add_route("/late", page)
    assert request(router, "/own/late")[0] == 200


class Slotted(routing.Router):
    __slots__ = ("extra",)


def test_a_class_with_slots_is_indexed() -> None:
    router = Slotted([Route("/page", page)])
    router.extra = 1
    assert len(accelerate(router).indexed) == 1
    assert router.extra == 1
    assert request(router, "/page")[0] == 200


class Sealed(routing.Router):
    def __init_subclass__(cls) -> None:
        raise TypeError("nobody may subclass Sealed")


def test_a_class_that_cannot_be_subclassed_is_reported_and_left() -> None:
    router = Sealed([Route("/page", page)])
    (left,) = accelerate(router).left
    assert "nobody may subclass Sealed" in left.reason
    assert type(router) is Sealed
    assert list(vars(router)) == list(vars(Sealed()))
    assert request(router, "/page")[0] == 200


def test_routes_that_are_always_asked_are_reported() -> None:
    class Own(Route):
        pass

    always = (Own("/own", page), Route("/{path:path}/below", page), Mount("/", bare))
    found = (Route("/page", page), Route("/below/{path:path}", page), Mount("/below", bare))
    (indexed,) = accelerate(Starlette(routes=[*found, *always])).indexed
    assert (indexed.routes, indexed.asked) == (6, always)


def test_routes_of_fastapi_that_can_match_every_path_are_reported() -> None:
    included = APIRouter()
    included.add_api_route("/page", page)
    app = FastAPI(openapi_url=None)
    app.add_api_route("/page", page)
    app.add_api_route("/{path:path}", page)
    app.include_router(included, prefix="/below")
    app.include_router(included, prefix="/{path:path}")
    (indexed,) = accelerate(app).indexed
    # Before 0.137 FastAPI copies the routes that it includes.
    last = app.routes[-1] if isinstance(app.routes[-1], Route) else included.routes[0]
    assert indexed.asked == (app.routes[1], last)


def test_a_router_that_is_mounted_twice_or_in_itself_is_reported_once() -> None:
    router = routing.Router([Route("/page", page)])
    router.mount("/again", router)
    app = Starlette(routes=[Mount("/a", router), Mount("/b", router)])
    report = accelerate(app)
    assert [indexed.where for indexed in report.indexed] == ["Starlette", "Starlette > Mount '/a'"]
    assert request(app, "/b/again/again/page")[0] == 200


@pytest.mark.parametrize("app", [bare, None, Route("/page", page), object()])
def test_what_has_no_router_is_refused(app: Any) -> None:
    with pytest.raises(TypeError, match="not a Starlette application"):
        accelerate(app)


def test_report_as_text() -> None:
    app = Starlette(routes=[Route("/", page), Host("h", bare), Mount("/own", OwnApp([Route("/", page)]))])
    report = accelerate(app)
    assert isinstance(report, Acceleration)
    lines = str(report).splitlines()
    assert lines[0].startswith("indexed  Starlette: 3 routes, 1 of them asked for every path: Host(host='h'")
    assert lines[1].startswith("left     Starlette > Mount '/own': ")
    assert lines[1].endswith("OwnApp has `app` of its own")


@pytest.mark.parametrize(
    ("asked", "all_routes", "word", "end"),
    [
        (0, 0, "indexed", ": 0 routes"),
        (0, 1, "indexed", ": 1 route"),
        (1, 2, "indexed", "1 of them asked for every path: H0"),
        (1, 1, "scanned", ": 1 route, 1 of them asked for every path: H0"),
        (2, 3, "scanned", "2 of them asked for every path: H0, H1"),
        (3, 6, "indexed", "3 of them asked for every path: H0, H1, H2"),
        (4, 8, "indexed", "4 of them asked for every path: H0, H1, H2 and 1 more"),
        (500, 999, "scanned", "500 of them asked for every path: H0, H1, H2 and 497 more"),
        (499, 999, "indexed", "499 of them asked for every path: H0, H1, H2 and 496 more"),
    ],
)
def test_the_text_of_a_router_is_short_and_true(asked: int, all_routes: int, word: str, end: str) -> None:
    hosts = [Host(f"h{number}", bare) for number in range(asked)]
    pages = [Route(f"/{number}", page) for number in range(all_routes - asked)]
    (indexed,) = accelerate(routing.Router([*hosts, *pages])).indexed
    text = str(indexed).replace(repr(bare), "APP")
    for number in range(3):
        text = text.replace(f"Host(host='h{number}', name='', app=APP)", f"H{number}")
    assert text.startswith(f"{word}  Router: {all_routes} route")
    assert text.endswith(end)
    assert len(indexed.asked) == asked


def test_fastapis_own_routers_are_indexed_with_what_they_include_and_what_is_mounted_in_them() -> None:
    included, nested = APIRouter(), APIRouter()

    @nested.get("/nested")
    def nested_page() -> str:
        return "nested"

    included.add_api_route("/included", nested_page)
    included.include_router(nested)
    included.mount("/router", routing.Router([Route("/page", page)]))
    app = FastAPI()
    app.include_router(included, prefix="/api")

    @app.get("/items/{item}")
    def item(item: int) -> int:
        return item

    app.mount("/starlette", Starlette(routes=[Route("/page", page)]))
    app.mount("/fastapi", FastAPI(openapi_url=None))
    report = accelerate(app)
    assert str(report).splitlines() == [
        "indexed  FastAPI: 10 routes with those of 2 included routers",
        "indexed  FastAPI > included '/api' > Mount '/router': 1 route",
        "indexed  FastAPI > Mount '/starlette': 1 route",
        "indexed  FastAPI > Mount '/fastapi': 0 routes",
    ]
    assert isinstance(app.router, APIRouter)
    assert type(app.router).__qualname__ == "APIRouter"
    assert request(app, "/items/7") == (200, "7")
    assert request(app, "/items/x")[0] == 422
    assert request(app, "/api/nested") == (200, '"nested"')
    assert request(app, "/api/router/page")[0] == 200
    assert request(app, "/starlette/page")[0] == 200
    assert request(app, "/openapi.json")[0] == 200
