"""Many threads ask applications whose routes they change meanwhile: none may be lost, and none may come back.

    python -X gil=0 proof/threads.py [--seconds N] [--threads N]

Each thread now and then adds a route, at any place, or removes one, and asks for those of the last changes. A route
that is there before and after a request must have answered, and one that was gone before must not: so a route that is
lost is found if one request meets it. A GIL is handed on as often as Python can. The exit code is 1 if an answer is
wrong.
"""

import argparse
import asyncio
import json
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.websockets import WebSocket

import fastroute
from fastroute import APIWebSocketRoute, Router, accelerate

ROUTES = 60  # of each list at first
CHANGES = 0.05  # for each request


class Changing(NamedTuple):
    """A list of routes that changes.

    Attributes:
        prefix: of the paths of its routes.
        put: puts a route there for a path and a number, and returns it.
        take: removes such a route; None if there is no way to.
    """

    prefix: str
    put: Callable[[str, int], Any]
    take: Callable[[Any], None] | None


class Application(NamedTuple):
    name: str
    app: Any
    type: str
    lists: list[Changing]


def page(number: int) -> Any:
    async def answer(request: Request) -> JSONResponse:
        item, q = int(request.path_params["item"]), int(request.query_params["q"])
        return JSONResponse({"route": number, "item": item, "q": q})

    return answer


def socket(number: int) -> Any:
    async def answer(websocket: WebSocket, item: int, q: int) -> None:
        await websocket.accept()
        await websocket.send_json({"route": number, "item": item, "q": q})

    return answer


def anywhere(prefix: str, routes: list[Any], make: Callable[[str, int], Any]) -> Changing:
    """A list that is changed by the methods of a list, as it has them at that time."""

    def put(path: str, number: int) -> Any:
        route = make(path, number)
        routes.insert(random.randrange(len(routes) + 1), route)
        return route

    return Changing(prefix, put, lambda route: routes.remove(route))


def of_fastapi() -> Application:
    app, router, one_at_a_time = FastAPI(openapi_url=None), APIRouter(), threading.Lock()

    def include(path: str, number: int) -> None:
        # At the end, and for ever: FastAPI has no other way to change an included router, and it counts without a lock.
        with one_at_a_time:
            router.add_api_route(path.removeprefix("/inner"), page(number))

    def put(path: str, number: int) -> APIRoute:
        route = APIRoute(path, page(number))
        with one_at_a_time:
            app.router.routes.insert(random.randrange(len(app.router.routes) + 1), route)
        return route

    def take(route: APIRoute) -> None:
        # FastAPI's own scan answers for some requests after a change: if a route before its place is removed from the
        # list that it walks through, it passes over another one.
        with one_at_a_time:
            app.router.routes = [other for other in app.router.routes if other is not route]

    include("/inner/first", -1)
    app.include_router(router, prefix="/inner")
    accelerate(app)
    return Application("accelerated FastAPI", app, "http", [Changing("", put, take), Changing("/inner", include, None)])


def of_starlette() -> Application:
    def make(path: str, number: int) -> Route:
        return Route(path.removeprefix("/inner"), page(number))

    mount = Mount("/inner", routes=[])
    app = Starlette(routes=[mount])
    accelerate(app)
    lists = [anywhere("", app.router.routes, make), anywhere("/inner", mount.routes, make)]
    return Application("accelerated Starlette", app, "http", lists)


def of_router() -> Application:
    router = Router()
    changing = anywhere("", router.routes, lambda path, number: APIWebSocketRoute(path, socket(number)))
    return Application("Router", router, "websocket", [changing])


class Hammer:
    """One application, asked and changed by many threads for some time."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._numbers = count()
        #: The paths of the routes that are there, with the numbers of the routes.
        self._present: dict[str, int] = {}
        #: The last paths that came, and that went.
        self._came: deque[str] = deque(maxlen=3)
        self._went: deque[str] = deque(maxlen=3)
        self.requests: list[None] = []
        self.changes: list[None] = []
        self.wrong: list[str] = []

    def run(self, threads: int, seconds: float) -> None:
        added = {changing.prefix: [self._put(changing) for _ in range(ROUTES)] for changing in self.application.lists}

        end = time.monotonic() + seconds

        async def work(seat: int) -> None:
            chance = random.Random(seat)
            while not self.wrong and time.monotonic() < end:
                if chance.random() < CHANGES:
                    changing = chance.choice(self.application.lists)
                    self._change(changing, added[changing.prefix], chance)
                await self._ask(chance)

        def thread(seat: int) -> None:
            try:
                asyncio.run(work(seat))
            except BaseException as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                raise

        running = [threading.Thread(target=thread, args=(seat,)) for seat in range(threads)]
        for one in running:
            one.start()
        for one in running:
            one.join()

    def _put(self, changing: Changing) -> tuple[str, Any]:
        number = next(self._numbers)
        path = f"{changing.prefix}/r{number}"
        route = changing.put(f"{path}/{{item}}", number)
        self._present[path] = number
        self._came.append(path)
        return path, route

    def _change(self, changing: Changing, added: list[tuple[str, Any]], chance: random.Random) -> None:
        self.changes.append(None)
        if changing.take is None or len(added) < chance.randrange(2 * ROUTES):
            added.append(self._put(changing))
            return
        path, route = added.pop()
        del self._present[path]
        changing.take(route)
        self._went.append(path)

    async def _ask(self, chance: random.Random) -> None:
        gone = chance.random() < 0.2
        try:
            path = chance.choice(self._went if gone else self._came)
        except IndexError:  # none went yet
            return
        if not gone and path not in self._present:
            return
        item, q = chance.randrange(10**6), chance.randrange(10**6)
        answer = await asked(self.application, f"{path}/{item}", f"q={q}")
        self.requests.append(None)
        number = self._present.get(path)
        # A route that went meanwhile may have answered, or not.
        if gone or number is not None:
            expected = None if gone else {"route": number, "item": item, "q": q}
            if answer != expected:
                self.wrong.append(f"{path}: {answer}, expected {expected}")


async def asked(application: Application, path: str, query: str) -> Any:
    """The JSON of the answer; None if no route answers."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""} if application.type == "http" else {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": application.type,
        "method": "GET",
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [],
        "scheme": "http",
        "server": ("localhost", 80),
        "client": ("localhost", 1),
    }
    await application.app(scope, receive, send)
    if sent[0].get("status") == 404 or sent[0]["type"] == "websocket.close":
        return None
    return json.loads(sent[1].get("text") or sent[1]["body"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="how long (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=8, help="how many ask (default: %(default)s)")
    arguments = parser.parse_args()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"fastroute {fastroute.IMPLEMENTATION}, Python {sys.version.split()[0]}, GIL {'on' if gil else 'off'}")
    sys.setswitchinterval(1e-6)
    began, failed = time.monotonic(), False
    while not failed and time.monotonic() - began < arguments.seconds:
        for make in (of_fastapi, of_starlette, of_router):
            hammer = Hammer(make())
            hammer.run(arguments.threads, seconds=3)
            name, wrong = hammer.application.name, hammer.wrong
            print(f"{name:22} {len(hammer.requests):7,} requests, {len(hammer.changes):5,} changes, {len(wrong)} wrong")
            for one in wrong[:3]:
                print(f"WRONG {one:.500}")
            failed = failed or bool(wrong)
    print(f"{time.monotonic() - began:.0f} s: {'a route was lost, or came back' if failed else 'no wrong answer'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
