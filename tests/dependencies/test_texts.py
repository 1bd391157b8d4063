"""The whole text of every mistake in a declaration: what is wrong, and what to write instead."""

import functools
import inspect
from collections.abc import AsyncIterator, Callable
from enum import Enum
from typing import Annotated, Any, Literal, NewType

import fastapi
import pytest
from pydantic import BaseModel, Field, ValidationError
from starlette.background import BackgroundTasks
from starlette.datastructures import UploadFile
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from fastroute import (
    APIWebSocketRoute,
    Cookie,
    DeclarationError,
    Depends,
    Header,
    MessageRules,
    Messages,
    Path,
    Query,
    Router,
    Security,
    security,
)
from fastroute.exceptions import describe

EMPTY = inspect.Parameter.empty


async def guard() -> str:
    return "ann"


async def scoped() -> AsyncIterator[str]:
    yield "ann"


async def plain(websocket: WebSocket) -> None: ...


class Item(BaseModel):
    name: str = ""


class Nested(BaseModel):
    items: list[Item] = []


class Marked(BaseModel):
    name: Annotated[str, Header()] = ""


class Unknown: ...


class Color(Enum):
    RED = "red"


class Foreign:
    """A marker of another package."""

    dependency = staticmethod(guard)


class Container:
    """A marker of a container: calling it gives it."""

    def __call__(self) -> "Container":
        return self

    def __repr__(self) -> str:
        return "Container()"


class AwaitedBearer(security.SecurityBase[str]):
    async def credentials(self, connection: HTTPConnection) -> str:
        return "ann"


class NeedsArguments(Response):
    def __init__(self, text: str) -> None:
        super().__init__(text)


Named = NewType("Named", str)


def with_parameter(annotation: Any, default: Any = EMPTY, name: str = "value", path: str = "/{room}") -> None:
    """Declare a route whose endpoint has one parameter more."""

    async def endpoint(websocket: WebSocket) -> None: ...

    keyword = inspect.Parameter.KEYWORD_ONLY
    given = inspect.Parameter(name, keyword, default=default, annotation=annotation)
    websocket = inspect.Parameter("websocket", keyword, annotation=WebSocket)
    endpoint.__signature__ = inspect.Signature([websocket, given])
    APIWebSocketRoute(path, endpoint)


