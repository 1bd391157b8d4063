"""Equal FastAPI applications from one description: trees of included routers, changes to them, and whole answers."""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from asgi import http_scope
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from hypothesis import strategies as st
from starlette import routing
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from websocket_client import websocket_scope

from fastroute import APIWebSocketRoute
from fastroute._starlette import get_route_path

__all__ = [
    "Application",
    "Change",
    "Include",
    "Leaf",
    "RouterPlan",
    "Tree",
    "convertors",
    "difference",
    "requested",
    "trees",
]


class TailConvertor(Convertor[str]):
    """Crosses slashes, and raises for some of the text that its regex takes."""

    regex = "(?:x|y/|b)+"

    def convert(self, value: str) -> str:
        if value == "bb":
            raise ValueError("no bb")
        return value.upper()

    def to_string(self, value: str) -> str:
        return value.lower()


@contextmanager
def convertors() -> Iterator[None]:
    """Paths may have `{name:tail}`."""
    CONVERTOR_TYPES["tail"] = TailConvertor()
    try:
        yield
    finally:
        del CONVERTOR_TYPES["tail"]


class PlainRoute(APIRoute):
    """A class of one's own with the `matches` of FastAPI."""


class RewritingMixin(Route):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return (Match.FULL if scope["path"].endswith("/b/b") else match), {"path_params": {}, **child_scope}


class BetweenRoute(APIRoute, RewritingMixin):
    """Its `matches` is FastAPI's, which calls that of the mix-in."""


class OwnMatchesRoute(APIRoute):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if get_route_path(scope).startswith("/m"):
            return Match.FULL, {"endpoint": self.endpoint, "path_params": {"own": "m"}}
        return super().matches(scope)


class OwnPathRoute(APIRoute):
    """Looks like a route of another path."""

    @property
    def path_regex(self) -> Any:
        return vars(self)["path_regex"] if self.path == "/" else routing.compile_path("/b/{other}")[0]

    @path_regex.setter
    def path_regex(self, value: Any) -> None:
        vars(self)["path_regex"] = value

    @property
    def param_convertors(self) -> Any:
        return {**vars(self)["param_convertors"], "other": CONVERTOR_TYPES["str"]}

    @param_convertors.setter
    def param_convertors(self, value: Any) -> None:
        vars(self)["param_convertors"] = value


class OwnRoute(BaseRoute):
    """No class that FastAPI knows."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = get_route_path(scope)
        if path.startswith("/o"):
            return (Match.PARTIAL if path.endswith("p") else Match.FULL), {"own": True}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "own", "path": scope["path"]})


class WritingRoute(BaseRoute):
    """Never matches, and writes another path into the scope."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if get_route_path(scope).startswith("/w/"):
            scope["path"] = scope.get("root_path", "") + get_route_path(scope).removeprefix("/w")
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("never matches")


class PickyRouter(APIRouter):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if get_route_path(scope).startswith("/m"):
            return Match.FULL, {}
        if get_route_path(scope).startswith("/a/a"):
            return Match.NONE, {}
        matches: tuple[Match, Scope] = super().matches(scope)
        return matches


class HandlingRouter(APIRouter):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["handled"] = scope.get("handled", 0) + 1
        await super().handle(scope, receive, send)


class SilentRouter(APIRouter):
    """Does not say by FastAPI's own function when it changes."""

    def _mark_routes_changed(self) -> None:
        if hasattr(APIRouter, "_mark_routes_changed"):  # since FastAPI 0.137
            super()._mark_routes_changed()


ROUTERS: dict[str, type[APIRouter]] = {
    "plain": APIRouter,
    "picky": PickyRouter,
    "handling": HandlingRouter,
    "silent": SilentRouter,
}
ROUTES: dict[str, type[APIRoute]] = {
    "api": APIRoute,
    "subclass": PlainRoute,
    "between": BetweenRoute,
    "own matches": OwnMatchesRoute,
    "own path": OwnPathRoute,
}
OTHERS = ("starlette", "websocket", "api websocket", "ours", "mount", "mount app", "host", "own", "writing", "forward")
SEGMENTS = ("a", "a", "b", "b", "{x}", "{y}", "{n:int}", "a{z}", "{z}.{y}", "{p:path}", "{t:tail}", "")
PREFIXES = ("", "", "/a", "/b", "/{u}", "/a/b", "/{v}/b", "/{q:path}", "/{x}")
LIMITS = {"max_body_size": 5, "form_limits": {"max_fields": 7}}


