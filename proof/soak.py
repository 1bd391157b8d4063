"""Memory under load: matches, index builds and changes, and connections of every kind, and whether it grows.

    python proof/soak.py [--seconds N] [--plot FILE.png]

Each phase repeats one kind of work. The resident memory and the allocated blocks of Python are sampled after a warm-up,
and the verdict is their slope, for one turn: what is kept of each connection has one block at least. A phase that seems
to grow goes on twice, because caches fill once, and a leak never ends. The exit code is 1 if a phase grows.
"""

import argparse
import asyncio
import contextlib
import gc
import socket
import sys
import threading
import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.websockets import WebSocket

import fastroute
from fastroute import APIWebSocketRoute, ConnectionPolicy, Depends, PathMatcher, Query, RouteIndex, Router, accelerate

SAMPLES = 40
WARM_UP = 0.3  # of the time: caches fill, the allocator takes its arenas
ATTEMPTS = 3
MOST_BLOCKS = 0.5  # blocks of Python for one turn: a leak has one at least
MOST_BYTES = 256  # of resident memory for one turn, which moves by pages


# What is repeated. Each function makes the work of a phase; its turns are what one call of it does.

Phase = Callable[[], int]


def matches() -> Phase:
    matchers = [
        PathMatcher(template) for template in ("/rooms/{a:int}", "/{a}-{b:path}-{c}", "/u/{a:uuid}/x", "/{a:float}")
    ]
    numbers = iter(range(10**12))

    def work() -> int:
        for matcher in matchers:
            for number in (next(numbers) for _ in range(250)):
                matcher.match(f"/rooms/{number}")
                matcher.match(f"/x{number}-y-z")
        return 1_500

    return work


def index_builds() -> Phase:
    routes = [Route(f"/r{number}/{{a}}/{number}", print) for number in range(100)]

    def work() -> int:
        RouteIndex(routes).candidates("/r7/x/7")
        return 1

    return work


def changes() -> Phase:
    router = Router([Route(f"/r{number}/{{a}}", print) for number in range(100)])
    numbers = iter(range(10**12))
    ask = asking(router)

    def work() -> int:
        route = Route(f"/new{next(numbers)}/{{a}}", print)
        router.routes.append(route)
        ask({"type": "http", "method": "GET", "path": "/nowhere", "headers": [], "query_string": b""})
        router.routes.remove(route)
        return 1

    return work


def declarations() -> Phase:
    def work() -> int:
        for _ in range(5):
            asking(APIWebSocketRoute("/rooms/{room}", talk))(websocket_scope("/rooms/a?number=1"))
        return 5

    return work


async def opened(number: Annotated[int, Query()] = 0) -> AsyncIterator[list[int]]:
    yield [number] * 50


def in_thread(number: Annotated[int, Query()] = 0) -> Iterator[list[int]]:
    yield [number] * 50


def plain(number: Annotated[int, Query()] = 0) -> list[int]:
    return [number] * 50


async def talk(
    websocket: WebSocket,
    room: str,
    a: Annotated[list[int], Depends(opened)],
    how: str = "",
    x: Annotated[list[int] | None, Query()] = None,
) -> None:
    if how == "denied":
        raise HTTPException(403)
    await websocket.accept()
    if how == "raises":
        raise RuntimeError("on purpose")
    if how == "waits":
        async for _ in websocket.iter_text():
            pass


async def talk_in_threads(
    websocket: WebSocket,
    room: str,
    a: Annotated[list[int], Depends(in_thread)],
    b: Annotated[list[int], Depends(plain, max_concurrency=2)],
) -> None:
    await websocket.accept()


POLICY = ConnectionPolicy(cancel_on_disconnect=True, idle_timeout=5, max_lifetime=10, accept_timeout=5)


def application() -> Starlette:
    routes = [APIWebSocketRoute(f"/other{number}/{{room}}", talk) for number in range(50)]
    inner = Starlette(
        routes=[
            *routes,
            APIWebSocketRoute("/rooms/{room}", talk),
            APIWebSocketRoute("/threads/{room}", talk_in_threads),
            APIWebSocketRoute("/policy/{room}", talk, policy=POLICY),
        ]
    )
    accelerate(inner)
    return inner


def websocket_scope(target: str) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "websocket",
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"cookie", b"a=1")],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }


def asking(app: Any) -> Callable[[dict[str, Any]], None]:
    """Connects to an application: the client says nothing, and leaves."""
    loop = asyncio.new_event_loop()

    def ask(scope: dict[str, Any]) -> None:
        messages = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}])

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None: ...

        async def connect() -> None:
            with contextlib.suppress(RuntimeError):
                await app(scope, receive, send)

        loop.run_until_complete(connect())

    return ask


