"""What one connection costs in process: bare Starlette, the same work written by hand, FastAPI, fastroute.

    python bench/bench_solver.py [--seconds S] [case ...]

Every side is a route that is called as a server calls it, with a new scope, through its match to the end of the
connection; the endpoint's answer is asserted. The sides of a case run in turns, many short rounds each, and a side's
time is that of its fastest round. Ratios are what counts; run it twice before you believe one.
"""

import argparse
import asyncio
import inspect
import platform
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio.to_thread
import fastapi
import fastapi.params
import pydantic
import starlette
from fastapi.routing import APIWebSocketRoute as FastAPIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

import fastroute
from fastroute import APIWebSocketRoute

Endpoint = Callable[..., Awaitable[None]]
INT, NAME, PAGE, OPTIONAL_STR = (
    TypeAdapter(int),
    TypeAdapter(Annotated[str, pydantic.Field(min_length=2)]),
    TypeAdapter(Annotated[int, pydantic.Field(ge=1)]),
    TypeAdapter(str | None),
)


@dataclass
class Case:
    """One kind of connection: `by_hand` takes only the WebSocket, `declare` makes the same with a framework's names."""

    name: str
    by_hand: Endpoint
    declare: Callable[[Any], Endpoint]
    expected: Any
    path: str = "/"
    url: str = "/"
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    overrides: Callable[[], dict[Any, Any]] = dict


CASES: list[Case] = []
answers: list[Any] = []


def case(by_hand: Endpoint, declare: Callable[[Any], Endpoint], expected: Any, **options: Any) -> None:
    CASES.append(Case(options.pop("name"), by_hand, declare, expected, **options))


# --- the cases ---


async def answer(websocket: WebSocket, value: Any) -> None:
    """What every endpoint does: tell the bench what it got, and end the connection."""
    answers.append(value)
    await websocket.close()


async def bare(websocket: WebSocket) -> None:
    await answer(websocket, None)


def declare_bare(api: Any) -> Endpoint:
    return bare


case(bare, declare_bare, None, name="no parameters")


async def path_by_hand(websocket: WebSocket) -> None:
    await answer(websocket, INT.validate_python(websocket.path_params["room"]))


def declare_path(api: Any) -> Endpoint:
    async def endpoint(websocket: WebSocket, room: int) -> None:
        await answer(websocket, room)

    return endpoint


case(path_by_hand, declare_path, 7, name="one path int", path="/rooms/{room:int}", url="/rooms/7")

HEADERS = [
    (b"host", b"example.org"),
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"x3JJHMbDL1EzLkh9GBhXDw=="),
    (b"user-agent", b"Mozilla/5.0"),
]


async def five_by_hand(websocket: WebSocket) -> None:
    query, headers, cookies = websocket.query_params, websocket.headers, websocket.cookies
    await answer(
        websocket,
        (
            INT.validate_python(websocket.path_params["room"]),
            NAME.validate_python(query["name"]),
            PAGE.validate_python(query["page"]) if "page" in query else 1,
            headers["x-token"],
            cookies["session"],
        ),
    )


def declare_five(api: Any) -> Endpoint:
    async def endpoint(
        websocket: WebSocket,
        room: int,
        name: Annotated[str, api.Query(min_length=2)],
        x_token: Annotated[str, api.Header()],
        session: Annotated[str, api.Cookie()],
        page: Annotated[int, api.Query(ge=1)] = 1,
    ) -> None:
        await answer(websocket, (room, name, page, x_token, session))

    return endpoint


FIVE: dict[str, Any] = {
    "path": "/rooms/{room:int}",
    "url": "/rooms/7",
    "query": b"name=ann&page=3",
    "headers": [*HEADERS, (b"x-token", b"abc"), (b"cookie", b"session=s1; theme=dark")],
}
case(five_by_hand, declare_five, (7, "ann", 3, "abc", "s1"), name="path, 2 query, header, cookie", **FIVE)


async def leaf() -> int:
    return 1


async def add_one(value: int) -> int:
    return value + 1


async def chain_by_hand(websocket: WebSocket) -> None:
    await answer(websocket, await add_one(await add_one(await leaf())))


def declare_chain(api: Any) -> Endpoint:
    async def second(value: Annotated[int, api.Depends(leaf)]) -> int:
        return value + 1

    async def third(value: Annotated[int, api.Depends(second)]) -> int:
        return value + 1

    async def endpoint(websocket: WebSocket, value: Annotated[int, api.Depends(third)]) -> None:
        await answer(websocket, value)

    return endpoint


case(chain_by_hand, declare_chain, 3, name="chain of 3")


async def shared_by_hand(websocket: WebSocket) -> None:
    shared = await leaf()
    values = [await add_one(shared), await add_one(shared), await add_one(shared), await add_one(shared)]
    await answer(websocket, sum(values))


