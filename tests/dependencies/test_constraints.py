"""Constraints that no value of their type can meet or fail are refused; all others are taken."""

import datetime
import ipaddress
import uuid
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType, TypeVar

import pytest
from annotated_types import Not, Predicate
from pydantic import Field, FutureDate
from pydantic_core import Url, core_schema
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, DeclarationError, Query
from fastroute.dependencies.constraints import check_constraints


def declared(annotation: Any, **constraints: Any) -> APIWebSocketRoute:
    async def endpoint(websocket: WebSocket, q: Annotated[annotation, Query(**constraints)]) -> None: ...

    return APIWebSocketRoute("/", endpoint)


def either(*types: Any) -> Any:
    """The first of the types that takes a text decides."""
    union = types[0]
    for each in types[1:]:
        union |= each
    return Annotated[union, Field(union_mode="left_to_right")]


class Color(Enum):
    RED = "red"


UTC = datetime.UTC
OF_SOME_VALUES: list[tuple[Any, dict[str, Any]]] = [
    (either(int, str), {"gt": 3}),
    (either(float, str), {"ge": 1.5}),
    (either(Decimal, str), {"lt": 3}),
    (either(bool, str), {"le": 1}),
    (either(int, str), {"pattern": "a"}),
    (either(datetime.date, str), {"gt": datetime.date(2030, 1, 1)}),
    (either(datetime.datetime, str), {"gt": datetime.datetime(2030, 1, 1)}),
    (either(datetime.datetime, str), {"gt": datetime.datetime(2030, 1, 1, tzinfo=UTC)}),
    (int | datetime.datetime, {"gt": datetime.datetime(2030, 1, 1, tzinfo=UTC)}),
    (either(datetime.time, str), {"gt": datetime.time(1)}),
    (either(datetime.time, str), {"gt": datetime.time(1, tzinfo=UTC)}),
    (either(datetime.timedelta, str), {"gt": datetime.timedelta(1)}),
    (either(uuid.UUID, str), {"gt": uuid.UUID(int=0)}),
    (either(ipaddress.IPv4Address, str), {"gt": ipaddress.IPv4Address("10.0.0.0")}),
    (either(ipaddress.IPv4Network, str), {"gt": ipaddress.IPv4Network("10.0.0.0/8")}),
    (either(ipaddress.IPv6Address, str), {"gt": ipaddress.IPv6Address("::")}),
    (either(ipaddress.IPv6Network, str), {"gt": ipaddress.IPv6Network("::/64")}),
    (either(Url, str), {"gt": Url("https://example.com/")}),
]


@pytest.mark.parametrize(("annotation", "constraint"), OF_SOME_VALUES, ids=str)
def test_a_constraint_of_some_values_is_taken(annotation: Any, constraint: dict[str, Any]) -> None:
    """pydantic itself fails for others, but a client can send these."""
    declared(annotation, **constraint)


FAILED: list[tuple[Any, dict[str, Any]]] = [
    (int, {"gt": 10**9}),
    (int, {"ge": 10**9}),
    (int, {"lt": -(10**9)}),
    (int, {"le": -(10**9)}),
    (int, {"multiple_of": 7}),
    (Decimal, {"max_digits": 0, "gt": Decimal(0)}),
    (Decimal, {"multiple_of": 7}),
]


@pytest.mark.parametrize(("cls", "constraint"), FAILED, ids=str)
def test_a_constraint_that_a_value_fails_does_apply(cls: Any, constraint: dict[str, Any]) -> None:
    declared(either(cls, bytes), **constraint)


@pytest.mark.parametrize(
    ("annotation", "constraints", "culprit"),
    [
        (int, {"lt": 5, "max_length": 3}, "max_length=3"),
        (str, {"max_length": 3, "gt": 1}, "gt=1"),
        (str, {"lt": 1}, "lt=1"),
        (str, {"le": 1}, "le=1"),
        (Literal["b"], {"ge": 3}, "ge=3"),
        (Literal["b"] | None, {"ge": 3}, "ge=3"),
        (Color, {"lt": 3}, "lt=3"),
        (Url, {"ge": 3}, "ge=3"),
        # Each alone applies to one of the types: the first of them is named.
        (int | datetime.date, {"ge": -(10**9), "le": datetime.date(2030, 1, 1)}, "ge=-1000000000"),
    ],
    ids=str,
)
def test_the_constraint_that_cannot_apply_is_named(annotation: Any, constraints: dict[str, Any], culprit: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declared(annotation, **constraints)
    told = annotation.__qualname__ if isinstance(annotation, type) else annotation
    assert f"{culprit} cannot apply to {told}, so every" in str(caught.value)


def test_a_type_that_takes_none_of_the_texts_shows_nothing() -> None:
    declared(FutureDate, gt=datetime.date(2000, 1, 1))


# The code of a user is not asked: it may fail for every text but a few.


class Own:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(cls.made)

    @staticmethod
    def made(value: Any) -> int:
        raise LookupError(value)


def unknown(value: Any) -> bool:
    raise LookupError(value)


class Prepared:
    """Metadata that validates."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(unknown, handler(source))


OF_USERS = [
    Own,
    Own | None,
    NewType("Named", Own),
    TypeVar("Bound", bound=Own),
    TypeVar("Chosen", int, Own),
    either(str, Own),
    either(str, Annotated[int, Prepared()]),
    Annotated[str, Predicate(unknown)],
    Annotated[str, Not(unknown)],
    Annotated[str, Prepared()],
    Annotated[str, Prepared()] | None,
]


@pytest.mark.parametrize("annotation", OF_USERS)
def test_types_and_validators_of_a_user_are_not_tried(annotation: Any) -> None:
    declared(annotation, min_length=3)


def test_without_a_constraint_nothing_is_tried() -> None:
    check_constraints(None, int, [Field(strict=True)], is_sequence=False)  # type: ignore[arg-type]  # it is not used
