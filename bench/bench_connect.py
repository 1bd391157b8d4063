"""What a user sees of one connection: a real uvicorn, real clients, from the handshake to the close frame.

    python bench/bench_connect.py [--rounds N] [--connections N] [case ...]

Each side is a server process of its own, with the routes of bench_solver.py; the sides of a case take turns. Each
connection is opened, accepted, closed by the endpoint, and its close frame awaited. Counted are the processor's time
of the server for each connection, the least of all rounds, and the connections for each second, the most of all
rounds; of that the client, on the same machine, takes its share.
"""

import argparse
import asyncio
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.request import urlopen

import bench_solver
import fastapi
import starlette
import uvicorn
from bench_solver import CASES, Case
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import fastroute

CHOSEN = ("no parameters", "path, 2 query, header, cookie", "tree of 20, 8 parameters")
AT_ONCE = 8


def accepting(app: ASGIApp, handlers: Any) -> ASGIApp:
    """The endpoints of the bench close without a word; here they accept before. Also tells the processor's time."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": str(time.process_time()).encode()})
            return

        async def accept_first(message: Message) -> None:
            await send({"type": "websocket.accept"})
            await send(message)

        bench_solver.answers.clear()
        await receive()
        await app({**scope, "starlette.exception_handlers": handlers}, connected, accept_first)

    async def connected() -> Message:
        return {"type": "websocket.connect"}

    return answer


def serve(case: Case, side: str) -> None:
    handlers = ({fastapi.exceptions.WebSocketRequestValidationError: bench_solver.refuse_as_fastapi}, {})
    app = accepting(bench_solver.sides(case)[side], handlers)
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    # Quiet: nobody reads what it says.
    config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="warning")
    uvicorn.Server(config).run([listening])


@contextmanager
def server(case: Case, side: str) -> Iterator[str]:
    """A server process; its address."""
    command = [sys.executable, __file__, "--serve", side, case.name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(address: str) -> float:
    with urlopen(f"http://{address}/") as response:
        return float(response.read())


async def visit(address: str, case: Case, connections: int) -> None:
    url = f"ws://{address}{case.url}?{case.query.decode()}"
    # The client sends those of the handshake itself.
    headers = [(name.decode(), value.decode()) for name, value in case.headers if name.startswith((b"x-", b"cookie"))]

    async def some() -> None:
        for _ in range(connections // AT_ONCE):
            async with connect(url, additional_headers=headers, proxy=None, compression=None) as connection:
                with suppress(ConnectionClosed):
                    await connection.recv()
                assert connection.close_code == 1000

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def measure(case: Case, rounds: int, connections: int) -> dict[str, tuple[float, float]]:
    """Seconds of the server's processor for a connection, and connections for a second, by side."""
    names = list(bench_solver.sides(case))
    found = dict.fromkeys(names, (float("inf"), 0.0))
    with ExitStack() as servers:
        addresses = {side: servers.enter_context(server(case, side)) for side in names}
        for _ in range(rounds):
            for side, address in addresses.items():
                before, started = cpu_seconds(address), time.perf_counter()
                asyncio.run(visit(address, case, connections))
                took, cpu = time.perf_counter() - started, cpu_seconds(address) - before
                found[side] = (min(found[side][0], cpu / connections), max(found[side][1], connections / took))
    return found


def chosen(words: Sequence[str]) -> list[Case]:
    return [case for case in CASES if any(word in case.name for word in words)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="how often each side has its turn (default: 10)")
    parser.add_argument("--connections", type=int, default=400, help="in each turn (default: 400)")
    parser.add_argument("--serve", metavar="SIDE", help=argparse.SUPPRESS)
    parser.add_argument("case", nargs="*", default=CHOSEN, help="only cases whose name contains one of these")
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(next(case for case in CASES if case.name == arguments.case[0]), arguments.serve)
        return
    print(
        f"CPython {platform.python_version()}, fastroute {fastroute.IMPLEMENTATION}, "
        f"starlette {starlette.__version__}, fastapi {fastapi.__version__}, uvicorn {uvicorn.__version__}"
    )
    for case in chosen(arguments.case):
        print(f"\n{case.name:36}{'us of processor':>16}{'connections / s':>18}")
        for side, (cpu, rate) in measure(case, arguments.rounds, arguments.connections).items():
            print(f"{side:36}{cpu * 1e6:16.0f}{rate:18.0f}", flush=True)


if __name__ == "__main__":
    main()
