"""One table with the goals for speed: what is wanted, what is measured, and whether it holds.

    python bench/bench_goals.py [--quick]

Sides of a ratio take turns in one process, in processor time; each is the least of many rounds. The whole takes about
a minute. A goal whose peer is not installed has no figure. Other goals are those of the other benches: connections
on a real server are in bench_connect.py.
"""

import argparse
import asyncio
import contextlib
import gc
import math
import os
import subprocess
import sys
import tempfile
import time
import timeit
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import bench_router
import bench_solver
import fastapi
from starlette.routing import Match, Route, WebSocketRoute
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends, Router
from fastroute.matching import table_py
from fastroute.matching.rows import Row

UUID = "0b9f4a3c-7d2e-4c1b-9a5f-1e2d3c4b5a69"
NOTHING = math.nan


class Goal(NamedTuple):
    part: str
    name: str
    wanted: str  # ">= 4.5" or "<= 1"
    found: float

    @property
    def holds(self) -> str:
        if math.isnan(self.found):
            return "not measured"
        sign, limit = self.wanted.split()
        return "yes" if (self.found >= float(limit) if sign == ">=" else self.found <= float(limit)) else "**no**"


def least(call: str, sides: Sequence[dict[str, Any]], rounds: int, number: int = 500) -> list[float]:
    """The least time in us of a call with the names of each side, taking turns."""
    timers = [timeit.Timer(call, globals=names, timer=time.process_time) for names in sides]
    best = [math.inf] * len(sides)
    for _ in range(rounds):
        best = [min(before, timer.timeit(number)) for before, timer in zip(best, timers, strict=True)]
    return [each / number * 1e6 for each in best]


async def endpoint(websocket: WebSocket) -> None: ...


def scope_of(path: str) -> dict[str, Any]:
    """What uvicorn and a router put into it."""
    names = ("asgi", "http_version", "scheme", "server", "client", "raw_path", "query_string", "headers")
    others = ("subprotocols", "state", "extensions", "app", "router")
    return {"type": "websocket", **dict.fromkeys(names), "root_path": "", "path": path, **dict.fromkeys(others)}


def floor(answer: Any) -> Any:
    """A route whose `matches` is a Python method that only builds the right answer."""
    match, child = answer
    names: dict[str, Any] = {f"value{i}": value for i, value in enumerate(child.get("path_params", {}).values())}
    items = ", ".join(f"{name!r}: {value}" for name, value in zip(child.get("path_params", {}), names, strict=True))
    found = f'{{"endpoint": self.endpoint, "path_params": {{{items}}}, "route": self}}' if child else "{}"
    source = f"class Floor:\n    def matches(self, scope):\n        return Match.{match.name}, {found}\n"
    exec(source, names | {"Match": Match}, names)
    names["Floor"].matches.__globals__.update(names)
    route = names["Floor"]()
    route.endpoint = endpoint
    return route


MATCHES = [  # Starlette / ours, ours / floor
    ("static", "/health/ready", "/health/ready", ">= 4.5", "<= 1.0"),
    ("int", "/items/{id:int}", "/items/42", ">= 4.5", "<= 1.3"),
    ("two str", "/users/{user}/posts/{post}", "/users/alice/posts/hello", ">= 3.8", "<= 1.6"),
    ("uuid", "/orders/{order:uuid}", f"/orders/{UUID}", ">= 3.7", ""),
    ("miss, static", "/health/ready", "/health/readz", ">= 4", ""),
    ("miss, int", "/items/{id:int}", "/items/42/", ">= 4", ""),
    ("miss, two str", "/users/{user}/posts/{post}", "/users/alice/posts/hello/", ">= 4", ""),
    ("miss, uuid", "/orders/{order:uuid}", f"/orders/{UUID}0", ">= 3", ""),
]


def matching(rounds: int) -> Iterator[Goal]:
    for name, template, path, wanted, wanted_of_floor in MATCHES:
        scope, theirs, ours = scope_of(path), WebSocketRoute(template, endpoint), APIWebSocketRoute(template, endpoint)
        answer = ours.matches(scope)
        assert answer[0] is theirs.matches(scope)[0]
        sides = [{"route": route, "scope": scope} for route in (theirs, ours, floor(answer))]
        slow, own, bottom = least("route.matches(scope)", sides, rounds)
        yield Goal("1", f"`matches`, {name}: Starlette / ours", wanted, slow / own)
        if wanted_of_floor:
            yield Goal("1", f"`matches`, {name}: ours / a method that builds the answer", wanted_of_floor, own / bottom)


