"""Path, query, header and cookie parameters, one by one and as models: as in FastAPI."""

import datetime
import decimal
import enum
import functools
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Optional, Union

import oracle
import pytest
from fastapi.exceptions import FastAPIDeprecationWarning
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import FASTAPI, OURS, Api, Connection, Mounted, handshake, starlette
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    WrapValidator,
    field_validator,
    model_validator,
)
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Mount
from starlette.websockets import WebSocket

import fastroute

#: Reading a parameter waits for nothing, so that one backend shows everything.
parity = functools.partial(oracle.parity, backends=["asyncio"])

# Which key is looked up


@parity(handshake("/?q=1"), handshake("/?alias=1"), handshake("/?q=x&alias=y"), handshake())
def test_alias(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[int, api.Query(alias="alias")]) -> None:
        await api.end(websocket, q)

    return endpoint


@parity(handshake("/?q=1"), handshake("/?alias=1"), handshake("/?v=1"), handshake("/?v=x&alias=1"))
def test_validation_alias_counts_before_alias(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[int, api.Query(alias="alias", validation_alias="v")]) -> None:
        await api.end(websocket, q)

    return endpoint


@parity(handshake("/?q=1"), handshake("/?=1"), handshake())
def test_an_empty_alias_is_none(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[int, api.Query(validation_alias="")],
        r: Annotated[int, api.Query(alias="")] = 0,
    ) -> None:
        await api.end(websocket, q, r)

    return endpoint


@parity(
    handshake("/?a=1"),
    handshake("/?b=2"),
    handshake("/?b=2&a=1"),
    handshake("/?a=x&b=2"),
    handshake("/?q=1"),
    handshake(),
)
def test_alias_choices(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, q: Annotated[int, api.Query(validation_alias=AliasChoices("a", "b"))]
    ) -> None:
        await api.end(websocket, q)

    return endpoint


def test_a_field_is_called_by_its_first_key() -> None:
    async def endpoint(
        websocket: WebSocket, q: Annotated[int, fastroute.Query(validation_alias=AliasChoices("a", "b"))]
    ) -> None: ...

    (field,) = fastroute.APIWebSocketRoute("/", endpoint).dependant.query_params
    assert (field.name, field.alias, field.keys) == ("q", "a", ("a", "b"))


@parity(handshake("/?a=1"), handshake("/?b=2"), handshake("/?q=1"), handshake())
def test_alias_choices_with_a_default(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[int, api.Query(alias="a", validation_alias=AliasChoices("b", "a"))] = 7,
    ) -> None:
        await api.end(websocket, q)

    return endpoint


@parity(handshake("/?a=1"), handshake("/?q=1"), handshake())
def test_alias_path_is_passed_over(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, q: Annotated[int, api.Query(validation_alias=AliasPath("a", 0))] = 5
    ) -> None:
        await api.end(websocket, q)

    return endpoint


@parity(handshake("/?a=1"), handshake("/?b=1"), handshake("/?q=1"), handshake())
def test_alias_path_among_choices(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[int, api.Query(validation_alias=AliasChoices("a", AliasPath("b", 0)))] = 5,
    ) -> None:
        await api.end(websocket, q)

    return endpoint


@parity(
    handshake("/", ("x-b", "1")),
    handshake("/", ("x_a", "1")),
    handshake("/", ("x-a", "1")),
    handshake("/", ("x_a", "1"), ("x-b", "2")),
    handshake(),
)
def test_alias_choices_of_a_header_are_literal(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, token: Annotated[str, api.Header(validation_alias=AliasChoices("x_a", "X-B"))]
    ) -> None:
        await api.end(websocket, token)

    return endpoint


@parity(handshake("/", ("cookie", "a=1")), handshake("/", ("cookie", "b=2; a=1")), handshake())
def test_alias_choices_of_a_cookie(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, c: Annotated[int, api.Cookie(validation_alias=AliasChoices("b", "a"))]
    ) -> None:
        await api.end(websocket, c)

    return endpoint


@parity(handshake("/3"), handshake("/x"), path="/{item}")
def test_alias_choices_of_a_path_parameter(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, p: Annotated[int, api.Path(validation_alias=AliasChoices("other", "item"))]
    ) -> None:
        await api.end(websocket, p)

    return endpoint


@parity(handshake("/?q=1"), handshake("/?alias=1"), handshake())
def test_alias_in_the_default_style(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: int = api.Query(alias="alias")) -> None:
        await api.end(websocket, q)

    return endpoint


@parity(handshake("/?from_field=3"), handshake("/?q=1"))
def test_alias_of_a_field_without_marker(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[int, Field(alias="from_field")]) -> None:
        await api.end(websocket, q)

    return endpoint


# Headers, and which occurrence counts


@parity(
    handshake("/", ("x-token", "a")),
    handshake("/", ("x_token", "a")),
    handshake("/", ("X-TOKEN", "a"), ("x-token", "b")),
    handshake("/", ("x-token", "")),
    handshake(),
)
def test_header_underscores(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, x_token: Annotated[str, api.Header()]) -> None:
        await api.end(websocket, x_token)

    return endpoint


@parity(handshake("/", ("x-token", "a")), handshake("/", ("x_token", "a")), handshake())
def test_header_underscores_kept(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, x_token: Annotated[str, api.Header(convert_underscores=False)]) -> None:
        await api.end(websocket, x_token)

    return endpoint


