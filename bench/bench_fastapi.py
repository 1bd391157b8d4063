"""FastAPI applications before and after `accelerate`: a whole request, by the processor's time.

Each application is made three times: as it is, accelerated with the compiled twin, accelerated with the pure one; and
by ffroute's `speedup` if that is installed. All sides are asked in turn in one process, each round a few requests; a
time is the least of all rounds. The endpoint does nothing, so routing has the largest share that it can have.
Every answer is checked.

    python bench/bench_fastapi.py [--rounds N] [--tables NAME ...] [--added N]
"""

import argparse
import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from fastapi import APIRouter, FastAPI
from starlette.responses import Response

from fastroute import accelerate
from fastroute.matching import scope_c, scope_py, table_c, table_py
from fastroute.narrowing import routers as narrowing
from fastroute.narrowing import tables

TWINS = {"compiled": (table_c, scope_c), "pure": (table_py, scope_py)}
ANSWER = Response(b"{}", media_type="application/json")
REQUESTS = 20


class Asked(NamedTuple):
    """Requests of a table: the name of the column, method, path and status of the answer."""

    name: str
    method: str
    path: str
    status: int


class Table(NamedTuple):
    make: Callable[[], FastAPI]
    first: str
    last: str

    def asked(self) -> list[Asked]:
        return [
            Asked("first", "GET", self.first, 200),
            Asked("last", "GET", self.last, 200),
            Asked("404", "GET", "/nowhere/at/all", 404),
            Asked("405", "PUT", self.last, 405),
            Asked("other slash", "GET", f"{self.last}/", 307),
        ]


async def endpoint() -> Response:
    return ANSWER


def application() -> FastAPI:
    return FastAPI(openapi_url=None)


def included(routers: int, routes: int, *, prefix: bool = True) -> FastAPI:
    app = application()
    for number in range(routers):
        router = APIRouter()
        for path in range(routes):
            own = "" if prefix else f"/resource{number}"
            router.add_api_route(f"{own}/item{path}/{{id}}", endpoint, methods=["GET"])
        app.include_router(router, prefix=f"/resource{number}" if prefix else "")
    return app


def nested() -> FastAPI:
    app = application()
    for outer in range(6):
        middle = APIRouter()
        for number in range(6):
            router = APIRouter()
            for path in range(22):
                router.add_api_route(f"/item{path}/{{id}}", endpoint, methods=["GET"])
            middle.include_router(router, prefix=f"/resource{number}")
        app.include_router(middle, prefix=f"/area{outer}")
    return app


def flat(routes: int) -> FastAPI:
    app = application()
    for path in range(routes):
        app.add_api_route(f"/resource{path // 5}/item{path % 5}/{{id}}", endpoint, methods=["GET"])
    return app


def routers_36() -> FastAPI:
    """For `fastroute bench bench_fastapi:routers_36 --factory --app-dir bench`."""
    return included(36, 22)


TABLES = {
    "36 x 22": Table(routers_36, "/resource0/item0/1", "/resource35/item21/1"),
    "36 x 22, no prefix=": Table(lambda: included(36, 22, prefix=False), "/resource0/item0/1", "/resource35/item21/1"),
    "3 deep, 792": Table(nested, "/area0/resource0/item0/1", "/area5/resource5/item21/1"),
    "flat 800": Table(lambda: flat(800), "/resource0/item0/1", "/resource159/item4/1"),
    "flat 12": Table(lambda: flat(12), "/resource0/item0/1", "/resource2/item1/1"),
    "3 x 4": Table(lambda: included(3, 4), "/resource0/item0/1", "/resource2/item3/1"),
}


class Side:
    """An application, with the kernels that it is asked with."""

    def __init__(self, app: FastAPI, twin: str | None = None) -> None:
        self.app = app
        self.twin = twin

    def __enter__(self) -> FastAPI:
        if self.twin is not None:
            table, scope = TWINS[self.twin]
            tables.RouteTable, narrowing.route_path = table.RouteTable, scope.route_path  # type: ignore[misc]
        return self.app

    def __exit__(self, *error: object) -> None: ...


