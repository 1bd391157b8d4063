"""`python -m fastroute bench`: the cost of routing and matching on a table of your own, beside Starlette's.

Both routers get the same plain routes and the same scopes, in one process and in turns; a figure is the least of many
rounds. Each path is a new string. The answers are compared before anything is timed, and checked inside the timed loop.
Endpoints do nothing, so that only the way from a scope to its endpoint is measured.
"""

import argparse
import gc
import json
import platform
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, NamedTuple

from starlette import routing
from starlette.routing import BaseRoute, Route, WebSocketRoute, compile_path

from .. import _fastapi
from ..matching.implementation import IMPLEMENTATION, PathMatcher
from ..matching.template import kind_of
from ..router import Router
from ..tracing.entries import Entry, entries, record
from ..tracing.trace import scope_of
from ._accelerated import Figures, NotComparable, is_fastapi, measured
from ._files import output_file, read_text
from ._language import example
from ._loading import add_application
from ._terminal import print_lines, print_table, track

__all__ = ["BenchRoute", "Cost", "add_arguments", "lookup_costs", "run"]

_ROUNDS = 7
_MOST_PATHS = 200
_NO_SUCH = "/~no-such-path~"


class BenchRoute(NamedTuple):
    """One route of a table."""

    kind: str
    path: str
    methods: list[str] | None

    def build(self) -> BaseRoute:
        if self.kind == "websocket":
            return WebSocketRoute(self.path, _Endpoint())
        return Route(self.path, _Endpoint(), methods=self.methods)

    def scope(self, filling: str, *, miss: bool) -> dict[str, Any]:
        path = example(self.path, compile_path(self.path)[2], filling) + (_NO_SUCH if miss else "")
        return dict(scope_of(self.kind, (self.methods or ["GET"])[0], path, "localhost"))


class Cost(NamedTuple):
    """Seconds for each request, with a table of `routes` routes."""

    routes: int
    starlette_hit: float
    fastroute_hit: float
    starlette_miss: float
    fastroute_miss: float


class _Endpoint:
    """An ASGI application that only notes in the scope that it was reached."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["reached"] = self


# --- the table ---------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_application(parser, instead="table")
    source = parser.add_mutually_exclusive_group()
    for option, type_, help_ in (
        ("--table", _of_file, "a template on each line, with a method before it or without"),
        ("--openapi", _of_openapi, "an OpenAPI document, as JSON"),
    ):
        source.add_argument(option, dest="table", metavar="FILE", type=type_, help=help_)
    parser.add_argument(
        "--plot", metavar="FILE", type=output_file, help="draw cost over number of routes: .svg or .png"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, for tools")
    parser.epilog = """\
