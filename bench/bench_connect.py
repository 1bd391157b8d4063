"""What a user sees of one connection: a real uvicorn, from the handshake to the end of the connection.

    python bench/bench_connect.py [--rounds N] [--connections N] [--seconds S] [--loop uvloop] [case ...]

Each side is an application in a server process of its own, with a route of bench_solver.py; the sides of a case take
turns, and a figure is the median of the rounds. Litestar is a side of three cases if it is installed. The client is
this process: it has some connections open at a time, speaks no more of WebSocket than a handshake and a close, so that
it takes little from the server, and asserts what each endpoint got. The processor's time is the server's own;
connections per second depend on what else the machine does.
"""

import argparse
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any
from urllib.request import urlopen

import bench_solver
import fastapi
import uvicorn
from bench_solver import CASES, HEADERS, Case
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.websockets import WebSocket

import fastroute

CHOSEN = ("no parameters", "path, 2 query, header, cookie", "tree of 20")
BARE, LITESTAR = "Starlette, bare", "Litestar"
AT_ONCE = 16  # enough that the server always has something to do
TIMEOUT = 30  # seconds; only a hang gets near it
CLOSE = b"\x88\x02\x03\xe8"
CLOSE_OF_CLIENT = b"\x88\x82\0\0\0\0\x03\xe8"  # masked, with zeros


# --- the server ---


async def answer(websocket: WebSocket, value: Any) -> None:
    """How the endpoints of bench_solver.py end here: the client is told what they got."""
    await websocket.accept()
    await websocket.send_text(repr(value))
    await websocket.close()


def cpu(request: Request) -> PlainTextResponse:
    return PlainTextResponse(repr(time.process_time()))


def litestar_sides() -> Any | None:
    """The module of Litestar's sides; None if Litestar is not installed."""
    if find_spec("litestar") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Litestar's own
        return import_module("litestar_sides")


def sides_of(case: Case) -> list[str]:
    found, theirs = list(bench_solver.sides(case)), litestar_sides()
    return [*found, LITESTAR] if theirs is not None and case.name in theirs.HANDLERS else found


def application(case: Case, side: str) -> Any:
    theirs = litestar_sides()
    if side == LITESTAR and theirs is not None:
        return theirs.application(case.name)
    routes = [bench_solver.sides(case)[side], Route("/cpu", cpu)]
    return fastapi.FastAPI(routes=routes, openapi_url=None) if side == "FastAPI" else Starlette(routes=routes)


def serve(app: Any, loop: Any = "asyncio") -> None:
    """Serve an application until the standard input ends, which it also does when the client dies."""
    config = uvicorn.Config(
        app,
        loop=loop,
        http="h11",
        ws="websockets-sansio",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )
    server = uvicorn.Server(config)

    def stop_at_the_end() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=stop_at_the_end, daemon=True).start()
    # With its protocol named, as by uvicorn itself: asyncio turns off Nagle's algorithm only then.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(4 * AT_ONCE)
    print(listening.getsockname()[1], flush=True)
    server.run(sockets=[listening])


@contextmanager
def server(*command: str) -> Iterator[int]:
    """A process of Python that serves until its input ends, and prints its port."""
    command = (sys.executable, *command)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
            process.stdin.close()
            process.wait(TIMEOUT)
        finally:
            process.kill()


# --- the client ---


def cpu_seconds(port: int) -> float:
    with urlopen(f"http://127.0.0.1:{port}/cpu", timeout=TIMEOUT) as response:
        return float(response.read())


def handshake(url: str, query: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = HEADERS) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
    return b"GET %b?%b HTTP/1.1\r\n%b\r\n" % (url.encode(), query, lines)


def answered(text: str) -> bytes:
    """The frames of a server that sends a short text and closes."""
    return b"\x81%c%b%b" % (len(text), text.encode(), CLOSE)