def lookups(rounds: int) -> Iterator[Goal]:
    for name in ("github", "kubernetes"):
        table = bench_router.real_table(name)
        _, _, compiled, _, candidates, _ = bench_router.starlette_sides(table)
        # Each side gets the path as its router has it.
        sides = [compiled._replace(call="find(scope, path)"), candidates]
        with contextlib.suppress(ImportError):
            sides.append(bench_router.routrie_side(table))
        hits = [(path, number) for number, path in enumerate(table)]
        for kind, wanted, paths in (("hit", "<= 0.75", hits), ("miss", "<= 0.45", bench_router.misses(table))):
            times = bench_router.best_times(sides, paths, rounds)
            bare = times.get("routrie", NOTHING)
            yield Goal("2", f"{name}, {kind}: `find` / routrie's", wanted, times["fastroute compiled"] / bare)
            yield Goal("2", f"{name}, {kind}: `candidates` / routrie's", "<= 1.1", times["candidates, compiled"] / bare)


def pure(rounds: int) -> Iterator[Goal]:
    for size, wanted in ((1, ">= 0.95"), (2, ">= 1.0")):
        table = bench_router.synthetic_table(size)
        sides = list(bench_router.router_sides(table))
        times = bench_router.best_times(sides, [(table[-1], size - 1)] * 200, rounds)
        ratio = times["Starlette"] / times["fastroute pure"]
        yield Goal("3", f"pure, {size} http route{'s' * (size > 1)}: Starlette / ours", wanted, ratio)
    every = [[None if number >> place & 1 else "a" for place in range(14)] for number in range(1 << 14)]
    table = table_py.RouteTable([Row(Always(), segments) for segments in every], Match.NONE, Match.PARTIAL, Match.FULL)
    path = "/a" * 14
    [once] = least("table.find(scope, path)", [{"table": table, "path": path, "scope": {"path": path}}], 3, 1)
    yield Goal("3", "pure, 16,384 routes that are alike, the first takes the path: us", "<= 100", once)


class Always:
    def matches(self, scope: Any) -> Any:
        return Match.FULL, {}


async def user(token: str = "", user_id: int = 0) -> None: ...


def three_parameters(depends: Any) -> Any:
    needed = depends(user)

    async def read(websocket: WebSocket, id: int, q: str = "a", page: int = 1, user: Any = needed) -> None: ...

    return read


def tree_of_20(depends: Any) -> Callable[[Any], Any]:
    calls: list[Any] = []
    for number in range(20):
        names: dict[str, Any] = {"calls": calls, "depends": depends}
        needs = f", before=depends(calls[{number - 1}])" if number else ""
        exec(f"async def call(q{number}: str = 'x'{needs}): ...", names)
        calls.append(names["call"])

    def make(depends: Any) -> Any:
        needed = depends(calls[-1])

        async def read(websocket: WebSocket, value: Any = needed) -> None: ...

        return read

    return make


