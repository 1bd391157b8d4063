"""The probe of a FastAPI: what it asks, and that it finds each kind of difference."""

from collections.abc import Callable, Iterator
from typing import Any

import fastapi
import pytest
from fastapi.routing import APIRouter
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from fastroute import _fastapi
from fastroute.narrowing import probe
from fastroute.narrowing.routers import NarrowedRouter

pytestmark = pytest.mark.skipif(
    not hasattr(APIRouter, "_iter_low_priority_routes"),
    reason="an older FastAPI copies included routes, or has none of low priority: it answers some requests differently",
)

RELEASE = f"FastAPI {fastapi.__version__} is not known: "

# The path, its answers to GET, to POST, to GET with the other slash, and as a WebSocket. 200 is the route's own answer.
ANSWERS = [
    ("/before/1", 200, 200, "/before/1", 1000),
    ("/after/1/", 200, 200, "/after/1/", 1000),
    ("/inner/1", 200, 200, "/inner/1", 1000),
    ("/inner/nested/b/1", 200, 200, "/inner/nested/b/1", 1000),
    ("/inner/nested/b/plain", 200, 200, "/inner/nested/b/plain", 1000),
    ("/again/new", 404, 404, 404, 1000),
    ("/again/1", 200, 200, "/again/1", 1000),
    ("/inner/mounted/a", 200, 200, 200, 200),
    ("/inner/talk", 200, 200, "/inner/talk", 200),
    ("/files/a", 200, 200, 200, 1000),
    ("/inner/nested/b/files/a", 200, 200, 200, 1000),
    ("/nowhere", 404, 404, 404, 1000),
]
#: Those that are others after the change.
CHANGED = {
    "/before/1": (404, 404, 404, 1000),
    "/again/new": (200, 200, "/again/new", 1000),
}


def asked_with(path: str) -> list[tuple[str, str, str]]:
    other = path[:-1] if path.endswith("/") else f"{path}/"
    return [("http", "GET", path), ("http", "POST", path), ("http", "GET", other), ("websocket", "", path)]


ASKED = [asked for path, *_ in ANSWERS for asked in asked_with(path)]


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    probe.reason_against_narrowing.cache_clear()
    yield
    probe.reason_against_narrowing.cache_clear()


def in_short(answer: list[Any]) -> Any:
    sent, error, _ = answer
    assert error is None
    first = sent[0]
    if first["type"] == "answer":
        return 200
    if first["type"] == "websocket.close":
        return first["code"]
    return dict(first["headers"]).get(b"location", b"").decode() or first["status"]


def test_the_probe_reaches_every_sort_of_route() -> None:
    routing = _fastapi.routing()
    application = probe._Application(routing)
    assert list(probe._asked()) == ASKED
    for path, *expected in ANSWERS:
        assert [in_short(application.answer(*asked)) for asked in asked_with(path)] == expected, path
    application.change()
    for path, *expected in ANSWERS:
        answers = [in_short(application.answer(*asked)) for asked in asked_with(path)]
        assert answers == list(CHANGED.get(path, expected)), path


def test_the_probe_sees_the_routes_that_answer() -> None:
    routing = _fastapi.routing()
    application = probe._Application(routing)
    sent, error, scope = application.answer("http", "GET", "/inner/nested/b/1")
    assert sent == [{"type": "answer", "path": "/inner/nested/b/1"}]
    assert error is None
    assert scope["route"] == ("Answering", "/{x:int}")
    assert scope["path_params"] == {"x": 1, "y": "b"}
    assert scope["router"] == 0
    assert scope["fastapi"]["included_router"] == ("_IncludedRouter", None)
    sent, _, scope = application.answer("http", "GET", "/after/1/more")
    assert sent == [{"type": "answer", "path": "/after/1/more"}]


def test_the_installed_fastapi_is_known() -> None:
    assert probe.reason_against_narrowing() is None


Asked = Callable[[Any, Any, Any], Any]