def connections(path: str, *queries: str) -> Callable[[], Phase]:
    def phase() -> Phase:
        ask = asking(application())
        numbers = iter(range(10**12))

        def work() -> int:
            for query in queries:
                ask(websocket_scope(f"{path}{next(numbers)}?{query}"))
            return len(queries)

        return work

    return phase


HANDSHAKE = (
    b"GET /rooms/%d?how=%s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@contextlib.contextmanager
def real_connections() -> Iterator[Phase]:
    config = uvicorn.Config(application(), port=0, ws="websockets-sansio", log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    numbers = iter(range(10**12))

    def work() -> int:
        for how in (b"", b"denied", b"waits", b"raises"):
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                client.sendall(HANDSHAKE % (next(numbers), how))
                client.recv(4096)
        return 4

    try:
        yield work
    finally:
        server.should_exit = True
        thread.join(20)


@contextlib.contextmanager
def alone(make: Callable[[], Phase]) -> Iterator[Phase]:
    yield make()


PHASES: dict[str, Callable[[], contextlib.AbstractContextManager[Phase]]] = {
    "matches": lambda: alone(matches),
    "index builds": lambda: alone(index_builds),
    "changes of a router": lambda: alone(changes),
    "declared routes": lambda: alone(declarations),
    "connections": lambda: alone(
        connections("/rooms/", "number=1", "how=raises", "how=denied", "x=a&x=b", "how=waits")
    ),
    "connections with threads": lambda: alone(connections("/threads/", "number=1", "number=x")),
    "connections with a policy": lambda: alone(connections("/policy/", "number=1", "how=waits", "how=raises")),
    "real connections": real_connections,
}


# The verdict


@dataclass
class Sample:
    turns: int
    blocks: int
    resident: int  # bytes


def soaked(work: Phase, seconds: float, turns: int = 0) -> list[Sample]:
    """Works for some time, and samples after the warm-up; `turns` were made before."""
    # Made before: a sample must not take blocks by itself.
    numbers, count = array("q", bytes(8 * 3 * SAMPLES)), 0
    began = time.monotonic()
    while (spent := time.monotonic() - began) < seconds:
        turns += work()
        if count < SAMPLES and spent > seconds * (WARM_UP + (1 - WARM_UP) * count / SAMPLES):
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            numbers[3 * count : 3 * count + 3] = array("q", (turns, sys.getallocatedblocks(), pages * 4096))
            count += 1
    return [Sample(*numbers[3 * number : 3 * number + 3]) for number in range(count)]


def grows(samples: list[Sample]) -> bool:
    return slope(samples, "blocks") > MOST_BLOCKS or slope(samples, "resident") > MOST_BYTES


def verdict(phase: contextlib.AbstractContextManager[Phase], seconds: float) -> list[Sample]:
    """The samples of the last attempt: the first one that does not grow."""
    samples: list[Sample] = []
    with phase as work:
        for _ in range(ATTEMPTS):
            samples = soaked(work, seconds, samples[-1].turns if samples else 0)
            if not grows(samples):
                break
    return samples


def slope(samples: list[Sample], what: str) -> float:
    """For one turn, from the least of the first half to the least of the second: memory goes up and down."""
    half = len(samples) // 2
    early, late = samples[:half], samples[half:]
    if not early or late[0].turns == early[0].turns:
        return 0.0
    least = [min(getattr(one, what) for one in some) for some in (early, late)]
    return (least[1] - least[0]) / (late[0].turns - early[0].turns)


def plot(found: dict[str, list[Sample]], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5))
    for name, samples in found.items():
        turns = [one.turns / samples[-1].turns for one in samples]
        axes.plot(turns, [(one.blocks - samples[0].blocks) for one in samples], label=f"{name}: {samples[-1].turns:,}")
    axes.set(xlabel="share of the turns", ylabel="blocks of memory, since the warm-up", title="Memory under load")
    axes.legend(fontsize=8)
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=80, help="of all phases (default: %(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="where to draw the samples")
    arguments = parser.parse_args()
    print(f"fastroute {fastroute.IMPLEMENTATION}, Python {sys.version.split()[0]}")
    print(f"{'phase':28} {'turns':>10} {'blocks/turn':>12} {'bytes/turn':>11}")
    found, failed = {}, 0
    for name, phase in PHASES.items():
        samples = found[name] = verdict(phase(), arguments.seconds / len(PHASES))
        failed += grows(samples)
        row = f"{samples[-1].turns:10,} {slope(samples, 'blocks'):12.4f} {slope(samples, 'resident'):11.2f}"
        print(f"{name:28} {row}{' GROWS' * grows(samples)}", flush=True)
    if arguments.plot:
        plot(found, arguments.plot)
    print(f"{failed} phases grow")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
