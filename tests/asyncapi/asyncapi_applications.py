"""Applications of many shapes, and handshakes for them: strategies for the tests of documents."""

import inspect
from base64 import b64encode
from collections.abc import Callable
from datetime import date
from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, ConnectionPolicy, Cookie, Depends, Header, Messages, Query, Router, Security
from fastroute.security import (
    APIKeyCookie,
    APIKeyHeader,
    APIKeyQuery,
    HTTPBasic,
    HTTPBearer,
    HTTPDigest,
    OAuth2AuthorizationCodeBearer,
    OAuth2PasswordBearer,
    OpenIdConnect,
    SubprotocolBearer,
)

__all__ = ["Handshake", "Made", "applications", "handshakes"]

KEYS = ["a", "b", "c"]
TEXTS = ["", "7", "-3", "0", "1.5", "x", "abcd", "red", "true", "no", "192.0.2.1", str(UUID(int=5)), "\xe9", "50"]
ORIGINS = ["https://a.example", "https://x.b.example", "https://b.example", "null"]
ALLOWED = ["https://a.example", "https://*.b.example"]
UUID_TEXT = str(UUID(int=7))


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Open(BaseModel):
    a: int
    b: Annotated[str, Field(min_length=2)] = "xx"


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: Annotated[int, Field(ge=0)] = 1
    c: list[int] = []


class Renamed(BaseModel):
    value: int = Field(validation_alias=AliasChoices("a", "b"))
    other: str = Field("x", alias="c", max_length=3)


TYPES: list[Any] = [
    int,
    float,
    bool,
    str,
    UUID,
    IPv4Address,
    Color,
    Literal["x", "red"],
    int | None,
    int | UUID,
    Annotated[int, Field(ge=1, lt=50)],
    Annotated[float, Field(gt=0, le=7)],
    Annotated[str, Field(min_length=2, max_length=4)],
    Annotated[str, Field(pattern="^[a-z]+$")],
]
LISTS: list[Any] = [list[int], list[str], Annotated[list[int], Field(min_length=2)], set[Color], list[int] | None]
MODELS: list[Any] = [Open, Closed, Renamed, Open | None, Closed | None]

CREDENTIALS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (APIKeyQuery, {"name": "a"}),
    (APIKeyHeader, {"name": "b"}),
    (APIKeyCookie, {"name": "a"}),
    (HTTPBasic, {}),
    (HTTPBearer, {}),
    (HTTPDigest, {}),
    (OAuth2PasswordBearer, {"tokenUrl": "token", "scopes": {"read": "all"}}),
    (
        OAuth2AuthorizationCodeBearer,
        {"authorizationUrl": "https://id.example/a", "tokenUrl": "https://id.example/t"},
    ),
    (OpenIdConnect, {"openIdConnectUrl": "https://id.example/openid"}),
    (SubprotocolBearer, {"subprotocols": ["chat"]}),
]


class In(BaseModel):
    """A message of the client."""

    kind: Literal["in"] = "in"
    when: date
    inner: "list[In]" = []


class Out(BaseModel):
    kind: Literal["out"] = "out"
    point: tuple[int, str]


PAYLOADS: list[Any] = [
    int,
    In,
    In | Out,
    Annotated[In | Out, Field(discriminator="kind")],
    list[In],
    None,
    dict[str, Out],
]


class Made(NamedTuple):
    """A generated application.

    Attributes:
        app: with one route.
        path: what a client writes, with a name in braces for each parameter.
    """

    app: Any
    path: str


class Handshake(NamedTuple):
    """What a client sends to open a connection."""

    path: dict[str, str]
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    cookies: dict[str, str]
    subprotocols: list[str]


def _function(parameters: list[inspect.Parameter], *, accepts: bool) -> Any:
    async def function(**values: Any) -> None:
        if accepts:
            await values["websocket"].accept()

    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