def registering(size: int) -> Iterator[Goal]:
    theirs = (fastapi.APIRouter, fastapi.Depends)
    kinds = {"FastAPI": theirs, "fastapi-cache-di": theirs, "ours": (Router, Depends)}
    trees = {name: tree_of_20(depends) for name, (_, depends) in kinds.items()}
    for title, wanted, count, makers in (
        (f"{size:,} routes, 3 parameters, 1 shared dependency", ">= 3", size, dict.fromkeys(kinds, three_parameters)),
        (f"{size // 10:,} routes that share a tree of 20", ">= 10", size // 10, trees),
    ):
        best, memory = dict.fromkeys(kinds, math.inf), {}
        for _ in range(2):
            for name, (router_class, depends) in kinds.items():
                functions = [makers[name](depends) for _ in range(count)]
                with kept_dependants(name):
                    best[name] = min(best[name], filled(router_class, functions))
        for name in ("FastAPI", "ours"):
            router_class, depends = kinds[name]
            functions = [makers[name](depends) for _ in range(count // 10)]
            gc.collect()
            tracemalloc.start()
            router = router_class()
            register(router, functions)
            memory[name] = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
        yield Goal("4", f"registering {title}: FastAPI / ours", wanted, best["FastAPI"] / best["ours"])
        if find_spec("fastapi_cache_di") is None:
            best["fastapi-cache-di"] = NOTHING
        if makers is trees:
            ratio = best["fastapi-cache-di"] / best["ours"]
            yield Goal("4", f"registering {title}: fastapi-cache-di / ours", ">= 1.5", ratio)
        yield Goal("4", f"memory, {title}: ours / FastAPI", "<= 0.5", memory["ours"] / memory["FastAPI"])


def kept_dependants(side: str) -> contextlib.AbstractContextManager[Any]:
    """What fastapi-cache-di puts around the registering of routes."""
    if side != "fastapi-cache-di" or find_spec("fastapi_cache_di") is None:
        return contextlib.nullcontext()
    found: contextlib.AbstractContextManager[Any] = import_module("fastapi_cache_di").fastapi_deps_cache()
    return found


def filled(router_class: Any, functions: Sequence[Any]) -> float:
    gc.collect()
    start = time.process_time()
    register(router_class(), functions)
    return time.process_time() - start


def register(router: Any, functions: Sequence[Any]) -> None:
    for number, function in enumerate(functions):
        router.add_api_websocket_route(f"/r{number}/{{id:int}}", function)


def changes() -> Iterator[Goal]:
    bench_router.use_twin("compiled")
    least_of = {size: dict(after_changes(size)) for size in (1_000, 10_000)}
    for name, seconds in least_of[10_000].items():
        yield Goal("5", f"the request after `{name}` in 10,000 routes: ms", "<= 1", seconds * 1e3)
    ratio = least_of[10_000]["append"] / least_of[1_000]["append"]
    yield Goal("5", "the request after `append`: 10,000 routes / 1,000", "<= 2", ratio)


def after_changes(size: int) -> Iterator[tuple[str, float]]:
    """What each kind of change costs the next request, in seconds."""
    router = Router(routes=[Route(f"/r{number}/{{id}}", bench_router.page) for number in range(size)])
    new = [Route(f"/new{number}/{{id}}", bench_router.page) for number in range(40)]
    router._fastroute_updated_tables()

    def following(change: Callable[[int], Any]) -> float:
        times = []
        for number in range(20):
            change(number)
            start = time.process_time()
            router._fastroute_updated_tables()
            times.append(time.process_time() - start)
        return min(times)

    yield "append", following(lambda number: router.routes.append(new[number]))
    yield "insert", following(lambda number: router.routes.insert(size // 2, new[20 + number]))
    yield "remove", following(lambda number: router.routes.remove(new[number]))


def solving(seconds: float) -> Iterator[Goal]:
    for name, ratios in (
        ("validation error", (("FastAPI", "fastroute", ">= 3.5"), ("fastroute", "by hand", "<= 1.45"))),
        ("async yield", (("fastroute", "by hand", "<= 2.15"),)),
        ("no parameters", (("fastroute", "Starlette", "<= 0.75"),)),
    ):
        case = next(case for case in bench_solver.CASES if case.name == name)
        best = dict(
            zip(
                ("Starlette", "by hand", "FastAPI", "fastroute"),
                asyncio.run(bench_solver.measure(case, seconds)).values(),
                strict=True,
            )
        )
        for one, other, wanted in ratios:
            yield Goal("6", f"{name}: {one} / {other}", wanted, best[one] / best[other])


IMPORT = """
import time, starlette.applications, starlette.routing, starlette.websockets
from pydantic import BaseModel, Field, TypeAdapter
BaseModel, Field, TypeAdapter
start = time.process_time()
import fastroute
print((time.process_time() - start) * 1e3)
"""


def importing(rounds: int) -> Iterator[Goal]:
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}

        def once() -> float:
            command = [sys.executable, "-c", IMPORT]
            run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            return float(run.stdout)

        once()
        times = [once() for _ in range(max(5, rounds // 10))]
    yield Goal("7", "`import fastroute` after starlette and pydantic: ms", "<= 15", min(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see whether it works, not how fast")
    quick = parser.parse_args().quick
    print("| part | goal | wanted | found | holds |\n|--:|---|--:|--:|---|")
    for goals in (
        matching(30 if quick else 300),
        lookups(1 if quick else 15),
        pure(1 if quick else 15),
        registering(1_000 if quick else 10_000),
        changes(),
        solving(0.3 if quick else 4),
        importing(30 if quick else 200),
    ):
        for goal in goals:
            print(f"| {goal.part} | {goal.name} | {goal.wanted} | {goal.found:.2f} | {goal.holds} |", flush=True)


if __name__ == "__main__":
    main()