@parity(handshake("/", ("x-token", "a")), handshake("/", ("x_token", "a")), handshake())
def test_header_alias_is_literal(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, t: Annotated[str, api.Header(alias="X_Token")]) -> None:
        await api.end(websocket, t)

    return endpoint


@parity(handshake("/", ("x-token", "\xe9\xff")), handshake("/", ("x-token", "a, b")))
def test_header_bytes_are_latin_1(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, x_token: str = api.Header()) -> None:
        await api.end(websocket, x_token)

    return endpoint


@parity(handshake("/?q=1&q=2", ("cookie", "c=1; c=2")), handshake("/?q=x&q=2", ("cookie", "c=x; c=2")))
def test_the_last_of_repeated_queries_and_cookies_counts(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: int, c: Annotated[int, api.Cookie()]) -> None:
        await api.end(websocket, q, c)

    return endpoint


# Cookies


@parity(
    handshake("/", ("cookie", "a=1; b=2")),
    handshake("/", ("cookie", "a=1"), ("cookie", "a=2; b=3")),
    handshake("/", ("cookie", 'a="x\\054y"; b="\\351\\""')),
    handshake("/", ("cookie", "a=\xe9; b= c ;;d")),
    handshake("/", ("cookie", "a; b=1=2")),
    handshake("/", ("cookie", "A=1; B=2")),
    handshake("/", ("cookie", "=v; a=; b=")),
    handshake("/", ("cookie", "")),
    handshake(),
)
def test_cookies(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, a: Annotated[str, api.Cookie()], b: Annotated[str | None, api.Cookie()] = None
    ) -> None:
        await api.end(websocket, a, b)

    return endpoint


# Sequences


@parity(
    handshake("/?a=1&a=2&b=1&b=1&c=1&c=2&d=1&e=1&f=1&f=2"),
    handshake("/?a=1,2&b=1&c=1&c=2&d=1&e=1&f=1"),
    handshake("/?a=1&a=x&b=y&c=1&d=z&e=1&f=x"),
    handshake("/?a="),
    handshake(),
)
def test_sequences_in_the_query(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        a: Annotated[list[int], api.Query()],
        b: Annotated[set[int], api.Query()],
        c: Annotated[tuple[int, int], api.Query()],
        d: Annotated[frozenset[int], api.Query()],
        e: Annotated[deque[int], api.Query()],
        f: Annotated[Sequence[int], api.Query()],
    ) -> None:
        await api.end(websocket, a, b, c, d, e, f)

    return endpoint


@parity(handshake("/?q=1&q=2&r=3&s=a"), handshake("/?r=4&r=5&s=a&s=b"), handshake("/?q=x&r=x"), handshake())
def test_sequences_in_unions(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[list[int] | None, api.Query()] = None,
        r: Annotated[int | list[int], api.Query()] = 9,
        s: Annotated[Optional[list[str]], api.Query()] = None,  # noqa: UP045 (the old spelling is the case)
    ) -> None:
        await api.end(websocket, q, r, s)

    return endpoint


@parity(
    handshake("/", ("x-h", "1"), ("x-h", "2")),
    handshake("/", ("x-h", "1, 2")),
    handshake("/", ("x_h", "1")),
    handshake(),
)
def test_sequences_in_headers(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, x_h: Annotated[list[int], api.Header()]) -> None:
        await api.end(websocket, x_h)

    return endpoint


@parity(handshake("/?q=a"), handshake())
def test_bare_sequences(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: list = api.Query(),  # type: ignore[type-arg]  # bare on purpose
        r: list[str] = api.Query(default=["x"]),
    ) -> None:
        await api.end(websocket, q, r)

    return endpoint


@parity(
    handshake("/?q=[1,2]&r=1"),
    handshake("/?q=[1]&q=[2]&r={}"),
    handshake("/?q=x&r=x"),
    handshake("/?q=[%22a%22]&r=2"),
)
def test_json_in_the_query(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[Json[list[int]], api.Query()],
        r: Annotated[Json[Any], api.Query()],
    ) -> None:
        await api.end(websocket, q, r)

    return endpoint


@parity(handshake("/?q={%22a%22:3}"), handshake("/?a=3"), handshake("/?q=x"), handshake())
def test_json_of_a_model_is_one_text(api: Api) -> Any:
    class Inner(BaseModel):
        a: int

    async def endpoint(websocket: WebSocket, q: Annotated[Json[Inner], api.Query()]) -> None:
        await api.end(websocket, q)

    return endpoint


# Absent


@parity(handshake())
def test_missing_everywhere(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        b: Annotated[int, api.Cookie(alias="The-Cookie")],
        a: Annotated[int, api.Header(alias="The-Header")],
        q: Annotated[int, api.Query(alias="The-Query")],
        d: str,
    ) -> None:
        await api.end(websocket, a, b, q, d)

    return endpoint


@parity(handshake(), handshake("/?a=1&b=2&c=3&d=4&e=5"))
def test_defaults(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        a: int = 1,
        b: Annotated[int, api.Query()] = 2,
        c: int = api.Query(default=3),
        d: Annotated[int | None, api.Query()] = None,
        e: str | None = None,
    ) -> None:
        await api.end(websocket, a, b, c, d, e)

    return endpoint


