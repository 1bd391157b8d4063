"""One path template against one path: Starlette's regex, both twins, and the floor.

The floor is a plain Python method that returns a constant answer of the same shape, or None: what any matcher
called from Python costs at least. All four run interleaved in one process; a time is the least of many rounds,
and every answer is compared with Starlette's before anything is timed. Also shown: how the cost grows with the
length of a hostile path and of a friendly one.

    python bench/bench_matcher.py [--rounds N]
"""

import argparse
import platform
import timeit
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from starlette.routing import WebSocketRoute, compile_path
from starlette.websockets import WebSocket

from fastroute import IMPLEMENTATION, APIWebSocketRoute
from fastroute.matching import matcher_c, matcher_py

UUID = "0b9f4a3c-7d2e-4c1b-9a5f-1e2d3c4b5a69"

HITS = {
    "static": ("/health/ready", "/health/ready"),
    "int": ("/items/{id:int}", "/items/42"),
    "two str": ("/users/{user}/posts/{post}", "/users/alice/posts/hello"),
    "uuid": ("/orders/{order:uuid}", f"/orders/{UUID}"),
    "five parameters": ("/a/{a}/{b}/{c}/{d}/{e}", "/a/one/two/three/four/five"),
    "compound": ("/files/{name}-{version}", "/files/report-2024"),
    "path": ("/static/{file:path}", "/static/css/site/main.css"),
    "float": ("/at/{latitude:float}", "/at/52.5200"),
}

MISSES = {
    "static, first character": ("/health/ready", "/wealth/ready"),
    "static, last character": ("/health/ready", "/health/readz"),
    "int, first character": ("/items/{id:int}", "/jtems/42"),
    "int, last character": ("/items/{id:int}", "/items/42/"),
    "int, wrong type": ("/items/{id:int}", "/items/abc"),
    "two str, first character": ("/users/{user}/posts/{post}", "/vsers/alice/posts/hello"),
    "two str, last character": ("/users/{user}/posts/{post}", "/users/alice/posts/hello/"),
    "uuid, first character": ("/orders/{order:uuid}", f"/prders/{UUID}"),
    "uuid, last character": ("/orders/{order:uuid}", f"/orders/{UUID}0"),
    "uuid, wrong type": ("/orders/{order:uuid}", "/orders/latest"),
    "five, last character": ("/a/{a}/{b}/{c}/{d}/{e}", "/a/one/two/three/four/five/"),
    "compound, first character": ("/files/{name}-{version}", "/giles/report-2024"),
    "compound, last character": ("/files/{name}-{version}", "/files/report-2024/"),
    "compound, no dash": ("/files/{name}-{version}", "/files/report"),
}

# Three paths in one template: the regex tries every pair of places for the two literals.
GROWTH_TEMPLATE = "/{a:path}/x/{b:path}/y/{c:path}/z"
GROWTH = {"friendly": "a", "hostile": "/x/y"}
SIZES = (1_024, 4_096, 16_384, 65_536)
STARLETTE_SIZES = SIZES[:1]  # the hostile path takes it 64 times as long for the next size

SCOPES: dict[str, dict[str, Any]] = {
    "hit": {"path": "/items/42"},
    "hit below a mount": {"path": "/api/items/42", "root_path": "/api", "path_params": {"tenant": "t"}},
    "miss": {"path": "/jtems/42"},
}


class Starlette:
    """What Starlette's routes do between the route path and the converted parameters."""

    def __init__(self, path: str) -> None:
        self.path_regex, _, self.param_convertors = compile_path(path)

    def match(self, route_path: str) -> dict[str, Any] | None:
        match = self.path_regex.match(route_path)
        if match:
            params = match.groupdict()
            for key, value in params.items():
                params[key] = self.param_convertors[key].convert(value)
            return params
        return None


def floor(answer: dict[str, Any] | None) -> Any:
    """An object whose method `match` builds this answer from constants."""
    names: dict[str, Any] = {f"value{i}": value for i, value in enumerate((answer or {}).values())}
    items = ", ".join(f"{name!r}: {value}" for name, value in zip(answer or {}, names, strict=True))
    body = "None" if answer is None else f"{{{items}}}"
    exec(f"class Floor:\n    def match(self, route_path):\n        return {body}\n", names)
    return names["Floor"]()