@dataclass(frozen=True)
class Leaf:
    """A route that is not an included router."""

    kind: str
    path: str
    methods: tuple[str, ...] = ("GET",)


@dataclass(frozen=True)
class Include:
    """The router of this number, included; only in routers of a larger number."""

    router: int
    prefix: str
    depends: bool = False
    limited: bool = False


@dataclass(frozen=True)
class RouterPlan:
    """A router of an application; the last one is the application itself."""

    kind: str
    items: tuple[Leaf | Include, ...]
    prefix: str = ""
    limited: bool = False


@dataclass(frozen=True)
class Change:
    """Something that is done to the router of a number, and the requests afterwards."""

    router: int
    what: str
    item: Leaf | Include
    place: int
    requests: tuple[tuple[str, str], ...]  # (method, path); WS for a connection
    marked: bool  # whether FastAPI is told of a change afterwards, and asked all of it again


@dataclass(frozen=True)
class Tree:
    """An application, the changes to it, and after how many of them it is accelerated."""

    routers: tuple[RouterPlan, ...]
    changes: tuple[Change, ...]
    accelerated_after: int = 0


CHANGES = (
    "none",
    "none",
    "add",
    "append",
    "insert",
    "delete",
    "replace",
    "reverse",
    "assign",
    "clear",
    "pop",
    "extend",
    "frontend",
    "bypass",
    "adopt",
    "cut",
)


def _paths(pieces: tuple[str, ...], longest: int = 3) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), min_size=1, max_size=longest).map(lambda found: "/" + "/".join(found))


def _templates() -> st.SearchStrategy[str]:
    # Mostly without a parameter twice, for which FastAPI raises at every request that gets to its router.
    pieces = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3, unique=True)
    return pieces.map(lambda found: "/" + "/".join(found))


def _leaves() -> st.SearchStrategy[Leaf]:
    kinds = st.sampled_from((*(["api"] * 16), *ROUTES, *OTHERS))
    methods = st.sampled_from((("GET",), ("POST",), ("GET", "POST")))
    return st.builds(Leaf, kinds, _templates(), methods)


def _items(number: int) -> st.SearchStrategy[Leaf | Include]:
    if not number:
        return _leaves()
    included = st.builds(
        Include,
        st.integers(0, number - 1),
        st.sampled_from(PREFIXES),
        st.booleans(),
        st.sampled_from((False,) * 3 + (True,)),
    )
    return st.one_of(_leaves(), _leaves(), included)


REQUESTED = ("a", "b", "1", "ab", "a.b", "xb", "y", "bb", "m", "o", "op", "w", "", "files", "a\n")
METHODS = ("GET", "GET", "GET", "POST", "WS", "HOST")
FILLED = {"{n:int}": "1", "{p:path}": "a/b", "{q:path}": "a/b", "{t:tail}": "b", "{y}": "b", "{v}": "b"}
FILLED |= {"{x}": "1", "{z}": "1", "{u}": "1", "{w}": "1"}


def _reached(routers: Sequence[RouterPlan], changes: Iterable[tuple[int, Leaf | Include]]) -> list[str]:
    """Paths that the leaves have, or will have after the changes, below any of the routers that include them."""
    items = [[*plan.items, *(item for number, item in changes if number == here)] for here, plan in enumerate(routers)]
    above: list[list[str]] = [[] for _ in routers]
    above[-1] = [""]
    found: list[str] = []
    for here in range(len(routers) - 1, -1, -1):
        prefixes = [prefix + routers[here].prefix for prefix in dict.fromkeys(above[here])]
        for item in items[here]:
            if isinstance(item, Include):
                above[item.router] += [prefix + item.prefix for prefix in prefixes]
            else:
                found += [prefix + item.path + ("/b" if "mount" in item.kind else "") for prefix in prefixes]
    kinds = {item.kind for here in items for item in here if isinstance(item, Leaf)}
    if "writing" in kinds:
        found += [f"/w{path}" for path in found]
    found += ["/o", "/op"] if "own" in kinds else []
    found += ["/m"] if "own matches" in kinds or any(plan.kind == "picky" for plan in routers) else []
    return list(dict.fromkeys(_filled(path) for path in found))[:80]


