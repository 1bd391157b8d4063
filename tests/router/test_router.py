"""Router: its list of routes, and prefix and dependencies for whatever is registered."""

import copy
import functools
import pickle
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from unittest.mock import Mock

import pytest
from asgi import request, with_lifespan
from fastapi import APIRouter, FastAPI
from fastapi import Depends as FastAPIDepends
from starlette import routing
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, NoMatchFound, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Depends, Router
from fastroute.indexing import index
from fastroute.indexing.route_list import RouteList

pytestmark = pytest.mark.twins


async def page(request: Any) -> PlainTextResponse:
    return PlainTextResponse(f"page {request.path_params}")


async def other_page(request: Any) -> PlainTextResponse:
    return PlainTextResponse("other page")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def get(app: Any, path: str, **items: Any) -> tuple[int, str]:
    return request(app, path, **items)


def hear(app: Any, path: str) -> str | None:
    """The text that `talk` sends; None if the connection is refused."""
    messages = connect(app, websocket_scope(path))
    return next((message["text"] for message in messages if message["type"] == "websocket.send"), None)


# The list of routes.


CHANGES: dict[str, Callable[[list[BaseRoute], BaseRoute], Any]] = {
    "append": lambda routes, route: routes.append(route),
    "extend": lambda routes, route: routes.extend([route]),
    "insert": lambda routes, route: routes.insert(0, route),
    "item": lambda routes, route: routes.__setitem__(0, route),
    "slice": lambda routes, route: routes.__setitem__(slice(0, 0), iter([route])),
    "+=": lambda routes, route: routes.__iadd__((route,)),
    "around the list": lambda routes, route: list.append(routes, route),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_put_in_is_found(change: str) -> None:
    router = Router([Route("/a", page)])
    assert get(router, "/b")[0] == 404
    CHANGES[change](router.routes, Route("/b", other_page))
    assert get(router, "/b") == (200, "other page")


REMOVALS: dict[str, Callable[[list[BaseRoute]], Any]] = {
    "del": lambda routes: routes.__delitem__(0),
    "del slice": lambda routes: routes.__delitem__(slice(None)),
    "pop": lambda routes: routes.pop(),
    "remove": lambda routes: routes.remove(routes[0]),
    "clear": lambda routes: routes.clear(),
    "*=": lambda routes: routes.__imul__(0),
    "around the list": lambda routes: list.clear(routes),
}


@pytest.mark.parametrize("removal", REMOVALS)
def test_what_is_taken_out_is_gone(removal: str) -> None:
    router = Router([Route("/a", page)])
    assert get(router, "/a")[0] == 200
    REMOVALS[removal](router.routes)
    assert router.routes == []
    assert get(router, "/a")[0] == 404


@pytest.mark.parametrize("change", ["sort", "reverse", "swap"])
def test_the_order_decides(change: str) -> None:
    router = Router([Route("/{id}", page), Route("/me", other_page)])
    assert get(router, "/me") == (200, "page {'id': 'me'}")
    match change:
        case "sort":
            router.routes.sort(key=lambda route: "{" in route.path)  # type: ignore[attr-defined]
        case "reverse":
            router.routes.reverse()
        case "swap":
            router.routes[0], router.routes[1] = router.routes[1], router.routes[0]
    assert get(router, "/me") == (200, "other page")


def test_no_route_is_missing_while_they_are_sorted() -> None:
    router = Router([Route("/b", page), Route("/a", page)])
    answers = []

    def key(route: Any) -> Any:
        answers.append(get(router, route.path)[0])
        return route.path

    router.routes.sort(key=key)  # type: ignore[attr-defined]
    assert answers == [200, 200]
    assert [route.path for route in router.routes] == ["/a", "/b"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("cls", [list, RouteList])
def test_sorting_does_what_a_list_does_with_a_key_that_fails_or_changes_the_list(cls: type[list[Any]]) -> None:
    routes = cls([Route("/c", page), Route("/b", page), Mount("/a", routes=[]), Route("/d", page)])
    with pytest.raises(TypeError):
        routes.sort(key=lambda route: route.path if isinstance(route, Route) else 1)
    assert sorted(route.path for route in routes) == ["/a", "/b", "/c", "/d"]
    with pytest.raises(ValueError, match="list modified during sort"):
        routes.sort(key=lambda route: routes.append(route) or route.path)
    assert [route.path for route in routes] == ["/a", "/b", "/c", "/d"]
    routes.sort(key=lambda route: route.path, reverse=True)
    assert [route.path for route in routes] == ["/d", "/c", "/b", "/a"]


def test_assigning_a_list_copies_it_and_sharing_a_routers_list_shares_it() -> None:
    own = [Route("/a", page)]
    router, other = Router(), Router()
    router.routes = own
    own.append(Route("/b", page))
    assert get(router, "/a")[0] == 200
    assert get(router, "/b")[0] == 404
    other.routes = router.routes
    router.routes.append(Route("/c", page))
    assert get(other, "/c")[0] == get(router, "/c")[0] == 200


@pytest.mark.parametrize(
    "mistake",
    [
        lambda routes: routes.__setitem__(1, routes[0]),
        lambda routes: routes.__setitem__(-2, routes[0]),
        lambda routes: routes.__setitem__("0", routes[0]),
        lambda routes: routes.__setitem__(slice(0, 1, 0), [routes[0]]),
        lambda routes: routes.__setitem__(slice(1, None, -1), [routes[0]] * 2),
        lambda routes: routes.__delitem__(1),
        lambda routes: routes.insert("0", routes[0]),
        lambda routes: routes.pop(1),
        lambda routes: routes.extend(1),
        lambda routes: routes.__imul__("2"),
    ],
)
def test_a_list_of_routes_refuses_in_the_words_of_a_list(mistake: Any) -> None:
    plain: list[Any] = [Route("/a", page)]
    noted = RouteList(plain)
    with pytest.raises((IndexError, TypeError, ValueError)) as expected:
        mistake(plain)
    with pytest.raises(expected.type) as raised:
        mistake(noted)
    assert str(raised.value) == str(expected.value)
    assert list(noted) == plain


def test_a_failed_change_is_noticed() -> None:
    def endless() -> Iterator[BaseRoute]:
        yield Route("/a", page)
        raise RuntimeError("no more")

    router = Router()
    edition = router.routes.edition  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError):
        router.routes.extend(endless())
    assert router.routes.edition is not edition  # type: ignore[attr-defined]


def test_the_list_is_a_list() -> None:
    routes = RouteList([Route("/a", page)])
    assert isinstance(routes, list)
    assert routes == list(routes)
    assert type(routes.copy()) is type(routes[:]) is list
    for copied in (copy.copy(routes), copy.deepcopy(routes), pickle.loads(pickle.dumps(RouteList([])))):
        assert type(copied) is RouteList
        assert copied.edition is not routes.edition


class Leading(BaseRoute):
    """Leads back to the list that it is in."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        self.routes = routes


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda routes: pickle.loads(pickle.dumps(routes))])
def test_a_list_whose_routes_lead_back_to_it_is_copied_once(duplicate: Any) -> None:
    routes = RouteList()
    routes.append(Leading(routes))
    copied = duplicate(routes)
    assert copied[0].routes is copied
    assert len(copied) == 1


def test_copies_of_a_router_go_their_own_ways() -> None:
    router = Router([Route("/a", page)])
    assert get(router, "/a")[0] == 200
    other = copy.deepcopy(router)
    other.routes.append(Route("/b", page))
    assert get(other, "/b")[0] == 200
    assert get(router, "/b")[0] == 404


def test_a_copy_refuses_what_the_router_refuses() -> None:
    router = copy.deepcopy(Router(prefix="/api"))
    with pytest.raises(ValueError, match="prefix"):
        router.routes.append(Route("/b", page))


@pytest.mark.parametrize("attribute", ["methods", "endpoint", "path_regex away"])
def test_attributes_of_a_registered_route_count(attribute: str) -> None:
    route = Route("/a", page)
    router = Router([route])
    assert get(router, "/a")[0] == 200
    match attribute:
        case "methods":
            route.methods = {"POST"}
            assert get(router, "/a")[0] == 405
        case "endpoint":
            route.endpoint = other_page
            scope: Scope = {"type": "http", "method": "GET", "path": "/a", "headers": []}
            table = router._fastroute_updated_tables().http.table
            assert table.find(scope, "/a")[1]["endpoint"] is other_page  # type: ignore[index]
        case _:
            route.path_regex = Route("/b", page).path_regex
            assert get(router, "/a")[0] == 404


def test_a_new_regex_of_a_registered_route_counts_once_it_is_assigned_again() -> None:
    """A difference from Starlette, which asks every route: nobody tells the router."""
    route = Route("/a", page)
    router = Router([route])
    assert get(router, "/a")[0] == 200
    route.path_regex = Route("/b", page).path_regex
    assert get(router, "/b")[0] == 404
    router.routes[0] = route
    assert get(router, "/b")[0] == 200


def test_a_patched_matches_of_a_candidate_is_asked() -> None:
    route = Route("/a", page)
    router = Router([route, Route("/a", other_page)])
    assert get(router, "/a") == (200, "page {}")
    route.matches = lambda scope: (Match.NONE, {})  # type: ignore[method-assign]
    assert get(router, "/a") == (200, "other page")


def test_a_class_patched_after_the_index_was_built_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router([Route("/a", page)])
    assert get(router, "/a")[0] == 200
    monkeypatch.setattr(Route, "matches", lambda self, scope: (Match.NONE, {}))
    assert get(router, "/a")[0] == 404


def test_index_is_built_once_for_an_edition(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []

    def changed_table(table: Any, start: int, stop: int, routes: Iterable[BaseRoute]) -> Any:
        built.append(len(routes := list(routes)))
        return index.changed_table(table, start, stop, routes)

    monkeypatch.setattr("fastroute.indexing.index_router.changed_table", changed_table)
    router = Router([Route("/a", page)])
    assert not built
    for _ in range(3):
        get(router, "/a")
    assert built == [1, 0]  # http and websocket
    router.routes.append(Route("/b", page))
    router.routes.append(Route("/c", page))
    get(router, "/c")
    assert built == [1, 0, 2, 0]


def test_an_index_that_could_not_be_built_is_built_for_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router([Route("/a", page)])
    assert get(router, "/b")[0] == 404
    router.routes.append(Route("/b", page))
    with monkeypatch.context() as patch:
        patch.setattr("fastroute.indexing.index_router.changed_table", Mock(side_effect=MemoryError))
        with pytest.raises(MemoryError):
            get(router, "/b")
    assert get(router, "/b")[0] == 200


def test_a_redirect_asks_nobody_after_the_first_that_matches() -> None:
    class Raising(BaseRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            assert scope["path"] != "/a/", "asked about the redirected path"
            return Match.NONE, {}

    router = Router([Route("/a/", page, methods=["POST"]), Raising()])
    assert get(router, "/a") == (307, "http://testserver/a/")


# Starlette's own keywords and methods.


def test_what_starlette_takes_is_passed_through() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"started": True}

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("default")(scope, receive, send)

    class Marking:
        def __init__(self, app: Any, mark: str) -> None:
            self.app = app
            self.mark = mark

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            scope["mark"] = self.mark
            await self.app(scope, receive, send)

    async def marked(request: Any) -> PlainTextResponse:
        return PlainTextResponse(f"{request.scope['mark']} {request.state.started}")

    router = Router([Route("/a/", marked)], False, default, lifespan, middleware=[Middleware(Marking, "m")])
    with_state = with_lifespan(router, lambda state: state)
    assert get(router, "/a/", state=with_state) == (200, "m True")
    assert get(router, "/a") == (200, "default")
    with pytest.raises(TypeError):
        Router(nonsense=True)


def test_a_subclass_may_override_app() -> None:
    class Counting(Router):
        count = 0

        async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
            self.count += 1
            await super().app(scope, receive, send)

    router = Counting([Route("/a", page)])
    assert get(router, "/a")[0] == 200
    assert router.count == 1


def test_starlettes_methods_register_behind_the_prefix() -> None:
    router = Router(prefix="/api")
    router.add_route("/page", page, methods=["POST"], name="page")
    router.add_websocket_route("/talk", talk, name="talk")
    router.mount("/mounted", Starlette(routes=[Route("/page", page)]), "mounted")
    router.host("example.org", routing.Router([Route("/hosted", page)]), "hosted")
    assert get(router, "/api/page", method="POST")[0] == 200
    assert get(router, "/page", method="POST")[0] == 404
    assert hear(router, "/api/talk") == "hello"
    assert get(router, "/api/mounted/page")[0] == 200
    headers = {"host": "example.org"}
    assert get(router, "/api/hosted", headers=headers)[0] == 200
    assert get(router, "/hosted", headers=headers)[0] == 404
    assert str(router.url_path_for("page")) == "/api/page"
    assert str(router.url_path_for("talk")) == "/api/talk"
    with pytest.raises(NoMatchFound):
        router.url_path_for("nobody")


def test_as_the_router_of_an_application() -> None:
    app = Starlette()
    app.router = Router([Route("/a/{p:int}", page, name="a")])
    app.add_route("/b", other_page)
    assert app.routes is app.router.routes
    assert get(app, "/a/7") == (200, "page {'p': 7}")
    assert get(app, "/b") == (200, "other page")
    assert get(app, "/b/")[0] == 307
    assert str(app.url_path_for("a", p=1)) == "/a/1"


def test_equality_is_that_of_starlette() -> None:
    routes = [Route("/a", page)]
    assert Router(routes) == routing.Router(routes) == Router(routes)
    assert Router(routes) != Router()


# Prefix and dependencies.


class Calls:
    """Dependencies that note when they ran."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, name: str, depends: Callable[..., Any] = Depends) -> Any:
        async def dependency() -> None:
            self.seen.append(name)

        return depends(dependency)


@pytest.mark.parametrize("prefix", ["api", "/api/", "/"])
def test_a_prefix_begins_and_does_not_end_with_a_slash(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Router(prefix=prefix)
    with pytest.raises(ValueError, match="prefix"):
        Router().include_router(Router(), prefix=prefix)


def nested(router_class: Any, depends: Any, calls: Calls) -> Any:
    """The same declarations in FastAPI's words, for either."""
    inner = router_class(prefix="/inner", dependencies=[calls("inner", depends)])
    middle = router_class(prefix="/middle", dependencies=[calls("middle", depends)])
    outer = router_class(prefix="/outer", dependencies=[calls("outer", depends)])
    own = calls("endpoint", depends)

    @inner.websocket("/{room:int}", name="room", dependencies=[calls("route", depends)])
    async def room(websocket: WebSocket, room: int, own: Annotated[None, own]) -> None:
        await talk(websocket)

    @inner.websocket("")
    async def bare(websocket: WebSocket) -> None:
        await talk(websocket)

    middle.include_router(inner, prefix="/a", dependencies=[calls("including inner", depends)])
    middle.add_api_websocket_route("/second", talk, "second", dependencies=[calls("second", depends)])
    outer.include_router(middle, prefix="/b", dependencies=[calls("including middle", depends)])
    outer.include_router(inner)
    return outer


PATHS = [
    "/outer/b/middle/a/inner/7",
    "/outer/b/middle/a/inner",
    "/outer/b/middle/second",
    "/outer/inner/7",
    "/outer/inner",
    "/outer/middle/second",
    "/b/middle/second",
    "/middle/second",
    "/inner/7",
]


@pytest.mark.parametrize("path", PATHS)
def test_nested_prefixes_and_dependencies_are_fastapis(path: str) -> None:
    ours, theirs = Calls(), Calls()
    app = FastAPI()
    app.include_router(nested(APIRouter, FastAPIDepends, theirs))
    router = nested(Router, Depends, ours)
    assert hear(router, path) == hear(app, path)
    assert ours.seen == theirs.seen


def test_order_of_dependencies() -> None:
    calls = Calls()
    assert hear(nested(Router, Depends, calls), PATHS[0]) == "hello"
    assert calls.seen == [
        "outer",
        "including middle",
        "middle",
        "including inner",
        "inner",
        "route",
        "endpoint",
    ]


def test_names_of_included_routes() -> None:
    router = nested(Router, Depends, Calls())
    assert str(router.url_path_for("room", room=1)) == "/outer/b/middle/a/inner/1"


def test_decorator_returns_the_function() -> None:
    router = Router()
    assert router.websocket("/talk")(talk) is talk
    assert [type(route) for route in router.routes] == [APIWebSocketRoute]


@pytest.mark.parametrize("where", ["outermost", "inner only"])
def test_overrides_come_from_the_outermost_router_with_a_provider(where: str) -> None:
    class Provider:
        def __init__(self, overrides: dict[Any, Any]) -> None:
            self.dependency_overrides = overrides

    seen = []

    async def original() -> None:
        seen.append("original")

    def replacement(name: str) -> Callable[[], None]:
        return lambda: seen.append(name)

    inner = Router(dependency_overrides_provider=Provider({original: replacement("inner")}))
    inner.add_api_websocket_route("/talk", talk, dependencies=[Depends(original)])
    provider = Provider({original: replacement("outer")}) if where == "outermost" else None
    outer = Router(dependency_overrides_provider=provider)
    outer.include_router(inner)
    assert hear(outer, "/talk") == "hello"
    assert seen == ["outer" if where == "outermost" else "inner"]


class Marked(APIWebSocketRoute):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mark = "set"


class WithArgument(APIWebSocketRoute):
    def __init__(self, path: str, endpoint: Any, limit: int = 1, **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        self.limit = limit


def test_an_included_subclass_keeps_its_class() -> None:
    calls = Calls()
    inner, outer = Router(), Router(prefix="/outer", dependencies=[calls("outer")])
    inner.routes.append(Marked("/talk", talk))
    outer.include_router(inner)
    (route,) = outer.routes
    assert type(route) is Marked
    assert route.mark == "set"
    assert hear(outer, "/outer/talk") == "hello"
    assert calls.seen == ["outer"]


def test_an_included_subclass_with_arguments_of_its_own_is_refused() -> None:
    inner = Router()
    inner.routes.append(WithArgument("/talk", talk, 7))
    with pytest.raises(ValueError, match="limit"):
        Router().include_router(inner, prefix="/outer")
    same = Router()
    same.include_router(inner)  # nothing to add: the route itself
    assert same.routes[0] is inner.routes[0]


def test_including_starlettes_routes_with_a_prefix() -> None:
    inner = routing.Router(
        [
            Route("/page/{p:int}", page, name="page"),
            WebSocketRoute("/talk", talk),
            Mount("/mounted", routes=[Route("/page", page, name="page")], name="mounted"),
            Host("example.org", routing.Router([Route("/hosted", page)])),
        ]
    )
    outer = Router(prefix="/outer")
    outer.include_router(inner, prefix="/more/{q}")
    assert get(outer, "/outer/more/x/page/7") == (200, "page {'q': 'x', 'p': 7}")
    assert hear(outer, "/outer/more/x/talk") == "hello"
    assert get(outer, "/outer/more/x/mounted/page")[0] == 200
    assert get(outer, "/outer/more/x/hosted", headers={"host": "example.org"})[0] == 200
    assert str(outer.url_path_for("page", q="x", p=1)) == "/outer/more/x/page/1"
    assert str(outer.url_path_for("mounted:page", q="x")) == "/outer/more/x/mounted/page"
    assert all(index.is_indexed(route) for route in outer.routes if not isinstance(route, Host))
    assert inner.routes[0].path == "/page/{p:int}"  # type: ignore[attr-defined]


def test_including_without_prefix_keeps_the_routes() -> None:
    inner = Router([Route("/a", page), Own(), Host("h", page)])  # type: ignore[arg-type]
    outer = Router()
    outer.include_router(inner)
    assert [*map(id, outer.routes)] == [*map(id, inner.routes)]


class Own(BaseRoute):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return Match.NONE, {}


def test_what_cannot_have_the_prefix_is_refused_and_nothing_is_included() -> None:
    inner, outer = Router([Route("/a", page), Own()]), Router()
    with pytest.raises(ValueError, match="prefix '/outer'"):
        outer.include_router(inner, prefix="/outer")
    assert outer.routes == []


PLAIN = {
    "route": lambda: Route("/plain", page),
    "websocket": lambda: WebSocketRoute("/plain", talk),
    "mount": lambda: Mount("/plain", routes=[WebSocketRoute("/talk", talk)]),
    "host": lambda: Host("h", routing.Router([WebSocketRoute("/talk", talk)])),
    "own": Own,
    "other dependencies": lambda: APIWebSocketRoute("/plain", talk, dependencies=[Depends(talk)]),
}


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("change", ["routes=", "routes", *CHANGES, "dependencies of the including", "of the include"])
def test_a_route_that_would_be_open_is_refused(kind: str, change: str) -> None:
    route = PLAIN[kind]()
    auth = Calls()("auth")
    guarded = APIWebSocketRoute("/guarded", talk, dependencies=[auth])
    router = Router([guarded], dependencies=[auth])
    if change == "around the list":
        CHANGES[change](router.routes, route)
        # It went around the check: nothing is answered at all.
        with pytest.raises(ValueError, match="would be open"):
            get(router, "/plain")
        return
    if "include" in change or "including" in change:
        if kind == "other dependencies":
            return  # it gets them
        with pytest.raises(ValueError, match="would be open"):
            (router if "including" in change else Router()).include_router(
                Router([route]), dependencies=[auth] if "include" in change else None
            )
        return
    changes = {
        **CHANGES,
        "routes=": lambda routes, route: Router([route], dependencies=[auth]),
        "routes": lambda routes, route: setattr(router, "routes", [route]),
    }
    with pytest.raises(ValueError, match="would be open"):
        changes[change](router.routes, route)
    assert router.routes == [guarded]


@pytest.mark.parametrize("method", ["add_route", "add_websocket_route", "mount", "host"])
def test_starlettes_methods_are_refused_where_there_are_dependencies(method: str) -> None:
    router = Router(dependencies=[Calls()("auth")])
    with pytest.raises(ValueError, match="would be open"):
        getattr(router, method)("/plain" if method != "host" else "h", talk)
    assert router.routes == []


def test_the_error_names_the_route_and_the_fix() -> None:
    router = Router(dependencies=[Calls()("auth")])
    with pytest.raises(ValueError, match=r"WebSocketRoute\(path='/plain', name='talk'\).*add_api_websocket_route\(\)"):
        router.add_websocket_route("/plain", talk)


def test_a_list_shared_with_a_router_without_dependencies_is_checked() -> None:
    open_router, router = Router(), Router(dependencies=[Calls()("auth")])
    router.routes = open_router.routes
    open_router.routes.append(Route("/a", page))
    assert router.routes == []


def test_routes_of_the_router_may_be_put_in_another_order() -> None:
    calls = Calls()
    router = Router(prefix="/p", dependencies=[calls("auth")])
    for name in "bca":
        router.add_api_websocket_route(f"/{name}", talk)
    router.routes.sort(key=lambda route: route.path)  # type: ignore[attr-defined]
    router.routes += [router.routes.pop(0)]
    router.routes[:] = reversed(router.routes)
    assert [route.path for route in router.routes] == ["/p/a", "/p/c", "/p/b"]  # type: ignore[attr-defined]
    assert hear(router, "/p/a") == "hello"
    assert calls.seen == ["auth"]


@pytest.mark.parametrize("kind", ["route", "websocket", "mount", "host", "own"])
def test_a_route_that_is_not_below_the_prefix_is_refused(kind: str) -> None:
    router = Router(prefix="/api")
    with pytest.raises(ValueError, match="not below the prefix '/api'"):
        router.routes.append(PLAIN[kind]())


def test_a_router_is_not_included_in_itself_nor_without_its_middleware() -> None:
    router = Router()
    with pytest.raises(ValueError, match="in itself"):
        router.include_router(router)
    with pytest.raises(ValueError, match="middleware"):
        router.include_router(Router(middleware=[Middleware(functools.partial)]))
    assert router.routes == []


def test_lifespan_of_an_included_router_runs_inside() -> None:
    seen = []

    def lifespan(name: str) -> Any:
        @asynccontextmanager
        async def run(app: Any) -> AsyncIterator[dict[str, Any]]:
            seen.append(f"{name} starts")
            yield {name: True, "both": name}
            seen.append(f"{name} ends")

        return run

    router = Router(lifespan=lifespan("outer"))
    router.include_router(Router(lifespan=lifespan("inner")))
    router.include_router(Router())
    assert with_lifespan(router, lambda state: state) == {"both": "outer", "inner": True, "outer": True}
    assert seen == ["outer starts", "inner starts", "inner ends", "outer ends"]


def test_lifespans_without_a_state() -> None:
    seen = []

    def lifespan(name: str) -> Any:
        @asynccontextmanager
        async def run(app: Any) -> AsyncIterator[None]:
            seen.append(name)
            yield

        return run

    router = Router(lifespan=lifespan("outer"))
    router.include_router(Router(lifespan=lifespan("inner")))
    assert with_lifespan(router, lambda state: state) == {}
    assert seen == ["outer", "inner"]


def test_what_is_included_is_what_is_there() -> None:
    inner, outer = Router(), Router()
    outer.include_router(inner)
    inner.add_api_websocket_route("/late", talk)
    assert outer.routes == []


def test_middleware_outside_sees_the_match() -> None:
    seen: list[Any] = []

    class Watching:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)
            if scope["type"] == "http":
                seen.append((scope["endpoint"], scope["path_params"], scope.get("route")))

    router = Router(routes := [Route("/a/{p}", page)], middleware=[Middleware(Watching)])
    theirs = routing.Router(routes, middleware=[Middleware(Watching)])
    get(router, "/a/b")
    get(theirs, "/a/b")
    assert seen[0] == seen[1]
    assert seen[0][0] is page
