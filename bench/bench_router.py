"""Thousands of routes, one lookup: Starlette, FastAPI, both twins, and other routers.

A lookup goes from a path, a new string each time, to the route and its parameters; for Starlette, FastAPI and
fastroute it begins with a scope and ends with what is added to it. All sides run interleaved in one process; a time is
the least of many rounds, of the processor and not of the clock, and every answer is checked inside of the timed loop.
A peer that is not installed, or does not take or answer a table as Starlette does, is left out with a message.

    python bench/bench_router.py [--rounds N] [--sizes N ...] [--register N]
"""

import argparse
import gc
import os
import platform
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import fastapi.routing
from starlette import routing
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from fastroute import Router
from fastroute.indexing import index, index_router
from fastroute.matching import matcher_c, matcher_py, scope_c, scope_py, table_c, table_py

TABLES = Path(__file__).parent / "tables"
TWINS = {"compiled": (table_c, matcher_c, scope_c), "pure": (table_py, matcher_py, scope_py)}
PARAMETER = re.compile(r"\{[^}]*\}")


def real_table(name: str) -> list[str]:
    lines = (TABLES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("/")]


def synthetic_table(size: int) -> list[str]:
    """Resources with five routes each, as an API has them."""
    shapes = ["", "/{id}", "/{id}/items", "/{id}/items/{item}", "/{id}/archive"]
    return [f"/api/resource{number // 5}{shapes[number % 5]}" for number in range(size)]


class Case(NamedTuple):
    scope: dict[str, Any]
    path: str
    expected: int | None  # the number of the route that answers; None for a miss


_fresh = count()


