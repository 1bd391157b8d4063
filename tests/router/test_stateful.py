"""Router against Starlette's own, on the same routes: whatever is done to the routes, the answers stay the same."""

import functools
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from starlette import routing
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from fastroute import APIWebSocketRoute, Router

pytestmark = [pytest.mark.twins, pytest.mark.slow]


class DateConvertor(Convertor[date]):
    """None of Starlette's own; it raises for some texts that its regex takes."""

    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def convert(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_string(self, value: date) -> str:
        return value.isoformat()


class TailConvertor(Convertor[str]):
    """Crosses slashes, and is not Starlette's `path`."""

    regex = "(?:x|y/)+"

    def convert(self, value: str) -> str:
        return value.upper()

    def to_string(self, value: str) -> str:
        return value.lower()


@pytest.fixture(autouse=True)
def convertors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("starlette.convertors.CONVERTOR_TYPES", CONVERTOR_TYPES)
    monkeypatch.setitem(CONVERTOR_TYPES, "date", DateConvertor())
    monkeypatch.setitem(CONVERTOR_TYPES, "tail", TailConvertor())


class Suffix(BaseRoute):
    """A route of one's own, which does not look at a template at all."""

    def __init__(self, suffix: str, match: Match, app: ASGIApp) -> None:
        self.suffix = suffix
        self.match = match
        self.app = app
        self.path = "/a"  # that it has one means nothing

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["path"].endswith(self.suffix):
            return self.match, {"endpoint": self.app, "path_params": {"suffix": self.suffix}}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Raising(Suffix):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["path"].endswith(self.suffix):
            raise LookupError(self.suffix, scope["path"])
        return Match.NONE, {}


class Moving(Suffix):
    """Never matches, but writes another path into the scope, which the later routes are then asked about."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["path"].startswith("/b"):
            scope["path"] = scope["path"][2:] + self.suffix
        return Match.NONE, {}


class Shouting(Route):
    """Overrides `matches` in a way that a template does not tell."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches({**scope, "path": scope["path"].lower()})


class Quiet(Route):
    """A subclass that overrides nothing."""


def endpoint(label: str) -> Callable[..., Any]:
    async def answer(request: Any) -> PlainTextResponse:
        return PlainTextResponse(f"{label} {request.url.path} {sorted(request.path_params.items())}")

    return answer


def websocket_endpoint(label: str) -> Callable[..., Any]:
    async def answer(websocket: Any) -> None:
        await websocket.accept()
        await websocket.send_text(f"{label} {sorted(websocket.path_params.items())}")
        await websocket.close()

    return answer


async def bare_app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "bare", "path": scope["path"], "root_path": scope.get("root_path")})


class Pair:
    """One route as each of the two routers has it: the same object, unless there is a router in it."""

    def __init__(self, ours: BaseRoute, theirs: BaseRoute | None = None) -> None:
        self.ours = ours
        self.theirs = ours if theirs is None else theirs


SEGMENTS = ["", "a", "b", "A", "é", "漢", "a.b", "v1", "{}", "\n", "a\n", "%2F"]
PARAMETERS = ["{%s}", "{%s:int}", "{%s:float}", "{%s:uuid}", "{%s:path}", "{%s:date}", "{%s:tail}"]
COMPOUND = ["v{%s}", "{%s:int}.json", "{%s:path}.b", "{%s}-", "x{%s:tail}"]
VALUES = [
    *SEGMENTS,
    "1",
    "007",
    "1.5",
    "-1",
    "1-2-",
    "12.json",
    "x.b",
    "2026-11-22",
    "2026-13-99",
    "xy",
    "xxy",
    "٣",
    "\ud800",
    "😀",
    "12345678-1234-5678-1234-567812345678",
    "12345678123456781234567812345678",
    "9" * 700,
    "9" * 5000,
    "x" * 700,
]


@st.composite
def templates(draw: st.DrawFn) -> str:
    names = iter("pqrstuvw")
    pieces = draw(st.lists(st.sampled_from([*SEGMENTS, *PARAMETERS, *["{%s}"] * 6, *COMPOUND]), max_size=4))
    path = "".join("/" + (piece % next(names) if "%s" in piece else piece) for piece in pieces)
    return path or "/"


