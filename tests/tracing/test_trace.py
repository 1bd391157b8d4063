"""The route that a trace names is the one that answers, and the reason why another one fails is so."""

from typing import Any
from urllib.parse import unquote

import anyio
import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import assume, given
from hypothesis import strategies as st
from route_tables import any_tables, page, paths_of, socket, socket_route, templates
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, compile_path
from starlette.types import Message, Scope

from fastroute import strategies
from fastroute.commands._language import language
from fastroute.tracing.entries import Entry, entries, walk
from fastroute.tracing.failures import explain
from fastroute.tracing.trace import Attempt, Outcome, scope_of, trace

pytestmark = pytest.mark.twins

HOSTS = st.sampled_from(["a.org", "x.org", "b", "b:80", "other.example"])
DEMANDS = st.sampled_from([("http", "GET"), ("http", "HEAD"), ("http", "POST"), ("websocket", "")])
PATHS = st.one_of(st.text("/ab1.-x\n", max_size=8).map("/".__add__), st.just(""))


@pytest.mark.slow
@given(any_tables(), DEMANDS, HOSTS, st.data())
def test_the_route_named_is_the_one_that_answers(
    routes: list[BaseRoute], demand: tuple[str, str], host: str, data: st.DataObject
) -> None:
    app = Router(routes)
    tree = [entry for entry in walk(entries(app)) if not entry.children]
    likely = st.sampled_from(tree).flatmap(lambda entry: paths_of(entry.route, "/b"))
    scope = scope_of(*demand, data.draw(st.one_of(PATHS, likely)), host)
    outcome = trace(app, dict(scope))
    answered, status, told = _really(app, tree, scope)
    if outcome.decisive is None:
        assert answered is None
        assert status in (307, 404, 1000)
        assert (outcome.redirect is not None) == (status == 307)
        if outcome.redirect is not None:
            assert told == outcome.redirect
    elif outcome.decisive.match is Match.PARTIAL:
        assert (answered, status) == (None, 405)
        assert told == sorted(outcome.decisive.entry.route.methods)
    else:
        assert answered is outcome.decisive.entry.route


def _really(app: Any, tree: list[Entry], scope: Scope) -> tuple[Any, int | None, Any]:
    """Which route was handed the scope; else the status or close code, and what is allowed or where it redirects to."""
    answered: list[Any] = []
    sent: list[Message] = []

    def watch(route: Any) -> Any:
        async def handle(scope: Scope, receive: Any, send: Any) -> None:
            answered.append(route)

        return handle

    async def send(message: Message) -> None:
        sent.append(message)

    apps = [(entry.route, entry.route.app) for entry in tree]
    try:
        for route, _ in apps:
            route.app = watch(route)
        anyio.run(app, dict(scope), None, send)
    finally:
        for route, original in apps:
            route.app = original
    if answered:
        return answered[0], None, None
    status = sent[0].get("status", sent[0].get("code"))
    headers = {name: value.decode() for name, value in sent[0].get("headers", [])}
    if status == 405:
        return None, status, sorted(headers[b"allow"].split(", "))
    host = dict(scope["headers"])[b"host"].decode()
    return None, status, unquote(headers.get(b"location", "")).removeprefix(f"http://{host}")


@pytest.mark.slow
@given(any_tables() | strategies.route_tables(4), DEMANDS, HOSTS, PATHS)
def test_what_is_explained_as_failing_fails(
    routes: list[BaseRoute], demand: tuple[str, str], host: str, path: str
) -> None:
    for attempt in trace(Router(routes), scope_of(*demand, path, host)).attempts:
        failure = explain(attempt)
        assert (failure is None) == (attempt.match is Match.FULL)
        if failure is not None:
            assert 0 <= failure.position <= len(path)


@given(templates(), PATHS)
def test_the_position_is_how_far_the_path_fits(template: str, path: str) -> None:
    assume("\n" not in path and path.startswith("/") and ":float" not in template)
    regex, _, convertors = compile_path(template)
    automaton = language(template, convertors, regex)
    assert automaton is not None
    fits, states = 0, automaton.start()
    for character in path:
        states = automaton.after(states, character)
        if not states:
            break
        fits += 1
    failure = explain(trace(Router([Route(template, page)]), scope_of("http", "GET", path, "")).attempts[0])
    if failure is None:
        assert regex.match(path)
    else:
        assert failure.position == fits