def interleaved(matchers: Sequence[Any], route_path: Any, rounds: int, number: int = 500) -> list[float]:
    """The least time per call in ns of each matcher, taking turns."""
    call = "matcher.match(route_path)" if isinstance(route_path, str) else "matcher(route_path)"
    timers = [timeit.Timer(call, globals={"matcher": matcher, "route_path": route_path}) for matcher in matchers]
    best = [float("inf")] * len(timers)
    for _ in range(rounds):
        best = [min(least, timer.timeit(number)) for least, timer in zip(best, timers, strict=True)]
    return [least / number * 1e9 for least in best]


def table(cases: dict[str, tuple[str, str]], rounds: int) -> None:
    print(f"{'':28}{'ns per call':^40}{'times faster than':^22}{'of the':^8}")
    print(f"{'':28}{'starlette':>10}{'pure':>10}{'compiled':>10}{'floor':>10}", end="")
    print(f"{'pure':>11}{'compiled':>11}{'floor':>8}")
    for name, (path, route_path) in cases.items():
        matchers = [Starlette(path), matcher_py.PathMatcher(path), matcher_c.PathMatcher(path)]
        expected = matchers[0].match(route_path)
        matchers.append(floor(expected))
        assert all(matcher.match(route_path) == expected for matcher in matchers), path
        starlette, pure, compiled, least = interleaved(matchers, route_path, rounds)
        print(f"{name:28}{starlette:10.0f}{pure:10.0f}{compiled:10.0f}{least:10.0f}", end="")
        print(f"{starlette / pure:10.2f}x{starlette / compiled:10.2f}x{compiled / least:7.2f}x")


def once(match: Callable[[str], Any], route_path: str, rounds: int) -> float:
    """The least time of a call in ms."""
    return min(timeit.repeat(lambda: match(route_path), number=1, repeat=rounds)) * 1e3


def growth(rounds: int) -> None:
    print(f"{GROWTH_TEMPLATE}, ms per call")
    print(f"{'characters':28}{'starlette':>10}{'pure':>10}{'compiled':>10}")
    makers = (Starlette, matcher_py.PathMatcher, matcher_c.PathMatcher)
    starlette, *twins = (maker(GROWTH_TEMPLATE) for maker in makers)
    for size in SIZES:
        for name, unit in GROWTH.items():
            route_path = "/" + (unit * size)[:size]
            assert all(twin.match(route_path) is None for twin in twins)
            slow = once(starlette.match, route_path, 1) if size in STARLETTE_SIZES else None
            times = [once(twin.match, route_path, rounds) for twin in twins]
            shown = f"{slow:10.2f}" if slow is not None else f"{'not run':>10}"
            print(f"{f'{size} {name}':28}{shown}{times[0]:10.3f}{times[1]:10.3f}")


async def endpoint(websocket: WebSocket) -> None:
    await websocket.close()


def routes(rounds: int) -> None:
    print(f"matches(scope) of a route, {IMPLEMENTATION}")
    print(f"{'':28}{'starlette':>10}{'fastroute':>10}{'times faster':>14}")
    for name, scope in SCOPES.items():
        scope = {"type": "websocket", "root_path": "", "headers": []} | scope
        both = [kind("/items/{id:int}", endpoint) for kind in (WebSocketRoute, APIWebSocketRoute)]
        expected, found = (route.matches(scope) for route in both)
        assert found[0] == expected[0]
        assert found[1].get("path_params") == expected[1].get("path_params")
        starlette, own = interleaved([route.matches for route in both], scope, rounds)
        print(f"{name:28}{starlette:10.0f}{own:10.0f}{starlette / own:13.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, help="how often each matcher has its turn (default: 200)")
    rounds = parser.parse_args().rounds
    print(f"CPython {platform.python_version()}, Starlette {version('starlette')}, {platform.machine()}\n")
    print("hits")
    table(HITS, rounds)
    print("\nmisses")
    table(MISSES, rounds)
    print()
    routes(rounds)
    print("\ngrowth")
    growth(max(5, rounds // 20))


if __name__ == "__main__":
    main()