OF_PARAMETERS: dict[str, tuple[tuple[Any, ...], str]] = {
    "no callable": ((str, Depends(5)), "Depends(5) is not given a callable; write Depends(function)"),
    "unknown scope": (
        (str, Depends(scoped, scope="app")),
        "Depends(scope='app'): write scope='handshake', 'function' or 'request'",
    ),
    "scopes": (
        (str, Security(guard, scopes="a b")),
        "scopes='a b' is no list of texts; write Security(..., scopes=['a b'])",
    ),
    "a scheme that is not called": (
        (str, Depends(security.HTTPBearer)),
        "the security scheme HTTPBearer is not called, so every client would be let in, with a scheme made from its "
        "query string; write Depends(HTTPBearer(...))",
    ),
    "a scheme with scopes": (
        (str, Security(security.HTTPBearer, scopes=["a"])),
        "the security scheme HTTPBearer is not called, so every client would be let in, with a scheme made from its "
        "query string; write Security(HTTPBearer(...), scopes=['a'])",
    ),
    "a marker of a marker": ((str, Depends(Query)), "Query itself is no dependency; write Query()"),
    "Depends of Depends": ((str, Depends(Depends)), "Depends itself is no dependency; write Depends(function)"),
    "a new type": (
        (str, Depends(Named)),
        "the NewType Named gives back the argument that a client sends; write Depends(function)",
    ),
    "a method that refuses nobody": (
        (str, Depends(security.HTTPBearer().credentials)),
        "credentials() of a security scheme refuses nobody; write Depends(HTTPBearer(...))",
    ),
    "async credentials": (
        (str, Depends(AwaitedBearer())),
        "AwaitedBearer.credentials() is called and not awaited, so every client would be let in; write `def "
        "credentials` without `async` and `yield`, and await in a dependency that takes Depends(AwaitedBearer(...))",
    ),
    "credentials": (
        (str, Depends(security.HTTPAuthorizationCredentials)),
        "HTTPAuthorizationCredentials would be made from values that a client sends, so everybody would be let in; "
        "write Depends(HTTPBearer(...))",
    ),
    "an injected class": (
        (str, Depends(WebSocket)),
        "WebSocket is injected by type, and is no dependency; remove Depends()",
    ),
    "a type of values": (
        (str, Depends(int)),
        "int is a type of values, which a client would send; write Depends(function)",
    ),
    "an enum": (
        (str, Depends(Color)),
        "Color is a type of values, which a client would send; write Depends(function)",
    ),
    "two markers": (
        (Annotated[str, Query(), Header()],),
        "Query() and Header() in one annotation, and only one of them can count; remove the other",
    ),
    "a body beside a query": (
        (Annotated[str, fastapi.Body(), Query()],),
        "Body() and Query() in one annotation, and only one of them can count; remove the other",
    ),
    "a marker inside": (
        (list[Annotated[str, Header()]], Query()),
        "Header() is inside of the annotation, and nobody reads it there; put it around the whole type: "
        "Annotated[..., Header()]",
    ),
    "a dependency inside of a marker's type": (
        (Annotated[Annotated[str, Depends(guard)] | None, Query()],),
        "Depends(guard) is inside of the annotation, and nobody reads it there; put it around the whole type: "
        "Annotated[..., Depends(guard)]",
    ),
    "a dependency inside": (
        (Annotated[str, Depends(guard)] | None,),
        "Depends(guard) is inside of the annotation, and nobody reads it there; put it around the whole type: "
        "Annotated[..., Depends(guard)]",
    ),
    "a marker in a model": (
        (Annotated[Marked, Query()],),
        "Header() is inside of the annotation, and nobody reads it there; put it around the whole type: "
        "Annotated[..., Header()]",
    ),
    "a container": (
        (str, Depends(Container())),
        "Container() gives itself if it is called, and it is not of the annotated type. If a container should put the "
        "value there, write a function that asks the container, and Depends(function)",
    ),
    "an annotation as the default": (
        (str, Annotated[str, Depends(guard)]),
        "the default is an annotation; write it after a colon: `value: ...`",
    ),
    "a callable as the default": (
        (str, guard),
        "the default is a callable, and nothing calls it; write Depends(guard)",
    ),
    "a marker in a marker": (
        (str, Query(default=Depends(guard))),
        "Depends(guard) is the default inside of another marker; remove one of them",
    ),
    "a marker in a list": (
        (str, [Depends(guard)]),
        "Depends(guard) is inside of a list, and nobody reads it there; take it out",
    ),
    "a marker in a dict": (
        (str, {"user": Depends(guard)}),
        "Depends(guard) is inside of a dict, and nobody reads it there; take it out",
    ),
    "a marker of another package": (
        (str, Foreign()),
        f"{__name__}.Foreign is of another package, and nobody reads it; write Depends(guard) of fastroute",
    ),
    "a marker as the type": (
        (Depends(guard),),
        "Depends(guard) is in the place of the type; write `value: Annotated[..., Depends(guard)]`",
    ),
    "a maker of markers as the type": (
        (Query,),
        "Query() is in the place of the type; write `value: Annotated[..., Query()]`",
    ),
    "a function as the type": (
        (guard,),
        "a callable is in the place of the type, and nothing calls it; write `value: Annotated[..., Depends(guard)]`",
    ),
    "credentials as the type": (
        (security.HTTPAuthorizationCredentials,),
        "HTTPAuthorizationCredentials would be made from values that a client sends, so everybody would be let in; "
        "write `value: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer(...))]`",
    ),
    "a maker of markers in Annotated": (
        (Annotated[str, Depends],),
        "Depends in Annotated is not called; write Depends(function)",
    ),
    "a function in Annotated": (
        (Annotated[str, guard],),
        "guard in Annotated does nothing; write Depends(guard)",
    ),
    "in Annotated and as the default": (
        (Annotated[str, Depends(guard)], Depends(guard)),
        f"{Depends(guard)!r} in Annotated and {Depends(guard)!r} as the default; remove one of them",
    ),
    "Field": (
        (str, Field()),
        "Field() does not say where to read the value; write Query(), Header(), ...",
    ),
    "a body": (
        (str, fastapi.Body()),
        "a WebSocket has no body; read a message with websocket.receive_json(), or name another place: "
        "Annotated[..., Query()], Header() or Cookie() (also for a pydantic model)",
    ),
    "an upload": (
        (UploadFile,),
        "a WebSocket has no body; read a message with websocket.receive_json(), or name another place: "
        "Annotated[..., Query()], Header() or Cookie() (also for a pydantic model)",
    ),
    "a model without a marker": (
        (Item,),
        "Item would be read from the body, and a WebSocket has none; if a function makes it, write Annotated[Item, "
        "Depends(function)]; else read a message with websocket.receive_json(), or name another place: "
        "Annotated[..., Query()], Header() or Cookie() (also for a pydantic model)",
    ),
    "a name of the path elsewhere": (
        (str, Query(), "room"),
        "the route's path has {room}; write Path() instead, or rename it",
    ),
    "a default in the path": (
        (Annotated[str, Path()], "x", "room"),
        "a path parameter is always there; remove its default",
    ),
    "a default in Annotated": (
        (Annotated[str, Query(default="x")],),
        "a default inside Annotated is not used; write `= 'x'` after the annotation",
    ),
    "the name of a header": (
        (str, Header(alias="a b")),
        "no header can have the name 'a b'; use ASCII letters, digits and '-'",
    ),
    "the name of a cookie": (
        (str, Cookie(alias="a=b")),
        "no cookie can have the name 'a=b'; use letters, digits and '-'",
    ),
    "a factory with arguments": (
        (str, Query(default_factory=lambda data: data)),
        "default_factory is called without arguments here; write one that takes no argument",
    ),
    "a class that pydantic does not know": (
        (Annotated[Unknown, Query()],),
        "a client cannot send Unknown, which pydantic does not know; if a function makes the value, write "
        "Annotated[Unknown, Depends(function)]",
    ),
    "a pattern that is none": (
        (str, Query(pattern="(")),
        'pydantic cannot validate str: Error building "str" validator: SchemaError: regex parse error: ( error: '
        "unclosed group",
    ),
    "a list in the path": (
        (list[str], EMPTY, "room"),
        "a path parameter is one value, list[str] is not",
    ),
    "a deep query": (
        (Annotated[list[Item], Query()],),
        f"the query string cannot fill list[{__name__}.Item]; use a scalar, a list of scalars or one model",
    ),
    "a list in a cookie": (
        (Annotated[list[str], Cookie()],),
        "a cookie is one value, list[str] is not; take a str and split it, or use Json[...]",
    ),
    "a constraint": (
        (str, Query(gt=1)),
        "gt=1 cannot apply to str, so every value would fail; remove it, or write a type that has it",
    ),
    "a WebSocket without its type": (
        (EMPTY, EMPTY, "ws"),
        "without an annotation, a client sends it in the query; write `ws: WebSocket`",
    ),
    "a connection without its type": (
        (EMPTY, EMPTY, "request"),
        "without an annotation, a client sends it in the query; write `request: HTTPConnection`",
    ),
    "self": (
        (EMPTY, EMPTY, "self"),
        "a method in a class body has no object yet, and a client would send it in the query; register the bound "
        "method after the class: add_api_websocket_route(path, object.method), or Depends(object.method)",
    ),
    "an unknown name": (
        ("Nowhere",),
        "its annotation 'Nowhere' cannot be evaluated (name 'Nowhere' is not defined); a name in it must be importable "
        "at run time, at the top of its module and not under TYPE_CHECKING",
    ),
    "a marked WebSocket": (
        (WebSocket, Query()),
        f"WebSocket is injected by type; remove the marker {Query()!r}",
    ),
    "two WebSockets": (
        (WebSocket,),
        "is the same as parameter 'websocket'; remove one of them",
    ),
    "Depends() without an annotation": (
        (EMPTY, Depends()),
        "Depends() calls the annotation, and there is none; write Depends(function)",
    ),
    "Depends() with a union": (
        (int | str, Depends()),
        "Depends() cannot call the annotation int | str; name the call: Depends(function)",
    ),
    "Depends() with a literal": (
        (Literal["a"], Depends()),
        "Depends() cannot call the annotation typing.Literal['a']; name the call: Depends(function)",
    ),
    "a Request": (
        (Request,),
        "a WebSocket has no Request; annotate WebSocket, or HTTPConnection if HTTP routes share the function, or give "
        "it the default None",
    ),
    "a Response": (
        (JSONResponse,),
        "there is no Response to a WebSocket; pass headers to websocket.accept(headers=...)",
    ),
    "BackgroundTasks": (
        (BackgroundTasks,),
        "nothing runs BackgroundTasks on a WebSocket; start a task group in the endpoint",
    ),
    "messages of one type": (
        (Messages,),
        "Messages needs the types of both directions; write Messages[Receive, Send]",
    ),
}