@parity(handshake(), handshake("/?a=1&b=1"))
def test_default_is_validated_only_if_asked(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        a: int = api.Query(default="text"),
        b: int = api.Query(default="12", validate_default=True),
        c: Annotated[int, api.Query(validate_default=True)] = "x",  # type: ignore[assignment]  # the case
    ) -> None:
        await api.end(websocket, a, b, c)

    return endpoint


@parity(handshake(), handshake("/?a=1"))
def test_a_default_that_is_validated(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, a: int = api.Query(default="12", validate_default=True)) -> None:
        await api.end(websocket, a)

    return endpoint


@parity(handshake(), handshake("/?q=x"), handshake("/?q=5&r=1"))
def test_default_factory(api: Api) -> Any:
    def factory() -> int:
        api.log("factory")
        return 42

    async def endpoint(
        websocket: WebSocket,
        q: Annotated[int, api.Query(default_factory=factory)],
        r: list[str] = api.Query(default_factory=list),
        s: int = api.Query(default_factory=int),
    ) -> None:
        await api.end(websocket, q, r, s)

    return endpoint


@parity(handshake("/"), handshake("/?b=1"), handshake("/?a=1&c=x"), handshake("/?a=1&b=2&c=3"), handshake("/?b=x"))
def test_a_validation_error_of_a_default_factory_is_no_error_of_the_client(api: Api) -> Any:
    class Settings(BaseModel):
        value: int

    def factory() -> int:
        return Settings.model_validate({"value": "wrong"}).value

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[int, api.Query()] = 1,
        b: int = api.Query(default_factory=factory),
        c: Annotated[int, api.Query()] = 1,
    ) -> None:
        await api.end(websocket, [a, b, c])

    return endpoint


@parity(handshake())
def test_mutable_default_is_not_shared(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: list[str] = api.Query(default=["a"]),
        r: list[str] = api.Query(default=["a"]),
    ) -> None:
        q.append("b")
        await api.end(websocket, q, r)

    return endpoint


@pytest.mark.parametrize("names", OURS.values(), ids=OURS)
def test_a_mutable_default_is_fresh_for_every_connection(names: dict[str, Any]) -> None:
    default = ["a"]

    def declare(api: Api) -> Any:
        async def endpoint(websocket: WebSocket, q: list[str] = api.Query(default=default)) -> None:
            q.append("b")
            await api.end(websocket, q)

        return endpoint

    for each in (FASTAPI, names):
        mounted = Mounted(each, declare, "/", starlette)
        first, second = mounted.run(handshake(), "asyncio"), mounted.run(handshake(), "asyncio")
        assert first == second
        assert first.events == [("endpoint", ("list", ["a", "b"]))]
        assert default == ["a"]


# Raw text


@parity(
    handshake("/?s=&i=1"),
    handshake("/?s&i=1"),
    handshake("/?s=a&i="),
    handshake("/?s=a&i=1&o="),
    handshake("/?s=a+b%20c%2B&i=1"),
    handshake("/?s=a;i=3&i=1"),
    handshake("/?s=%FF%C3%A9%E2&i=1"),
    handshake("/?S=a&I=1"),
    handshake("/?s=\xe9&i=1"),
    handshake("/?s=%&i=%31&o=%zz"),
    handshake("/?&&s=1&&i=2&"),
    handshake("/?s=a=b&i=1"),
    handshake("/?%73=x&i=1"),
    handshake("/?s=%00&i=%201%20"),
)
def test_query_text(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, s: str, i: int, o: int | None = None) -> None:
        await api.end(websocket, s, i, o)

    return endpoint


# Validation


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def even(value: int) -> int:
    if value % 2:
        raise ValueError("odd")
    return value


SCALARS: dict[str, tuple[Any, list[str]]] = {
    "int": (int, ["1", "-1", " 2 ", "1.0", "1.5", "x", "1" * 5000, "٣", "1_000"]),
    "float": (float, ["1", "1e3", "nan", "inf", "x"]),
    "bool": (bool, ["1", "true", "off", "no", "yes", "x", "2"]),
    "bytes": (bytes, ["a", "%C3%A9"]),
    "decimal": (decimal.Decimal, ["1.10", "NaN", "x"]),
    "uuid": (uuid.UUID, ["12345678-1234-5678-1234-567812345678", "x"]),
    "datetime": (datetime.datetime, ["2026-01-02T03:04:05Z", "1767323045", "x"]),
    "date": (datetime.date, ["2026-01-02", "2026-13-01"]),
    "timedelta": (datetime.timedelta, ["P1DT2H", "30", "x"]),
    "enum": (Colour, ["red", "green"]),
    "literal": (Literal["a", "b"], ["a", "c"]),
    "literal int": (Literal[1, 2], ["1", "3"]),
    "union": (int | str, ["1", "a"]),
    "old union": (Union[int, uuid.UUID], ["1", "a"]),  # noqa: UP007 (the old spelling is the case)
    "optional": (int | None, ["1", "", "None", "null"]),
    "any": (Any, ["1"]),
    "constrained": (Annotated[int, Field(ge=3, multiple_of=2)], ["4", "5", "2"]),
    "constrained text": (Annotated[str, Field(min_length=2, max_length=3, pattern="^a")], ["ab", "a", "ba"]),
    "after": (Annotated[int, AfterValidator(even)], ["2", "3", "x"]),
    "before": (Annotated[int, BeforeValidator(lambda text: text + "0")], ["1", "x"]),
    "wrap": (Annotated[int, WrapValidator(lambda value, inner: inner(value) + 1)], ["1", "x"]),
}


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("where", ["Query", "Header", "Cookie", "Path", "no marker"])
@pytest.mark.parametrize("kind", SCALARS)
def test_scalars(kind: str, where: str, ours: str) -> None:
    annotation, values = SCALARS[kind]

    def declare(api: Api) -> Any:
        if where == "no marker":

            async def plain(websocket: WebSocket, q: annotation) -> None:
                await api.end(websocket, q)

            return plain

        async def endpoint(websocket: WebSocket, q: Annotated[annotation, getattr(api, where)()]) -> None:
            await api.end(websocket, q)

        return endpoint

    path = "/{q}" if where == "Path" else "/"
    theirs = Mounted(FASTAPI, declare, path, starlette)
    mine = Mounted(OURS[ours], declare, path, starlette)
    for value in values:
        connection = {
            "Query": Connection(query=f"q={value}".encode()),
            "no marker": Connection(query=f"q={value}".encode()),
            "Header": Connection(headers=((b"q", value.encode()),)),
            "Cookie": Connection(headers=((b"cookie", f"q={value}".encode()),)),
            "Path": Connection(f"/{value}"),
        }[where]
        expected = theirs.run(connection, "asyncio")
        assert expected.events or expected.error or (where == "Path" and not value)
        assert mine.run(connection, "asyncio") == expected


