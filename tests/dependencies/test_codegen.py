"""The generated code: it reads as its documentation shows it, and holds nothing of a user."""

import functools
import inspect
import textwrap
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from typing import Annotated, Any

import pytest
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Cookie, Depends, Header, Query, Security, SecurityScopes
from fastroute.dependencies import codegen
from fastroute.dependencies.codegen import generate
from fastroute.dependencies.plan import build_plan


def source_of(endpoint: Any, path: str = "/", **options: Any) -> str:
    route = APIWebSocketRoute(path, endpoint, **options)
    return generate(build_plan(route.dependant, route.param_convertors)).source


def test_the_example_in_the_documentation_is_generated() -> None:
    async def user(x_token: Annotated[str, Header()]) -> str:
        return x_token

    async def room(websocket: WebSocket, user: Annotated[str, Depends(user)], n: int = 1) -> None: ...

    assert textwrap.indent(source_of(room), "    ") in (codegen.__doc__ or "")


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"


class Executed(str):
    """Text whose `repr`, `str` and format are code that tells of its run."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "executed()"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)


@pytest.mark.parametrize("scopes", [[Scope.READ, Scope.WRITE], [Executed("read")], ["read:'\"\\\n"]])
def test_scopes_arrive_as_the_very_objects(scopes: list[str]) -> None:
    seen: list[str] = []

    async def checks(scopes: SecurityScopes) -> None:
        seen.extend(scopes.scopes)

    async def endpoint(websocket: WebSocket, checked: Annotated[None, Security(checks, scopes=scopes)]) -> None: ...

    connect(APIWebSocketRoute("/", endpoint), websocket_scope())
    assert len(seen) == len(scopes)
    assert all(found is scope for found, scope in zip(seen, scopes, strict=True))


@pytest.mark.parametrize("alias", [Scope.READ, Executed("read")])
@pytest.mark.parametrize("declare", [Query, Header, Cookie])
def test_an_alias_may_be_any_str(declare: Any, alias: str) -> None:
    seen: list[Any] = []

    async def endpoint(websocket: WebSocket, value: Annotated[int | None, declare(alias=alias)] = None) -> None:
        seen.append(value)

    route = APIWebSocketRoute("/", endpoint)
    connect(route, websocket_scope("/?read=4", headers=[("read", "4"), ("cookie", "read=4")]))
    connect(route, websocket_scope("/"))
    assert seen == [4, None]


def test_a_missing_parameter_is_named_by_its_alias() -> None:
    async def endpoint(websocket: WebSocket, value: Annotated[int, Query(alias=Scope.WRITE)]) -> None: ...

    messages = connect(APIWebSocketRoute("/", endpoint), websocket_scope("/"))
    assert messages[-1]["reason"] == "query.write: Field required"


@pytest.mark.parametrize("kind", ["coroutine", "thread", "batch", "generator", "async generator", "limited"])
@pytest.mark.parametrize("name", ["func", "call", "self", "limiter", "together", "callable", "lifetime", "scope"])
def test_a_parameter_may_be_called_as_one_of_ours(kind: str, name: str) -> None:
    namespace: dict[str, Any] = {"AsyncIterator": AsyncIterator, "Iterator": Iterator}
    code = {
        "coroutine": f"async def dependency({name}: int = 1): return {name}",
        "thread": f"def dependency({name}: int = 1): return {name}",
        "batch": f"def dependency({name}: int = 1): return {name}",
        "limited": f"def dependency({name}: int = 1): return {name}",
        "generator": f"def dependency({name}: int = 1): yield {name}",
        "async generator": f"async def dependency({name}: int = 1): yield {name}",
    }
    exec(code[kind], namespace)
    dependency = namespace["dependency"]
    seen: list[Any] = []

    def after() -> None: ...

    async def endpoint(
        websocket: WebSocket,
        value: Annotated[int, Depends(dependency, max_concurrency=1 if kind == "limited" else None)],
        none: Annotated[None, Depends(after)],
    ) -> None:
        seen.append(value)

    connect(APIWebSocketRoute("/", endpoint), websocket_scope(f"/?{name}=3"))
    assert seen == [3]


class Renamed(inspect.Parameter):
    """A parameter with a name that `inspect.Parameter` itself would not take."""

    def __init__(self, name: str, annotation: Any) -> None:
        super().__init__("placeholder", inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        self._name = name

    def replace(self, **changes: Any) -> inspect.Parameter:
        return Renamed(self._name, changes.get("annotation", self.annotation))


NAMES = ["class", "a b", "\ufb01le", "__debug__", "x)", "x=executed(), y", "\ud800", Executed("q"), "match", "\u00e9"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("is_async", [True, False])
def test_a_name_that_is_no_plain_keyword(name: str, is_async: bool) -> None:
    seen: list[Any] = []

    def dependency(**values: Any) -> None:
        seen.append(values)

    async def coroutine(**values: Any) -> None:
        seen.append(values)

    call: Any = coroutine if is_async else dependency
    call.__signature__ = inspect.Signature([Renamed(name, Annotated[int, Query(alias="q")])])

    async def endpoint(websocket: WebSocket) -> None: ...

    connect(APIWebSocketRoute("/", endpoint, dependencies=[Depends(call)]), websocket_scope("/?q=1"))
    assert seen == [{name: 1}]


def test_the_names_of_callables_meet_nothing() -> None:
    async def connect_x() -> str:
        return "connect_x"

    seen: list[str] = []

    async def x_0_call(websocket: WebSocket, value: Annotated[str, Depends(connect_x)]) -> None:
        seen.append(value)

    connect(APIWebSocketRoute("/", x_0_call), websocket_scope())
    assert seen == ["connect_x"]


@pytest.mark.parametrize("name", [7, None, b"x", Executed("x"), "class", "a\nb", ""])
def test_a_callable_may_have_any_name(name: Any) -> None:
    class Dependency:
        def __init__(self) -> None:
            self.__name__ = name

        async def __call__(self, q: int = 1) -> int:
            return q

    seen: list[int] = []

    async def endpoint(websocket: WebSocket, value: Annotated[int, Depends(Dependency())]) -> None:
        seen.append(value)

    connect(APIWebSocketRoute("/", endpoint), websocket_scope("/?q=5"))
    assert seen == [5]


@pytest.mark.parametrize("name", [7, None, Executed("x"), "a b"])
def test_an_endpoint_may_have_any_name(name: Any) -> None:
    class Endpoint:
        func = "not that of a partial"

        def __init__(self) -> None:
            self.__name__ = name

        async def __call__(self, websocket: WebSocket, q: int = 1) -> None:
            seen.append(q)

    seen: list[int] = []
    route = APIWebSocketRoute("/", Endpoint())
    connect(route, websocket_scope("/?q=5"))
    assert seen == [5]
    assert connect(route, websocket_scope("/?q=x"))[-1]["code"] == 1008


def test_a_lifetime_may_be_any_str() -> None:
    class Lifetime(StrEnum):
        HANDSHAKE = "handshake"

    events: list[str] = []

    async def session() -> AsyncIterator[int]:
        yield 1
        events.append("session ends")

    async def user(session: Annotated[int, Depends(session, scope=Lifetime.HANDSHAKE)]) -> int:
        return session

    async def endpoint(websocket: WebSocket, user: Annotated[int, Depends(user)]) -> None:
        events.append("endpoint starts")

    connect(APIWebSocketRoute("/", endpoint), websocket_scope())
    assert events == ["session ends", "endpoint starts"]


def test_the_source_holds_only_parameter_names() -> None:
    async def secret_call(secret_parameter: Annotated[str, Query(alias="secret_alias")] = "secret_default") -> None: ...

    def secret_sync() -> None: ...

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[None, Security(secret_call, scopes=["secret_scope"])],
        b: Annotated[None, Depends(functools.partial(secret_sync))],
        c: Annotated[str, Header(alias="secret_header")],
    ) -> None: ...

    source = source_of(endpoint, "/secret_path/{secret_segment}", dependencies=[Depends(secret_sync)])
    assert source.count("secret") == source.count("secret_parameter=") == 1