examples:
  python -m fastroute bench main:app
  python -m fastroute bench --table routes.txt --plot routes.svg
  python -m fastroute bench --openapi openapi.json"""


def _of_application(app: Any) -> list[BenchRoute]:
    return _usable(list(_routes(entries(app), ())), "the application")


def _routes(tree: Sequence[Entry], inside: tuple[Entry, ...]) -> list[BenchRoute]:
    found = []
    for entry in tree:
        if entry.kind in ("http", "websocket"):
            found.append(BenchRoute(entry.kind, record(entry, inside)["path"], entry.methods))
        found += _routes(entry.children, entry.around_children(inside))
    return found


def _of_file(name: str) -> list[BenchRoute]:
    table = []
    for number, line in enumerate(read_text(Path(name)).splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        method, path = ("GET", words[0]) if len(words) == 1 else (words[0].upper(), words[1])
        if len(words) > 2 or not path.startswith("/"):
            raise argparse.ArgumentTypeError(
                f"{name}:{number}: {line!r} is not a template, with or without a method before it"
            )
        table.append(_bench_route(name, method, path))
    return _usable(table, name)


def _of_openapi(name: str) -> list[BenchRoute]:
    try:
        paths = json.loads(read_text(Path(name)))["paths"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise argparse.ArgumentTypeError(
            f"{name} is not an OpenAPI document in JSON: it has no object 'paths'"
        ) from None
    methods = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
    return _usable(
        [_bench_route(name, method.upper(), path) for path, item in paths for method in item if method in methods], name
    )


def _bench_route(name: str, method: str, path: str) -> BenchRoute:
    route = BenchRoute("websocket" if method == "WEBSOCKET" else "http", path, [method])
    try:
        route.build()
    except (AssertionError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name}: {path!r} is not a template of Starlette's: {error}") from None
    return route


def _usable(table: list[BenchRoute], source: str) -> list[BenchRoute]:
    """The routes for which an example path can be made."""
    usable = [route for route in table if all(map(kind_of, compile_path(route.path)[2].values()))]
    if not usable:
        raise argparse.ArgumentTypeError(f"there is no route in {source} with only Starlette's own convertors")
    return usable


# --- the figures -------------------------------------------------------------------------------------------------


def run(arguments: argparse.Namespace) -> int:
    # First, so that a missing matplotlib is reported before the measuring.
    plot = None if arguments.plot is None else _plot()
    # A plot shows plain routers of more and more routes.
    if plot is None and not arguments.table and is_fastapi(arguments.app):
        return _run_fastapi(arguments.app, as_json=arguments.json)
    table: list[BenchRoute] = arguments.table or _of_application(arguments.app)
    costs: list[Cost] = []
    try:
        for size in track(_sizes(len(table)), "measuring"):
            costs.append(routing_cost(table, size))
    except KeyboardInterrupt:
        _print_routing(costs)
        raise
    matching = {"hit": matching_cost(table, miss=False), "miss": matching_cost(table, miss=True)}
    if arguments.json:
        print(json.dumps({**_machine(), "routing": [cost._asdict() for cost in costs], "matching": matching}, indent=2))
    else:
        _print(costs, matching)
    if plot is not None:
        try:
            plot.draw(arguments.plot, costs, ", ".join(map(str, _machine().values())))
        except (OSError, ValueError) as error:  # matplotlib does not know every ending
            raise argparse.ArgumentTypeError(f"{arguments.plot} cannot be drawn: {error}") from None
        print_lines([f"drawn: {arguments.plot}"])
    return 0


def _run_fastapi(app: Any, *, as_json: bool) -> int:
    """A FastAPI application before and after `accelerate`, in place of plain routers with its routes."""
    try:
        line, left_out, found = measured(app)
    except NotComparable as error:
        print(error, file=sys.stderr)
        return 2
    machine = _machine() | {"fastapi": f"FastAPI {_fastapi.version()}"}
    if as_json:
        figures_of = {name: figures._asdict() for name, figures in found.items()}
        print(json.dumps({**machine, **figures_of, "not_measured": left_out}, indent=2))
        return 0
    print_lines(
        [
            ", ".join(machine.values()),
            line,
            "\nA request without its endpoint and dependencies, in microseconds of the processor:\n",
        ]
    )
    rows = [
        (
            name.replace("_", " "),
            *(cell for figures in found.values() for cell in _pair(*(figures[position] or (0, 0)))),
        )
        for position, name in enumerate(Figures._fields)
    ]
    header = ("", *(text for name in found for text in (f"{name}: FastAPI", "accelerated", "ratio")))
    print_table(header, rows, numbers=range(1, 7))
    if left_out:
        counts = ", ".join(f"{count} {sort}" for sort, count in left_out.items())
        print_lines([f"\nroutes that are not measured: {counts}"])
    return 0


def _plot() -> ModuleType:
    try:
        return import_module("fastroute.commands._plot")
    except ModuleNotFoundError as error:
        raise argparse.ArgumentTypeError("--plot needs matplotlib: pip install 'fastroute[plot]'") from error


def _sizes(most: int) -> list[int]:
    steps = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
    return [size for size in steps if size < most] + [most]


def _spread(table: Sequence[BenchRoute], most: int) -> list[BenchRoute]:
    """At most `most` routes, from all parts of the table."""
    count = min(len(table), most)
    return [table[index * len(table) // count] for index in range(count)]


def routing_cost(table: Sequence[BenchRoute], size: int) -> Cost:
    """Seconds from a scope to its endpoint, and to the answer that there is none, over examples of the whole table."""
    some = _spread(table, size)
    routes = [route.build() for route in some]
    default = _Endpoint()
    routers = (routing.Router(routes, default=default), Router(routes, default=default))
    asked = _spread(some, _MOST_PATHS)
    hits = [route.scope(f"v{number}", miss=False) for number, route in enumerate(asked)]
    misses = [route.scope(f"v{number}", miss=True) for number, route in enumerate(asked)]
    # Others are redirected, or get a 405 from a route of another method.
    misses = [scope for scope in misses if _ask(routers[0], scope) is default]
    return Cost(size, *_least(routers, hits), *(_least(routers, misses) if misses else (0.0, 0.0)))


def lookup_costs(classes: Sequence[Callable[..., Any]], size: int) -> list[float]:
    """Seconds from a scope to its endpoint, for routers of these classes with `size` WebSocket routes."""
    table = [BenchRoute("websocket", f"/services/{number}/rooms/{{room_id}}", None) for number in range(size)]
    routes = [route.build() for route in table]
    scopes = [route.scope("v", miss=False) for route in _spread(table, _MOST_PATHS)]
    return _least([cls(routes=routes) for cls in classes], scopes)


def _ask(router: Any, scope: dict[str, Any]) -> Any:
    """The endpoint that a scope reaches; None if the router answers by itself."""
    scope = dict(scope)
    _drive(router, scope)
    return scope.get("reached")


async def _drop(message: Any) -> None: ...


def _drive(router: Any, scope: dict[str, Any]) -> None:
    try:
        router(scope, None, _drop).send(None)
    except StopIteration:
        return
    raise AssertionError("an endpoint that does nothing does not wait")


def _least(routers: Sequence[Any], scopes: Sequence[dict[str, Any]]) -> list[float]:
    """The least seconds for each scope, for each router."""
    for scope in scopes:
        assert len({id(_ask(router, scope)) for router in routers}) == 1, f"they differ about {scope['path']!r}"
    scopes = list(scopes) * -(-_MOST_PATHS // len(scopes))
    least = [float("inf")] * len(routers)
    for _ in range(_ROUNDS):
        for index, router in enumerate(routers):
            fresh = [{**scope, "path": "".join(list(scope["path"]))} for scope in scopes]
            least[index] = min(least[index], _timed(_ask_all, router, fresh) / len(scopes))
    return least


def _ask_all(router: Any, scopes: Sequence[dict[str, Any]]) -> None:
    for scope in scopes:
        _drive(router, scope)
    assert all("reached" in scope for scope in scopes)


def _timed(work: Callable[..., None], *arguments: Any) -> float:
    gc.disable()
    try:
        start = perf_counter()
        work(*arguments)
        return perf_counter() - start
    finally:
        gc.enable()


def matching_cost(table: Sequence[BenchRoute], *, miss: bool) -> list[float]:
    """Seconds from a path to its converted parameters: with Starlette's regexes, and with `PathMatcher`."""
    some = _spread(table, _MOST_PATHS)
    pairs = [(route.path, str(route.scope("v", miss=miss)["path"])) for route in some]
    matchers = ([_starlette_match(path) for path, _ in pairs], [PathMatcher(path).match for path, _ in pairs])
    paths = [path for _, path in pairs]
    answers = [[match(path) for match, path in zip(side, paths, strict=True)] for side in matchers]
    assert answers[0] == answers[1], "they differ"
    least = [float("inf")] * len(matchers)
    for _ in range(_ROUNDS * 10):
        for index, side in enumerate(matchers):
            work = list(zip(side, paths, strict=True))
            least[index] = min(least[index], _timed(_match_all, work) / len(work))
    return least