@parity(handshake("/?q=1"), handshake("/?q=x"))
def test_strict_int_always_fails(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[int, api.Query(strict=True)]) -> None:
        await api.end(websocket, q)

    return endpoint


@parity(handshake("/?q=5&r=11"), handshake("/?q=2&r=3"), handshake("/?q=5&r=5"))
def test_constraints_of_marker_and_metadata(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[int, Field(gt=3), api.Query(lt=10), AfterValidator(lambda each: each + 100)],
        r: int = api.Query(gt=10),
    ) -> None:
        await api.end(websocket, q, r)

    return endpoint


# `loc`, and the rest of an error


@parity(
    handshake("/1?q=1&q=2&Big=a", ("x-h", "3"), ("cookie", "c=4")),
    handshake("/x?q=1&q=x&q=y&Big=z", ("x-h", "z"), ("cookie", "c=z")),
    handshake("/x", ("X-H", "")),
    path="/{p}",
)
def test_loc_of_each_place(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        p: int,
        q: Annotated[list[int], api.Query()],
        big: Annotated[Literal["a"], api.Query(alias="Big")],
        x_h: Annotated[int, api.Header()],
        c: Annotated[int, api.Cookie(gt=3)],
    ) -> None:
        await api.end(websocket, p, q, big, x_h, c)

    return endpoint


@parity(handshake("/?q=3&r=2"), handshake("/?q=0"))
def test_ctx_is_kept(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, q: Annotated[int, AfterValidator(even), api.Query(gt=1)], r: Literal[1]
    ) -> None:
        await api.end(websocket, q, r)

    return endpoint


@parity(handshake("/?q=3"), handshake("/?q=1"), handshake("/?q=a&q=b"), handshake("/?q=x"), handshake())
def test_annotated_inside_of_a_union(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[int, Field(gt=2)] | None = None,
        r: Annotated[list[str], Field(min_length=2)] | None = api.Query(None, alias="q"),
    ) -> None:
        await api.end(websocket, q, r)

    return endpoint


# Path aliases; deprecated options


@parity(handshake("/3"), handshake("/x"), path="/{pp}")
def test_path_alias(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, p: Annotated[int, api.Path(alias="pp")]) -> None:
        await api.end(websocket, p)

    return endpoint


# Parameters of the mounts and hosts around the route


def in_a_mount(route: BaseRoute, handlers: dict[Any, Any]) -> Any:
    inner = Mount("/{floor:int}", routes=[route])
    return Starlette(routes=[Mount("/t/{tenant}", routes=[inner])], exception_handlers=handlers)


def in_a_host(route: BaseRoute, handlers: dict[Any, Any]) -> Any:
    host = Host("{tenant}.example.org", Starlette(routes=[route], exception_handlers=handlers))
    return Starlette(routes=[host], exception_handlers=handlers)


@parity(
    handshake("/t/acme/3/rooms/7"),
    handshake("/t/ab/3/rooms/7"),
    handshake("/t/acme/99/rooms/x?tenant=other"),
    path="/rooms/{room}",
    host=in_a_mount,
)
def test_path_parameters_of_outer_mounts(api: Api) -> Any:
    async def owner(
        name: Annotated[str, api.Path(alias="tenant", min_length=3)], level: Annotated[int, api.Path(alias="floor")]
    ) -> Any:
        return name, level

    async def nested(owner: Annotated[Any, api.Depends(owner)], tenant: str = api.Path()) -> Any:
        return owner, tenant

    async def endpoint(
        websocket: WebSocket,
        room: int,
        nested: Annotated[Any, api.Depends(nested)],
        floor: Annotated[int, api.Path(lt=10)],
        choice: Annotated[str, api.Path(validation_alias=AliasChoices("absent", "tenant"))] = "the first choice counts",
    ) -> None:
        await api.end(websocket, room, nested, floor, choice)

    return endpoint