def visit(port: int, handshakes: Sequence[bytes], frames: Sequence[bytes]) -> None:
    """Make connections, some at a time; each handshake must be answered by its frames."""
    address = ("127.0.0.1", port)
    for start in range(0, len(handshakes), AT_ONCE):
        with ExitStack() as stack:
            batch = slice(start, start + AT_ONCE)
            clients = []
            for sent in handshakes[batch]:
                clients.append(stack.enter_context(socket.create_connection(address, timeout=TIMEOUT)))
                clients[-1].sendall(sent)
            for client, expected in zip(clients, frames[batch], strict=True):
                received = read(client)
                head, _, rest = received.partition(b"\r\n\r\n")
                assert (head[:13], rest) == (b"HTTP/1.1 101 ", expected), received
                client.sendall(CLOSE_OF_CLIENT)
            for client in clients:
                assert client.recv(1) == b""


def read(client: socket.socket) -> bytes:
    """All up to the close frame, or to what ends in place of it."""
    received = b""
    while not received.endswith(CLOSE) and (more := client.recv(4096)):
        received += more
    return received


def measure(
    case: Case, rounds: int, connections: int, seconds: float = 60.0, loop: str = "asyncio"
) -> dict[str, tuple[float, float]]:
    """Seconds of the server's processor for a connection, and connections for a second, by side.

    Args:
        case: the route.
        rounds: how often each side has its turn, at most.
        connections: in each turn; rounded up to what is open at a time.
        seconds: no round begins later.
        loop: of the servers, as uvicorn names it.
    """
    connections = -(-connections // AT_ONCE) * AT_ONCE
    handshakes = [handshake(case.url, case.query, case.headers or HEADERS)] * connections
    sides = sides_of(case)
    frames = {side: [answered(repr(None if side == BARE else case.expected))] * connections for side in sides}
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    with ExitStack() as servers:
        start = [__file__, "--loop", loop, "--serve"]
        ports = {side: servers.enter_context(server(*start, side, case.name)) for side in sides}
        for side, port in ports.items():
            visit(port, handshakes[:AT_ONCE], frames[side][:AT_ONCE])  # what only the first connections do
        deadline = time.perf_counter() + seconds
        for done in range(rounds):
            if done and time.perf_counter() > deadline:
                break
            for side, port in ports.items():
                before, started = cpu_seconds(port), time.perf_counter()
                visit(port, handshakes, frames[side])
                took, spent = time.perf_counter() - started, cpu_seconds(port) - before
                found[side].append((spent / connections, connections / took))
    return {side: (middle(costs, 0), middle(costs, 1)) for side, costs in found.items()}


def middle(costs: Sequence[tuple[float, float]], index: int) -> float:
    return statistics.median(cost[index] for cost in costs)


def chosen(words: Sequence[str]) -> list[Case]:
    """All that are accepted: a refused handshake has no answer to compare."""
    return [case for case in CASES if case.name != "validation error" and any(word in case.name for word in words)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how often each side has its turn (default: 15)")
    parser.add_argument("--connections", type=int, default=160, help="in each turn (default: 160)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for a case; no round begins later (default: 60)")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="of the servers")
    parser.add_argument("--serve", metavar="SIDE", help=argparse.SUPPRESS)
    parser.add_argument("case", nargs="*", default=CHOSEN, help="only cases whose name contains one of these")
    arguments = parser.parse_args()
    if arguments.serve is not None:
        bench_solver.answer = answer
        case = next(case for case in CASES if case.name == arguments.case[0])
        serve(application(case, arguments.serve), arguments.loop)
        return
    optional = [name for name in ("litestar", "uvloop") if find_spec(name) is not None]
    if arguments.loop not in ("asyncio", *optional):
        parser.error("--loop uvloop: uvloop is not installed; pip install uvloop")
    names = ("uvicorn", "websockets", "h11", "starlette", "fastapi", "pydantic", *optional)
    print(f"{platform.machine()} {platform.system()}, {platform.python_implementation()} {platform.python_version()}")
    print(f"fastroute {fastroute.IMPLEMENTATION}, {', '.join(f'{name} {version(name)}' for name in names)}")
    for case in chosen(arguments.case):
        print(f"\n{case.name:34}{'us of processor':>16}{'more than bare':>16}{'x bare':>8}{'connections / s':>17}")
        found = measure(case, arguments.rounds, arguments.connections, arguments.seconds, arguments.loop)
        bare = found[BARE][0]
        for side, (cost, rate) in found.items():
            print(f"{side:34}{cost * 1e6:16.0f}{(cost - bare) * 1e6:16.0f}{cost / bare:8.2f}{rate:17.0f}", flush=True)


if __name__ == "__main__":
    main()