def declare_shared(api: Any) -> Endpoint:
    Shared = Annotated[int, api.Depends(leaf)]

    async def a(value: Shared) -> int:
        return value + 1

    async def b(value: Shared) -> int:
        return value + 1

    async def c(value: Shared) -> int:
        return value + 1

    async def d(value: Shared) -> int:
        return value + 1

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[int, api.Depends(a)],
        b: Annotated[int, api.Depends(b)],
        c: Annotated[int, api.Depends(c)],
        d: Annotated[int, api.Depends(d)],
    ) -> None:
        await answer(websocket, a + b + c + d)

    return endpoint


case(shared_by_hand, declare_shared, 8, name="5 with one shared")


async def session() -> AsyncIterator[int]:
    try:
        yield 5
    finally:
        pass


session_by_hand = asynccontextmanager(session)


async def yield_by_hand(websocket: WebSocket) -> None:
    async with session_by_hand() as value:
        await answer(websocket, value)


def declare_yield(api: Any) -> Endpoint:
    async def endpoint(websocket: WebSocket, value: Annotated[int, api.Depends(session)]) -> None:
        await answer(websocket, value)

    return endpoint


case(yield_by_hand, declare_yield, 5, name="async yield")


def sync() -> int:
    return 6


async def sync_by_hand(websocket: WebSocket) -> None:
    await answer(websocket, await anyio.to_thread.run_sync(sync))


def declare_sync(api: Any) -> Endpoint:
    async def endpoint(websocket: WebSocket, value: Annotated[int, api.Depends(sync)]) -> None:
        await answer(websocket, value)

    return endpoint


case(sync_by_hand, declare_sync, 6, name="sync in a thread")


def declare_syncs(api: Any) -> Endpoint:
    functions = [lambda n=n: n for n in range(5)]
    for function in functions:
        function.__signature__ = inspect.Signature()  # type: ignore[attr-defined]
    a, b, c, d, e = functions

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[int, api.Depends(a)],
        b: Annotated[int, api.Depends(b)],
        c: Annotated[int, api.Depends(c)],
        d: Annotated[int, api.Depends(d)],
        e: Annotated[int, api.Depends(e)],
    ) -> None:
        await answer(websocket, a + b + c + d + e)

    return endpoint


async def syncs_by_hand(websocket: WebSocket) -> None:
    total = 0
    for n in range(5):
        total += await anyio.to_thread.run_sync(lambda n=n: n)
    await answer(websocket, total)


case(syncs_by_hand, declare_syncs, 10, name="5 adjacent sync")


def declare_tree(api: Any, *, parameters: bool = False) -> Endpoint:
    """20 dependencies: four branches of a root and four leaves each."""
    branches = []
    for _ in range(4):
        leaves = []
        for number in range(4):
            if parameters and number < 2:

                async def node(n: Annotated[int, api.Query(alias=f"q{len(branches)}{number}")]) -> int:
                    return n
            else:

                async def node() -> int:  # type: ignore[misc]
                    return 1

            leaves.append(node)
        p, q, r, s = leaves

        async def branch(
            p: Annotated[int, api.Depends(p)],
            q: Annotated[int, api.Depends(q)],
            r: Annotated[int, api.Depends(r)],
            s: Annotated[int, api.Depends(s)],
        ) -> int:
            return p + q + r + s

        branches.append(branch)
    a, b, c, d = branches

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[int, api.Depends(a)],
        b: Annotated[int, api.Depends(b)],
        c: Annotated[int, api.Depends(c)],
        d: Annotated[int, api.Depends(d)],
    ) -> None:
        await answer(websocket, a + b + c + d)

    return endpoint


async def add_four(p: int, q: int, r: int, s: int) -> int:
    return p + q + r + s


async def tree_by_hand(websocket: WebSocket) -> None:
    branches = [await add_four(await leaf(), await leaf(), await leaf(), await leaf()) for _ in range(4)]
    await answer(websocket, sum(branches))


case(tree_by_hand, declare_tree, 16, name="tree of 20")


async def same(n: int) -> int:
    return n


async def tree_parameters_by_hand(websocket: WebSocket) -> None:
    query = websocket.query_params
    total = 0
    for branch in range(4):
        total += await add_four(
            await same(INT.validate_python(query[f"q{branch}0"])),
            await same(INT.validate_python(query[f"q{branch}1"])),
            await leaf(),
            await leaf(),
        )
    await answer(websocket, total)


def declare_tree_parameters(api: Any) -> Endpoint:
    return declare_tree(api, parameters=True)


QUERY_OF_TREE = b"&".join(b"q%d%d=2" % (branch, leaf) for branch in range(4) for leaf in range(2))
case(tree_parameters_by_hand, declare_tree_parameters, 24, name="tree of 20, 8 parameters", query=QUERY_OF_TREE)
case(
    tree_parameters_by_hand,
    declare_tree_parameters,
    24,
    name="the same, one unrelated override",
    query=QUERY_OF_TREE,
    overrides=lambda: {bare: leaf},
)


async def diamond_by_hand(websocket: WebSocket) -> None:
    value = await leaf()
    for _ in range(8):
        value = await add_pair(value, value)
    await answer(websocket, value)


async def add_pair(a: int, b: int) -> int:
    return a + b