@pytest.mark.parametrize(("declared", "problem"), OF_PARAMETERS.values(), ids=OF_PARAMETERS)
def test_a_mistake_in_a_parameter(declared: tuple[Any, ...], problem: str) -> None:
    name = declared[2] if len(declared) > 2 else "value"
    with pytest.raises(DeclarationError) as error:
        with_parameter(*declared)
    assert (error.value.parameter, error.value.problem) == (name, problem)


async def positional(value: str, /) -> None: ...


async def variadic(*values: str) -> None: ...


async def keywords(**values: str) -> None: ...


async def bound_by_position(user: str) -> None: ...


async def bound(user: str, other: Annotated[str, Depends(guard)] = "") -> None: ...


async def short(user: Annotated[str, Depends(scoped, scope="function")]) -> AsyncIterator[str]:
    yield user


async def first(websocket: WebSocket, user: Annotated[str, Depends(scoped, scope="handshake")]) -> None: ...


async def itself(user: "Annotated[str, Depends(itself)]") -> None: ...


def hides(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, user: Any = Depends(guard), **keywords: Any) -> Any: ...

    return wrapper


def hides_a_header(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, key: Any = Header(), **keywords: Any) -> Any: ...

    return wrapper


class Body:
    user: Annotated[str, Depends(guard)]

    def __init__(self) -> None: ...