@parity(
    handshake("/r/1", ("host", "acme.example.org")),
    handshake("/r/1", ("host", "a.example.org")),
    path="/r/{n}",
    host=in_a_host,
)
def test_path_parameters_of_an_outer_host(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, n: int, tenant: Annotated[str, AfterValidator(str.upper), api.Path(min_length=2)]
    ) -> None:
        await api.end(websocket, n, tenant)

    return endpoint


@parity(handshake("/r/1"), path="/r/{n}")
def test_path_parameters_that_nothing_has(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        n: Annotated[int, api.Path(alias="m")],
        tenant: Annotated[str, api.Path()],
        floor: Annotated[int, api.Path()] = 1,
    ) -> None:
        await api.end(websocket, n, tenant, floor)

    return endpoint


@parity(handshake("/r/1"), path="/r/{n}")
def test_default_of_a_path_parameter_that_nothing_has(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, n: int, floor: Annotated[int, api.Path()] = 1) -> None:
        await api.end(websocket, n, floor)

    return endpoint


@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()])
def test_path_has_no_default(names: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, TypeError, ValueError)):
        names["Path"](default=1)


@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()])
def test_path_has_no_default_behind_it(names: dict[str, Any]) -> None:
    api = Api(names)

    async def endpoint(websocket: WebSocket, p: Annotated[int, api.Path()] = 3) -> None: ...

    with pytest.raises((AssertionError, ValueError), match="default"):
        api.route(endpoint, "/{p}")


@parity(handshake("/?q=abc"), handshake("/?q=b"), errors_once=True)
def test_regex_is_the_older_word_for_pattern(api: Api) -> Any:
    with pytest.warns((DeprecationWarning, FastAPIDeprecationWarning), match="`pattern`"):
        marker = api.Query(regex="^a")

    async def endpoint(websocket: WebSocket, q: Annotated[str, marker]) -> None:
        await api.end(websocket, q)

    return endpoint


@pytest.mark.parametrize("annotation", [int | str, Json[list[int]], Json[int | str]])
@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()])
def test_a_discriminator_without_models_to_choose_from(names: dict[str, Any], annotation: Any) -> None:
    api = Api(names)

    async def endpoint(websocket: WebSocket, q: Annotated[annotation, api.Query(discriminator="kind")]) -> None: ...

    with pytest.raises((TypeError, ValueError), match=r"discriminat(ed union|or)"):
        api.route(endpoint, "/")


@parity(handshake("/?q=abc"), handshake("/?q=b"))
def test_pattern_of_a_query(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[str, api.Query(pattern="^a", title="Q")]) -> None:
        await api.end(websocket, q)

    return endpoint


# One name, several declarations


@parity(handshake("/?q=5"), handshake("/?q=1"), handshake("/?q=x"), handshake())
def test_one_name_two_types(api: Api) -> Any:
    async def dependency(q: str) -> None:
        api.log("dependency", q)

    async def other(q: Annotated[float, api.Query(gt=3)]) -> None:
        api.log("other", q)

    async def endpoint(
        websocket: WebSocket,
        q: int,
        a: Annotated[None, api.Depends(dependency)],
        b: Annotated[None, api.Depends(other)],
    ) -> None:
        await api.end(websocket, q, a, b)

    return endpoint


# Models


class Filters(BaseModel):
    limit: int = 10
    tags: list[str] = []
    name: str


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    limit: int = 10
    x_token: str | None = None


class Allowing(BaseModel):
    model_config = ConfigDict(extra="allow")
    limit: int = 10


MODEL_CONNECTIONS = [
    handshake("/?limit=3&name=a&tags=x&tags=y"),
    handshake("/?limit=3&limit=4&name=a&other=1&other=2"),
    handshake("/?limit=x"),
    handshake("/?q=1&name=b"),
    handshake(),
]


@parity(*MODEL_CONNECTIONS)
def test_query_model(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, filters: Annotated[Filters, api.Query()]) -> None:
        await api.end(websocket, filters)

    return endpoint


@parity(*MODEL_CONNECTIONS)
def test_query_model_forbids(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, filters: Annotated[Forbidding, api.Query()], q: int | None = None) -> None:
        await api.end(websocket, filters, q)

    return endpoint


@parity(*MODEL_CONNECTIONS)
def test_query_model_allows(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, filters: Annotated[Allowing, api.Query()], q: int | None = None) -> None:
        await api.end(websocket, filters, q)

    return endpoint


@parity(*MODEL_CONNECTIONS)
def test_query_model_in_the_default_style(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, filters: Filters = api.Query()) -> None:
        await api.end(websocket, filters)

    return endpoint


HEADER_CONNECTIONS = [
    handshake("/", ("x-token", "a"), ("limit", "3")),
    handshake("/", ("x_token", "a")),
    handshake("/", ("X-Token", "a"), ("x-token", "b"), ("host", "h")),
    handshake("/", ("other", "1"), ("other", "2"), ("name", "n"), ("tags", "a"), ("tags", "b")),
    handshake("/", ("limit", "x")),
    handshake(),
]


@parity(*HEADER_CONNECTIONS)
def test_header_model_forbids(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, headers: Annotated[Forbidding, api.Header()]) -> None:
        await api.end(websocket, headers)

    return endpoint


@parity(*HEADER_CONNECTIONS)
def test_header_model_allows(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, headers: Annotated[Allowing, api.Header()]) -> None:
        await api.end(websocket, headers)

    return endpoint