def changed_fastapi(monkeypatch: pytest.MonkeyPatch, before: Asked) -> None:
    """`before` gets the router or its stand-in, the scope and `send`; FastAPI goes on if it returns a false value."""
    app = APIRouter.app

    async def changed(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if message := before(self, scope, send):
            await send(message)
            return
        await app(self, scope, receive, send)

    monkeypatch.setattr(APIRouter, "app", changed)


@pytest.mark.parametrize("time", [1, 2], ids=["before the change", "after it"])
@pytest.mark.parametrize("asked", ASKED, ids=map(str, ASKED))
def test_a_difference_in_one_request_is_found(monkeypatch: pytest.MonkeyPatch, asked: Any, time: int) -> None:
    times = 0

    def differs(self: Any, scope: Any, send: Any) -> Any:
        nonlocal times
        if not isinstance(self, NarrowedRouter) or (scope["type"], scope.get("method", ""), scope["path"]) != asked:
            return None
        times += 1
        return {"type": "another"} if times == time else None

    changed_fastapi(monkeypatch, differs)
    assert probe.reason_against_narrowing() == (
        f"{RELEASE}with an index it answers differently, as for {' '.join(asked)}"
    )


def differing(pair: tuple[Any, Any]) -> Asked:
    def write(self: Any, scope: Any, send: Any) -> None:
        scope["seen"] = pair[isinstance(self, NarrowedRouter)]

    return write


async def page(request: Any) -> PlainTextResponse:
    return PlainTextResponse(str(request.path_params))


@pytest.mark.parametrize(
    "pair",
    [
        (1, 2),
        ("a", "b"),
        (b"a", b"b"),
        ("", None),
        (["a"], ["b"]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}),
        ({"a": 1}, {"b": 1}),
        (Route("/a", page), Route("/b", page)),
        (Route("/a", page), WebSocketRoute("/a", page)),
    ],
    ids=str,
)
def test_a_difference_in_the_scope_is_found(monkeypatch: pytest.MonkeyPatch, pair: tuple[Any, Any]) -> None:
    changed_fastapi(monkeypatch, differing(pair))
    reason = probe.reason_against_narrowing()
    assert reason is not None
    assert reason.endswith("answers differently, as for http GET /before/1")


def test_objects_of_each_application_are_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    changed_fastapi(monkeypatch, differing((Mount("/a", page), Mount("/a", page))))
    assert probe.reason_against_narrowing() is None


def test_another_router_in_the_scope_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: Any, scope: Any, send: Any) -> None:
        if isinstance(self, NarrowedRouter):
            scope["router"] = next(route.original_router for route in self.routes if hasattr(route, "original_router"))

    changed_fastapi(monkeypatch, write)
    reason = probe.reason_against_narrowing()
    assert reason is not None
    assert "answers differently, as for http GET /" in reason


def test_an_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, scope: Any, send: Any) -> None:
        # The same type in both, with another text.
        raise RuntimeError(isinstance(self, NarrowedRouter))

    changed_fastapi(monkeypatch, fail)
    reason = probe.reason_against_narrowing()
    assert reason is not None
    assert reason.endswith("answers differently, as for http GET /before/1")


def test_the_message_of_a_client_that_leaves_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    app, received = APIRouter.app, []
    scopes = {"http": ["type", "method", "path", "root_path", "headers", "query_string"]}
    scopes["websocket"] = [key for key in scopes["http"] if key != "method"]

    async def receiving(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if "router" not in scope:
            assert list(scope) == scopes[scope["type"]]
            assert (scope["root_path"], scope["headers"], scope["query_string"]) == ("", [], b"")
        received.append((scope["type"], await receive()))
        await app(self, scope, receive, send)

    monkeypatch.setattr(APIRouter, "app", receiving)
    assert probe.reason_against_narrowing() is None
    assert ("http", {"type": "http.disconnect"}) in received
    assert ("websocket", {"type": "websocket.disconnect"}) in received


def test_a_fastapi_that_fails_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(APIRouter, "add_websocket_route", fail)
    assert probe.reason_against_narrowing() == f"{RELEASE}it fails when it is tried: RuntimeError('no')"


def test_a_fastapi_that_lacks_several_names_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("fastapi.routing._get_fastapi_scope")
    monkeypatch.delattr("fastapi.routing._EffectiveRouteContext")
    assert probe.reason_against_narrowing() == f"{RELEASE}it has no _EffectiveRouteContext, _get_fastapi_scope"


def test_an_index_that_is_never_used_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(self: Any, scope: Any, receive: Any, send: Any) -> None:
        await self._fastroute_original.app(self, scope, receive, send)

    monkeypatch.setattr(NarrowedRouter, "app", app)
    assert probe.reason_against_narrowing() == (
        f"{RELEASE}with an index it answers differently, as for no request, as it was never used"
    )


def test_a_fastapi_whose_routers_replace_a_method_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    init = APIRouter.__init__

    def replacing(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self._mark_routes_changed = lambda: None

    monkeypatch.setattr(APIRouter, "__init__", replacing)
    assert probe.reason_against_narrowing() == "its `_mark_routes_changed` was replaced"
