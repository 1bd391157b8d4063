"""What a policy costs a connection: each side in turn, many times, so that a busy machine hits all alike.

    python bench/bench_policy.py [--rounds N]
    python bench/bench_policy.py --uvicorn [--rounds N]

In process: a connection accepts and closes, with 15 headers. `message` is one more that is received, and one that is
sent. On uvicorn: two server processes, one with a policy in which everything is set and one without, and the client of
bench_connect.py; a connection accepts, sends a text and closes. The time is that of the server's processor.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from random import Random
from typing import Any

from bench_connect import answered, cpu, cpu_seconds, handshake, serve, server, visit
from bench_solver import HEADERS as HANDSHAKE_HEADERS
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, ConnectionPolicy, Deadline, Depends

ORIGIN = "https://app.example.org"
HEADERS = [(b"header-%d" % number, b"value") for number in range(14)]
HEADERS.insert(7, (b"origin", ORIGIN.encode()))
TIMES: dict[str, Any] = {"accept_timeout": 10, "idle_timeout": 60, "max_lifetime": 3600}


async def bare(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


async def one_message(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


async def token(deadline: Deadline) -> None:
    deadline.after(3600)


async def nothing() -> None: ...


def on_end(scope: Any, code: int, reason: str, seconds: float) -> None: ...


def route(endpoint: Any, dependency: Any = nothing, **policy: Any) -> APIWebSocketRoute:
    return APIWebSocketRoute(
        "/", endpoint, dependencies=[Depends(dependency)], policy=ConnectionPolicy(**policy) if policy else None
    )


EVERYTHING: dict[str, Any] = {"origins": [ORIGIN], "cancel_on_disconnect": True, "on_end": on_end, **TIMES}
#: The sides: a route, and the one it is compared with.
SIDES: dict[str, tuple[APIWebSocketRoute, str]] = {
    "without": (route(bare), "without"),
    "origins": (route(bare, origins=[ORIGIN]), "without"),
    "origins below a host": (route(bare, origins=["https://*.example.org"]), "without"),
    "timeouts": (route(bare, **TIMES), "without"),
    "Deadline": (route(bare, token), "without"),
    "cancel_on_disconnect": (route(bare, cancel_on_disconnect=True), "without"),
    "everything": (route(bare, **EVERYTHING), "without"),
    "message, without": (route(one_message), "message, without"),
    "message, everything": (route(one_message, **EVERYTHING), "message, without"),
}


async def turn(app: Callable[..., Any], connections: int) -> float:
    """Microseconds for a connection."""

    async def send(message: Any) -> None: ...

    began = time.perf_counter()
    for _ in range(connections):
        messages = iter(({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "text"}))

        async def receive(messages: Any = messages) -> Any:
            return next(messages)

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": HEADERS, "path_params": {}}
        await app(scope, receive, send)
    return (time.perf_counter() - began) / connections * 1e6


async def measure(rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in SIDES}
    names, shuffled = [*SIDES], Random(0)
    for _ in range(rounds):
        # Not always in the same order, as a side inherits the caches of the one before.
        shuffled.shuffle(names)
        for name in names:
            found[name].append(await turn(SIDES[name][0].app, 200))
    return found


# --- on uvicorn ---


async def says_hello(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


SERVED: dict[str, dict[str, Any]] = {"without": {}, "everything": EVERYTHING}


def measure_served(rounds: int, connections: int = 320) -> dict[str, list[float]]:
    """Microseconds of the server's processor for a connection, by side and round."""
    handshakes = [handshake("/", headers=[*HANDSHAKE_HEADERS, *HEADERS])] * connections
    frames = [answered("hello")] * connections
    found: dict[str, list[float]] = {side: [] for side in SERVED}
    with ExitStack() as servers:
        ports = {side: servers.enter_context(server(__file__, "--serve", side)) for side in SERVED}
        for port in ports.values():
            visit(port, handshakes, frames)  # what only the first connections do
        for _ in range(rounds):
            for side, port in ports.items():
                before = cpu_seconds(port)
                visit(port, handshakes, frames)
                found[side].append((cpu_seconds(port) - before) / connections * 1e6)
    return found


def compare_served(rounds: int) -> None:
    found = measure_served(rounds)
    print(f"uvicorn {version('uvicorn')}, {rounds} rounds{'':8}{'us':>8}{'least':>8}{'ratio':>8}{'of least':>10}")
    for side, costs in found.items():
        ratio = statistics.median(cost / other for cost, other in zip(costs, found["without"], strict=True))
        least = min(costs) / min(found["without"])
        print(f"{side:32}{statistics.median(costs):8.1f}{min(costs):8.1f}{ratio:8.3f}{least:10.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="how often each side has its turn (default: 300; on uvicorn 60)")
    parser.add_argument("--uvicorn", action="store_true", help="on a server")
    parser.add_argument("--serve", metavar="SIDE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(Starlette(routes=[route(says_hello, **SERVED[arguments.serve]), Route("/cpu", cpu)]))
        return
    if arguments.uvicorn:
        compare_served(arguments.rounds or 60)
        return
    found = asyncio.run(measure(arguments.rounds or 300))
    print(f"{'':24}{'us':>8}{'least':>8}{'more':>8}{'least more':>12}")
    for name, (_, other) in SIDES.items():
        more = statistics.median(one - two for one, two in zip(found[name], found[other], strict=True))
        least = min(found[name])
        middle = statistics.median(found[name])
        print(f"{name:24}{middle:8.2f}{least:8.2f}{more:8.2f}{least - min(found[other]):12.2f}")


if __name__ == "__main__":
    main()
