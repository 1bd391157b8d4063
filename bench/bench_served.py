"""A FastAPI application of 792 routes on a real uvicorn, before and after `accelerate`, under load.

    python bench/bench_served.py [--rounds N] [--seconds S]

36 included routers have 11 HTTP and 11 WebSocket routes each, and all of them are asked in turn. The HTTP client is
wrk (Debian: `apt-get install wrk`) with 16 connections; the WebSocket client is that of bench_connect.py. Each side is
a server process of its own; the sides take turns, and a figure is the median of the rounds. Before the clock runs,
each route is asked once and must answer with its own name; meanwhile an answer that is not 200 is an error.
"""

import argparse
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from importlib.metadata import version
from itertools import product
from pathlib import Path
from urllib.request import urlopen

import bench_connect
from bench_connect import TIMEOUT, answered, cpu_seconds, handshake, visit
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.websockets import WebSocket

import fastroute

ROUTERS, ROUTES = range(36), range(11)
SIDES = {"FastAPI": False, "accelerated": True}
NAMES = [f"{router}-{route}" for router, route in product(ROUTERS, ROUTES)]

#: wrk calls `request` for each request; `done` prints the requests, the microseconds, and those of two percentiles.
SCRIPT = """
local paths, next_path = {PATHS}, 0
function request()
    next_path = next_path % #paths + 1
    return wrk.format("GET", paths[next_path])
end
function done(summary, latency, requests)
    local errors = summary.errors
    assert(errors.status + errors.connect + errors.read + errors.write + errors.timeout == 0, "a request failed")
    print("FOUND", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99))
end
"""


def path_of(name: str, kind: str) -> str:
    router, route = name.split("-")
    return f"/resource{router}/{kind}{route}/{name}"


async def read(id: str) -> PlainTextResponse:
    return PlainTextResponse(id)


async def talk(websocket: WebSocket, id: str) -> None:
    await websocket.accept()
    await websocket.send_text(id)
    await websocket.close()


def application(accelerated: bool) -> FastAPI:
    app = FastAPI(openapi_url=None, routes=[Route("/cpu", bench_connect.cpu)])
    for number in ROUTERS:
        router = APIRouter()
        for route in ROUTES:
            router.add_api_route(f"/item{route}/{{id}}", read)
            router.add_api_websocket_route(f"/talk{route}/{{id}}", talk)
        app.include_router(router, prefix=f"/resource{number}")
    if accelerated:
        fastroute.accelerate(app)
    return app


def check(port: int) -> None:
    for name in NAMES:
        with urlopen(f"http://127.0.0.1:{port}{path_of(name, 'item')}", timeout=TIMEOUT) as response:
            assert response.read().decode() == name


def requests(port: int, script: Path, seconds: float) -> dict[str, float]:
    """What wrk finds, and the server's processor for a request."""
    command = ["wrk", "-t1", "-c16", f"-d{seconds:g}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    before = cpu_seconds(port)
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    spent = cpu_seconds(port) - before
    found = next((line.split()[1:] for line in run.stdout.splitlines() if line.startswith("FOUND")), None)
    if found is None:
        raise SystemExit(f"wrk did not finish:\n{run.stdout}{run.stderr}")
    count, duration, median, slowest = map(float, found)
    return {
        "us of processor": spent / count * 1e6,
        "requests / s": count / duration * 1e6,
        "median, ms": median / 1e3,
        "99 %, ms": slowest / 1e3,
    }


def connections(port: int) -> dict[str, float]:
    handshakes = [handshake(path_of(name, "talk")) for name in NAMES]
    before, started = cpu_seconds(port), time.perf_counter()
    visit(port, handshakes, [answered(name) for name in NAMES])
    took, spent = time.perf_counter() - started, cpu_seconds(port) - before
    return {"us of processor": spent / len(NAMES) * 1e6, "connections / s": len(NAMES) / took}


def show(title: str, found: dict[str, list[dict[str, float]]]) -> None:
    columns = list(found["FastAPI"][0])
    print("\n" + f"{title:20}" + "".join(f"{column:>18}" for column in columns))
    for side, rounds in found.items():
        figures = (statistics.median(each[column] for each in rounds) for column in columns)
        print(f"{side:20}" + "".join(f"{figure:18.1f}" for figure in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side has its turn (default: 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of wrk in each turn (default: 3)")
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        bench_connect.serve(application(SIDES[arguments.serve]))
        return
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed; on Debian: apt-get install wrk")
    print(f"{platform.machine()} {platform.system()}, {platform.python_implementation()} {platform.python_version()}")
    print(f"fastroute {fastroute.IMPLEMENTATION}, uvicorn {version('uvicorn')}, fastapi {version('fastapi')}")
    http: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    sockets: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    with ExitStack() as stack:
        script = Path(stack.enter_context(tempfile.TemporaryDirectory()), "paths.lua")
        paths = ", ".join(f'"{path_of(name, "item")}"' for name in NAMES)
        script.write_text(SCRIPT.replace("PATHS", paths))
        ports = {side: stack.enter_context(bench_connect.server(__file__, "--serve", side)) for side in SIDES}
        for port in ports.values():
            check(port)
        for _ in range(arguments.rounds):
            for side, port in ports.items():
                http[side].append(requests(port, script, arguments.seconds))
                sockets[side].append(connections(port))
    show("HTTP", http)
    show("WebSocket", sockets)


if __name__ == "__main__":
    main()