@st.composite
def leaves(draw: st.DrawFn) -> BaseRoute:
    path = draw(templates())
    kind = draw(st.sampled_from(["route", "route", "any method", "app", "websocket", "api", "shouting", "quiet"]))
    methods = draw(st.lists(st.sampled_from(["GET", "POST", "PUT"]), min_size=1, max_size=2, unique=True))
    match kind:
        case "route":
            return Route(path, endpoint(path), methods=methods)
        case "any method":
            return Route(path, functools.partial(endpoint(path)), methods=[])
        case "app":
            return Route(path, Suffix("", Match.FULL, bare_app).app, methods=methods)
        case "websocket":
            return WebSocketRoute(path, websocket_endpoint(path))
        case "api":
            return APIWebSocketRoute(path, websocket_endpoint(path))
        case "shouting":
            return Shouting(path, endpoint(path), methods=methods)
        case _:
            return Quiet(path, endpoint(path), methods=methods)


@st.composite
def odd_leaves(draw: st.DrawFn) -> BaseRoute:
    """Routes that differ from their path, and routes that must be asked every time."""
    suffix = draw(st.sampled_from(["a", "/", "b", "1", "\n"]))
    kind = draw(st.sampled_from(["suffix", "partial", "raising", "moving", "regex", "path", "matches", "convertors"]))
    route = Route(draw(templates()), endpoint("odd"))
    match kind:
        case "suffix":
            return Suffix(suffix, Match.FULL, bare_app)
        case "partial":
            return Suffix(suffix, Match.PARTIAL, bare_app)
        case "raising":
            return Raising(suffix, Match.FULL, bare_app)
        case "moving":
            return Moving(suffix, Match.NONE, bare_app)
        case "regex":
            route.path_regex = re.compile(f"/.*{suffix}$")
            route.param_convertors = {}
        case "path":
            route.path = "/nowhere"
        case "matches":
            route.matches = Suffix(suffix, Match.FULL, bare_app).matches  # type: ignore[method-assign]
        case "convertors":
            route.param_convertors = {name: TailConvertor() for name in route.param_convertors}
    return route


@st.composite
def pairs(draw: st.DrawFn, depth: int = 2) -> Pair:
    kind = draw(st.sampled_from(["leaf", "leaf", "leaf", "leaf", "odd", "mount", "host"]))
    if kind == "odd":
        return Pair(draw(odd_leaves()))
    if kind == "leaf" or not depth:
        return Pair(draw(leaves()))
    inner = draw(st.lists(pairs(depth=depth - 1), max_size=3))
    redirect_slashes = draw(st.booleans())
    ours = Router([pair.ours for pair in inner], redirect_slashes)
    theirs = routing.Router([pair.theirs for pair in inner], redirect_slashes)
    if kind == "host":
        host = draw(st.sampled_from(["example.org", "{name}.org", "EXAMPLE.org"]))
        return Pair(Host(host, ours), Host(host, theirs))
    path = draw(st.sampled_from(["", "/", "/a", "/b", "/{m}", "/{m:int}/b", "/é", "/a/", "/{m:path}"]))
    return Pair(Mount(path, ours), Mount(path, theirs))


#: Values for a parameter, by its convertor; some do not fit.
FITTING = {
    "str": ["a", "b", "1-2", "é", "\n", "x\n", "\ud800", "😀", ""],
    "int": ["0", "007", "12", "9" * 700, "9" * 5000, "٣"],
    "float": ["1", "1.5", "0.0", "9" * 700, "1."],
    "uuid": ["12345678-1234-5678-1234-567812345678", "ABCDEF781234567812345678123456ab", "12345678"],
    "path": ["", "a", "a/b", "/", "a/1/b/x.b", "a\n", "a\nb"],
    "date": ["2026-11-22", "2026-13-99", "26-1-1"],
    "tail": ["x", "xxx", "y/x", "y/", "z"],
}


def random_path(random: Random, routes: list[BaseRoute]) -> str:
    """A path that one of the routes nearly matches, or any path."""
    if random.random() < 0.2:
        return "".join("/" + random.choice(VALUES) for _ in range(random.randrange(5)))
    path = ""
    while routes:
        route = random.choice(routes)
        if not isinstance(route, Host):
            path += fill(random, getattr(route, "path", "/b"))
        routes = getattr(route, "routes", [])
    return path + random.choice([*[""] * 8, "/", "/", "//", "\n", "\n\n", "x", "/a"])


def fill(random: Random, template: str) -> str:
    return routing.PARAM_REGEX.sub(lambda found: random.choice(FITTING[(found[2] or ":str")[1:]]), template)


