"""The cells of docs/comparison.md about other packages. Those about Starlette and FastAPI are all over the suite."""

import inspect
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.testclient import TestClient, WebSocketTestSession
from websocket_client import connect, websocket_scope

import fastroute
import fastroute.testing
from fastroute.tracing.trace import scope_of

# Litestar's own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ABSENT = "the extra `comparison` is not installed: pip install '.[comparison]'"

# --- Litestar ----------------------------------------------------------------------------------------------------


@pytest.fixture
def litestar() -> Any:
    return pytest.importorskip("litestar", reason=ABSENT)


def told(app: Any, path: str, *texts: str, **headers: str) -> list[dict[str, Any]]:
    """All messages of a connection."""
    headers["host"] = "localhost"
    scope = websocket_scope(path, headers=list(headers.items()), raw_path=path.encode(), root_path="")
    return connect(app, {**scope, "client": ("127.0.0.1", 1), "server": ("localhost", 80), "scheme": "ws"}, texts)


def ends(app: Any, path: str, **headers: str) -> dict[str, Any]:
    """The last message of a connection."""
    return told(app, path, **headers)[-1]


def test_litestar_types_parameters_and_cleans_up_after_the_endpoint(litestar: Any) -> None:
    order, parameter = [], litestar.params.Parameter

    async def session() -> AsyncIterator[str]:
        order.append("enter")
        yield "session"
        order.append("exit")

    async def room(
        socket: litestar.WebSocket,
        room_id: int,
        limit: int,
        session: str,
        version: Annotated[int, parameter(header="x-version")],
        color: Annotated[str, parameter(cookie="color")],
    ) -> None:
        await socket.accept()
        order.append(f"{room_id} {limit} {session} {version} {color}")

    handler = litestar.websocket("/rooms/{room_id:int}", dependencies={"session": litestar.di.Provide(session)})(room)
    app = litestar.Litestar([handler])
    sent = {"x-version": "2", "cookie": "color=teal"}
    ends(app, "/rooms/7?limit=3", **sent)
    assert order == ["enter", "7 3 session 2 teal", "exit"]
    assert ends(app, "/rooms/7?limit=x", **sent)["type"] == "websocket.close"
    assert not hasattr(app, "dependency_overrides")


def test_litestar_guards_and_closes_with_a_code_of_its_own(litestar: Any) -> None:
    async def nobody(connection: Any, handler: Any) -> None:
        raise litestar.exceptions.NotAuthorizedException("no token")

    async def guarded(socket: litestar.WebSocket) -> None:
        raise AssertionError("not reached")

    async def late(socket: litestar.WebSocket) -> None:
        await socket.accept()
        raise litestar.exceptions.NotAuthorizedException("no token")

    websocket = litestar.websocket
    app = litestar.Litestar([websocket("/guarded", guards=[nobody])(guarded), websocket("/late")(late)])
    for path in ("/guarded", "/late"):
        end = ends(app, path)
        assert (end["type"], end["reason"]) == ("websocket.close", "no token")
        assert end["code"] >= 4000


def test_litestar_lets_any_page_connect(litestar: Any) -> None:
    from litestar.config.cors import CORSConfig

    seen = []

    async def room(socket: litestar.WebSocket) -> None:
        seen.append(socket.headers["origin"])
        await socket.accept()

    app = litestar.Litestar(
        [litestar.websocket("/room")(room)], cors_config=CORSConfig(allow_origins=["https://shop.example"])
    )
    ends(app, "/room", origin="https://evil.example")
    assert seen == ["https://evil.example"]


def test_litestar_finds_a_request_at_declaration(litestar: Any) -> None:
    async def room(socket: litestar.WebSocket, request: litestar.Request) -> None: ...

    with pytest.raises(litestar.exceptions.ImproperlyConfiguredException):
        litestar.Litestar([litestar.websocket("/room")(room)])


def test_a_listener_of_litestar_reads_and_writes_by_a_dto(litestar: Any) -> None:
    def listen(data: Ping) -> Pong:
        return Pong(number=data.number + 1)

    from litestar.dto import DataclassDTO

    listener = litestar.websocket_listener("/listen", dto=DataclassDTO[Ping], return_dto=DataclassDTO[Pong])
    app = litestar.Litestar([listener(listen)])
    assert told(app, "/listen", '{"number": 6}')[1]["text"] == '{"number":7}'


@dataclass
class Ping:
    number: int


@dataclass
class Pong:
    number: int


@pytest.mark.parametrize("package", ["starlette", "fastapi", "litestar", "fastroute"])
def test_who_describes_sockets(package: str) -> None:
    module = pytest.importorskip(package, reason=ABSENT)
    found = list(Path(module.__file__).parent.rglob("*asyncapi*"))
    assert bool(found) == (package == "fastroute")


def test_whose_client_has_a_time_limit(litestar: Any) -> None:
    from litestar.testing.websocket_test_session import WebSocketTestSession as TheirSession

    parameters = [inspect.signature(cls.receive).parameters for cls in (WebSocketTestSession, TheirSession)]
    assert ["timeout" in each for each in parameters] == [False, True]
    assert parameters[1]["timeout"].default is None
    assert inspect.signature(fastroute.testing.connect).parameters["timeout"].default == 1.0


# --- ffroute -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["ffroute", "fastroute"])
def router_class(request: pytest.FixtureRequest) -> Any:
    """ffroute's router, and fastroute's beside it."""
    return fastroute.Router if request.param == "fastroute" else pytest.importorskip("ffroute", reason=ABSENT).FFRouter


class Custom(BaseRoute):
    """Answers all paths below its own."""

    path = "/custom"

    def matches(self, scope: Any) -> Any:
        return (Match.FULL if scope["path"].startswith(self.path) else Match.NONE), {}

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("custom")(scope, receive, send)


async def page(request: Any) -> PlainTextResponse:
    return PlainTextResponse("page")


def is_ours(router_class: Any) -> bool:
    return router_class is fastroute.Router


def test_a_route_of_another_class_keeps_its_turn(router_class: Any) -> None:
    routes = [Custom(), Route("/custom/{rest:path}", page)]
    assert TestClient(Router(routes)).get("/custom/x").text == "custom"
    assert (TestClient(router_class(routes)).get("/custom/x").text == "custom") == is_ours(router_class)


def test_a_route_can_be_removed(router_class: Any) -> None:
    router = router_class([Route("/a", page), Route("/b", page)])
    del router.routes[0]
    if is_ours(router_class):
        assert TestClient(router).get("/b").text == "page"
    else:
        with pytest.raises(IndexError):
            TestClient(router).get("/b")


def test_middleware_sees_what_was_matched(router_class: Any) -> None:
    seen = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await router(scope, receive, send)
        seen.update(scope)

    router = router_class([Route("/{name}", page)])
    TestClient(app).get("/a")
    assert ("endpoint" in seen) == ("path_params" in seen) == is_ours(router_class)


def test_a_miss_asks_no_route(router_class: Any) -> None:
    router = router_class([Route(f"/{number}/x", page) for number in range(20)])
    asked = []

    def profile(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code is Route.matches.__code__:
            asked.append(frame)

    async def miss() -> None:
        sys.setprofile(profile)
        try:
            await router(dict(scope_of("http", "GET", "/none", "localhost")), None, sent.append)
        finally:
            sys.setprofile(None)

    sent = Sent()
    anyio.run(miss)
    assert sent[0]["status"] == 404
    assert (not asked) == is_ours(router_class)


class Sent(list[Any]):
    """Messages; `append` can be awaited."""

    async def append(self, message: Any) -> None:  # type: ignore[override]
        super().append(message)