@parity(*HEADER_CONNECTIONS)
def test_header_model_ignores(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, headers: Annotated[Filters, api.Header()]) -> None:
        await api.end(websocket, headers)

    return endpoint


COOKIE_CONNECTIONS = [
    handshake("/", ("cookie", "limit=3; x_token=a")),
    handshake("/", ("cookie", "limit=3; limit=4; other=1; name=n")),
    handshake("/", ("cookie", "limit=x")),
    handshake("/", ("cookie", "x-token=x")),
    handshake(),
]


@parity(*COOKIE_CONNECTIONS)
def test_cookie_model_forbids(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, cookies: Annotated[Forbidding, api.Cookie()]) -> None:
        await api.end(websocket, cookies)

    return endpoint


@parity(*COOKIE_CONNECTIONS)
def test_cookie_model_allows(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, cookies: Annotated[Allowing, api.Cookie()]) -> None:
        await api.end(websocket, cookies)

    return endpoint


@parity(handshake("/?limit=1&name=a&q=5"), handshake("/?limit=x&q=y"), handshake())
def test_models_see_all_keys(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, a: Annotated[Filters, api.Query()], b: Annotated[Allowing, api.Query()], q: int
    ) -> None:
        await api.end(websocket, a, b, q)

    return endpoint


@parity(handshake("/?limit=1&name=a&q=5"), handshake("/?limit=x&q=y"), handshake())
def test_several_models_and_scalars(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Filters, api.Query()],
        b: Annotated[Forbidding, api.Query()],
        c: Annotated[Allowing, api.Query()],
        q: int,
    ) -> None:
        await api.end(websocket, a, b, c, q)

    return endpoint


@parity(handshake("/?limit=1"), handshake("/?name=a"), handshake("/?other=1"), handshake("/?limit=x"), handshake())
def test_optional_models(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Filters | None, api.Query()] = None,
        b: Annotated[Optional[Forbidding], api.Query()] = None,  # noqa: UP045 (the old spelling is the case)
        c: Annotated[Allowing | None, api.Query()] = None,
    ) -> None:
        await api.end(websocket, a, b, c)

    return endpoint


@parity(handshake("/?limit=1"), handshake())
def test_optional_model_without_default(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, a: Annotated[Forbidding | None, api.Query()]) -> None:
        await api.end(websocket, a)

    return endpoint


@parity(handshake("/?size=1"), handshake("/?limit=1"), handshake())
def test_optional_model_with_an_alias(api: Api) -> Any:
    class Page(BaseModel):
        limit: int = Field(alias="size")

    async def endpoint(websocket: WebSocket, a: Annotated[Page | None, api.Query()] = None) -> None:
        await api.end(websocket, a)

    return endpoint


@parity(handshake("/", ("x-token", "1")), handshake("/", ("x_token", "1")), handshake("/", ("other", "1")), handshake())
def test_a_choice_of_a_header_model_that_is_the_name_of_its_field(api: Api) -> Any:
    class Wanted(BaseModel):
        model_config = ConfigDict(populate_by_name=True)
        x_token: int = Field(0, validation_alias=AliasChoices("x_token", "other"))

    async def endpoint(websocket: WebSocket, headers: Annotated[Wanted | None, api.Header()] = None) -> None:
        await api.end(websocket, headers)

    return endpoint


@parity(handshake("/", ("x-token", "1")), handshake("/", ("x_token", "1")), handshake("/", ("host", "1")), handshake())
def test_optional_header_model(api: Api) -> Any:
    class Wanted(BaseModel):
        x_token: int

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Wanted | None, api.Header()] = None,
        b: Annotated[Wanted | None, api.Cookie()] = None,
    ) -> None:
        await api.end(websocket, a, b)

    return endpoint


@parity(handshake(), handshake("/?a=3"))
def test_model_with_a_default(api: Api) -> Any:
    class Small(BaseModel):
        a: int = 1

    async def endpoint(websocket: WebSocket, model: Annotated[Small, api.Query()] = Small(a=7)) -> None:
        await api.end(websocket, model)

    return endpoint