class Unreadable:
    __signature__ = "no signature"

    async def __call__(self) -> None: ...


UNREADABLE = Unreadable()


def unread(thing: Any) -> str:
    """The words of Python for a signature that it cannot read, which differ between its releases."""
    with pytest.raises((TypeError, ValueError)) as caught:
        inspect.signature(thing)
    return str(caught.value)


ONCE = Depends(scoped, max_concurrency=1, use_cache=False)

OF_CALLS: dict[str, tuple[Any, str]] = {
    "positional-only": (
        Depends(positional),
        "is positional-only, but arguments are passed by name; remove the `/`",
    ),
    "*args": (
        Depends(variadic),
        "nothing can be passed as *args; name the parameters (a decorator needs functools.wraps)",
    ),
    "**kwargs": (
        Depends(keywords),
        "nothing can be passed as **kwargs; name the parameters (a decorator needs functools.wraps)",
    ),
    "a marker bound by position": (
        Depends(functools.partial(bound_by_position, Depends(guard))),
        "Depends(guard) is bound by position, and nobody reads it; bind it by the parameter's name",
    ),
    "a function bound as a value": (
        Depends(functools.partial(bound, user=guard)),
        "a callable is bound to 'user' as a value, and nothing calls it; bind Depends(guard) instead",
    ),
    "a dependency that a wrapper hides": (
        Depends(hides(guard)),
        "Depends(guard) stands at the parameter 'user' of guard, and is not in the signature that it shows, so nobody "
        "reads it; set `__signature__` to one with this parameter, or give it to the route: "
        "dependencies=[Depends(guard)]",
    ),
    "a header that a wrapper hides": (
        Depends(hides_a_header(guard)),
        "Header() stands at the parameter 'key' of guard, and is not in the signature that it shows, so nobody reads "
        "it; set `__signature__` to one with this parameter",
    ),
    "a marker in the body of a class": (
        Depends(Body),
        "Depends(guard) stands at 'user' in the body of Body, whose constructor does not take it, so nobody reads it; "
        "write it as a parameter of `__init__`, or of a function",
    ),
    "itself": (
        Depends(itself),
        f"depends on itself: {__name__}.itself -> {__name__}.itself; break the cycle",
    ),
    "a longer lifetime": (
        Depends(short, scope="request"),
        f"comes from {describe(scoped)}, whose scope 'function' ends before the scope 'request' of this dependency; "
        "give both the same scope",
    ),
    "a slot that it keeps": (
        [ONCE, ONCE],
        "Depends(max_concurrency=1) is used again by a connection that keeps every slot of it until its clean-up, and "
        "would wait for ever; remove use_cache=False, or write a Depends() for each use",
    ),
    "an annotation": (
        Depends(Annotated[str, "text"]),
        "Depends(typing.Annotated[str, 'text']) is given an annotation; write it after the parameter and a colon",
    ),
    "no signature": (
        Depends(UNREADABLE),
        f"its parameters cannot be read ({unread(UNREADABLE)}); wrap it in a function with a signature",
    ),
    "a function in the list": (
        [guard],
        f"dependencies=[...] takes Depends(function), not {guard!r}; write dependencies=[Depends(guard)]",
    ),
    "a text in the list": (
        ["guard"],
        "dependencies=[...] takes Depends(function), not 'guard'; write dependencies=[Depends(function)]",
    ),
    "no function in the list": (
        [Depends()],
        f"dependencies=[...] takes Depends(function), not {Depends()!r}; write dependencies=[Depends(function)]",
    ),
}


