"""Many threads share a matcher, an index, a route, and a router that changes meanwhile."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import pytest
from asgi import request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Scope
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Depends, Query, RouteIndex, Router
from fastroute.matching import implementation as selector

pytestmark = [
    pytest.mark.twins,
    pytest.mark.skipif(
        sys.gettrace() is not None, reason="coverage runs Python inside of the kernels, and other threads with it"
    ),
]

THREADS = 8
TEMPLATES = {
    "/rooms/{room_id:int}": ["/rooms/7", "/rooms/x", "/rooms/", "/rooms/18446744073709551616"],
    "/u/{id:uuid}/x": ["/u/9c5b94b1-35ad-49bb-b118-8e8fc24abf80/x", "/u/9c5b94b1/x"],
    "/{a}-{b}": ["/1-2-3", "/1", "/\N{SNOWMAN}-\N{GRINNING FACE}"],
    "/{p:path}/x/{q:path}": ["/a/x/b/x/c", "/x/x/x", "/a"],
    "/f/{size:float}": ["/f/1.5", "/f/1.", "/f/2"],
}


@pytest.fixture(autouse=True)
def switching_often() -> Iterator[None]:
    """With a GIL, threads would else run one after the other."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def together(work: Callable[[int], None]) -> None:
    """Runs `work(number)` in every thread, all starting at the same moment; raises the error of one of them."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> None:
        start.wait(timeout=30)
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, range(THREADS)))


@pytest.mark.parametrize("template", TEMPLATES)
def test_one_matcher(template: str) -> None:
    paths = TEMPLATES[template]
    alone = [selector.PathMatcher(template).match(path) for path in paths]
    matcher = selector.PathMatcher(template)

    def match(number: int) -> None:
        for _ in range(200):
            answers = [matcher.match(path) for path in paths]
            assert answers == alone
            # Nobody else may see a change to an answer.
            for answer in filter(None, answers):
                answer.clear()

    together(match)


def test_what_a_matcher_makes_late_is_the_same_for_all() -> None:
    for _ in range(50):
        matcher = selector.PathMatcher("/rooms/{room_id:int}/{rest:path}")
        seen: list[Any] = []
        together(lambda number, matcher=matcher, seen=seen: seen.append(matcher.path_regex.pattern))
        assert seen == ["^/rooms/(?P<room_id>[0-9]+)/(?P<rest>.*)$"] * THREADS


async def page(request: Any) -> PlainTextResponse:
    return PlainTextResponse(f"{request.path_params}")


def test_one_index() -> None:
    routes = [Route(template, page) for template in TEMPLATES for _ in range(20)]
    paths = [path for paths in TEMPLATES.values() for path in paths]
    index = RouteIndex(routes)
    alone = [index.candidates(path) for path in paths]

    def look_up(number: int) -> None:
        for _ in range(100):
            found = [index.candidates(path) for path in paths]
            assert found == alone
            for candidates in found:
                candidates.clear()

    together(look_up)


def test_a_router_that_changes() -> None:
    """A route that stays is always found; one that comes and goes is found by its thread exactly while it is there."""
    router = Router([Route("/stays/{name}", page), Route("/{path:path}", page)])

    def register(number: int) -> None:
        for turn in range(10):
            route = Route(f"/thread/{number}/{{turn:int}}", page)
            router.routes.insert(0, route)
            assert request(router, f"/thread/{number}/{turn}") == (200, f"{{'turn': {turn}}}")
            assert request(router, "/stays/here") == (200, "{'name': 'here'}")
            router.routes.remove(route)
            assert request(router, f"/thread/{number}/{turn}") == (200, f"{{'path': 'thread/{number}/{turn}'}}")

    together(register)
    assert len(router.routes) == 2


def test_a_route_is_removed_while_another_thread_changes_the_list() -> None:
    class Compared(Route):
        def __eq__(self, other: object) -> bool:
            if not changing.is_alive():
                changing.start()
                changing.join(0.1)  # it must wait; without a lock it does not, and `last` moves behind the search
            return self is other

    router = Router([Compared("/first", page), last := Route("/last", page)])
    changing = threading.Thread(target=router.routes.pop, args=(0,))
    router.routes.remove(last)
    changing.join()
    assert router.routes == []


async def doubled(number: Annotated[int, Query()]) -> int:
    return 2 * number


async def answer(websocket: WebSocket, room: str, twice: Annotated[int, Depends(doubled)]) -> None:
    await websocket.accept()
    await websocket.send_text(f"{room} {twice}")


def test_one_route_with_dependencies() -> None:
    route = APIWebSocketRoute("/{room}", answer)

    def visit(number: int) -> None:
        for turn in range(20):
            messages = connect(route, websocket_scope(f"/room-{number}?number={turn}"))
            assert messages[1]["text"] == f"room-{number} {2 * turn}"

    together(visit)


def test_threads_that_match_while_others_register() -> None:
    """Whoever has registered a route finds it, whatever the others do."""
    router = Router()
    errors: list[str] = []

    def find(path: str) -> BaseRoute | None:
        scope: Scope = {"type": "http", "method": "GET", "path": path}
        found = router._fastroute_updated_tables().http.table.find(scope, path)
        return found[0] if found else None

    def register(name: str) -> None:
        for number in range(60):
            route = Route(f"/{name}/{number}", page)
            router.routes.insert(0, route)
            if find(f"/{name}/{number}") is not route:
                errors.append(f"{name} {number} is not found")
            if number % 3 == 0:
                router.routes.remove(route)
                if find(f"/{name}/{number}") is not None:
                    errors.append(f"{name} {number} is still found")

    threads = [threading.Thread(target=register, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
