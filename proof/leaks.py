"""References and memory that the kernels leak: each operation many times over, with nothing left behind.

    python proof/leaks.py [--turns N]

A debug build of CPython counts all references; any other counts the blocks of memory alone. The exit code is 1 if an
operation leaves something behind.
"""

import argparse
import contextlib
import gc
import sys
from collections.abc import Callable
from typing import Any

from starlette.routing import Route, WebSocketRoute

import fastroute
from fastroute import APIWebSocketRoute, PathMatcher, RouteIndex
from fastroute.matching.implementation import route_path

references: Callable[[], int] | None = getattr(sys, "gettotalrefcount", None)

TEMPLATES = {
    "/users/me": ("/users/me", "/users/you"),
    "/users/{user:int}": ("/users/7", "/users/x", "/users/71234567890123456789", "/users/" + "9" * 5_000),
    "/{a:float}": ("/1.5", "/1.", "/.5", "/" + "9" * 400),
    "/{a:uuid}/x": ("/9c5b94b1-35ad-49bb-b118-8e8fc24abf80/x", "/9c5b94b1/x"),
    "/{a}-{b:path}-{c:int}": ("/x-y-7", "/" + "x-" * 200, "/\ud800-x-1", "/\U0001f600-\n-1\n"),
    "/" + "/".join(f"{{p{number}}}" for number in range(70)): ("/" + "/".join("v" * 70),),
}


async def page(websocket: Any) -> None: ...


class Hostile(str):
    """A path that is not quite a str."""


def operations() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {}
    for template, paths in TEMPLATES.items():
        matcher = PathMatcher(template)
        for path in paths:
            found[f"match {template:.30} {path!a:.30}"] = lambda matcher=matcher, path=path: matcher.match(path)
        found[f"make {template:.30}"] = lambda template=template: PathMatcher(template)
        found[f"read {template:.30}"] = lambda template=template: (
            (matcher := PathMatcher(template)).path_regex and matcher.param_convertors
        )
    for bad in ("/{", "/{a}{a}", "/{a:none}", None, 1, b"/"):
        found[f"make {bad!r}"] = lambda bad=bad: PathMatcher(bad)
    matcher = PathMatcher("/{a}")
    for bad in (None, 1, b"/", Hostile("/x")):
        found[f"match {bad!r}"] = lambda bad=bad: matcher.match(bad)

    routes = [Route(f"/r{number % 50}/{{a}}/{number}", page) for number in range(500)]
    index = RouteIndex(routes)
    for path in ("/r7/x/7", "/r7/x/8", "/", "", "/r7/" + "x/" * 99, "/\ud800"):
        found[f"candidates {path!a:.30}"] = lambda path=path: index.candidates(path)
    found["candidates None"] = lambda: index.candidates(None)
    found["build an index"] = lambda: RouteIndex(routes[:20]).candidates("/r7/x/7")

    for cls in (APIWebSocketRoute, WebSocketRoute):
        route = cls("/rooms/{room:int}", page)
        for scope in (
            {"type": "websocket", "path": "/rooms/7"},
            {"type": "websocket", "path": "/a/rooms/7", "root_path": "/a", "path_params": {"x": 1}},
            {"type": "websocket", "path": "/rooms/x"},
            {"type": "http", "path": "/rooms/7"},
        ):
            found[f"{cls.__name__} {scope}"] = lambda route=route, scope=scope: route.matches(scope)
    for scope in ({"path": "/x"}, {"path": "/a/x", "root_path": "/a"}, {"path": "/ax", "root_path": "/a"}, {}):
        found[f"route_path {scope}"] = lambda scope=scope: route_path(scope)
    return found


def repeated(work: Callable[[], Any], count: int) -> tuple[int, int]:
    """How many references and blocks are left behind."""

    def turns() -> None:
        for _ in range(count):
            with contextlib.suppress(Exception):
                work()

    turns()
    gc.collect()
    before = (references() if references else 0, sys.getallocatedblocks())
    turns()
    gc.collect()
    after = (references() if references else 0, sys.getallocatedblocks())
    return after[0] - before[0], after[1] - before[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=2_000, help="of each operation (default: %(default)s)")
    turns = parser.parse_args().turns
    counted = "references and blocks" if references else "blocks; a debug build of CPython counts references as well"
    print(f"fastroute {fastroute.IMPLEMENTATION}, Python {sys.version.split()[0]}: counts {counted}")
    leaks = 0
    found = operations()
    for name, work in found.items():
        left = repeated(work, turns)
        if max(left) >= turns / 2:
            leaks += 1
            print(f"LEAK {name}: {left[0]} references and {left[1]} blocks after {turns} turns")
    print(f"{len(found)} operations, {leaks} leaks")
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main())
