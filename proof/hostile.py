"""Growth and time of hostile input: each case at a size and at four times that size.

    python proof/hostile.py [--case WORD]

Growth must be linear: about 4, and a quadratic case has 16. A case of a client is measured a third time, at the most
that uvicorn lets through with its default limits. The bounds in SECURITY.md are the worst of this table. Each case has
a process of its own, which the kernel ends after some seconds. The exit code is 1 if a case is above a bound.
"""

import argparse
import asyncio
import gc
import multiprocessing
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Json
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.websockets import WebSocket

import fastroute
from fastroute import (
    APIWebSocketRoute,
    ConnectionPolicy,
    Cookie,
    Depends,
    Header,
    PathMatcher,
    Query,
    RouteIndex,
    Router,
    accelerate,
)
from fastroute.security import APIKeyCookie, HTTPBasic, HTTPBearer, HTTPDigest, SubprotocolBearer

GROWTH = 4  # times the size
MOST_GROWTH = 8.0  # times the time; linear is 4, quadratic 16
MOST_SECONDS = 0.020  # for one handshake, at the limit
MOST_SECONDS_OF_ERRORS = 0.040  # for thousands of wrong values: pydantic takes two thirds of it to list the errors
LIMIT = 64 * 1024  # bytes of a request line and headers, uvicorn's default: `h11_max_incomplete_event_size`
SHORTEST = 0.002  # seconds: below it constants and the clock count for more than growth
CONCLUSIVE = 0.5  # seconds: nothing else on the machine makes that of a few milliseconds
ATTEMPTS = 4  # a machine with other work on it measures too much, never too little
MOST_SECONDS_OF_A_CASE = 10  # of CPU time, all measurements together: a case takes tenths of a second
FORK = multiprocessing.get_context("fork")  # a case is made of closures

Scope = dict[str, Any]


# What is attacked


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: list[str] = []


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: list[int] = []


class Tree(BaseModel):
    child: "Tree | None" = None


async def header(websocket: WebSocket, x_a: Annotated[list[int] | None, Header()] = None) -> None: ...
async def header_model(websocket: WebSocket, headers: Annotated[Extra, Header()]) -> None: ...
async def cookie(websocket: WebSocket, a: Annotated[str | None, Cookie()] = None) -> None: ...
async def cookie_model(websocket: WebSocket, cookies: Annotated[Extra, Cookie()]) -> None: ...
async def query(websocket: WebSocket, a: str = "") -> None: ...
async def query_list(websocket: WebSocket, a: Annotated[list[int], Query()] = []) -> None: ...  # noqa: B006
async def query_set(websocket: WebSocket, a: Annotated[set[str], Query()] = set()) -> None: ...  # noqa: B006
async def query_model(websocket: WebSocket, params: Annotated[Extra, Query()]) -> None: ...
async def query_strict(websocket: WebSocket, params: Annotated[Strict, Query()]) -> None: ...
async def number(websocket: WebSocket, a: Annotated[int, Query()]) -> None: ...
async def data(websocket: WebSocket, a: Annotated[Json[Any], Query()]) -> None: ...
async def numbers(websocket: WebSocket, a: Annotated[Json[list[int]], Query()]) -> None: ...
async def tree(websocket: WebSocket, a: Annotated[Json[Tree], Query()]) -> None: ...
async def key(websocket: WebSocket, key: Annotated[Any, Depends(APIKeyCookie(name="a"))]) -> None: ...
async def basic(websocket: WebSocket, user: Annotated[Any, Depends(HTTPBasic())]) -> None: ...
async def bearer(websocket: WebSocket, user: Annotated[Any, Depends(HTTPBearer())]) -> None: ...
async def digest(websocket: WebSocket, user: Annotated[Any, Depends(HTTPDigest())]) -> None: ...
async def token(websocket: WebSocket, user: Annotated[Any, Depends(SubprotocolBearer())]) -> None: ...
async def plain(websocket: WebSocket) -> None: ...


async def accept(websocket: WebSocket) -> None:
    # After it a wrong parameter is told to the client, which is more work than a bare 403.
    await websocket.accept()


ORIGINS = ConnectionPolicy(origins=["https://app.example.org", "https://*.example.org", "https://*.a.a.a"])


def websocket_scope(
    path: str = "/", query: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = (), subprotocols: Iterable[str] = ()
) -> Scope:
    return {
        "type": "websocket",
        "path": path,
        "query_string": query,
        "headers": list(headers),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
    }


