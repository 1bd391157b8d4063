"""The generated code: it reads as its documentation shows it, and holds nothing of a user."""

import functools
import inspect
import textwrap
import traceback
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AliasChoices, BaseModel
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Cookie, Depends, Header, Path, Query, Security, SecurityScopes
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


class Model(BaseModel):
    a: int = 0


LINES: dict[str, tuple[Any, list[str]]] = {
    "query": (Annotated[int, Query()], ["raw = query.get(key_0_0)", "value_0_0 = validate_0_0(raw)"]),
    "a text of the query": (Annotated[str, Query()], ["raw = query.get(key_0_0)", "value_0_0 = raw"]),
    "a text or None": (Annotated[str | None, Query()], ["value_0_0 = raw"]),
    "anything": (Annotated[Any, Query()], ["value_0_0 = raw"]),
    "a constraint": (Annotated[str, Query(max_length=3)], ["value_0_0 = validate_0_0(raw)"]),
    "a list of the query": (
        Annotated[list[str], Query()],
        ["raw = queries.get(key_0_0)", "value_0_0 = validate_0_0(raw, from_attributes=True)"],
    ),
    "header": (
        Annotated[int, Header()],
        ["raw = headers.get(key_0_0)", "value_0_0 = validate_0_0(raw.decode('latin-1'))"],
    ),
    "a text of a header": (Annotated[str, Header()], ["value_0_0 = raw.decode('latin-1')"]),
    "a list of a header": (
        Annotated[list[str], Header()],
        ["raw = header_values(pairs, key_0_0)", "value_0_0 = validate_0_0(raw, from_attributes=True)"],
    ),
    "cookie": (Annotated[int, Cookie()], ["raw = cookies.get(key_0_0)", "value_0_0 = validate_0_0(raw)"]),
    "a text of a cookie": (Annotated[str, Cookie()], ["raw = cookies.get(key_0_0)", "value_0_0 = raw"]),
    "path": (Annotated[int, Path()], ["raw = path.get(key_0_0)", "value_0_0 = validate_0_0(raw)"]),
    "a text of the path, which may be anything": (Annotated[str, Path()], ["value_0_0 = validate_0_0(raw)"]),
    "a model": (Annotated[Model, Query()], ["value_0_0 = read_field(field_0_0, websocket)"]),
    "several keys": (
        Annotated[int, Query(validation_alias=AliasChoices("a", "b"))],
        ["value_0_0 = read_field(field_0_0, websocket)"],
    ),
    "a default that is validated": (
        Annotated[int, Query(validate_default=True)],
        ["value_0_0 = read_field(field_0_0, websocket)"],
    ),
    "a factory": (Annotated[int, Query(default_factory=int)], ["value_0_0 = read_field(field_0_0, websocket)"]),
}


@pytest.mark.parametrize(("annotation", "expected"), LINES.values(), ids=LINES)
def test_how_a_value_is_read(annotation: Any, expected: list[str]) -> None:
    async def endpoint(websocket: WebSocket, value: annotation) -> None: ...

    lines = [
        line.strip() for line in source_of(endpoint, "/{value}" if "Path" in str(annotation) else "/").splitlines()
    ]
    assert [line for line in lines if line.startswith(("raw =", "value_0_0 ="))][-len(expected) :] == expected


PLAIN = [int, float, bool, UUID, Decimal, date, datetime, time, Scope, Literal["a"]]


@pytest.mark.parametrize("cls", PLAIN, ids=str)
def test_a_plain_type_has_no_attributes_to_read(cls: Any) -> None:
    async def endpoint(websocket: WebSocket, value: cls) -> None: ...

    assert "value_0_0 = validate_0_0(raw)\n" in source_of(endpoint)


SHARED = [
    "query = query_values(scope['query_string'])",
    "queries = query_lists(scope['query_string'])",
    "pairs = header_pairs(scope)",
    "headers = headers_by_name(pairs)",
    "cookies = cookie_values(pairs)",
    "path = websocket.path_params",
]


@pytest.mark.parametrize(
    ("annotation", "needed"),
    [
        (int, ["query = query_values(scope['query_string'])"]),
        (Annotated[list[int], Query()], ["queries = query_lists(scope['query_string'])"]),
        (Annotated[int, Header()], ["pairs = header_pairs(scope)", "headers = headers_by_name(pairs)"]),
        (Annotated[list[int], Header()], ["pairs = header_pairs(scope)"]),
        (Annotated[int, Cookie()], ["pairs = header_pairs(scope)", "cookies = cookie_values(pairs)"]),
        (Annotated[int, Path()], ["path = websocket.path_params"]),
        (Annotated[Model, Query()], []),
        (WebSocket, []),
    ],
    ids=str,
)
def test_only_what_a_plan_needs_is_parsed(annotation: Any, needed: list[str]) -> None:
    async def endpoint(value: annotation) -> None: ...

    lines = [
        line.strip() for line in source_of(endpoint, "/{value}" if "Path" in str(annotation) else "/").splitlines()
    ]
    assert [line for line in lines if line in SHARED] == needed


def test_without_a_clean_up_there_is_no_stack() -> None:
    async def before() -> AsyncIterator[None]:
        yield

    async def endpoint(websocket: WebSocket) -> None: ...

    assert "cleanups" not in source_of(endpoint)
    assert "finish_handshake" not in source_of(endpoint, dependencies=[Depends(before)])
    assert "finish_handshake" in source_of(endpoint, dependencies=[Depends(before, scope="handshake")])


def test_a_line_of_the_generated_code_is_shown_in_a_traceback() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        raise LookupError

    with pytest.raises(LookupError) as raised:
        connect(APIWebSocketRoute("/a\0b\ud800", endpoint), websocket_scope("/a\0b\ud800"))
    text = "".join(traceback.format_exception(raised.value))
    assert 'File "<fastroute plan ' in text
    assert "await endpoint.call(websocket=websocket)" in text


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