def reason(route: BaseRoute, path: str, **scope: Any) -> str:
    failure = explain(trace(Router([route]), {**scope_of("http", "GET", path, "a.org"), **scope}).attempts[0])
    assert failure is not None
    return failure.reason


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/rooms/{room_id:int}", "/rooms/abc", "`room_id`: expected digits at position 7, found 'abc'"),
        ("/rooms/{room_id:int}", "/rooms/", "`room_id`: expected digits at position 7, found the end"),
        ("/rooms/{r:int}", "/rooms/12a", "after `r` = '12': expected the end at position 9, found 'a'"),
        ("/rooms/{r:int}/x", "/rooms/12", "after `r` = '12': expected '/x' at position 9, found the end"),
        ("/rooms/{r}/x", "/rooms/a/y", "after `r` = 'a': expected 'x' at position 9, found 'y'"),
        ("/rooms", "/roams", "expected 'oms' at position 3, found 'ams'"),
        ("/rooms", "/rooms/", "expected the end at position 6, found '/'"),
        ("/{u:uuid}", "/1234", "`u`: expected a UUID at position 1, found '1234'"),
        ("/{f:float}", "/1.", "after `f` = '1': expected the end at position 2, found '.'"),
        ("/{f:float}", "/x", "`f`: expected a number such as 1 or 1.5 at position 1, found 'x'"),
        ("/{s}", "//", "`s`: expected at least one character other than '/' at position 1, found '/'"),
        ("/{p:path}/end", "/a/b/en", "after `p` = 'a/b': expected 'd' at position 7, found the end"),
        ("/a{p:path}/x", "/a", "after `p` = '': expected '/x' at position 2, found the end"),
        ("/{p:path}", "/a\nb", "after `p` = 'a': expected the end at position 2, found '\\nb'"),
    ],
)
def test_reasons(template: str, path: str, expected: str) -> None:
    assert reason(Route(template, page), path) == expected


def test_reasons_that_are_not_about_the_path() -> None:
    get, long = Route("/a", page, methods=["GET"]), "/" + "1" * 5000
    assert reason(get, "/a", method="PUT") == "answers GET, HEAD and not PUT"
    assert reason(get, "/a", type="websocket") == "the path fits, but it answers HTTP and this is a WebSocket"
    assert reason(socket_route("/a"), "/a") == "the path fits, but it answers a WebSocket and this is an HTTP request"
    assert reason(Host("b.org", Router()), "/a") == "the host is 'a.org'"
    assert reason(Route("/{n:int}", page), long).startswith("raises ValueError: Exceeds the limit")
    number = reason(socket_route("/{n:int}"), long, type="websocket")
    assert number == "a number of 5000 digits is more than Python converts"
    below = Mount("/m", routes=[Route("/{n:int}", page)])
    attempt = trace(Router([below]), scope_of("http", "GET", "/m/x", "")).attempts[1]
    assert explain(attempt) == (3, "`n`: expected digits at position 3, found 'x'")


def test_reasons_of_other_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Even(Convertor[int]):
        regex = "[0-9]*[02468]"

        def convert(self, value: str) -> int:
            return int(value)

    class Custom(BaseRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            return Match.NONE, {}

    class Picky(Route):
        matches = Custom.matches

    monkeypatch.setitem(CONVERTOR_TYPES, "even", Even())
    even = Route("/{n:even}", page)
    assert reason(even, "/21") == "after `n` = '2': expected the end at position 2, found '1'"
    assert reason(even, "/1") == "`n`: expected a text for Even ([0-9]*[02468]) at position 1, found '1'"
    assert reason(Custom(), "/1") == "its own `matches` says no"
    assert reason(Picky("/1", page), "/1") == "the path fits, but its own `matches` says no"


def outcome_of(app: Any, path: str, type_: str = "http") -> Outcome:
    return trace(app, scope_of(type_, "GET", path, "localhost"))


def test_included_routers_of_fastapi(tmp_path: Any) -> None:
    app, router, inner = FastAPI(openapi_url=None), APIRouter(prefix="/x"), APIRouter()
    inner.add_api_route("/{n:int}", page, name="deep")
    inner.add_api_websocket_route("/ws", socket)
    router.include_router(inner, prefix="/y")
    app.include_router(router)
    (tmp_path / "index.html").write_text("")
    app.frontend("/front", directory=str(tmp_path))

    def name_of(attempt: Attempt | None) -> str | None:
        return None if attempt is None else attempt.entry.name or attempt.entry.kind

    assert name_of(outcome_of(app, "/x/y/7").decisive) == "deep"
    assert name_of(outcome_of(app, "/x/y/ws", "websocket").decisive) == "socket"
    assert name_of(outcome_of(app, "/front/").decisive) == "frontend"
    assert name_of(outcome_of(app, "/x/y/n").decisive) is None
    assert outcome_of(app, "/x/y/7/").redirect == "/x/y/7"


def test_partial_matches() -> None:
    """A later full match wins over an earlier partial one, and among partial ones the first."""
    put, post, get = (Route("/a", page, methods=[method]) for method in ("PUT", "POST", "GET"))
    for routes, expected in (([put, get], get), ([put, post], put), ([post, put], post)):
        answer = outcome_of(Router(routes), "/a").decisive
        assert answer is not None
        assert answer.entry.route is expected