def connecting(endpoint: Any, policy: ConnectionPolicy | None = None) -> Callable[[Scope], None]:
    """Connects to the endpoint, from the match to the last message, in the same loop each time."""
    route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(accept)], policy=policy)
    router = Router([route])
    loop = asyncio.new_event_loop()

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None: ...

    def connect(scope: Scope) -> None:
        loop.run_until_complete(router({**scope}, receive, send))

    return connect


# The cases. Each makes the input of `size` bytes, and then gives the work to measure.

Work = Callable[[], Any]


@dataclass
class Case:
    """One kind of input.

    Attributes:
        name: as the table has it.
        size: about how many bytes the smaller input has, or how many things a developer declares.
        prepare: makes the input of a size, and returns the work.
        limit: the size that reaches `LIMIT`; None for a developer's.
    """

    name: str
    size: int
    prepare: Callable[[int], Work]
    limit: int | None = None


def handshakes() -> Iterator[Case]:
    def case(name: str, endpoint: Any, scope: Callable[[int], Scope], size: int = 16_000, limit: int = LIMIT) -> Case:
        connect = connecting(endpoint, ORIGINS if endpoint is plain else None)

        def prepare(count: int) -> Work:
            made = scope(count)
            return lambda: connect(made)

        return Case(name, size, prepare, limit)

    def queries(name: str, endpoint: Any, text: Callable[[int], bytes], size: int = 16_000) -> Case:
        return case(f"query: {name}", endpoint, lambda size: websocket_scope(query=text(size)), size)

    def repeated(piece: bytes) -> Callable[[int], bytes]:
        return lambda size: piece * (size // len(piece))

    def counted(piece: bytes) -> Callable[[int], bytes]:
        return lambda size: b"".join(piece % number for number in range(size // (len(piece) + 3)))

    yield queries("pairs with one name", query, repeated(b"a=1&"), 400_000)
    yield queries("pairs with different names", query, counted(b"%d=1&"), 400_000)
    yield queries("separators alone", query, repeated(b"&"))
    yield queries("equals signs", query, repeated(b"="))
    yield queries("percent signs", query, lambda size: b"a=" + b"%" * size)
    yield queries("broken percent-encoding", query, lambda size: b"a=" + b"%zz%4" * (size // 5))
    yield queries("percent-encoded bytes that are no text", query, lambda size: b"a=" + b"%ff%C3" * (size // 6))
    yield queries("percent-encoded surrogates", query, lambda size: b"a=" + b"%ED%A0%80" * (size // 9))
    yield queries("plus signs", query, lambda size: b"a=" + b"+" * size)
    yield queries("a list of right values", query_list, repeated(b"a=1&"))
    yield queries("a list of wrong values", query_list, repeated(b"a=x&"))
    yield queries("a set", query_set, counted(b"a=%d&"))
    yield queries("a model with extra keys", query_model, counted(b"k%d=1&"))
    yield queries("a model with an extra list", query_model, repeated(b"k=1&"))
    yield queries("a model that forbids extra keys", query_strict, counted(b"k%d=1&"))
    yield queries("a model of a list of wrong values", query_strict, repeated(b"a=x&"))
    yield queries("an int", number, lambda size: b"a=" + b"9" * size)
    yield queries("an int of zeros", number, lambda size: b"a=" + b"0" * size)
    yield queries("an int of underscores", number, lambda size: b"a=1" + b"_1" * (size // 2))
    yield queries("JSON, a wide list", data, lambda size: b"a=[" + b"1," * (size // 2) + b"1]")
    yield queries("JSON, keys", data, lambda size: b'a={"a":1' + counted(b',"%d":1')(size) + b"}")
    yield queries("JSON, deep lists", data, lambda size: b"a=" + b"[" * size)
    yield queries("JSON, deep objects", tree, lambda size: b"a=" + b'{"child":' * (size // 9))
    yield queries("JSON, an int", data, lambda size: b"a=" + b"9" * size)
    yield queries("JSON, escapes", data, lambda size: b'a="' + b"\\u0041" * (size // 6) + b'"')
    yield queries("JSON, wrong values", numbers, lambda size: b"a=[" + b'"x",' * (size // 4) + b'"x"]')

    def values(name: str, endpoint: Any, key: bytes, value: Callable[[int], bytes]) -> Case:
        return case(name, endpoint, lambda size: websocket_scope(headers=[(key, value(size))]))

    yield values("cookies in one header", cookie, b"cookie", counted(b"c%d=1; "))
    yield values("cookies: a model", cookie_model, b"cookie", counted(b"c%d=1; "))
    yield values("cookies: semicolons", cookie, b"cookie", repeated(b";"))
    yield values("cookies: blanks", cookie, b"cookie", lambda size: b"a=" + b" " * size + b"b")
    for title, escape in (("quotes", b'\\"'), ("octal", b"\\101"), ("both", b'\\"\\101'), ("backslashes", b"\\")):
        for name, endpoint in (("cookies", cookie), ("cookies: APIKeyCookie", key), ("cookies: a model", cookie_model)):
            quoted = lambda size, escape=escape: b'a="' + repeated(escape)(size) + b'"'  # noqa: E731
            yield values(f"{name}, escaped {title}", endpoint, b"cookie", quoted)
    yield values("Basic, base64", basic, b"authorization", lambda size: b"Basic " + b"YTpi" * (size // 4))
    yield values("Basic, colons", basic, b"authorization", lambda size: b"Basic " + b"Ojo6" * (size // 4))
    yield values("Basic, no base64", basic, b"authorization", lambda size: b"Basic " + b"!" * size)
    yield values("Bearer", bearer, b"authorization", lambda size: b"Bearer " + b"x" * size)
    yield values("Bearer, blanks", bearer, b"authorization", lambda size: b"Bearer" + b" " * size + b"x")
    yield values("Digest", digest, b"authorization", lambda size: b'Digest a="' + b"\\" * size)
    yield values("Origin, a long host", plain, b"origin", lambda size: b"https://" + b"a." * (size // 2) + b"a")
    yield values("Origin, no origin", plain, b"origin", lambda size: b"https://" + b"-" * size + b"!")
    yield values("Origin, a long port", plain, b"origin", lambda size: b"https://a:" + b"0" * size)
    yield values("Origin, colons", plain, b"origin", lambda size: b"https://[" + b":" * size + b"]")

    def floods(name: str, endpoint: Any, pair: Callable[[int], tuple[bytes, bytes]], size: int = 3_000) -> Case:
        def scope(count: int) -> Scope:
            return websocket_scope(headers=[pair(number) for number in range(count)])

        length = sum(map(len, pair(1_000))) + len(": \r\n")
        return case(name, endpoint, scope, size, LIMIT // length)

    yield floods("headers with different names", header, lambda number: (b"x-%d" % number, b"1"))
    yield floods("headers with one name", header, lambda number: (b"x-a", b"1"))
    yield floods("headers with one name and wrong values", header, lambda number: (b"x-a", b"x"))
    yield floods("headers: a model", header_model, lambda number: (b"x-%d" % number, b"1"))
    yield floods("headers: a model, one name", header_model, lambda number: (b"x-a", b"1"))
    yield floods("cookies in many headers", cookie, lambda number: (b"cookie", b"c%d=1" % number))
    yield floods("cookies in many headers: a model", cookie_model, lambda number: (b"cookie", b"c%d=1" % number))
    yield floods("Origin, many headers", plain, lambda number: (b"origin", b"https://app.example.org"))
    offers = lambda size: websocket_scope(subprotocols=["bearer", "x"] * (size // 10))  # noqa: E731
    yield case("subprotocols", token, offers)


#: Templates, a piece that their paths repeat, and how such a path ends: the hardest for a regex that goes back.
TEMPLATES = [
    ("/{a}", "x", ""),
    ("/{a:int}", "9", ""),
    ("/{a:int}", "0", "x"),
    ("/{a:float}", "9", ""),
    ("/{a:float}", "9", "."),
    ("/{a:uuid}", "a", ""),
    ("/{a:path}", "/", ""),
    ("/{a:path}/x", "/x", "/"),
    ("/{a}-{b}-{c}-{d}", "-", "/"),
    ("/{a:path}-{b:path}-{c:int}", "-1", "/"),
    ("/{a:float}{b:int}{c:float}x", "1", ""),
    ("/{a:int}{b:int}{c:int}{d:int}", "1", "x"),
    ("/{a:path}{b:path}{c:path}{d:int}", "1x", "x"),
    ("/{a}\n", "\n", "x"),
    ("/{a}", "\ud800", ""),
    ("/{a}-{b}", "\ud800-", "/"),
    ("/{a}-{b}", "\U0001f600-", "/"),
]


def paths() -> Iterator[Case]:
    for template, piece, end in TEMPLATES:
        match = PathMatcher(template).match

        def prepare(size: int, match: Any = match, piece: str = piece, end: str = end) -> Work:
            path = "/" + piece * (size // len(piece)) + end
            return lambda: match(path)

        yield Case(f"path: {template!a} and {piece!a}", 250_000, prepare, LIMIT)

    routes = [Route(f"/{prefix}/{{a}}/{{b:int}}/{number}", print) for number in range(500) for prefix in "ab"]
    accelerated = Starlette(routes=list(routes))
    accelerate(accelerated)
    lookups = {
        "RouteIndex": RouteIndex(routes).candidates,
        "Router": connecting_to(Router(routes)),
        "accelerate": connecting_to(accelerated),
    }
    for title, look_up in lookups.items():
        for piece in ("/", "/a", "x", "/a/a/1", "\ud800"):

            def prepare(size: int, look_up: Any = look_up, piece: str = piece) -> Work:
                path = "/" + piece * (size // len(piece))
                return lambda: look_up(path)

            yield Case(f"path: {title} of 1,000 routes and {piece!a}", 250_000, prepare, LIMIT)


def connecting_to(app: Any) -> Callable[[str], None]:
    """Asks an application for a page."""
    loop = asyncio.new_event_loop()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None: ...

    def ask(path: str) -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "scheme": "http",
            "server": ("localhost", 80),
        }
        loop.run_until_complete(app(scope, receive, send))

    return ask


def declarations() -> Iterator[Case]:
    """What a developer can declare. The size is a number of things."""

    def declared(name: str, size: int, prepare: Callable[[int], Work]) -> Case:
        return Case(f"declare: {name}", size, prepare)

    def function(parameters: Iterable[str]) -> Any:
        namespace: dict[str, Any] = {"WebSocket": WebSocket}
        exec(f"async def made(websocket: WebSocket, {', '.join(parameters)}): ...", namespace)
        return namespace["made"]

    def made_route(path: str, endpoint: Any) -> Work:
        """Declares a route, and connects once, so that the code is generated as well."""

        def work() -> None:
            route = APIWebSocketRoute(path, endpoint)
            scope = websocket_scope(path.replace("{", "").replace("}", ""))
            _, more = route.matches(scope)
            loop = asyncio.new_event_loop()
            try:
                loop.run_until_complete(route.handle({**scope, **more}, nothing, ignored))
            finally:
                loop.close()

        return work

    async def nothing() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def ignored(message: Any) -> None: ...

    def many_parameters(count: int) -> Work:
        return made_route("/", function(f"p{number}: int = 1" for number in range(count)))

    def many_path_parameters(count: int) -> Work:
        path = "".join(f"/{{p{number}}}" for number in range(count))
        return made_route(path, function(f"p{number}: str" for number in range(count)))

    def chain(count: int) -> Work:
        async def first() -> int:
            return 0

        last: Any = first
        for _ in range(count):

            async def link(before: int = Depends(last)) -> int:
                return before + 1

            last = link

        async def endpoint(websocket: WebSocket, end: int = Depends(last)) -> None: ...

        return made_route("/", endpoint)

    def wide(count: int) -> Work:
        async def one(websocket: WebSocket) -> None: ...

        depends = [Depends(one, use_cache=False) for _ in range(count)]
        return lambda: APIWebSocketRoute("/", plain, dependencies=depends)

    def template(piece: str) -> Callable[[int], Work]:
        return lambda count: lambda: outcome(lambda: PathMatcher("/" + piece * count))

    def parameters(count: int) -> Work:
        text = "".join(f"/{{p{number}:int}}" for number in range(count))
        return lambda: PathMatcher(text)

    def routes(template: str) -> Callable[[int], Work]:
        def prepare(count: int) -> Work:
            routes = [Route(template.format(number), print) for number in range(count)]
            return lambda: RouteIndex(routes).candidates("/x")

        return prepare

    def mounted(count: int) -> Work:
        def work() -> None:
            router = Router()
            inner = Router()
            inner.add_websocket_route("/x", plain)
            for number in range(count):
                router.include_router(inner, prefix=f"/{number}")

        return work

    yield declared("parameters of the query", 500, many_parameters)
    yield declared("parameters of the path, and of the endpoint", 500, many_path_parameters)
    yield declared("a chain of dependencies", 250, chain)
    yield declared("dependencies beside each other", 1_000, wide)
    yield declared("a template of parameters", 2_500, parameters)
    yield declared("a template of {", 5_000, template("{"))
    yield declared("a template of }", 5_000, template("}"))
    yield declared("a template of {}", 5_000, template("{}"))
    yield declared("a template of {{a", 5_000, template("{{a"))
    yield declared("a template of {a:", 5_000, template("{a:"))
    yield declared("routes", 1_000, routes("/r{}/{{a}}"))
    yield declared("routes that nobody can tell apart", 1_000, routes("/{{a}}/{{b{}}}"))
    yield declared("included routers", 1_000, mounted)


def outcome(work: Work) -> Any:
    try:
        return work()
    except Exception as error:
        return error


def seconds(work: Work, enough: float = SHORTEST) -> float:
    """The shortest time that the work took, in CPU time of this thread: others may be busy meanwhile."""
    best, spent = float("inf"), 0.0
    for turn in range(50):
        began = time.thread_time()
        work()
        took = time.thread_time() - began
        best, spent = min(best, took), spent + took
        # The first turn also pays for memory that Python keeps for the next ones.
        if spent > 25 * enough and (turn > 1 or took > CONCLUSIVE):
            break
    return best


@dataclass
class Measured:
    name: str
    size: int
    small: float
    large: float
    at_limit: float | None
    fault: str = ""

    @property
    def growth(self) -> float:
        return self.large / max(self.small, 1e-9)

    @property
    def faults(self) -> list[str]:
        found = [self.fault] if self.fault else []
        if self.large > SHORTEST and self.growth > MOST_GROWTH:
            found.append("growth is not linear")
        most = MOST_SECONDS_OF_ERRORS if "wrong values" in self.name else MOST_SECONDS
        if self.at_limit is not None and self.at_limit > most:
            found.append(f"more than {most * 1e3:.0f} ms at the limit")
        return found


def measured(case: Case) -> Measured:
    gc.collect()
    small, large = seconds(case.prepare(case.size)), seconds(case.prepare(GROWTH * case.size))
    at_limit = None if case.limit is None else seconds(case.prepare(case.limit))
    return Measured(case.name, case.size, small, large, at_limit)


def best(case: Case) -> Measured:
    for _ in range(ATTEMPTS):
        found = measured(case)
        if not found.faults or found.large > CONCLUSIVE:
            break
    return found


def within_its_time(case: Case) -> Measured:
    """Measures in a process of its own, which the kernel ends even if compiled code does not return."""
    receiver, sender = FORK.Pipe(duplex=False)

    def measure() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS_OF_A_CASE, MOST_SECONDS_OF_A_CASE + 1))
        sender.send(best(case))

    process = FORK.Process(target=measure)
    process.start()
    sender.close()  # so that the end of the process ends the pipe
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        late = process.exitcode == -signal.SIGXCPU
        fault = f"not over after {MOST_SECONDS_OF_A_CASE} s" if late else f"ended with {process.exitcode}"
        return Measured(case.name, case.size, 0, 0, None, fault)
    finally:
        process.join()
        receiver.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", default="", metavar="WORD", help="only the cases with this in their name")
    arguments = parser.parse_args()
    print(f"fastroute {fastroute.IMPLEMENTATION}, Python {sys.version.split()[0]}; the limit is {LIMIT:,} bytes")
    print(f"\n{'case':64} {'size':>9} {'time':>9} {'at 4 x':>9} {'growth':>7} {'at limit':>9}   (milliseconds)")
    faults = 0
    for case in (case for cases in (handshakes(), paths(), declarations()) for case in cases):
        if arguments.case not in case.name:
            continue
        found = within_its_time(case)
        at_limit = "" if found.at_limit is None else f"{found.at_limit * 1e3:9.3f}"
        row = f"{found.name:64} {found.size:9,} {found.small * 1e3:9.3f} {found.large * 1e3:9.3f} {found.growth:7.1f}"
        print(f"{row} {at_limit:>9} {'; '.join(found.faults)}".rstrip(), flush=True)
        faults += bool(found.faults)
    print(f"\n{faults} cases above a bound")
    return 1 if faults else 0


if __name__ == "__main__":
    gc.disable()  # a collection would count for the case that happens to start it
    sys.exit(main())