def declare_diamond(api: Any) -> Endpoint:
    below = leaf
    for _ in range(8):

        async def node(a: Annotated[int, api.Depends(below)], b: Annotated[int, api.Depends(below)]) -> int:
            return a + b

        below = node

    async def endpoint(websocket: WebSocket, value: Annotated[int, api.Depends(below)]) -> None:
        await answer(websocket, value)

    return endpoint


case(diamond_by_hand, declare_diamond, 256, name="diamond of depth 8")


class Page(BaseModel):
    name: str
    page: int = 1


async def model_by_hand(websocket: WebSocket) -> None:
    await answer(websocket, Page.model_validate(dict(websocket.query_params)).page)


def declare_model(api: Any) -> Endpoint:
    async def endpoint(websocket: WebSocket, page: Annotated[Page, api.Query()]) -> None:
        await answer(websocket, page.page)

    return endpoint


case(model_by_hand, declare_model, 3, name="pydantic model for query", query=b"name=ann&page=3")


async def error_by_hand(websocket: WebSocket) -> None:
    try:
        INT.validate_python(websocket.query_params["page"])
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        await websocket.close(1008, f"query.page: {found['msg']}")


def declare_error(api: Any) -> Endpoint:
    async def endpoint(websocket: WebSocket, page: Annotated[int, api.Query()]) -> None:
        raise AssertionError("not reached")

    return endpoint


case(error_by_hand, declare_error, 1008, name="validation error", query=b"page=x")


# --- measuring ---


class Provider:
    def __init__(self, overrides: dict[Any, Any]) -> None:
        self.dependency_overrides = overrides


def sides(case: Case) -> dict[str, Any]:
    by_hand = WebSocketRoute(case.path, case.by_hand)
    routes = {"Starlette, bare": WebSocketRoute(case.path, bare), "by hand": by_hand}
    for name, api, route in (("FastAPI", fastapi, FastAPIRoute), ("fastroute", fastroute, APIWebSocketRoute)):
        provider = Provider(case.overrides())
        routes[name] = route(case.path, case.declare(api), dependency_overrides_provider=provider)
    return routes


async def measure(case: Case, seconds: float) -> dict[str, float]:
    """Seconds for one connection by side, each from its fastest round."""

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        if message["code"] == 1008:
            answers.append(message["code"])

    base = {
        "type": "websocket",
        "path": case.url,
        "query_string": case.query,
        "headers": case.headers or HEADERS,
        "extensions": {},
    }
    # A FastAPI application has a handler for validation errors; its own one sends a list that servers choke on.
    handlers = ({fastapi.exceptions.WebSocketRequestValidationError: refuse_as_fastapi}, {})
    routes = sides(case)
    scopes = dict.fromkeys(routes, base) | {"FastAPI": {**base, "starlette.exception_handlers": handlers}}
    best = dict.fromkeys(routes, float("inf"))
    rounds = dict.fromkeys(routes, 1)
    for name, route in routes.items():
        answers.clear()
        await route(dict(scopes[name]), receive, send)
        first = answers[0]
        assert first == (case.expected if name != "Starlette, bare" else None), (case.name, name, first)
        started = time.perf_counter()
        await route(dict(scopes[name]), receive, send)
        rounds[name] = max(1, int(0.002 / (time.perf_counter() - started)))
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        for name, route in routes.items():
            answers.clear()
            started = time.perf_counter()
            for _ in range(rounds[name]):
                await route(dict(scopes[name]), receive, send)
            best[name] = min(best[name], (time.perf_counter() - started) / rounds[name])
            expected = case.expected if name != "Starlette, bare" else None
            assert answers[0] == answers[-1] == expected
    return best


async def refuse_as_fastapi(websocket: WebSocket, error: Any) -> None:
    await websocket.close(1008, "; ".join(f"{found['loc']}: {found['msg']}" for found in error.errors()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each case (default: %(default)s)")
    parser.add_argument("case", nargs="*", help="only cases whose name contains one of these")
    arguments = parser.parse_args()
    print(
        f"{platform.python_implementation()} {platform.python_version()}, fastroute {fastroute.IMPLEMENTATION}, "
        f"starlette {starlette.__version__}, fastapi {fastapi.__version__}, pydantic {pydantic.VERSION}"
    )
    print(f"{'microseconds for one connection':36}{'bare':>9}{'by hand':>9}{'FastAPI':>9}{'fastroute':>10}", end="")
    print(f"{'ours/bare':>11}{'ours/hand':>11}{'FastAPI/ours':>14}")
    for case in CASES:
        if arguments.case and not any(word in case.name for word in arguments.case):
            continue
        best = asyncio.run(measure(case, arguments.seconds))
        bare_time, hand, theirs, ours = best.values()
        cells = "".join(f"{seconds * 1e6:9.2f}" for seconds in (bare_time, hand, theirs))
        print(f"{case.name:36}{cells}{ours * 1e6:10.2f}", end="")
        print(f"{ours / bare_time:11.2f}{ours / hand:11.2f}{theirs / ours:14.1f}", flush=True)


if __name__ == "__main__":
    main()
