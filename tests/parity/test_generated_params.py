"""Generated signatures and connections: every parameter receives what it receives under FastAPI."""

import datetime
import decimal
import enum
import inspect
import uuid
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any, Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracle import FASTAPI, OURS, Api, Connection, Mounted, starlette
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    PlainValidator,
    SecretStr,
    StrictStr,
    WrapValidator,
)
from starlette.websockets import WebSocket

pytestmark = pytest.mark.slow


class Colour(enum.Enum):
    RED = "red"


class Small(BaseModel):
    n: int = 0
    names: list[str] = []


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: int | None = None


class Own:
    """A class that tells pydantic how it is made."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Own({self.text!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        schema = handler(str)
        return {"type": "function-after", "function": {"type": "no-info", "function": cls}, "schema": schema}


SCALARS: list[Any] = [
    str,
    int,
    float,
    bool,
    Any,
    bytes,
    str | None,
    int | None,
    Any | None,
    int | str,
    Literal["1", "a"],
    Colour,
    uuid.UUID,
    decimal.Decimal,
    datetime.date,
    SecretStr,
    StrictStr,
    Own,
    Annotated[str, Field(min_length=2)],
    Annotated[str, Field(strict=True)],
    Annotated[str | None, Field(pattern="^1")],
    Annotated[int, Field(gt=1, le=9)],
    Annotated[str, BeforeValidator(lambda text: text + "!")],
    Annotated[str, AfterValidator(str.upper)],
    Annotated[Any, PlainValidator(lambda value: [value])],
    Annotated[str, WrapValidator(lambda value, inner: inner(value)[::-1])],
    Json[Any],
]
SEQUENCES: list[Any] = [
    list[int],
    set[str],
    tuple[int, str],
    frozenset[Colour],
    list[str] | None,
    int | list[int],
    list,
]
MODELS: list[Any] = [Small, Forbidding, Small | None, Forbidding | None]
DEFAULTS: list[Any] = [Parameter.empty, Parameter.empty, None, "1", 5, ["a"], "factory"]


@dataclass(frozen=True)
class Declared:
    place: str
    kind: Any
    default: Any
    alias: Any
    options: tuple[tuple[str, Any], ...]


@st.composite
def declarations(draw: st.DrawFn) -> Declared:
    place = draw(st.sampled_from(["Query", "Query", "Header", "Cookie", "Path", ""]))
    kinds = SCALARS
    if place in ("Query", "Header"):
        kinds = draw(st.sampled_from([SCALARS, SCALARS, SEQUENCES, MODELS]))
    elif place == "Cookie":
        kinds = draw(st.sampled_from([SCALARS, SCALARS, MODELS]))
    default = Parameter.empty if place == "Path" else draw(st.sampled_from(DEFAULTS))
    options: dict[str, Any] = {}
    alias = None
    if place not in ("Path", ""):
        alias = draw(st.sampled_from([None, None, "k", "x_y", "X-Y", AliasChoices("k", "x_y")]))
        options["validate_default"] = draw(st.sampled_from([None, None, True]))
    if place == "Header":
        options["convert_underscores"] = draw(st.booleans())
    if place == "" and default == "factory":
        default = None
    return Declared(
        place,
        draw(st.sampled_from(kinds)),
        tuple(default) if isinstance(default, list) else default,
        alias,
        tuple(sorted(options.items())),
    )


VALUES = st.sampled_from(["1", "a", "", "red", "12", "true", "[1]", "2026-01-02", " 3 ", "\xe9", "1,2"])
NAMES = ["p_0", "p_1", "p_2", "p_3", "k", "x_y", "X-Y", "x-y", "p-0", "p-1", "n", "names"]
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=5)


def parameter(api: Api, name: str, declared: Declared) -> Parameter:
    options: dict[str, Any] = dict(declared.options)
    default = list(declared.default) if isinstance(declared.default, tuple) else declared.default
    if isinstance(declared.alias, str):
        options["alias"] = declared.alias
    elif declared.alias is not None:
        options["validation_alias"] = declared.alias
    if default == "factory":
        options["default_factory"] = lambda: ["made"]
        default = Parameter.empty
    annotation = declared.kind
    if declared.place:
        annotation = Annotated[annotation, getattr(api, declared.place)(**options)]
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def endpoint_of(api: Api, declared: list[Declared]) -> Any:
    async def endpoint(websocket: WebSocket, **given: Any) -> None:
        await api.end(websocket, sorted(given.items()))

    parameters = [Parameter("websocket", Parameter.KEYWORD_ONLY, annotation=WebSocket)]
    parameters += [parameter(api, f"p_{index}", each) for index, each in enumerate(declared)]
    endpoint.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions may have one
    return endpoint


def connection_of(draw: st.DrawFn, declared: list[Declared]) -> tuple[str, Connection]:
    inside = [index for index, each in enumerate(declared) if each.place == "Path"]
    template = "/" + "/".join(f"{{p_{index}}}" for index in inside)
    path = "/" + "/".join(draw(VALUES) or "x" for _ in inside)
    query = "&".join(f"{name}={value}" for name, value in draw(PAIRS))
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in draw(PAIRS)]
    cookies = "; ".join(f"{name}={value}" for name, value in draw(PAIRS))
    if cookies:
        headers.append((b"cookie", cookies.encode("latin-1")))
    return template, Connection(path, query.encode("latin-1"), tuple(headers))


@pytest.mark.parametrize("ours", OURS)
@settings(max_examples=60)
@given(st.data())
def test_generated_signatures(ours: str, data: st.DataObject) -> None:
    declared = data.draw(st.lists(declarations(), min_size=1, max_size=4))
    template, first = data.draw(st.composite(connection_of)(declared))
    _, second = data.draw(st.composite(connection_of)(declared))

    def mounted(names: dict[str, Any]) -> Mounted:
        return Mounted(names, lambda api: endpoint_of(api, declared), template, starlette)

    try:
        theirs = mounted(FASTAPI)
    except AssertionError:
        assume(False)  # what FastAPI refuses, as Json[list[int]] in a path, may work here
    mine = mounted(OURS[ours])
    for connection in (first, second):
        assert mine.run(connection, "asyncio") == theirs.run(connection, "asyncio")