@st.composite
def _parameters(draw: st.DrawFn, prefix: str) -> list[inspect.Parameter]:
    """Parameters of one function that are read from the query, headers and cookies."""
    found = []
    for number in range(draw(st.integers(0, 3))):
        marker, types = draw(
            st.sampled_from([(Query, TYPES + LISTS + MODELS), (Header, TYPES + LISTS + MODELS), (Cookie, TYPES)])
        )
        annotation = draw(st.sampled_from(types))
        options: dict[str, Any] = {}
        if annotation not in MODELS:
            alias = draw(st.sampled_from([*KEYS, AliasChoices("a", "c")]))
            options = {"validation_alias" if isinstance(alias, AliasChoices) else "alias": alias}
            options |= draw(st.sampled_from([{}, {"description": "said", "title": "Titled", "examples": ["x"]}]))
        # A default that is never validated.
        default = draw(st.sampled_from([inspect.Parameter.empty, None]))
        found.append(_parameter(f"{prefix}{number}", Annotated[annotation, marker(**options)], default))
    return found


_TEMPLATES = [
    ("/plain", {}),
    ("/{id}", {"id": [int, str, UUID, Color, Annotated[int, Field(le=10)]]}),
    ("/{id:int}/x", {"id": [int, Annotated[int, Field(le=10)]]}),
    ("/{id:float}", {"id": [float]}),
    ("/{id:uuid}", {"id": [UUID]}),
    ("/{id}/{rest:path}", {"id": [str], "rest": [str]}),
]


@st.composite
def applications(draw: st.DrawFn) -> Made:
    """An application with one WebSocket route: at the top, in a mount, or in an included router."""
    template, types = draw(st.sampled_from(_TEMPLATES))
    parameters = [_parameter("websocket", WebSocket), *draw(_parameters("own"))]
    parameters += [
        _parameter(name, draw(st.sampled_from(kinds))) for name, kinds in types.items() if draw(st.booleans())
    ]
    if draw(st.booleans()):
        types_of_messages = Messages[draw(st.sampled_from(PAYLOADS)), draw(st.sampled_from(PAYLOADS))]  # type: ignore[misc]
        parameters.append(_parameter("messages", types_of_messages))
    dependencies = [
        Depends(_function(draw(_parameters("below")), accepts=False)) for _ in range(draw(st.integers(0, 2)))
    ]
    for scheme, options in draw(st.lists(st.sampled_from(CREDENTIALS), max_size=2)):
        made = scheme(**options, auto_error=draw(st.booleans()))
        dependencies.append(Security(made, scopes=draw(st.sampled_from([[], ["read"]]))))
    policy = ConnectionPolicy(origins=ALLOWED) if draw(st.booleans()) else None
    endpoint = _function(parameters, accepts=True)
    route = APIWebSocketRoute(template, endpoint, "room", dependencies, policy=policy)
    place = draw(st.sampled_from(["top", "mount", "router"]))
    path = template.replace(":int", "").replace(":float", "").replace(":uuid", "").replace(":path", "")
    if place == "mount":
        return Made(Starlette(routes=[Mount("/in/{tenant:int}", routes=[route])]), "/in/{tenant}" + path)
    if place == "router":
        outer = Router()
        outer.include_router(Router([route]), prefix="/outer", policy=policy)
        return Made(Starlette(routes=[Mount("", outer)]), "/outer" + path)
    return Made(Starlette(routes=[route]), path)


_AUTHORIZATIONS = [
    f"Basic {b64encode(b'ann:secret').decode()}",
    "Bearer token",
    "Digest x=1",
    "bearer token",
    "Other x",
]
_OFFERS = [[], ["chat"], ["chat", "bearer.YW5u"], ["bearer.YW5u"], ["bearer.!"]]


@st.composite
def handshakes(draw: st.DrawFn, path: str) -> Handshake:
    """A handshake for a path; texts that are often valid, and often not."""
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    texts = st.sampled_from(TEXTS)
    filled = {name: draw(st.sampled_from(["7", "x", "-3", UUID_TEXT, "1.5", "50", "red"])) for name in names}
    headers = draw(st.lists(st.tuples(st.sampled_from(["a", "B", "c"]), texts), max_size=4))
    headers += [("Origin", draw(st.sampled_from(ORIGINS)))] if draw(st.booleans()) else []
    headers += [("Authorization", draw(st.sampled_from(_AUTHORIZATIONS)))] if draw(st.booleans()) else []
    ascii_texts = st.sampled_from([text for text in TEXTS if text.isascii()])
    return Handshake(
        filled,
        draw(st.lists(st.tuples(st.sampled_from([*KEYS, "d"]), texts), max_size=4)),
        headers,
        draw(st.dictionaries(st.sampled_from(KEYS), ascii_texts, max_size=3)),
        draw(st.sampled_from(_OFFERS)),
    )