def case(template: str, expected: int | None, end: str = "") -> Case:
    """A request with a path that was never looked up before."""
    path = PARAMETER.sub(f"value{next(_fresh)}", template) + end
    return Case({"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}, path, expected)


Wanted = tuple[str, int | None] | tuple[str, int | None, str]  # what `case` takes
Loop = Callable[[Sequence[Case]], float]  # the time of one lookup in us


class Side(NamedTuple):
    """One way to look up: expressions of what is called, and of whether the answer is right."""

    name: str
    find: Callable[..., Any]
    call: str = "find(path)"
    right: str = "found[0] == expected"
    missed: str = "found is None"
    names: dict[str, Any] = {}  # noqa: RUF012  # never changed

    def loop(self) -> Loop:
        """Looks all cases up and checks each answer; the time of one in us."""
        source = f"""
def loop(cases):
    start = clock()
    for scope, path, expected in cases:
        try:
            found = {self.call}
        except Missing:
            found = None
        if expected is None:
            assert {self.missed}, path
        else:
            assert {self.right}, path
    return (clock() - start) / len(cases) * 1e6
"""
        names = {"find": self.find, "clock": time.thread_time, "Missing": MISSING, **self.names}
        exec(source, names)
        loop: Loop = names["loop"]
        return loop


def missing_errors() -> Iterator[type[Exception]]:
    """What peers raise for a path that nobody answers."""
    for module, name in (
        ("sanic_routing.exceptions", "NotFound"),
        ("werkzeug.exceptions", "NotFound"),
        ("litestar.exceptions", "NotFoundException"),
    ):
        try:
            yield getattr(import_module(module), name)
        except ImportError:
            continue


MISSING = tuple(missing_errors())


async def page(request: Any) -> None: ...


def scan(routes: Sequence[BaseRoute]) -> Callable[[Any], Any]:
    """How the routers of Starlette and FastAPI find a route."""

    def find(scope: Any) -> Any:
        first_partial = None
        for route in routes:
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                return route, child_scope
            if match is Match.PARTIAL and first_partial is None:
                first_partial = route, child_scope
        return first_partial

    return find


def use_twin(twin: str) -> None:
    kernel, matcher, scope_kernel = TWINS[twin]
    index.RouteTable = kernel.RouteTable  # type: ignore[misc,attr-defined]  # the other twin of it
    index.PathMatcher = matcher.PathMatcher  # type: ignore[misc,attr-defined]  # the same
    index_router.route_path = scope_kernel.route_path  # type: ignore[attr-defined]  # the same


def starlette_sides(table: Sequence[str]) -> Iterator[Side]:
    routes = [Route(path, page) for path in table]
    names = {"routes": routes}
    by_identity = "found[0] is routes[expected]"
    yield Side("Starlette", scan(routes), "find(scope)", by_identity, names=names)
    api_routes = [fastapi.routing.APIRoute(path, page) for path in table]
    yield Side("FastAPI", scan(api_routes), "find(scope)", by_identity, names={"routes": api_routes})
    for twin, (_, _, scope_kernel) in TWINS.items():
        use_twin(twin)
        find = index.build_table(routes).find
        call = "find(scope, route_path(scope))"
        yield Side(f"fastroute {twin}", find, call, by_identity, names={**names, "route_path": scope_kernel.route_path})
    for twin in TWINS:
        use_twin(twin)
        candidates = index.RouteIndex(routes).candidates
        yield Side(f"candidates, {twin}", candidates, "find(path)", "routes[expected] in found", "True", names)


# Peers want one name for the parameters that several routes have at one place: they are named by their segment.


def named(path: str, parameter: str) -> str:
    segments = enumerate(path.split("/"))
    return "/".join(PARAMETER.sub(lambda _, n=place: parameter % f"p{n}", text) for place, text in segments)


def routrie_side(table: Sequence[str]) -> Side:
    from routrie import Router

    return Side("routrie", Router({named(path, ":%s"): number for number, path in enumerate(table)}).find)


def falcon_side(table: Sequence[str]) -> Side:
    from falcon.routing import CompiledRouter

    class Resource:
        def __init__(self, number: int) -> None:
            self.number = number

        def on_get(self, request: Any, response: Any) -> None: ...

    router = CompiledRouter()
    for number, path in enumerate(table):
        router.add_route(named(path, "{%s}"), Resource(number))
    return Side("falcon", router.find, right="found[0].number == expected")


def sanic_side(table: Sequence[str]) -> Side:
    from sanic_routing import BaseRouter

    class Router(BaseRouter):
        def get(self, path: str) -> Any:
            return self.resolve(path=path, method="BASE")

    router = Router()
    for number, path in enumerate(table):
        router.add(named(path, "<%s>"), lambda number=number: number, strict=True)
    router.finalize()
    return Side("sanic-routing", router.get, right="found[1]() == expected")


def werkzeug_side(table: Sequence[str]) -> Side:
    from werkzeug.routing import Map, Rule

    rules = [Rule(named(path, "<%s>"), endpoint=number) for number, path in enumerate(table)]
    return Side("werkzeug", Map(rules, strict_slashes=True, redirect_defaults=False).bind("localhost").match)


def litestar_side(table: Sequence[str]) -> Side:
    from litestar import Litestar, get

    def handler(path: str, number: int) -> Any:
        async def answer() -> None: ...

        return get(named(path, "{%s:str}"), name=str(number), status_code=204)(answer)

    app = Litestar([handler(path, number) for number, path in enumerate(table)], openapi_config=None)
    find = app.asgi_router.handle_routing
    return Side("litestar", find, "find(path, 'GET')", "found[1].name == str(expected)")


def ffroute_side(table: Sequence[str]) -> Side:
    from ffroute import Router

    return Side("ffroute, bare", Router(list(table)).match, right="found == expected")


def korvex_side(table: Sequence[str]) -> Side:
    from korvex import Router

    router = Router()
    for number, path in enumerate(table):
        router.get(named(path, "{%s}"), str(number))
    return Side("korvex", router.match_route, right="found[0] == str(expected)")


PEERS = {
    "routrie": routrie_side,
    "korvex": korvex_side,
    "falcon": falcon_side,
    "sanic-routing": sanic_side,
    "werkzeug": werkzeug_side,
    "litestar": litestar_side,
    "ffroute": ffroute_side,
}


def peer_sides(table: Sequence[str]) -> Iterator[Side]:
    for name, make in PEERS.items():
        try:
            yield make(table)
        except ImportError as error:
            print(f"  {name} is left out: {error}")
        except Exception as error:
            print(f"  {name} is left out, it does not take this table: {type(error).__name__}: {str(error)[:80]}")


def answers_all(side: Side, loop: Loop, cases: Sequence[Case]) -> bool:
    try:
        loop(cases)
    except Exception as error:
        print(f"  {side.name} is left out, it answers otherwise than Starlette: {str(error)[:80]}")
        return False
    return True


def best_times(sides: Sequence[Side], wanted: Sequence[Wanted], rounds: int) -> dict[str, float]:
    """The least time of a lookup in us for each side that is right.

    They take turns; a turn is done twice, so that the second finds what it needs in the caches, as in a busy server.
    """
    loops = {side.name: loop for side in sides if answers_all(side, loop := side.loop(), [case(*w) for w in wanted])}
    best = dict.fromkeys(loops, float("inf"))
    for _ in range(rounds):
        for name, loop in loops.items():
            best[name] = min(best[name], average(loop, wanted), average(loop, wanted))
    return best


def average(loop: Loop, wanted: Sequence[Wanted]) -> float:
    """In batches, so that a scope is as new to the processor as it is in a server, and not as old as the others."""
    batches = [wanted[start : start + 40] for start in range(0, len(wanted), 40)]
    return sum(loop([case(*one) for one in batch]) * len(batch) for batch in batches) / len(wanted)


def show(title: str, columns: dict[str, dict[str, float]]) -> None:
    """Rows are sides, columns are kinds of lookups; the ratio is to the first side."""
    print(f"\n{title}\n{'':24}" + "".join(f"{column:>24}" for column in columns))
    print(f"{'':24}" + f"{'us':>12}{'times':>12}" * len(columns))
    names = dict.fromkeys(name for times in columns.values() for name in times)
    for name in names:
        row = f"{name:24}"
        for times in columns.values():
            first = next(iter(times.values()))
            row += f"{times[name]:12.3f}{first / times[name]:11.1f}x" if name in times else f"{'':24}"
        print(row)


def misses(table: Sequence[str]) -> list[Wanted]:
    """Templates and ends of paths that begin as the routes do, and match nothing."""
    find = scan([Route(path, page) for path in table])
    paths = [path for path in table if not path.endswith("/")]
    wanted: list[Wanted] = [(path, None, end) for path in paths for end in ("/nothing", "x/nothing/at/all")]
    return [one for one in wanted if find(case(*one).scope) is None][: len(table)]


def bench_real(name: str, rounds: int) -> None:
    table = real_table(name)
    sides = [*starlette_sides(table), *peer_sides(table)]
    hits: list[Wanted] = [(path, number) for number, path in enumerate(table)]
    columns = {
        "hit, all routes": best_times(sides, hits, rounds),
        "miss": best_times(sides, misses(table), rounds),
    }
    show(f"{name}: {len(table)} routes, lookups", columns)


class Answer:
    """An ASGI application that does nothing but say that it was called."""

    called: "Answer | None" = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        Answer.called = self


async def default(scope: Scope, receive: Receive, send: Send) -> None:
    Answer.called = None


def through(router: Any) -> Callable[[Any], Any]:
    """A whole request, without a loop: nothing in it waits."""

    def find(scope: Any) -> Any:
        try:
            router(scope, None, None).send(None)
        except StopIteration:
            return Answer.called

    return find


def router_sides(table: Sequence[str]) -> Iterator[Side]:
    answers = [Answer() for _ in table]

    def make(router_class: Any) -> Any:
        # Neither `redirect_slashes`, which doubles a miss for the others, nor their answer to it is measured.
        routes = [Route(path, answer) for path, answer in zip(table, answers, strict=True)]
        return router_class(routes=routes, redirect_slashes=False, default=default)

    names = {"answers": answers}
    right = "found is answers[expected]"
    yield Side("Starlette", through(make(routing.Router)), "find(scope)", right, names=names)
    for twin in TWINS:
        use_twin(twin)
        router = make(Router)
        through(router)(case("/", None).scope)  # builds the index with this twin
        index_router.route_path = TWINS["compiled"][2].route_path  # type: ignore[attr-defined]  # see use_twin
        yield Side(f"fastroute {twin}", through(router), "find(scope)", right, names=names)
    try:
        from ffroute import FFRouter
    except ImportError as error:
        print(f"  ffroute is left out: {error}")
    else:
        yield Side("ffroute", through(make(FFRouter)), "find(scope)", right, names=names)


def bench_sizes(sizes: Sequence[int], rounds: int) -> None:
    for title, make_sides in (("lookups", starlette_sides), ("whole requests through the router", router_sides)):
        for size in sizes:
            table = synthetic_table(size)
            sides = list(make_sides(table))
            times = 20 if size > 500 else 200
            columns = {
                "first": best_times(sides, [(table[0], 0)] * times, rounds),
                "last": best_times(sides, [(table[-1], size - 1)] * times, rounds),
                "miss": best_times(sides, [("/api/{id}/nothing", None)] * times, rounds),
            }
            show(f"{size} routes, {title}", columns)


async def endpoint(websocket: WebSocket, id: str) -> None: ...


def bench_registering(size: int, rounds: int) -> None:
    """The time to register, to the end of the first lookup."""
    table = [f"/api/resource{number}/{{id}}" for number in range(size)]

    def fill(router: Any, method: str, scope_type: str, function: Any) -> float:
        gc.collect()
        start = time.thread_time()
        for path in table:
            getattr(router, method)(path, function)
        scope = {**case(table[-1], None).scope, "type": scope_type}
        if isinstance(router, Router):
            assert router._fastroute_updated_tables()
        else:
            assert router.routes[-1].matches(scope)[0] is Match.FULL
        return (time.thread_time() - start) / size * 1e6

    kinds: dict[str, Callable[[], float]] = {
        "FastAPI, http": lambda: fill(fastapi.APIRouter(), "add_api_route", "http", page),
        "FastAPI, WebSocket": lambda: fill(
            fastapi.APIRouter(), "add_api_websocket_route", "websocket", fastapi_endpoint
        ),
        "Starlette, http": lambda: fill(routing.Router(), "add_route", "http", page),
        "fastroute, http": lambda: fill(Router(), "add_route", "http", page),
        "fastroute, WebSocket": lambda: fill(Router(), "add_api_websocket_route", "websocket", endpoint),
    }
    use_twin("compiled")
    best = {name: min(kind() for _ in range(rounds)) for name, kind in kinds.items()}
    print(f"\nregistering {size} routes, index included: us per route")
    for name, least in best.items():
        print(f"{name:24}{least:12.1f}")
    for twin in TWINS:
        use_twin(twin)
        routes = [Route(path, page) for path in table]
        gc.collect()
        start = time.thread_time()
        index.build_table(routes)
        print(f"index, {twin:17}{(time.thread_time() - start) / size * 1e6:12.1f}")


async def fastapi_endpoint(websocket: WebSocket, id: str) -> None: ...


def bench_memory(table: Sequence[str]) -> None:
    print(f"\nmemory of {len(table)} routes: bytes per route")

    def size_of(make: Callable[[], Any]) -> float:
        gc.collect()
        tracemalloc.start()
        kept = make()
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del kept
        return size / len(table)

    routes = [Route(path, page) for path in table]
    print(f"{'the routes themselves':24}{size_of(lambda: [Route(path, page) for path in table]):12.0f}")
    for twin in TWINS:
        use_twin(twin)
        print(f"{f'index, {twin}':24}{size_of(lambda: index.build_table(routes)):12.0f}")


def installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each side has its turn (default: 15)")
    parser.add_argument("--sizes", type=int, nargs="*", default=[1, 2, 5, 10, 100, 1_000, 10_000])
    parser.add_argument("--register", type=int, default=10_000, help="how many routes to register (default: 10000)")
    arguments = parser.parse_args()
    print(f"CPython {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    print(", ".join(map(installed, ["starlette", "fastapi", *PEERS])))
    for name in ("github", "kubernetes"):
        bench_real(name, arguments.rounds)
    bench_sizes(arguments.sizes, arguments.rounds)
    bench_registering(arguments.register, 1)
    bench_memory(real_table("github"))


if __name__ == "__main__":
    main()