@pytest.mark.parametrize(("depends", "problem"), OF_CALLS.values(), ids=OF_CALLS)
def test_a_mistake_in_a_dependency(depends: Any, problem: str) -> None:
    with pytest.raises(DeclarationError) as error:
        APIWebSocketRoute("/", plain, dependencies=depends if isinstance(depends, list) else [depends])
    assert error.value.problem == problem


OF_ROUTES: dict[str, tuple[Callable[[], Any], str]] = {
    "dependencies that are no list": (
        lambda: APIWebSocketRoute("/", plain, dependencies=Depends(guard)),
        f"dependencies= takes a list, not {Depends(guard)!r}; write dependencies=[Depends(guard)]",
    ),
    "a dependency as the name": (
        lambda: APIWebSocketRoute("/", plain, Depends(guard)),
        "Depends(guard) is no text; write dependencies=[Depends(guard)]",
    ),
    "dependencies as the name": (
        lambda: APIWebSocketRoute("/", plain, [Depends(guard), guard]),
        "[Depends(guard), Depends(guard)] is no text; write dependencies=[Depends(guard), Depends(guard)]",
    ),
    "a number as the name": (
        lambda: APIWebSocketRoute("/", plain, 5),
        "5 is no text; write name='...'",
    ),
    "the value of a handshake": (
        lambda: APIWebSocketRoute("/", first),
        f"{describe(scoped)} has scope 'handshake': its clean-up runs before the endpoint starts; read the data you "
        "need from it in a dependency without yield, or use another scope",
    ),
    "overrides as their provider": (
        lambda: APIWebSocketRoute("/", plain, dependency_overrides_provider={}),
        "must have an attribute 'dependency_overrides', and {} has none; write app.dependency_overrides = {...}, and "
        "dependency_overrides_provider=app",
    ),
    "a provider that is none": (
        lambda: APIWebSocketRoute("/", plain, dependency_overrides_provider=5),
        "must have an attribute 'dependency_overrides', and 5 has none; give the application itself",
    ),
    "a ValidationError that never comes": (
        lambda: with_parameter(Messages[Item | ValidationError, Item]),
        "a ValidationError never comes here; add MessageRules(on_invalid='yield')",
    ),
    "messages that pydantic does not know": (
        lambda: with_parameter(Messages[Unknown, Item]),
        f"pydantic cannot read messages of Unknown: Unable to generate pydantic-core schema for {Unknown!r}. Set "
        "`arbitrary_types_allowed=True` in the model_config to ignore this error or implement "
        "`__get_pydantic_core_schema__` on your type to fully support it.",
    ),
    "rules of no messages": (
        lambda: with_parameter(Annotated[str, MessageRules()]),
        "MessageRules() belongs to a parameter of type Messages[Receive, Send]",
    ),
}


@pytest.mark.parametrize(("declare", "problem"), OF_ROUTES.values(), ids=OF_ROUTES)
def test_a_mistake_in_a_route(declare: Callable[[], Any], problem: str) -> None:
    with pytest.raises(DeclarationError) as error:
        declare()
    assert error.value.problem == problem


@pytest.mark.parametrize(
    ("declare", "call", "parameter"),
    [
        # The endpoint that takes the value, and not what is asked before it.
        (lambda: APIWebSocketRoute("/", first, dependencies=[Depends(guard)]), first, "user"),
        # The first of the list.
        (lambda: APIWebSocketRoute("/", plain, [Depends(guard), scoped]), plain, "name"),
        (lambda: Router(prefix=[Depends(guard), Depends(scoped)]), guard, "prefix"),
    ],
    ids=["a value of the handshake", "a list as the name", "a list as the prefix"],
)
def test_the_callable_and_the_parameter_are_named(declare: Callable[[], Any], call: Any, parameter: str) -> None:
    with pytest.raises(DeclarationError) as error:
        declare()
    assert (error.value.call, error.value.parameter) == (call, parameter)