class Pair(BaseModel):
    low: int
    high: int

    @field_validator("low")
    @classmethod
    def _low(cls, value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> "Pair":
        if self.low > self.high:
            raise ValueError("low above high")
        return self


@parity(
    handshake("/?low=1&high=2"),
    handshake("/?low=3&high=2"),
    handshake("/?low=-1&high=2"),
    handshake("/?low=1&other=x"),
    handshake("/?low=x&high=y"),
)
def test_errors_of_a_model(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, pair: Annotated[Pair, api.Query()]) -> None:
        await api.end(websocket, pair)

    return endpoint


class Headers(BaseModel):
    x_token: int
    x_list: list[int] = []
    plain: str | None = None


X_HEADERS = [
    handshake("/", ("x-token", "1"), ("x-list", "1"), ("x-list", "2")),
    handshake("/", ("x_token", "1"), ("x_list", "1")),
    handshake("/", ("x-token", "x"), ("x-list", "y")),
    handshake("/", ("X-Token", "1"), ("x_token", "2"), ("plain", "p")),
    handshake(),
]


@parity(*X_HEADERS)
def test_header_model_converts_underscores(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, headers: Annotated[Headers, api.Header()]) -> None:
        await api.end(websocket, headers)

    return endpoint


@parity(*X_HEADERS)
def test_header_model_keeps_underscores(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, headers: Annotated[Headers, api.Header(convert_underscores=False)]
    ) -> None:
        await api.end(websocket, headers)

    return endpoint


@parity(*X_HEADERS)
def test_field_decides_on_its_underscores(api: Api) -> Any:
    class Mixed(BaseModel):
        model_config = ConfigDict(extra="allow")
        x_token: int = api.Header(convert_underscores=False)
        x_list: list[int] = api.Header(default=[], convert_underscores=True)

    async def endpoint(websocket: WebSocket, headers: Annotated[Mixed, api.Header()]) -> None:
        await api.end(websocket, headers)

    return endpoint


@parity(*X_HEADERS)
def test_unconverted_name_is_no_extra(api: Api) -> Any:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        x_token: int | None = None

    async def endpoint(websocket: WebSocket, headers: Annotated[Open, api.Header()]) -> None:
        await api.end(websocket, headers)

    return endpoint


class Aliased(BaseModel):
    first: int = Field(alias="First")
    second: int | None = Field(default=None, validation_alias=AliasChoices("s1", "s_2"))
    third: int = Field(default=3, validation_alias=AliasPath("t", 0))


class AliasedByPath(BaseModel):
    one: int = Field(default=1, validation_alias=AliasChoices("a", AliasPath("b", 0)))
    several: list[int] = Field(default=[1], validation_alias=AliasChoices("c", AliasPath("d", 0)))


@parity(
    *(handshake(f"/?{query}") for query in ("", "a=4&c=4", "one=2&several=2", "a=1&a=2&c=1&c=2", "b=1&d=1", "b=1&b=2")),
    errors_once=True,
)
def test_a_choice_of_a_path_in_a_model(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[AliasedByPath, api.Query()]) -> None:
        await api.end(websocket, q)

    return endpoint


@parity(
    handshake("/", ("x_a", "1"), ("y-b", "2")),
    handshake("/", ("x-a", "1"), ("y_b", "2")),
    handshake("/", ("x_a", "1"), ("y_b", "2")),
    handshake("/", ("x-a", "1"), ("y-b", "2")),
    errors_once=True,
)
def test_header_markers_of_a_model_whose_annotations_are_local(api: Api) -> Any:
    Local = int  # a type that only pydantic finds, when the class is made

    class Headers(BaseModel):
        x_a: "Annotated[Local | None, api.Header(convert_underscores=False)]" = None
        y_b: "Local | None" = None

    async def endpoint(websocket: WebSocket, q: Annotated[Headers, api.Header()]) -> None:
        await api.end(websocket, q)

    return endpoint


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    first_one: int = Field(alias="First")
    second: int | None = Field(default=None, validation_alias=AliasChoices("s1", "s2"))


class OnlyByName(BaseModel):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)
    first_one: int = Field(alias="First")


class Both(BaseModel):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, extra="forbid")
    first_one: int = Field(alias="First")


class Configured(BaseModel):
    """A field whose type could have a configuration of its own."""

    model_config = ConfigDict(validate_by_name=True)
    first_one: Json[dict[str, int] | int] = Field(alias="First")
    second: Json[ByName] | None = Field(default=None, validation_alias=AliasChoices("s1", "s_2"))


ALIASES = [
    "First=1",
    "first=1",
    "first_one=1",
    "first-one=1",
    "First=1&first_one=2",
    "First=x",
    "first_one=x",
]
SECOND = [
    "First=1&s1=2",
    "First=1&s_2=2",
    "First=1&s-2=2",
    "First=1&second=2",
    "First=1&s2=3&s1=x",
    "First=1&t=9",
]


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("where", ["Query", "Header", "Cookie"])
@pytest.mark.parametrize("model", [Aliased, ByName, OnlyByName, Both, Configured])
def test_aliases_in_models(model: type[BaseModel], where: str, ours: str) -> None:
    def declare(api: Api) -> Any:
        async def endpoint(websocket: WebSocket, found: Annotated[model, getattr(api, where)()]) -> None:
            await api.end(websocket, found)

        return endpoint

    theirs = Mounted(FASTAPI, declare, "/", starlette)
    mine = Mounted(OURS[ours], declare, "/", starlette)
    for query in [*ALIASES, *SECOND, ""]:
        pairs = [pair.encode().split(b"=") for pair in query.split("&") if pair]
        connection = {
            "Query": Connection(query=query.encode()),
            "Header": Connection(headers=tuple((name.lower(), value) for name, value in pairs)),
            "Cookie": Connection(headers=((b"cookie", query.replace("&", "; ").encode()),)),
        }[where]
        expected = theirs.run(connection, "asyncio")
        assert expected.events
        assert mine.run(connection, "asyncio") == expected


@parity(handshake("/?tags=a&tags=b&n=1&n=2&t=1"), handshake("/?tags=&n=x"), handshake())
def test_repeats_in_models(api: Api) -> Any:
    class Repeating(BaseModel):
        tags: set[str] = set()
        n: int = 0
        t: tuple[int, ...] | None = None

    async def endpoint(websocket: WebSocket, model: Annotated[Repeating, api.Query()]) -> None:
        await api.end(websocket, sorted(model.tags), model.n, model.t)

    return endpoint


@parity(handshake("/", ("cookie", "tags=")), handshake("/", ("cookie", "tags=a")), handshake())
def test_an_empty_cookie_of_a_sequence_in_a_model_is_absent(api: Api) -> Any:
    class Cookies(BaseModel):
        tags: list[str] = ["none"]

    async def endpoint(websocket: WebSocket, model: Annotated[Cookies, api.Cookie()]) -> None:
        await api.end(websocket, model)

    return endpoint