def sides(table: Table) -> dict[str, Side]:
    found = {"FastAPI": Side(table.make())}
    for twin in TWINS:
        found[twin] = Side(table.make(), twin)
        accelerate(found[twin].app)
    try:
        speedup = import_module("ffroute").speedup
    except ImportError:
        return found
    found["ffroute"] = Side(table.make())
    speedup(found["ffroute"].app)
    return found


async def time_of(app: FastAPI, asked: Asked, requests: int = REQUESTS) -> float:
    """The time of one request in us."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scopes = [scope_of(asked) for _ in range(requests)]
    begun = time.process_time()
    for scope in scopes:
        await app(scope, receive, send)
    spent = time.process_time() - begun
    assert [message["status"] for message in sent if "status" in message] == [asked.status] * requests, asked
    return spent / requests * 1e6


def scope_of(asked: Asked) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": asked.method,
        "path": asked.path,
        "root_path": "",
        "scheme": "http",
        "server": ("testserver", 80),
        "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"accept", b"*/*")],
    }


async def compare(table: Table, rounds: int) -> None:
    found = sides(table)
    print(f"{'':12}" + "".join(f"{name:>12}" for name in found) + "   FastAPI / compiled, pure, ...")
    for asked in table.asked():
        least = dict.fromkeys(found, float("inf"))
        for _ in range(rounds):
            for name, side in found.items():
                with side as app:
                    least[name] = min(least[name], await time_of(app, asked))
        ratios = "".join(f"{least['FastAPI'] / least[name]:8.2f}" for name in list(found)[1:])
        print(f"{asked.name:12}" + "".join(f"{us:12.1f}" for us in least.values()) + f"   {ratios}", flush=True)


async def index_cost(table: Table) -> None:
    """What the index costs at the first request, beside the lists that FastAPI builds then."""
    for twin in TWINS:
        spent = []
        for _ in range(5):
            with Side(table.make(), twin) as app:
                accelerate(app)
                for route in app.routes:
                    getattr(route, "effective_candidates", list)()
                gc.collect()
                begun = time.process_time()
                narrowing._Builder(object()).index_of_router(app.router)  # type: ignore[arg-type]
                spent.append(time.process_time() - begun)
        with Side(table.make(), twin) as app:
            accelerate(app)
            for route in app.routes:
                getattr(route, "effective_candidates", list)()
            gc.collect()
            tracemalloc.start()
            index = narrowing._Builder(object()).index_of_router(app.router)  # type: ignore[arg-type]
            gc.collect()
            size, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            del index
        print(f"index, {twin}: {min(spent) * 1e3:.1f} ms, {size / 1024:.0f} KiB")


async def added(requests: int) -> None:
    """An application that gets a route before each request; of each request the least time of all rounds counts."""
    for name, make in (("included", lambda: included(4, 10)), ("flat", lambda: flat(40))):
        least: dict[str, list[float]] = {}
        for _ in range(4):
            for side in ("FastAPI", "accelerated"):
                app = make()
                if side == "accelerated":
                    accelerate(app)
                spent = [await time_after_change(app, number) for number in range(requests)]
                least[side] = list(map(min, spent, least.get(side, spent)))
        ratio = sum(least["accelerated"]) / sum(least["FastAPI"])
        seconds = ", ".join(f"{side} {sum(times):.2f} s" for side, times in least.items())
        print(f"{requests} requests, a route added before each, {name}: {seconds}, {ratio:.2f} of FastAPI alone")


async def time_after_change(app: FastAPI, number: int) -> float:
    begun = time.process_time()
    app.add_api_route(f"/added{number}/{{id}}", endpoint, methods=["GET"])
    adding = time.process_time() - begun
    return adding + await time_of(app, Asked("", "GET", f"/added{number}/1", 200), 1) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--tables", nargs="*", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--added", type=int, default=2_000, help="requests with a route added before each")
    arguments = parser.parse_args()
    for name in arguments.tables:
        print(f"\n{name}")
        asyncio.run(compare(TABLES[name], arguments.rounds))
    print("\nOf 36 x 22")
    asyncio.run(index_cost(TABLES["36 x 22"]))
    if arguments.added:
        print()
        asyncio.run(added(arguments.added))


if __name__ == "__main__":
    main()