def random_scope(random: Random, routes: list[BaseRoute]) -> Scope:
    scope: Scope = {
        "type": random.choice(["http", "http", "websocket"]),
        "path": random_path(random, routes),
        "headers": [],
        "query_string": b"",
        "scheme": "http",
        "server": ("testserver", 80),
    }
    if scope["type"] == "http":
        scope["method"] = random.choice(["GET", "GET", "HEAD", "POST", "PUT", "get"])
    if random.random() < 0.3:
        scope["headers"] = [(b"host", random.choice([b"example.org", b"Sub.org:80"]))]
    if random.random() < 0.3:
        scope["root_path"] = random.choice(["", "/a", "/b", "/a/b", "/", "a"])
        scope["path"] = random.choice(["", scope["root_path"]]) + scope["path"]
    if random.random() < 0.3:
        scope["path_params"] = random.choice([{}, {"p": "before", "other": 1}])
    if random.random() < 0.3:
        scope["app"] = "an application"
    if random.random() < 0.1:
        scope["router"] = "another router"
    return scope


def run(app: ASGIApp, scope: Scope) -> tuple[list[Any], Scope, Any]:
    """The messages, the scope that is left, and the error, of an application that waits for nothing."""
    sent: list[Any] = []
    scope = {name: value.copy() if isinstance(value, dict | list) else value for name, value in scope.items()}

    async def receive() -> Any:
        return {"type": "websocket.connect" if scope["type"] == "websocket" else "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    answer: Coroutine[Any, Any, None] = app(scope, receive, send)  # type: ignore[assignment]
    try:
        answer.send(None)
    except StopIteration:
        return sent, scope, None
    except Exception as error:
        return sent, scope, (type(error), str(error))
    finally:
        answer.close()
    raise AssertionError("the application waits for something")


class SameRouter(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ours = Router()
        self.theirs = routing.Router()
        self.random = Random(0)
        #: By the id of an object of ours: the object itself, and the one that theirs has in its place.
        self.pairs: dict[int, tuple[object, object]] = {}
        self.pair(self.ours, self.theirs)

    def teardown(self) -> None:
        assert [id(self.counterpart(route)) for route in self.ours.routes] == [*map(id, self.theirs.routes)]

    def pair(self, ours: object, theirs: object) -> None:
        self.pairs[id(ours)] = ours, theirs

    def counterpart(self, ours: object) -> object:
        return self.pairs.get(id(ours), (ours, ours))[1]

    def known(self, pair: Pair) -> Pair:
        if pair.ours is not pair.theirs:
            waiting: list[tuple[Any, Any]] = [(pair.ours, pair.theirs)]
            while waiting:
                ours, theirs = waiting.pop()
                self.pair(ours, theirs)
                self.pair(ours.app, theirs.app)
                inner = zip(ours.routes, theirs.routes, strict=True)
                waiting += [(one, other) for one, other in inner if one is not other]
        return pair

    def place(self, number: int) -> int:
        return number % len(self.ours.routes)

    @initialize(data=st.lists(pairs(), max_size=8), seed=st.integers(0, 2**32))
    def some_routes(self, data: list[Pair], seed: int) -> None:
        self.random.seed(seed)
        found = [self.known(pair) for pair in data]
        self.ours = Router([pair.ours for pair in found])
        self.theirs = routing.Router([pair.theirs for pair in found])
        self.pair(self.ours, self.theirs)

    @invariant()
    def the_answers_are_the_same(self) -> None:
        for _ in range(10):
            self.request(random_scope(self.random, self.ours.routes))

    def request(self, scope: Scope) -> None:
        ours, ours_scope, ours_error = run(self.ours, scope)
        theirs, theirs_scope, theirs_error = run(self.theirs, scope)
        assert ours_error == theirs_error
        assert ours == theirs
        assert ours_scope.keys() == theirs_scope.keys()
        for name, value in theirs_scope.items():
            found = self.counterpart(ours_scope[name])
            assert found is value or found == value, name
            assert type(found) is type(value), name
            if name in ("route", "router"):
                assert found is value, name
        assert list(map(repr, ours_scope.get("path_params", {}).items())) == list(
            map(repr, theirs_scope.get("path_params", {}).items())
        )

    @rule(pair=pairs())
    def append(self, pair: Pair) -> None:
        self.known(pair)
        self.ours.routes.append(pair.ours)
        self.theirs.routes.append(pair.theirs)

    @rule(data=st.lists(pairs(), max_size=3), how=st.sampled_from(["extend", "+=", "slice", "[:0]", "assign", "iter"]))
    def several(self, data: list[Pair], how: str) -> None:
        for pair in data:
            self.known(pair)
        for router, new in (
            (self.ours, [pair.ours for pair in data]),
            (self.theirs, [pair.theirs for pair in data]),
        ):
            match how:
                case "extend":
                    router.routes.extend(new)
                case "iter":
                    router.routes.extend(iter(new))
                case "+=":
                    router.routes += new
                case "slice":
                    router.routes[1:3] = new
                case "[:0]":
                    router.routes[:0] = iter(new)
                case "assign":
                    router.routes = new + router.routes[:4]

    @rule(pair=pairs(), number=st.integers(0, 20))
    def insert(self, pair: Pair, number: int) -> None:
        self.known(pair)
        self.ours.routes.insert(number, pair.ours)
        self.theirs.routes.insert(number, pair.theirs)

    @precondition(lambda self: self.ours.routes)
    @rule(pair=pairs(), number=st.integers(0, 20))
    def replace(self, pair: Pair, number: int) -> None:
        self.known(pair)
        place = self.place(number)
        self.ours.routes[place] = pair.ours
        self.theirs.routes[place] = pair.theirs

    @precondition(lambda self: self.ours.routes)
    @rule(number=st.integers(0, 20), how=st.sampled_from(["del", "pop", "remove", "slice", "clear"]))
    def remove(self, number: int, how: str) -> None:
        place = self.place(number)
        match how:
            case "del":
                del self.ours.routes[place]
                del self.theirs.routes[place]
            case "pop":
                self.ours.routes.pop(place)
                self.theirs.routes.pop(place)
            case "remove":
                # By `==`, which may find an earlier one that is equal.
                place = self.ours.routes.index(self.ours.routes[place])
                self.ours.routes.remove(self.ours.routes[place])
                del self.theirs.routes[place]
            case "slice":
                del self.ours.routes[place : place + 2]
                del self.theirs.routes[place : place + 2]
            case "clear":
                self.ours.routes.clear()
                self.theirs.routes.clear()

    @rule(how=st.sampled_from(["reverse", "sort", "swap", "*=", "sort fails"]))
    def reorder(self, how: str) -> None:
        for router in (self.ours, self.theirs):
            routes = router.routes
            match how:
                case "reverse":
                    routes.reverse()
                case "sort":
                    routes.sort(key=lambda route: str(getattr(route, "path", "")))
                case "swap" if routes:
                    routes[0], routes[-1] = routes[-1], routes[0]
                case "*=" if len(routes) < 10:
                    routes *= 2
                case "sort fails":
                    with suppress(TypeError):
                        routes.sort(key=lambda route: len(route.path) if isinstance(route, Route) else "text")

    @precondition(lambda self: self.ours.routes)
    @rule(
        number=st.integers(0, 20),
        what=st.sampled_from(["methods", "endpoint", "class", "regex", "matches", "convertors", "mount"]),
        other=leaves(),
    )
    def edit(self, number: int, what: str, other: BaseRoute) -> None:
        """Attributes of a registered route; those of which Router is told by assigning the item again last."""
        place = self.place(number)
        route, counterpart = self.ours.routes[place], self.theirs.routes[place]
        again = False
        match what, route:
            case "methods", Route():
                route.methods = {"PUT", "GET"} if route.methods == {"POST"} else {"POST"}
            case "endpoint", Route():
                route.endpoint = endpoint("edited")
            case "class", Route() if type(route) is Route:
                route.__class__ = Quiet
            case "regex", Route() | WebSocketRoute() if not isinstance(route, APIWebSocketRoute):
                route.path_regex, _, route.param_convertors = routing.compile_path(other.path)  # type: ignore[attr-defined]
                again = True
            case "matches", Route() if isinstance(other, Route):
                route.matches = other.matches  # type: ignore[method-assign]
                again = True
            case "convertors", Route() if "date" not in str(route.param_convertors):
                route.param_convertors = dict.fromkeys(route.param_convertors, CONVERTOR_TYPES["path"])
            case "mount", Mount() if isinstance(counterpart, Mount):
                route.routes.append(other)
                counterpart.routes.append(other)
        if again:
            self.ours.routes[place] = route

    @rule(value=st.booleans())
    def set_redirect_slashes(self, value: bool) -> None:
        self.ours.redirect_slashes = self.theirs.redirect_slashes = value


def test_every_answer_is_that_of_starlettes_router(implementation: str) -> None:
    run_state_machine_as_test(SameRouter, settings=settings(stateful_step_count=20))