def _filled(path: str) -> str:
    for parameter, text in FILLED.items():
        path = path.replace(parameter, text)
    return path


def _requests(reached: Sequence[str], changed: Sequence[str]) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    fit, new = st.sampled_from(reached or ["/"]), st.sampled_from(changed or ["/"])
    other_slash = fit.map(lambda path: path.rstrip("/") or "/" if path.endswith("/") else f"{path}/")
    paths = st.one_of(fit, fit, new, new, other_slash, _paths(REQUESTED, 4))
    return st.lists(st.tuples(st.sampled_from(METHODS), paths), min_size=3, max_size=10).map(tuple)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Applications of one to five routers, and up to six changes."""
    routers = []
    for number in range(draw(st.integers(1, 4))):
        items = draw(st.lists(_items(number), max_size=5))
        kind = draw(st.sampled_from(("plain",) * 5 + tuple(ROUTERS)))
        prefix = draw(st.sampled_from(("", "", "/a", "/{w}")))
        routers.append(RouterPlan(kind, tuple(items), prefix, draw(st.sampled_from((False, False, False, True)))))
    root = len(routers)
    routers.append(RouterPlan("plain", tuple(draw(st.lists(_items(root), min_size=1, max_size=6)))))
    numbers = draw(st.lists(st.integers(0, root), min_size=1, max_size=6))
    changed = [(number, draw(_items(number))) for number in numbers]
    reached = _reached(routers, changed)
    changes = []
    for number, item in changed:
        above = [replace(plan, items=tuple(one for one in plan.items if isinstance(one, Include))) for plan in routers]
        requests = draw(_requests(reached, _reached(above, [(number, item)])))
        changes.append(
            Change(number, draw(st.sampled_from(CHANGES)), item, draw(st.integers(0, 5)), requests, draw(st.booleans()))
        )
    return Tree(tuple(routers), tuple(changes), draw(st.sampled_from((0, 0, 0, 1, 2))))


class Application:
    """An application after a description, and the changes to it."""

    def __init__(self, tree: Tree) -> None:
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []
        self._count = 0
        self.errors: list[Any] = []
        self.routers: list[Any] = []
        self._adopted: list[tuple[Any, Any]] = []
        *included, root = tree.routers
        for number, plan in enumerate(included):
            limits = _supported(APIRouter, LIMITS) if plan.limited else {}
            self.routers.append(self._named(f"router {number}", ROUTERS[plan.kind](prefix=plan.prefix, **limits)))
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.routers.append(self._named("root", self.app.router))
        for number, plan in enumerate((*included, root)):
            for item in plan.items:
                self._attempt(self._add, self.routers[number], item)

    def change(self, change: Change) -> None:
        """Do it; an error is one of the answers."""
        router = self.routers[change.router]
        self._attempt(getattr(self, f"_{change.what}"), router, change.item, change.place)

    def _attempt(self, action: Callable[..., None], *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception as error:
            self.errors.append((type(error).__name__, str(error)))

    def _none(self, router: Any, item: Any, place: int) -> None: ...

    def mark(self, number: int) -> None:
        """Tell FastAPI of changes that were made to the list of a router, as its own methods do."""
        if self._adopted:
            self._attempt(self._add, *self._adopted.pop())
        elif hasattr(APIRouter, "_mark_routes_changed"):  # since FastAPI 0.137
            self.routers[number]._mark_routes_changed()

    def _append(self, router: Any, item: Any, place: int) -> None:
        router.routes.append(self._made(router, item))

    def _insert(self, router: Any, item: Any, place: int) -> None:
        router.routes.insert(place, self._made(router, item))

    def _extend(self, router: Any, item: Any, place: int) -> None:
        router.routes += [self._made(router, item)]

    def _replace(self, router: Any, item: Any, place: int) -> None:
        made = self._made(router, item)
        router.routes[place % max(len(router.routes), 1)] = made

    def _bypass(self, router: Any, item: Any, place: int) -> None:
        # Only here: in an included router it is a difference that the docs name.
        if router is self.app.router:
            list.append(router.routes, self._made(router, item))

    def _adopt(self, router: Any, item: Any, place: int) -> None:
        # FastAPI sees that it got in when it changes: it has no version.
        adopted, other = APIRouter(), APIRouter()
        other.include_router(adopted)
        router.routes.insert(place, other.routes[-1])
        self._adopted.append((adopted, item))

    def _cut(self, router: Any, item: Any, place: int) -> None:
        router.routes[place : place + 2] = [self._made(router, item), *router.routes[place:]]

    def _delete(self, router: Any, item: Any, place: int) -> None:
        del router.routes[place]

    def _pop(self, router: Any, item: Any, place: int) -> None:
        router.routes.pop()

    def _clear(self, router: Any, item: Any, place: int) -> None:
        router.routes.clear()

    def _reverse(self, router: Any, item: Any, place: int) -> None:
        router.routes.reverse()

    def _assign(self, router: Any, item: Any, place: int) -> None:
        router.routes = router.routes[::-1]

    def _frontend(self, router: Any, item: Any, place: int) -> None:
        if hasattr(router, "frontend"):
            router.frontend(["/", "/files", "/a"][place % 3], directory="nowhere", check_dir=False)

    def _made(self, router: Any, item: Leaf | Include) -> Any:
        """The route of an item that is not yet in its list, as somebody puts it there who does not ask FastAPI to."""
        other = APIRouter(dependency_overrides_provider=router.dependency_overrides_provider)
        self._add(other, item)
        return other.routes[-1]

    def _add(self, router: Any, item: Leaf | Include, place: int = 0) -> None:
        if isinstance(item, Leaf):
            self._add_leaf(router, item)
            return
        included = self.routers[item.router]
        options = _supported(APIRouter.include_router, LIMITS) if item.limited else {}
        depends = [Depends(self._dependency())] if item.depends else None
        router.include_router(included, prefix=item.prefix, dependencies=depends, **options)

    def _add_leaf(self, router: Any, leaf: Leaf) -> None:
        label = self._label(leaf)
        if leaf.kind in ROUTES:
            kind = {"route_class_override": ROUTES[leaf.kind]}
            router.add_api_route(leaf.path, self._endpoint(label), methods=list(leaf.methods), **kind)
        elif leaf.kind == "forward":
            router.add_api_route(leaf.path, self._forward(label), methods=list(leaf.methods))
            self.app.router.routes.insert(0, router.routes[-1])
        elif leaf.kind == "starlette":
            router.add_route(leaf.path, self._endpoint(label), methods=list(leaf.methods))
        elif leaf.kind == "websocket":
            router.add_websocket_route(leaf.path, self._talk(label))
        elif leaf.kind == "api websocket":
            router.add_api_websocket_route(leaf.path, self._talk(label))
        else:
            router.routes.append(self._bare(leaf, label))
        self._named(label, router.routes[-1])

    def _bare(self, leaf: Leaf, label: str) -> BaseRoute:
        pages = [Route("/b", self._endpoint(f"{label} b")), Route("/{x:int}/", self._endpoint(f"{label} x"))]
        if leaf.kind == "ours":
            return APIWebSocketRoute(leaf.path, self._talk(label))
        if leaf.kind == "mount":
            return Mount(leaf.path.rstrip("/"), self._named(f"router of {label}", routing.Router(pages)))
        if leaf.kind == "mount app":
            app = FastAPI(openapi_url=None)
            inner = APIRouter()
            inner.add_api_route("/b/{z}", self._endpoint(f"{label} z"))
            app.include_router(inner, prefix="/b")
            app.router.routes += pages
            return Mount(leaf.path.rstrip("/"), app)
        if leaf.kind == "host":
            router = routing.Router([*pages, Route("/a", self._endpoint(f"{label} a"))])
            return Host("example.org", self._named(f"router of {label}", router))
        return OwnRoute() if leaf.kind == "own" else WritingRoute()

    def _label(self, leaf: Leaf) -> str:
        self._count += 1
        return f"{self._count} {leaf.kind} {leaf.path}"

    def _named(self, name: str, thing: Any) -> Any:
        self._names[id(thing)] = name
        self._kept.append(thing)
        return thing

    def _endpoint(self, label: str) -> Any:
        async def endpoint(request: Request) -> PlainTextResponse:
            return PlainTextResponse(f"{label} {dict(request.path_params)} {request.scope.get('trace')}")

        return self._named(f"endpoint of {label}", endpoint)

    def _talk(self, label: str) -> Any:
        async def talk(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text(f"{label} {dict(websocket.path_params)} {websocket.scope.get('trace')}")
            await websocket.close()

        return self._named(f"endpoint of {label}", talk)

    def _forward(self, label: str) -> Any:
        """An endpoint that hands its own scope to the router of the application."""

        async def forward(request: Request) -> PlainTextResponse:
            if "forwarded" in request.scope:
                return PlainTextResponse(f"{label} forwarded {dict(request.path_params)}")
            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)

            request.scope["forwarded"] = request.scope["path"]
            await self.app.router(request.scope, request.receive, send)
            return PlainTextResponse(f"{label} {sent}")

        # The same route is in the application as well: FastAPI takes it for the one whose scope this is.
        return self._named(f"endpoint of {label}", forward)

    def _dependency(self) -> Any:
        self._count += 1
        name = f"dependency {self._count}"

        async def dependency(connection: HTTPConnection) -> None:
            connection.scope["trace"] = [*connection.scope.get("trace", ()), name]

        return self._named(name, dependency)

    async def answer(self, method: str, path: str) -> Any:
        """The messages, the error and the whole scope afterwards, in words that an equal application gives as well."""
        scope = requested(method, path)
        sent: list[Any] = []
        received = [{"type": "http.request", "body": b"", "more_body": False}]
        if method == "WS":
            received = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]

        async def receive() -> Any:
            return received.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        error = None
        try:
            await self.app(scope, receive, send)
        except Exception as raised:
            error = (type(raised).__name__, str(raised))
        return {"sent": sent, "error": error, "scope": self._in_words(scope), "keys": list(scope)}

    def name(self, thing: Any) -> str | None:
        """The name of a router or endpoint, which an equal application has as well."""
        return self._names.get(id(thing))

    def _in_words(self, thing: Any) -> Any:
        if id(thing) in self._names:
            return self._names[id(thing)]
        if thing is self.app:
            return "app"
        if isinstance(thing, dict):
            return {key: self._in_words(value) for key, value in thing.items()}
        if isinstance(thing, (list, tuple)):
            return [self._in_words(item) for item in thing]
        if thing is None or isinstance(thing, (str, bytes, int)):
            return thing
        name = type(thing).__name__
        attributes = ("original_router", "include_context", "original_route", "starlette_route", "prefix", "path")
        found = {key: vars(thing)[key] for key in attributes if key in getattr(thing, "__dict__", ())}
        return [name, self._in_words(found)]


def requested(method: str, path: str) -> dict[str, Any]:
    """The scope of a request: WS for a connection, HOST for a GET with another Host header."""
    if method == "WS":
        return websocket_scope(path, root_path="")
    headers = {"host": "example.org"} if method == "HOST" else {}
    return http_scope(path, "GET" if method == "HOST" else method, headers, root_path="", extensions={})


def _supported(function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options that this FastAPI knows."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in known}


def difference(tree: Tree, accelerate: Callable[[Any], Any]) -> str | None:
    """How an application differs from an equal one that is accelerated; None if it does not."""
    return asyncio.run(_difference(tree, accelerate))


async def _difference(tree: Tree, accelerate: Callable[[Any], Any]) -> str | None:
    plain, other = Application(tree), Application(tree)
    for number, change in enumerate(tree.changes):
        if number == min(tree.accelerated_after, len(tree.changes) - 1):
            accelerate(other.app)
        plain.change(change)
        other.change(change)
        found = await _first_difference(plain, other, change.requests)
        if found is None and change.marked:
            plain.mark(change.router)
            other.mark(change.router)
            found = await _first_difference(plain, other, change.requests)
        if found is not None:
            return f"after change {number}: {found}"
    return None


async def _first_difference(plain: Application, other: Application, requests: Sequence[tuple[str, str]]) -> str | None:
    if plain.errors != other.errors:
        return f"{plain.errors} != {other.errors}"
    for method, path in requests:
        expected, found = await plain.answer(method, path), await other.answer(method, path)
        if expected != found:
            differing = [f"{key}: {expected[key]} != {found[key]}" for key in expected if expected[key] != found[key]]
            return f"{method} {path!r}: " + "\n".join(differing)
    return None