@parity(handshake("/?inner=1"), handshake("/?a=1"), handshake())
def test_nested_models_cannot_be_filled(api: Api) -> Any:
    class Inner(BaseModel):
        a: int = 1

    class Outer(BaseModel):
        inner: Inner

    async def endpoint(websocket: WebSocket, model: Annotated[Outer, api.Query()]) -> None:
        await api.end(websocket, model)

    return endpoint


@parity(
    handshake("/?data={%22a%22:3}&n=1"),
    handshake("/?data={%22a%22:3}&items=[1]&items=[2]"),
    handshake("/?data=x"),
    handshake(),
)
def test_json_in_models(api: Api) -> Any:
    class Inner(BaseModel):
        a: int

    class Outer(BaseModel):
        data: Json[Inner]
        n: Json[int] = 0
        items: Json[list[int]] = []

    async def endpoint(websocket: WebSocket, model: Annotated[Outer, api.Query()]) -> None:
        await api.end(websocket, model)

    return endpoint


@parity(
    handshake("/?data={%22a%22:3}"),
    handshake("/?d={%22a%22:3}"),
    handshake("/?items={}"),
    handshake("/?n=1"),
    handshake("/?m=1"),
)
def test_a_field_that_is_a_model_has_its_own_names(api: Api) -> Any:
    class Inner(BaseModel):
        a: int

    class Outer(BaseModel):
        model_config = ConfigDict(populate_by_name=True)
        data: Json[Inner] | None = Field(None, alias="d")
        inner: Json[Inner] = Field(Inner(a=1), alias="i")
        items: Json[dict[str, int]] = Field({}, alias="j")
        n: int = Field(0, alias="m")

    async def endpoint(websocket: WebSocket, model: Annotated[Outer | None, api.Query()] = None) -> None:
        await api.end(websocket, model)

    return endpoint


# Generated values

QUERY_TEXT = st.text(st.sampled_from('abq=&+%;[]{}"12 .,-_\xe9\xff\n\x00/'), max_size=12)
QUERIES = st.one_of(
    QUERY_TEXT,
    st.lists(
        st.tuples(st.sampled_from(["i", "s", "l", "o", "I", "%69"]), QUERY_TEXT | st.integers().map(str)),
        max_size=5,
    ).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
)
HEADER_BYTES = st.binary(max_size=12) | st.integers().map(lambda number: str(number).encode())
HEADERS = st.lists(st.tuples(st.sampled_from([b"x-h", b"x_h", b"x-list", b"i"]), HEADER_BYTES), max_size=5)
COOKIES = st.lists(
    HEADER_BYTES
    | st.lists(st.tuples(st.sampled_from([b"c", b"d", b"C", b" c", b'"c"']), HEADER_BYTES), max_size=3).map(
        lambda pairs: b"; ".join(name + b"=" + value for name, value in pairs)
    ),
    max_size=2,
).map(lambda values: [(b"cookie", value) for value in values])


def everything(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        i: int = 0,
        s: str = "",
        o: float | None = None,
        l: Annotated[list[int | str], api.Query(max_length=3)] = [],  # noqa: B006, E741 (names of a client)
        x_h: Annotated[int | str | None, api.Header()] = None,
        x_list: Annotated[list[bytes] | None, api.Header()] = None,
        c: Annotated[str | None, api.Cookie()] = None,
        d: Annotated[int, api.Cookie(gt=3)] = 4,
    ) -> None:
        await api.end(websocket, i, s, o, l, x_h, x_list, c, d)

    return endpoint


def models(api: Api) -> Any:
    class Query(BaseModel):
        model_config = ConfigDict(extra="allow")
        i: int = 0
        l: list[str] = []  # noqa: E741 (a client's name)

    class Header(BaseModel):
        model_config = ConfigDict(extra="allow")
        x_h: str | None = None
        x_list: list[str] = []

    class Cookie(BaseModel):
        model_config = ConfigDict(extra="forbid")
        c: str | None = None
        d: int = 0

    async def endpoint(
        websocket: WebSocket,
        query: Annotated[Query, api.Query()],
        header: Annotated[Header, api.Header()],
        cookie: Annotated[Cookie | None, api.Cookie()] = None,
    ) -> None:
        await api.end(websocket, query, header, cookie)

    return endpoint


@pytest.mark.slow
@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("declare", [everything, models])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(QUERIES, HEADERS, COOKIES)
def test_generated_input_is_read_as_by_fastapi(
    declare: Callable[[Api], Any], ours: str, query: str, headers: list[Any], cookies: list[Any]
) -> None:
    connection = Connection(query=query.encode("latin-1"), headers=(*headers, *cookies))
    expected = mounted_once("fastapi", declare).run(connection, "asyncio")
    assert expected.events
    assert mounted_once(ours, declare).run(connection, "asyncio") == expected


_MOUNTED: dict[Any, Mounted] = {}


def mounted_once(side: str, declare: Callable[[Api], Any]) -> Mounted:
    if (side, declare) not in _MOUNTED:
        names = FASTAPI if side == "fastapi" else OURS[side]
        _MOUNTED[side, declare] = Mounted(names, declare, "/", starlette)
    return _MOUNTED[side, declare]