def _starlette_match(template: str) -> Callable[[str], dict[str, Any] | None]:
    """The function of Starlette's routes from a path to its parameters."""
    regex, _, convertors = compile_path(template)

    def match(path: str) -> dict[str, Any] | None:
        found = regex.match(path)
        if found is None:
            return None
        params = found.groupdict()
        for key, value in params.items():
            params[key] = convertors[key].convert(value)
        return params

    return match


def _match_all(work: Sequence[tuple[Callable[[str], Any], str]]) -> None:
    for match, path in work:
        match(path)


# --- the output --------------------------------------------------------------------------------------------------


def _machine() -> dict[str, str]:
    return {
        "machine": f"{platform.machine()} {platform.system()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "starlette": f"Starlette {version('starlette')}",
        "fastroute": f"fastroute {version('fastroute')} ({IMPLEMENTATION})",
    }


def _print(costs: Sequence[Cost], matching: dict[str, list[float]]) -> None:
    _print_routing(costs)
    print_lines(["\nMatching one template, in microseconds; on average over the templates:\n"])
    by_answer = [(name, *_pair(*figures)) for name, figures in matching.items()]
    print_table(("", "Starlette", "fastroute", "ratio"), by_answer, numbers=range(1, 4))


def _print_routing(costs: Sequence[Cost]) -> None:
    print_lines([", ".join(_machine().values())])
    print_lines(["\nRouting, from a scope to its endpoint, in microseconds; on average over the routes:\n"])
    header = ("routes", "hit: Starlette", "fastroute", "ratio", "miss: Starlette", "fastroute", "ratio")
    by_size = [
        (
            str(cost.routes),
            *_pair(cost.starlette_hit, cost.fastroute_hit),
            *_pair(cost.starlette_miss, cost.fastroute_miss),
        )
        for cost in costs
    ]
    print_table(header, by_size, numbers=range(7))


def _pair(starlette: float, fastroute: float) -> tuple[str, str, str]:
    if not fastroute:
        return "-", "-", "-"
    return f"{starlette * 1e6:.2f}", f"{fastroute * 1e6:.2f}", f"{starlette / fastroute:.1f}"
