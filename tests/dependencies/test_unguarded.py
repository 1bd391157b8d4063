"""Mistakes with which a route would look guarded, and let everybody in: each is refused, and its advice is safe."""

import ast
import functools
import inspect
import re
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from ipaddress import IPv4Address
from pathlib import PosixPath
from types import MappingProxyType, SimpleNamespace
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

import fastapi
import fastapi.params
import fastapi.security
import pytest
from annotated_types import Len, Predicate
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    Json,
    PlainValidator,
    PrivateAttr,
    WrapValidator,
    create_model,
    field_validator,
    model_validator,
)
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.testclient import TestClient
from starlette.websockets import WebSocket
from typing_extensions import Doc, TypeAliasType
from websocket_client import connect, websocket_scope

import fastroute
from fastroute import APIWebSocketRoute, DeclarationError, Depends, Header, Path, Query, Router, Security, security
from fastroute.params import Param

Text = TypeVar("Text")
URL = "https://example.org/token"
CREDENTIALS = {"Authorization": "Bearer secret", "X-Key": "secret", "Cookie": "key=secret"}


def readable(thing: Any) -> str:
    """The id of a case: the same in every process."""
    return re.sub(r" at 0x\w+", "", str(thing))


async def guard(connection: HTTPConnection) -> str:
    if connection.headers.get("authorization") != "Bearer secret":
        raise HTTPException(401)
    return "ann"


class Guard:
    """A guard that is no security scheme, as the documentation of FastAPI has it."""

    def __init__(self, role: str = "user") -> None:
        self.role = role

    async def __call__(self, connection: HTTPConnection) -> str:
        return await guard(connection)

    @staticmethod
    async def static(connection: HTTPConnection) -> str:
        return await guard(connection)

    @classmethod
    async def of_class(cls, connection: HTTPConnection) -> str:
        return await guard(connection)

    async def method(self, connection: HTTPConnection) -> str:
        return await guard(connection)


class OwnBearer(security.HTTPBearer): ...


class OwnScheme(security.SecurityBase[Text], Generic[Text]):
    def credentials(self, connection: HTTPConnection) -> Text | None:
        return connection.headers.get("authorization")  # type: ignore[return-value]


class OwnOfFastAPI(fastapi.security.HTTPBearer): ...


class AnyScheme(fastapi.security.base.SecurityBase):
    async def __call__(self, connection: HTTPConnection) -> str:
        return await guard(connection)


#: Each with the arguments that its advice leaves to the user.
SCHEMES: dict[Any, dict[str, Any]] = {
    security.APIKeyCookie: {"name": "key"},
    security.APIKeyHeader: {"name": "X-Key"},
    security.HTTPBearer: {},
    security.HTTPDigest: {},
    security.OAuth2PasswordBearer: {"tokenUrl": URL},
    security.OAuth2AuthorizationCodeBearer: {"authorizationUrl": URL, "tokenUrl": URL},
    security.OpenIdConnect: {"openIdConnectUrl": URL},
    OwnBearer: {},
    OwnScheme: {},
    fastapi.security.APIKeyHeader: {"name": "X-Key"},
    fastapi.security.HTTPBearer: {},
    fastapi.security.OAuth2PasswordBearer: {"tokenUrl": URL},
    OwnOfFastAPI: {},
    AnyScheme: {},
}


def credentials_for(cls: Any) -> dict[str, str]:
    return {**CREDENTIALS, "Authorization": "Digest secret"} if cls is security.HTTPDigest else CREDENTIALS


# How something is declared: each takes a marker, or a thing in its place, and gives a route


def in_annotated(thing: Any) -> APIWebSocketRoute:
    async def endpoint(websocket: WebSocket, user: Annotated[Any, thing]) -> None:
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


def as_default(thing: Any) -> APIWebSocketRoute:
    async def endpoint(websocket: WebSocket, user: Any = thing) -> None:
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


def in_alias(thing: Any) -> APIWebSocketRoute:
    alias = TypeAliasType("alias", Annotated[Any, thing])  # type: ignore[valid-type]

    async def endpoint(websocket: WebSocket, user: alias) -> None:  # type: ignore[valid-type]
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


def in_a_dependency(thing: Any) -> APIWebSocketRoute:
    def inner(user: Annotated[Any, thing]) -> Any:
        return user

    async def endpoint(websocket: WebSocket, user: Annotated[Any, Depends(inner)]) -> None:
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


async def open_endpoint(websocket: WebSocket) -> None:
    await websocket.accept()


def of_the_route(thing: Any) -> APIWebSocketRoute:
    return APIWebSocketRoute("/", open_endpoint, dependencies=[thing])


def registered(router: Router) -> Any:
    return router.routes[0]


def of_a_router(thing: Any) -> Any:
    router = Router(dependencies=[thing])
    router.add_api_websocket_route("/", open_endpoint)
    return registered(router)


def of_a_registration(thing: Any) -> Any:
    router = Router()
    router.websocket("/", dependencies=[thing])(open_endpoint)
    return registered(router)


def of_an_inclusion(thing: Any) -> Any:
    inner, outer = Router(), Router()
    inner.websocket("/")(open_endpoint)
    outer.include_router(inner, dependencies=[thing])
    return registered(outer)


FORMS: list[Callable[[Any], Any]] = [
    in_annotated, as_default, in_alias, in_a_dependency, of_the_route, of_a_router, of_a_registration, of_an_inclusion,
]  # fmt: skip
EACH_FORM = pytest.mark.parametrize("form", FORMS)


# Following an advice


class _Arguments(ast.NodeTransformer):
    """Put the arguments of a class in the place of `...`."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if [ast.dump(argument) for argument in node.args] == [ast.dump(ast.Constant(...))]:
            node.args = []
            node.keywords.append(ast.keyword(None, ast.parse(f"arguments({ast.unparse(node.func)})", mode="eval").body))
        return node


def advised_codes(message: str) -> list[str]:
    """The calls that a message says to write."""
    codes = []
    for start in re.finditer(r"(?:write|and|to|, ) (?:dependencies=\[)?(?=[A-Z]\w*\()", message):
        text = message[start.end() :]
        depth = 0
        for index, character in enumerate(text):
            depth += {"(": 1, ")": -1}.get(character, 0)
            if character == ")" and depth == 0:
                codes.append(text[: index + 1])
                break
    return codes


def followed(code: str, names: dict[str, Any]) -> Any:
    """The value of an advised code, in the module of a user who has a guard called `function`."""

    def arguments(function: Any) -> dict[str, Any]:
        return dict(SCHEMES.get(function, {}))

    tree = ast.fix_missing_locations(_Arguments().visit(ast.parse(code, mode="eval")))
    known = {"Depends": Depends, "Security": Security, "function": guard, "arguments": arguments, **names}
    return eval(compile(tree, "<advice>", "eval"), known)


def is_let_in(route: Any, headers: dict[str, str]) -> bool:
    try:
        scope = websocket_scope("/?user=ann&scheme_name=x", headers=headers.items())
        sent = connect(Starlette(routes=[route]), scope)
    except Exception:
        return False
    return sent[0]["type"] == "websocket.accept"


def check_advice(form: Callable[[Any], Any], mistake: Any, names: dict[str, Any], headers: dict[str, str]) -> str:
    """A mistake is refused; the advised code is accepted, and it guards the route. Gives the code."""
    with pytest.raises(DeclarationError) as caught:
        form(mistake)
    codes = advised_codes(str(caught.value))
    assert codes, caught.value
    for code in codes:
        route = form(followed(code, names))
        assert not is_let_in(route, {})
        assert is_let_in(route, headers)
    return codes[0]


# A scheme that is not called


MARKERS: dict[str, Callable[[Any], Any]] = {
    "Depends": Depends,
    "Security": lambda thing: Security(thing, scopes=["a", "b"]),
    "fastapi.Depends": fastapi.Depends,
    "fastapi.Security": lambda thing: fastapi.Security(thing, scopes=["a"]),
}

#: What stands for the class: everything that makes an instance of it if it is called.
MAKERS: dict[str, Callable[[Any], Any]] = {
    "class": lambda cls: cls,
    "partial": functools.partial,
    "partial of partial": lambda cls: functools.partial(functools.partial(cls), description="x"),
    "cached": functools.cache,
    "partial of cached": lambda cls: functools.partial(functools.cache(functools.partial(cls))),
    "static method": staticmethod,
}


@EACH_FORM
@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("cls", SCHEMES, ids=lambda cls: f"{cls.__module__.split('.')[0]}.{cls.__name__}")
def test_a_scheme_that_is_not_called(form: Callable[[Any], Any], marker: str, cls: Any) -> None:
    code = check_advice(form, MARKERS[marker](cls), {cls.__name__: cls}, credentials_for(cls))
    assert f"{cls.__name__}(...)" in code


@EACH_FORM
@pytest.mark.parametrize("maker", MAKERS)
def test_a_scheme_behind_other_callables(form: Callable[[Any], Any], maker: str) -> None:
    for cls in (security.HTTPBearer, OwnOfFastAPI):
        code = check_advice(form, Depends(MAKERS[maker](cls)), {cls.__name__: cls}, CREDENTIALS)
        assert code == f"Depends({cls.__name__}(...))"


@pytest.mark.parametrize(
    "alias", [OwnScheme[str], Annotated[security.HTTPBearer, "text"], functools.partial(OwnScheme[str])], ids=readable
)
def test_an_alias_of_a_scheme(alias: Any) -> None:
    with pytest.raises(DeclarationError):
        in_annotated(Depends(alias))
    with pytest.raises(DeclarationError):
        of_the_route(Security(alias))


@pytest.mark.parametrize("marker", [Depends(), Security(), fastapi.Depends(), fastapi.Security()], ids=readable)
@pytest.mark.parametrize("cls", [*SCHEMES, OwnScheme[str], TypeAliasType("Bearer", security.HTTPBearer)], ids=readable)
def test_a_scheme_as_the_annotation_of_a_dependency(cls: Any, marker: Any) -> None:
    async def annotated(websocket: WebSocket, user: Annotated[cls, marker]) -> None: ...

    async def default(websocket: WebSocket, user: cls = marker) -> None: ...

    async def optional(websocket: WebSocket, user: Annotated[cls | None, marker]) -> None: ...

    for endpoint in (annotated, default, optional):
        with pytest.raises(DeclarationError):
            APIWebSocketRoute("/", endpoint)


@pytest.mark.parametrize("scheme", [security.HTTPBearer, functools.partial(OwnOfFastAPI)], ids=["class", "partial"])
def test_a_scheme_that_is_not_called_as_an_override(scheme: Any) -> None:
    app = fastapi.FastAPI()
    app.dependency_overrides = {guard: scheme}
    route = APIWebSocketRoute("/", open_endpoint, dependencies=[Depends(guard)], dependency_overrides_provider=app)
    with pytest.raises(DeclarationError, match=r"write Depends\(\w+\(\.\.\.\)\)"):  # noqa: SIM117  # one thing raises
        with TestClient(Starlette(routes=[route])).websocket_connect("/", headers=CREDENTIALS):
            raise AssertionError("let in")


class NeverCalled(Guard): ...


class CalledModel(BaseModel):
    role: str = "user"

    async def __call__(self, connection: HTTPConnection) -> str:
        return await guard(connection)


DROPPING = [of_the_route, of_a_router, of_a_registration, of_an_inclusion]


@pytest.mark.parametrize("cls", [Guard, NeverCalled, CalledModel])
@pytest.mark.parametrize("maker", [name for name in MAKERS if name != "static method"])
@pytest.mark.parametrize("form", DROPPING)
def test_a_guard_that_is_made_and_not_called(form: Callable[[Any], Any], maker: str, cls: Any) -> None:
    code = check_advice(form, Depends(MAKERS[maker](cls)), {cls.__name__: cls}, CREDENTIALS)
    assert code == f"Depends({cls.__name__}(...))"


UserText = NewType("UserText", TypeAliasType("Text", str))  # type: ignore[valid-newtype]  # legal at run time


@pytest.mark.parametrize(
    "annotation", [str, str | int, UserText, BaseModel | None, TypedDict("Claims", {"sub": str})], ids=str
)
@pytest.mark.parametrize(
    "marker", [Depends(Guard), fastapi.Depends(Guard), Security(functools.partial(Guard))], ids=str
)
def test_a_guard_that_is_made_is_no_value_of_another_type(marker: Any, annotation: Any) -> None:
    async def dependency(user: Annotated[annotation, marker]) -> None: ...

    for form in (lambda: annotated_with(annotation, marker), lambda: of_the_route(Depends(dependency))):
        with pytest.raises(DeclarationError, match=r"nobody calls it.*; write Depends\(Guard\(...\)\)"):
            form()


@pytest.mark.parametrize("annotation", [Guard, object, Any, Guard | None, Callable[..., Any]], ids=str)
def test_a_guard_that_is_made_may_be_called_by_its_taker(annotation: Any) -> None:
    annotated_with(annotation, Depends(Guard))


class GuardsInItsConstructor:
    def __init__(self, connection: "HTTPConnection | None", user: str = "") -> None:
        assert connection is not None
        if connection.headers.get("authorization") != "Bearer secret":
            raise HTTPException(401)

    def __call__(self) -> str:
        raise NotImplementedError


class GuardsByADependency:
    def __init__(self, user: str = Depends(guard)) -> None: ...
    def __call__(self) -> str:
        raise NotImplementedError


def test_a_guard_that_is_made_from_what_is_no_class_is_not_called() -> None:
    class Chosen(Guard):
        def __init__(self, role: Literal["admin"], names: "list[str] | None" = None) -> None: ...

    with pytest.raises(DeclarationError, match="nobody calls it"):
        of_the_route(Depends(Chosen))


@pytest.mark.parametrize("cls", [GuardsInItsConstructor, GuardsByADependency, functools.partial(GuardsByADependency)])
def test_a_constructor_may_be_the_guard(cls: Any) -> None:
    for route in (of_the_route(Depends(cls)), annotated_with(str, Depends(cls))):
        assert not is_let_in(route, {})
        assert is_let_in(route, CREDENTIALS)


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **keywords: Any) -> Any:
        return function(*args, **keywords)

    return wrapper


class PartialMethod:
    async def check(self, role: str, connection: HTTPConnection) -> str:
        return await guard(connection)

    admin = functools.partialmethod(check, "admin")


@pytest.mark.parametrize(
    "dependency",
    [
        decorated(functools.partial(guard)),
        decorated(functools.partial(decorated(functools.partial(guard)))),
        functools.partial(decorated(functools.partial(guard))),
        decorated(PartialMethod().admin),
        decorated(functools.partial(Guard())),
    ],
    ids=range(5),
)
def test_an_async_guard_is_awaited_behind_decorators_of_partials(dependency: Any) -> None:
    for form in (in_annotated, of_the_route):
        route = form(Depends(dependency))
        assert not is_let_in(route, {})
        assert is_let_in(route, CREDENTIALS)


def test_a_guard_that_is_made_and_not_called_as_an_override() -> None:
    app = fastapi.FastAPI()
    app.dependency_overrides = {guard: Guard}
    route = APIWebSocketRoute("/", open_endpoint, dependencies=[Depends(guard)], dependency_overrides_provider=app)
    with pytest.raises(DeclarationError, match=r"write Depends\(Guard\(\.\.\.\)\)"):  # noqa: SIM117  # one thing raises
        with TestClient(Starlette(routes=[route])).websocket_connect("/"):
            raise AssertionError("let in")


@pytest.mark.parametrize("name", ["credentials", "make_not_authenticated_error"])
def test_a_method_of_a_scheme_that_refuses_nobody(name: str) -> None:
    method = getattr(security.HTTPBearer(), name)
    names = {"HTTPBearer": security.HTTPBearer}
    assert check_advice(in_annotated, Depends(method), names, CREDENTIALS) == "Depends(HTTPBearer(...))"


# A guard that nothing calls


GUARDS: list[tuple[Any, str]] = [
    (guard, "Depends(guard)"),
    (Guard, "Depends(Guard(...))"),
    (Guard(), "Depends(Guard(...))"),
    (Guard.static, "Depends(Guard.static)"),
    (Guard.of_class, "Depends(Guard.of_class)"),
    (Guard().method, "Depends(Guard(...).method)"),
    (functools.partial(Guard), "Depends(Guard(...))"),
    (lambda: "ann", "Depends(function)"),
    (security.HTTPBearer, "Depends(HTTPBearer(...))"),
    (security.HTTPBearer(), "Depends(HTTPBearer(...))"),
    (fastapi.security.HTTPBearer(), "Depends(HTTPBearer(...))"),
    (functools.partial(security.HTTPBearer), "Depends(HTTPBearer(...))"),
    (Depends, "Depends(function)"),
    (Security, "Depends(function)"),
    (fastapi.Depends, "Depends(function)"),
    (fastapi.params.Depends, "Depends(function)"),
    (functools.partial(Depends, use_cache=False), "Depends(function)"),
]


@EACH_FORM
@pytest.mark.parametrize(("thing", "code"), GUARDS, ids=readable)
def test_a_guard_that_nothing_calls(form: Callable[[Any], Any], thing: Any, code: str) -> None:
    names = {"guard": guard, "Guard": Guard, "HTTPBearer": security.HTTPBearer}
    assert check_advice(form, thing, names, CREDENTIALS) == code


@EACH_FORM
@pytest.mark.parametrize(
    "thing",
    [
        Depends,
        Security,
        fastapi.Depends,
        fastapi.params.Security,
        Query,
        fastapi.Header,
        Depends(guard),
        "guard",
        None,
        1,
    ],
    ids=readable,
)
def test_a_dependency_on_something_that_is_none(form: Callable[[Any], Any], thing: Any) -> None:
    if thing is None and form in (in_annotated, as_default, in_alias, in_a_dependency):
        with pytest.raises(DeclarationError):  # calls the annotation, and there is none
            form(Depends(thing))
        return
    with pytest.raises(DeclarationError):
        form(Depends(thing))


def test_a_dependency_on_an_annotation() -> None:
    User = Annotated[BaseModel, Depends(guard)]
    for form in FORMS:
        with pytest.raises(DeclarationError, match="is given an annotation"):
            form(Depends(User))


def test_a_dependency_on_a_new_type() -> None:
    User = NewType("User", str)

    async def endpoint(websocket: WebSocket, user: Annotated[User, Depends()]) -> None: ...

    with pytest.raises(DeclarationError, match="NewType User"):
        APIWebSocketRoute("/", endpoint)


def test_a_local_guard_is_called_by_its_name() -> None:
    class Local:
        class Inner:
            async def __call__(self, connection: HTTPConnection) -> str:
                return await guard(connection)

    assert check_advice(in_annotated, Local.Inner, {"Local": Local}, CREDENTIALS) == "Depends(Local.Inner(...))"


# A marker that nobody reads


Alias = Annotated[str, Depends(guard)]
Named = TypeAliasType("Named", Annotated[str, Depends(guard)])
Made = TypeAliasType("Made", Annotated[Text, Depends(guard)], type_params=(Text,))  # type: ignore[valid-type]
Q = Query(alias="q")


class Model(BaseModel):
    user: Alias


class ModelDefault(BaseModel):
    user: str = Depends(guard)


class Nested(BaseModel):
    inner: list[Model] = []


class Dictionary(TypedDict):
    user: Alias


class Tuple(NamedTuple):
    user: Alias


@dataclass
class Data:
    user: str = field(default=Depends(guard))


VANISHING: list[Any] = [
    # Beside another one.
    Annotated[str, Depends(guard), Query()],
    Annotated[str, Query(), Depends(guard)],
    Annotated[str, Depends(guard), fastapi.Query()],
    Annotated[str, fastapi.Query(), Depends(guard)],
    Annotated[str, fastapi.Depends(guard), Header()],
    Annotated[str, fastapi.Security(guard), fastapi.Body()],
    Annotated[str, Depends(guard), Depends(guard)],
    Annotated[str, Depends(guard), Security(guard)],
    Annotated[Alias, Query()],
    Annotated[Named, Query()],
    Annotated[Named, "text", Depends(guard)],
    Annotated[Made[str], Query()],
    Annotated[Annotated[Annotated[str, Depends(guard)], "text"], Query()],
    # Two places.
    Annotated[str, Query(), Header()],
    Annotated[str, Header(), fastapi.Cookie()],
    Annotated[str, fastapi.Cookie(), Query()],
    Annotated[str, fastapi.Query(), fastapi.Body()],
    # In a union.
    Alias | None,
    Optional[Alias],  # noqa: UP045  # the old spelling is the case
    Union[int, Alias],  # noqa: UP007  # the old spelling is the case
    Named | int,
    int | Made[str],
    int | Annotated[Alias | None, "text"],
    int | Annotated[Annotated[str, guard] | None, "text"],
    WebSocket | Annotated[Alias | None, "text"],
    Annotated[int | Annotated[Alias | None, "text"], Depends(guard)],
    Annotated[Alias | None, Query()],
    Annotated[Alias | None, Depends(guard)],
    Annotated[Annotated[str, Query()] | None, Depends(guard)],
    Annotated[str, Header()] | None,
    Annotated[Annotated[str, Header()] | None, Query()],
    Annotated[str, guard] | None,
    Annotated[str, Depends] | None,
    WebSocket | Alias,
    # Deeper.
    Annotated[list[Alias], Query()],
    Annotated[list[Named], Query()],
    Annotated[set[Made[str]] | None, Query()],
    Annotated[Json[dict[str, Alias]], Query()],
    Annotated[list[Annotated[str, Header()]], Query()],
    NewType("New", Alias),  # type: ignore[valid-newtype]
    Annotated[Model, Query()],
    Annotated[Model | None, Header()],
    Annotated[ModelDefault, Query()],
    Annotated[Nested, Query()],
    Annotated[Json[Dictionary], Query()],
    Annotated[Json[Tuple], Query()],
    Annotated[Json[Data], Query()],
    # Wrapped.
    Annotated[str, (Depends(guard),)],
    Annotated[str, [fastapi.Depends(guard)]],
    Annotated[str, (Depends(guard),), Query()],
    Annotated[str, {"user": Depends(guard)}],
]


@pytest.mark.parametrize("annotation", VANISHING, ids=readable)
def test_a_marker_that_would_vanish(annotation: Any) -> None:
    async def endpoint(websocket: WebSocket, user: annotation) -> None: ...

    def dependency(user: annotation) -> None: ...

    async def above(websocket: WebSocket, value: Annotated[None, Depends(dependency)]) -> None: ...

    for function in (endpoint, above):
        with pytest.raises(DeclarationError) as caught:
            APIWebSocketRoute("/", function)
        assert caught.value.parameter == "user"


class Letter(StrEnum):
    A = "a"


class Foreign:
    """A marker of another package, as several have it."""

    def __init__(self, dependency: Any) -> None:
        self.dependency = dependency


@pytest.mark.parametrize(
    "default",
    [
        (Depends(guard),),
        [fastapi.Depends(guard)],
        {"user": Depends(guard)},
        Alias,
        Named,
        Made[str],
        Query(Depends(guard)),
        Query(guard),
        fastapi.Query(fastapi.Depends(guard)),
        Foreign(guard),
    ],
    ids=readable,
)
def test_a_default_that_would_be_the_user(default: Any) -> None:
    with pytest.raises(DeclarationError):
        as_default(default)


class Injected(NamedTuple):
    """Marks a parameter that a container fills, if the function is decorated."""

    component: str = ""


class Auto: ...


class Documented(Doc): ...


class Narrowed:
    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return handler(source)


UserId = NewType("UserId", str)
SENTINEL = object()


def of_a_dependency(annotation: Any) -> APIWebSocketRoute:
    def dependency(user: annotation) -> None: ...

    return of_the_route(Depends(dependency))


CURRENT_USER: ContextVar[str] = ContextVar("CURRENT_USER")


@pytest.mark.parametrize("marker", [Injected(), Auto(), SENTINEL, CURRENT_USER, field(default="x")], ids=readable)
@pytest.mark.parametrize("annotation", [str, UserId, Any, str | None, UUID, Letter, Literal["a"]], ids=readable)
def test_what_marks_a_parameter_for_another_package_alone(annotation: Any, marker: Any) -> None:
    problem = r"'user': nobody reads [\w.]+ here.*write Depends\(function\).*write Annotated\[..., Query\(\)\]"
    for annotated in (Annotated[annotation, marker], Annotated[Annotated[annotation, marker], Doc("x")]):
        for form in (annotated_as, of_a_dependency):
            with pytest.raises(DeclarationError, match=problem):
                form(annotated)
            form(Annotated[annotated, Query()])
            form(Annotated[annotated, Depends(guard)])


@pytest.mark.parametrize("annotation", [str, UserId, Any, str | None, UUID], ids=readable)
def test_a_default_for_another_package_alone(annotation: Any) -> None:
    async def endpoint(websocket: WebSocket, user: annotation = Auto()) -> None: ...  # the subject

    async def meant(websocket: WebSocket, user: Annotated[annotation, Query()] = Auto()) -> None: ...

    with pytest.raises(DeclarationError, match=r"'user': nobody reads [\w.]+Auto here.*write Depends\(function\)"):
        APIWebSocketRoute("/", endpoint)
    APIWebSocketRoute("/", meant)


def test_a_class_keeps_what_only_another_package_reads() -> None:
    class Service:
        def __init__(self, websocket: WebSocket, key: Annotated[str, Auto()] = "x", other: str = Auto()) -> None:  # type: ignore[assignment]
            assert (key, type(other)) == ("x", Auto)

    route = annotated_with(Service, Depends())
    assert is_let_in(route, {})
    assert not list(route.dependant.dependencies[0].fields)


def test_metadata_that_is_read_or_documents_is_no_marker() -> None:
    for item in (
        "text",
        1,
        Doc("x"),
        Documented("x"),
        Narrowed(),
        Predicate(bool),
        Len(1),
        re.compile("a"),
        date.min,
        {"a": [1]},
        ("a",),
        Letter.A,
    ):
        annotated_as(Annotated[str, item])
    for annotation, default in ((Any, "x"), (str, Letter.A), (datetime, datetime.now()), (Decimal, 1), (str, None)):

        async def endpoint(websocket: WebSocket, user: annotation = default) -> None: ...

        APIWebSocketRoute("/", endpoint)

    async def of_its_class(websocket: WebSocket, user: Annotated[Auto, PlainValidator(str)] = Auto()) -> None: ...

    APIWebSocketRoute("/", of_its_class)


class Methods:
    @property
    def user(self) -> str:
        raise NotImplementedError

    @classmethod
    async def of_class(cls) -> str:
        raise NotImplementedError

    partial = functools.partialmethod(guard)
    cached = functools.cached_property(guard)


@pytest.mark.parametrize("name", ["user", "of_class", "partial", "cached"])
def test_a_thing_of_the_body_of_a_class_is_no_value(name: str) -> None:
    thing = vars(Methods)[name]
    for form in (as_default, in_annotated, in_a_dependency):
        with pytest.raises(DeclarationError, match=r"write Depends\(\w+\(...\)\)|write Depends\(function\)"):
            form(thing)


@pytest.mark.parametrize(
    "holder",
    [
        ([Depends(guard)],),
        deque([Depends(guard)]),
        MappingProxyType({"a": fastapi.Depends(guard)}),
        {"a": {"b": (Depends(guard),)}},
        field(default=Depends(guard)),
        Field(default=Depends(guard)),
    ],
)
def test_a_marker_deep_in_a_holder(holder: Any) -> None:
    with pytest.raises(DeclarationError, match=r"Depends\(guard\) is inside of a \w+, and nobody reads it there"):
        in_annotated(holder)


def test_a_marker_of_another_package() -> None:
    for form in (in_annotated, as_default, in_a_dependency):
        assert check_advice(form, Foreign(guard), {"guard": guard}, CREDENTIALS) == "Depends(guard)"


#: Declarations that are near a mistake, and none.
ACCEPTED: list[Any] = [
    Annotated[int, Query(), Query(gt=3)],
    Annotated[Annotated[int, Query(gt=3)], "text", fastapi.Query(alias="q")],
    Annotated[TypeAliasType("Q", Annotated[int, Query()]), Query(gt=3)],
    Annotated[int, Query(gt=3)] | None,
    Annotated[create_model("Odd", **{"x-y": (int, 1)}), Query()],  # type: ignore[call-overload]  # as FastAPI takes it
    Annotated[list[Annotated[int, Query(gt=3)]], Query()],
    Annotated[list[Alias], Depends(guard)],
    Annotated[str, "text", ("a", "b"), {"c": 1}, Depends(guard)],
    Alias,
    Named,
    Made[str],
    Annotated[Guard, Depends()],
    Annotated[str, Depends(Guard())],
    Annotated[str, Depends(functools.partial(security.HTTPBearer()))],
    Annotated[str, Depends(security.HTTPBearer().__call__)],
]


@pytest.mark.parametrize("annotation", ACCEPTED, ids=readable)
def test_what_is_near_a_mistake(annotation: Any) -> None:
    async def endpoint(websocket: WebSocket, user: annotation) -> None: ...

    APIWebSocketRoute("/", endpoint)


def test_a_generic_alias_of_a_dependency() -> None:
    pair = TypeAliasType("pair", Annotated[dict[Text, str], Query], type_params=(Text,))  # type: ignore[valid-type]
    with pytest.raises(DeclarationError, match=r"write Query\(\)"):
        in_annotated_of(pair[int])
    assert is_let_in(in_annotated_of(Made[str]), CREDENTIALS)
    assert not is_let_in(in_annotated_of(Made[str]), {})


def in_annotated_of(annotation: Any) -> APIWebSocketRoute:
    async def endpoint(websocket: WebSocket, user: annotation) -> None:
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


# A guard that is called, and not awaited


def forgets(connection: HTTPConnection) -> Any:
    return guard(connection)


class Forgets:
    def __call__(self, connection: HTTPConnection) -> Any:
        return guard(connection)


@pytest.mark.parametrize("form", [of_the_route, of_a_router, of_a_registration, of_an_inclusion])
@pytest.mark.parametrize("dependency", [forgets, Forgets(), functools.partial(forgets)], ids=readable)
def test_a_guard_that_nothing_awaits(form: Callable[[Any], Any], dependency: Any) -> None:
    for marker in (Depends(dependency), fastapi.Depends(dependency), Depends(dependency, max_concurrency=1)):
        route = form(marker)
        for headers in ({}, CREDENTIALS):
            with (
                pytest.raises(RuntimeError, match=r"forgets|Forgets.*nothing awaits it"),
                TestClient(Starlette(routes=[route])).websocket_connect("/", headers=headers),
            ):
                raise AssertionError("let in")


def test_a_coroutine_that_is_taken_may_be_awaited_later() -> None:
    async def endpoint(websocket: WebSocket, user: Annotated[Any, Depends(forgets)]) -> None:
        await user
        await websocket.accept()

    route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(forgets)])
    assert is_let_in(route, CREDENTIALS)
    assert not is_let_in(route, {})


# Markers of a container


class Marker:
    """Stands for a value that a container puts in; the container looks for it in the markers that it knows."""

    def __call__(self) -> "Marker":
        return self


class Settings:
    """Gives itself, too, but as the value: an old way to share an instance."""

    def __call__(self) -> "Settings":
        return self


@pytest.mark.parametrize("marker", [Marker(), functools.partial(Marker())], ids=["instance", "partial"])
def test_a_marker_of_a_container_is_not_the_value(marker: Any) -> None:
    for annotation in (str, Any, str | None, Settings):

        async def endpoint(websocket: WebSocket, value: Annotated[annotation, Depends(marker)]) -> None: ...

        with pytest.raises(DeclarationError, match=r"gives itself .* write a function that asks the container"):
            APIWebSocketRoute("/", endpoint)
    with pytest.raises(DeclarationError, match="gives itself"):
        of_the_route(Depends(marker))
    for form in (in_annotated, as_default):
        with pytest.raises(DeclarationError, match=r"write Depends\(function\)"):
            form(Marker())


@pytest.mark.parametrize("annotation", [Settings, Settings | None, object, Annotated[Settings, "text"]], ids=readable)
def test_an_instance_that_gives_itself_as_the_value(annotation: Any) -> None:
    settings = Settings()
    seen = []

    async def endpoint(websocket: WebSocket, value: Annotated[annotation, Depends(settings)]) -> None:
        seen.append(value)
        await websocket.accept()

    assert is_let_in(APIWebSocketRoute("/", endpoint), {})
    assert seen == [settings]


def test_a_marker_of_a_container_in_the_marker_that_it_knows() -> None:
    """Containers know FastAPI's `Depends`: their wrapper of the endpoint puts the value in the place of the marker."""
    marker = Marker()
    seen = []

    def injected(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(websocket: WebSocket, value: Any) -> None:
            assert value is marker
            await function(websocket, "tick")

        return wrapper

    @injected
    async def endpoint(websocket: WebSocket, value: Annotated[str, fastapi.Depends(marker)]) -> None:
        seen.append(value)
        await websocket.accept()

    assert is_let_in(APIWebSocketRoute("/", endpoint), {})
    assert seen == ["tick"]


def test_the_package_exports_what_advices_name() -> None:
    assert {"Depends", "Security", "Query", "Header", "Cookie", "Path"} <= set(fastroute.__all__)


# Markers that the signature lacks


def guarded_by_default(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, _guard: Any = Depends(guard), **keywords: Any) -> Any:
        return await function(*args, **keywords)

    return wrapper


def guarded_by_fastapi(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(websocket: WebSocket, user: str = fastapi.Depends(guard)) -> Any:
        return await function(websocket)

    return wrapper


def guarded_below_another(function: Any) -> Any:
    @functools.wraps(function)
    async def outermost(*args: Any, **keywords: Any) -> Any:
        return await guarded_by_default(function)(*args, **keywords)

    outermost.__wrapped__ = guarded_by_default(function)  # type: ignore[attr-defined]
    return outermost


def reads_a_header(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, _key: str = Header(), **keywords: Any) -> Any:
        return await function(*args, **keywords)

    return wrapper


def shows_another(function: Any) -> Any:
    async def wrapper(*args: Any, _guard: Any = Depends(guard), **keywords: Any) -> Any:
        return await function(*args, **keywords)

    wrapper.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return wrapper


class GuardedObject:
    def __init__(self, function: Any) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    async def __call__(self, websocket: WebSocket, user: Annotated[str, Depends(guard)] = "x") -> Any:
        return await self.function(websocket)


DECORATORS = [
    guarded_by_default,
    guarded_by_fastapi,
    guarded_below_another,
    reads_a_header,
    shows_another,
    GuardedObject,
]


@pytest.mark.parametrize("decorate", DECORATORS)
def test_a_marker_that_a_wrapper_hides_is_refused(decorate: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

    async def dependency(websocket: WebSocket) -> None: ...

    with pytest.raises(DeclarationError, match=r"test_unguarded.*(Depends\(guard\)|Header\(\)) stands at"):
        APIWebSocketRoute("/", decorate(endpoint))
    with pytest.raises(DeclarationError, match="not in the signature that it shows"):
        APIWebSocketRoute("/", endpoint, dependencies=[Depends(decorate(dependency))])


def shows_all(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, _guard: Any = Depends(guard), **keywords: Any) -> Any:
        return await function(*args, **keywords)

    shown = inspect.signature(function)
    own = inspect.Parameter("_guard", inspect.Parameter.KEYWORD_ONLY, default=Depends(guard))
    wrapper.__signature__ = shown.replace(parameters=[*shown.parameters.values(), own])  # type: ignore[attr-defined]
    return wrapper


def repeats(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(websocket: WebSocket, user: str = Depends(guard)) -> Any:
        return await function(websocket, user)

    return wrapper


def test_a_marker_is_read_in_the_globals_of_its_function() -> None:
    """Those of its module are not the same if it was made by `exec`."""
    names: dict[str, Any] = {"Guarded": Annotated[str, Depends(guard)], "__name__": __name__}
    exec('async def wrapper(*args, user: "Guarded" = "x", **keywords): ...', names)
    names["wrapper"].__wrapped__ = open_endpoint
    with pytest.raises(DeclarationError, match=r"Depends\(guard\) stands at the parameter 'user'"):
        APIWebSocketRoute("/", names["wrapper"])


def test_a_hidden_parameter_that_nobody_can_read_is_no_marker() -> None:
    async def wrapper(*args: Any, user: "Nowhere" = "x", **keywords: Any) -> None:  # type: ignore[name-defined]  # noqa: F821  # the subject
        await open_endpoint(*args, **keywords)

    wrapper.__wrapped__ = open_endpoint  # type: ignore[attr-defined]
    assert is_let_in(APIWebSocketRoute("/", wrapper), {})


def test_a_cached_dependency_keeps_its_markers() -> None:
    @functools.cache
    def cached(user: Annotated[str, Depends(guard)]) -> str:
        return user

    route = of_the_route(Depends(cached))
    assert not is_let_in(route, {})
    assert is_let_in(route, CREDENTIALS)


def test_only_a_function_in_python_gets_what_a_decorator_asks_for() -> None:
    class InC:
        __signature__ = inspect.Signature(
            [inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)]
        )
        __call__ = staticmethod(print)

    with pytest.raises(DeclarationError, match="parameter 'request'"):
        of_the_route(Depends(InC()))


def test_a_marker_in_the_parameters_of_a_callable_is_refused() -> None:
    async def endpoint(
        websocket: WebSocket, call: Annotated[Callable[[Annotated[str, Depends(guard)]], str] | None, Query()] = None
    ) -> None: ...

    with pytest.raises(DeclarationError, match=r"Depends\(guard\)"):
        APIWebSocketRoute("/", endpoint)


def test_a_path_marker_that_the_template_makes_needless_may_be_hidden() -> None:
    async def endpoint(websocket: WebSocket, room: str) -> None: ...

    async def wrapper(websocket: WebSocket, room: Annotated[str, Path()]) -> None: ...

    wrapper.__wrapped__ = endpoint
    APIWebSocketRoute("/{room}", wrapper)
    with pytest.raises(DeclarationError, match=r"Path\(\) stands at the parameter 'room'"):
        APIWebSocketRoute("/", wrapper)


def test_an_error_of_a_router_names_a_function_of_the_user_or_the_router() -> None:
    def forgotten(value: str, /) -> None: ...

    for dependency, named in [(Query, Router), (fastapi.Query, Router), (security.HTTPBearer, Router)]:
        with pytest.raises(DeclarationError) as error:
            Router(dependencies=[Depends(dependency)])
        assert error.value.call is named
    with pytest.raises(DeclarationError) as error:
        Router(dependencies=[forgotten])
    assert error.value.call is forgotten


class Bound:
    def __init__(self, user: Annotated[str, Depends(guard)]) -> None:
        self.user = user

    async def method(self, user: Annotated[str, Depends(guard)]) -> str:
        return user

    async def __call__(self, user: Annotated[str, Depends(guard)]) -> str:
        return user


@pytest.mark.parametrize("call", [Bound, Bound("me").method, Bound("me")], ids=["class", "method", "object"])
def test_a_value_that_a_partial_binds_is_in_the_place_of_the_marker(call: Any) -> None:
    seen: list[Any] = []

    async def endpoint(
        websocket: WebSocket, made: Annotated[Any, Depends(functools.partial(call, user="bound"))]
    ) -> None:
        seen.append(getattr(made, "user", made))
        await websocket.accept()

    assert is_let_in(APIWebSocketRoute("/", endpoint), {})
    assert seen == ["bound"]


def test_a_decorator_that_sets_the_signature_answers_for_the_function_below() -> None:
    async def below(websocket: WebSocket, user: Annotated[str, Depends(guard)]) -> None: ...

    @functools.wraps(below)
    async def above(websocket: WebSocket) -> None:
        await below(websocket, "from the decorator")

    above.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # functions may have one
        [inspect.Parameter("websocket", inspect.Parameter.KEYWORD_ONLY, annotation=WebSocket)]
    )
    APIWebSocketRoute("/", above)


def test_a_marker_that_the_signature_shows_as_well_is_kept() -> None:
    @shows_all
    async def shown(websocket: WebSocket) -> None:
        await websocket.accept()

    @repeats
    async def repeated(websocket: WebSocket, user: Annotated[str, Depends(guard)]) -> None:
        await websocket.accept()

    for endpoint in (shown, repeated):
        route = APIWebSocketRoute("/", endpoint)
        assert not is_let_in(route, {})
        assert is_let_in(route, CREDENTIALS)


class InTheBody:
    user: str = Depends(guard)


class InAnnotatedOfTheBody:
    user: Annotated[str, Depends(guard)]


class BelowInTheBody(InTheBody): ...


class WithAConstructor:
    user: Annotated[str, Depends(guard)] = "x"

    def __init__(self) -> None: ...


class OfTheOtherConstructor:
    def __new__(cls, user: str) -> "OfTheOtherConstructor":
        return object.__new__(cls)

    def __init__(self, user: Annotated[str, Depends(guard)]) -> None: ...


class OfAllObjects:
    user: ClassVar[Annotated[str, Depends(guard)]]


class NeverAgain:
    user: Final[Annotated[str, Depends(guard)]] = "x"


class ModelWithACookie(BaseModel):
    user: Annotated[str, fastroute.Cookie()]


class ModelWithACookieAsDefault(BaseModel):
    user: str = fastroute.Cookie()


class ModelWithAHeader(BaseModel):
    user: Annotated[str, fastapi.Header()]


class ModelBelow(ModelWithACookie): ...


MODELS = [ModelWithACookie, ModelWithACookieAsDefault, ModelWithAHeader, ModelBelow]


@pytest.mark.parametrize(
    "cls",
    [
        InTheBody,
        InAnnotatedOfTheBody,
        BelowInTheBody,
        OfAllObjects,
        NeverAgain,
        WithAConstructor,
        OfTheOtherConstructor,
        *MODELS,
    ],
)
def test_a_marker_in_a_class_that_its_constructor_does_not_take_is_refused(cls: Any) -> None:
    with pytest.raises(DeclarationError, match=f"{cls.__name__}.* stands at .*'user'.* nobody reads it; "):
        annotated_with(cls, Depends())


def annotated_with(cls: Any, marker: Any) -> APIWebSocketRoute:
    async def endpoint(websocket: WebSocket, it: Annotated[cls, marker]) -> None:
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


@pytest.mark.parametrize("model", MODELS)
def test_a_marker_of_another_place_in_a_model_is_refused(model: Any) -> None:
    with pytest.raises(DeclarationError, match=r"(Cookie|Header)\(\) is inside of the annotation"):
        annotated_with(model, Query())


class PrivateDefault(BaseModel):
    q: str = "x"
    _user: str = PrivateAttr(default=Depends(guard))


class PrivateAnnotated(BaseModel):
    q: str = "x"
    _user: Annotated[str, fastapi.Depends(guard)]


@pytest.mark.parametrize("model", [PrivateDefault, type("Below", (PrivateDefault,), {})], ids=["own", "inherited"])
def test_a_marker_of_a_private_attribute_is_refused(model: Any) -> None:
    for marker in (Query(), Header(), Depends()):
        with pytest.raises(DeclarationError, match=r"Depends\(guard\).* nobody reads it"):
            annotated_with(model, marker)
    with pytest.raises(DeclarationError, match=r"Depends\(guard\).* nobody reads it"):
        annotated_with(PrivateAnnotated, Depends())


class Guarded(BaseModel):
    user: Alias


@pytest.mark.parametrize("annotation", [Alias, list[Alias], Guarded, Guarded | None], ids=readable)
def test_a_marker_in_the_type_of_a_message_is_refused(annotation: Any) -> None:
    for messages in (fastroute.Messages[annotation, str], fastroute.Messages[str, annotation]):
        with pytest.raises(DeclarationError, match="is inside of the annotation, and nobody reads it there"):
            annotated_as(messages)
    annotated_as(fastroute.Messages[Annotated[str, Query(max_length=3)], str])


def test_markers_that_a_class_and_its_constructor_both_have_are_kept() -> None:
    class Model(BaseModel):
        user: Annotated[str, Depends(guard)] = ""
        limit: Annotated[int, Query(le=3)] = 2

    @dataclass
    class Data:
        user: Annotated[str, Depends(guard)]
        key: Annotated[str, Header()] = ""

    class Pair(NamedTuple):
        user: Annotated[str, Depends(guard)]

    @dataclass
    class OfItsConstructor:
        user: InitVar[Annotated[str, Depends(guard)]]
        limit: InitVar[int] = 3

    for cls in (Model, Data, Pair, OfItsConstructor):
        assert not is_let_in(annotated_with(cls, Depends()), {})
        assert is_let_in(annotated_with(cls, Depends()), CREDENTIALS)


Bound = TypeVar("Bound", bound=Annotated[str, Depends(guard)])
Constrained = TypeVar("Constrained", Annotated[str, Depends(guard)], int)


@pytest.mark.parametrize("annotation", [Bound, Constrained, Annotated[list[Bound], Query()]])
def test_a_marker_in_a_type_variable_is_refused(annotation: Any) -> None:
    async def endpoint(websocket: WebSocket, user: annotation) -> None: ...

    with pytest.raises(DeclarationError, match=r"Depends\(guard\) is inside of the annotation"):
        APIWebSocketRoute("/", endpoint)


# Settings


class BaseSettings(BaseModel):
    """As that of pydantic-settings, which is not installed here: each field has a value of the environment."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**{"secret": "of the environment", **values})


BaseSettings.__module__ = "pydantic_settings.main"


class FromEnvironment(BaseSettings):
    secret: str
    limit: int = 3
    hosts: list[str] = ["example.org"]
    user: Annotated[str, Depends(guard)] = ""


def test_no_client_overrides_a_setting() -> None:
    seen = []

    async def endpoint(websocket: WebSocket, settings: Annotated[FromEnvironment, Depends()]) -> None:
        seen.append(settings)
        await websocket.accept()

    for partial in (FromEnvironment, functools.partial(FromEnvironment, limit=4)):
        route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(partial)])
        scope = websocket_scope("/?secret=mine&limit=9&hosts=mine", headers=CREDENTIALS.items())
        assert connect(Starlette(routes=[route]), scope)[0]["type"] == "websocket.accept"
        assert seen.pop() == FromEnvironment(secret="of the environment", user="ann")
        assert not is_let_in(route, {})


def test_scopes_without_annotation_are_refused() -> None:
    async def reads(security_scopes, user: Annotated[str, Depends(guard)]) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(DeclarationError, match="write `security_scopes: SecurityScopes`"):
        of_the_route(Security(reads, scopes=["admin"]))


# Markers that an overriding method leaves out


class TakesTheUser:
    def __init__(self, user: Annotated[str, Depends(guard)] = "") -> None:
        self.user = user

    async def __call__(self, user: str = fastapi.Depends(guard), limit: int = Query(3)) -> str:
        return user

    async def method(self, user: Annotated[str, Security(guard, scopes=["a"])]) -> str:
        return user


class LosesInTheConstructor(TakesTheUser):
    def __init__(self, user: str, q: str = "") -> None:
        super().__init__(user)


class LosesInACall(TakesTheUser):
    async def __call__(self, user: str) -> str:  # type: ignore[override]
        return user


class LosesInAMethod(TakesTheUser):
    async def method(self, user: "str | None" = None) -> str:
        return user or ""


class BelowALoss(LosesInAMethod): ...


LOSING: list[Any] = [
    LosesInTheConstructor,
    functools.partial(LosesInTheConstructor, q="x"),
    LosesInACall(""),
    LosesInAMethod().method,
    functools.partial(LosesInAMethod().method),
    BelowALoss().method,
]


@pytest.mark.parametrize("dependency", LOSING, ids=readable)
def test_a_marker_that_an_overriding_method_lacks_is_refused(dependency: Any) -> None:
    problem = r"parameter 'user': .* overrides TakesTheUser\.\w+, where it has Depends\(guard\), .* write it here, too"
    with pytest.raises(DeclarationError, match=problem):
        in_annotated(Depends(dependency))


class ByItself(TakesTheUser):
    def __init__(self) -> None:
        super().__init__("ann")


class AnotherGuard(TakesTheUser):
    async def __call__(self, user: Annotated[str, Header(alias="X-Key")]) -> str:  # type: ignore[override]
        return user

    async def method(self, user: Annotated[str, Query()], limit: int = 1) -> str:
        return user


class Inherits(TakesTheUser):
    def other(self, user: str) -> str:
        return user


@pytest.mark.parametrize(
    "dependency",
    [
        ByItself,
        Inherits,
        Inherits(),
        Inherits().method,
        Inherits().other,
        AnotherGuard(),
        AnotherGuard().method,
        functools.partial(LosesInAMethod().method, user="ann"),
    ],
    ids=readable,
)
def test_what_an_overriding_method_says_by_itself_counts(dependency: Any) -> None:
    in_annotated(Depends(dependency))


# Classes that are no dependency


@pytest.mark.parametrize(
    ("cls", "scheme"),
    [
        (security.HTTPAuthorizationCredentials, "HTTPBearer"),
        (fastapi.security.HTTPAuthorizationCredentials, "HTTPBearer"),
        (security.HTTPBasicCredentials, "HTTPBasic"),
        (fastapi.security.HTTPBasicCredentials, "HTTPBasic"),
        (security.SubprotocolCredentials, "SubprotocolBearer"),
        (type("OwnCredentials", (security.HTTPAuthorizationCredentials,), {}), "HTTPBearer"),
    ],
    ids=readable,
)
def test_credentials_come_from_their_scheme(cls: Any, scheme: str) -> None:
    advice = re.escape(f"Depends({scheme}(...))")
    for marker in (Depends(), fastapi.Depends(), Query(), Header(), fastapi.Query()):
        with pytest.raises(DeclarationError, match=advice):
            annotated_with(cls, marker)
    with pytest.raises(DeclarationError, match=advice):
        of_the_route(Depends(cls))
    for annotation in (cls, cls | None, None | cls, TypeAliasType("Credentials", cls) | None):
        with pytest.raises(DeclarationError, match=advice):
            annotated_as(annotation)


def annotated_as(annotation: Any) -> APIWebSocketRoute:
    async def endpoint(websocket: WebSocket, user: annotation) -> None:
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


@pytest.mark.parametrize(
    "cls",
    [
        WebSocket,
        HTTPConnection,
        fastapi.Request,
        fastapi.Response,
        fastapi.BackgroundTasks,
        fastroute.Deadline,
        security.SecurityScopes,
        fastapi.security.SecurityScopes,
        fastroute.Messages[str, str],
    ],
    ids=readable,
)
def test_a_class_that_is_injected_is_no_dependency(cls: Any) -> None:
    with pytest.raises(DeclarationError, match=r"is injected by type, and is no dependency; remove Depends\(\)"):
        annotated_with(cls, Depends())
    with pytest.raises(DeclarationError, match="is injected by type"):
        of_the_route(Security(cls, scopes=["a"]))


class OwnConnection(HTTPConnection):
    def __init__(self, connection: HTTPConnection) -> None:
        super().__init__(connection.scope)


@pytest.mark.parametrize("cls", [State, OwnConnection], ids=readable)
def test_other_classes_are_dependencies(cls: Any) -> None:
    """Those of the frameworks that nobody injects, and those of users that are like one that is."""
    connect(Starlette(routes=[annotated_with(cls, Depends())]), websocket_scope("/"))


class Role(Enum):
    ADMIN = "admin"


class TextRole(StrEnum):
    ADMIN = "admin"


class OwnText(str): ...


VALUES = [Role, TextRole, OwnText, UUID, IPv4Address, Decimal, date, datetime, PosixPath, str, int, bytes, list, dict]


@pytest.mark.parametrize("cls", [*VALUES, list[str]], ids=readable)
def test_a_type_of_values_is_no_dependency(cls: Any) -> None:
    with pytest.raises(DeclarationError, match=r"is a type of values, .*; write Depends\(function\)"):
        annotated_with(cls, Depends())
    with pytest.raises(DeclarationError, match=r"; write Depends\(function\)"):
        of_the_route(Depends(cls))


@pytest.mark.parametrize("annotation", [Role | None, UUID | None, Literal["admin"], UUID | Role], ids=readable)
def test_an_annotation_that_is_no_class_is_not_called(annotation: Any) -> None:
    with pytest.raises(DeclarationError, match=r"Depends\(\) cannot call the annotation"):
        annotated_with(annotation, Depends())


class Abstract(ABC):
    @abstractmethod
    def user(self) -> str: ...


class Shape(Protocol):
    def user(self) -> str: ...


class BelowAbstract(Abstract): ...


class AbstractGuard(ABC):
    @abstractmethod
    def __call__(self) -> str: ...


class GenericShape(Protocol[Text]):
    def user(self) -> Text: ...


class ShapeOfAFunction(Protocol):
    def __call__(self) -> str: ...


ABSTRACT = [Abstract, BelowAbstract, AbstractGuard, Shape, GenericShape[str], ShapeOfAFunction]


@pytest.mark.parametrize("cls", ABSTRACT, ids=readable)
def test_a_class_that_nobody_can_make_stands_for_its_override(cls: Any) -> None:
    for form in (lambda: annotated_with(cls, Depends()), lambda: of_the_route(Depends(cls))):
        assert not is_let_in(form(), CREDENTIALS)
        route = form()
        route.dependency_overrides_provider = SimpleNamespace(dependency_overrides={cls: guard})
        assert not is_let_in(route, {})
        assert is_let_in(route, CREDENTIALS)


class Proxy:
    """Stands for another object, and has all methods, as werkzeug's `LocalProxy`."""

    def __init__(self, function: Callable[[], Any]) -> None:
        object.__setattr__(self, "function", function)

    @property
    def __class__(self) -> Any:
        return type(self.function())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function(), name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.function()(*arguments, **keywords)

    def __await__(self) -> Any:
        return self.function().__await__()

    async def __aenter__(self) -> Any:
        return await self.function().__aenter__()

    async def __aexit__(self, *error: object) -> Any:
        return await self.function().__aexit__(*error)


def test_a_proxy_of_a_function_is_a_dependency() -> None:
    depends = Depends(Proxy(lambda: guard))
    for route in (annotated_with(str, depends), of_the_route(depends)):
        assert not is_let_in(route, {})
        assert is_let_in(route, CREDENTIALS)


class Unreadable:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_metadata_that_tells_nothing_may_stand_beside_a_dependency() -> None:
    async def endpoint(websocket: WebSocket, user: Annotated[str, Unreadable(), Depends(guard)]) -> None:
        await websocket.accept()

    assert not is_let_in(APIWebSocketRoute("/", endpoint), {})
    assert is_let_in(APIWebSocketRoute("/", endpoint), CREDENTIALS)


class Repository(Generic[Text]):
    def __init__(self, user: Annotated[Text, Depends(guard)], limit: int = 3) -> None:
        self.user = user


class ForgetsInTheBody(Generic[Text]):
    user: Annotated[Text, Depends(guard)]


def test_a_generic_class_with_its_arguments_is_a_dependency() -> None:
    for form in (lambda: annotated_with(Repository[str], Depends()), lambda: of_the_route(Depends(Repository[str]))):
        assert not is_let_in(form(), {})
        assert is_let_in(form(), CREDENTIALS)
    with pytest.raises(DeclarationError, match="stands at 'user' in the body of ForgetsInTheBody"):
        annotated_with(ForgetsInTheBody[str], Depends())


def test_classes_with_a_constructor_of_the_user_are_dependencies() -> None:
    class Text(str):
        def __new__(cls, user: Annotated[str, Depends(guard)]) -> "Text":
            return str.__new__(cls, user)

    class State(dict[str, str]):
        def __init__(self, websocket: WebSocket, user: Annotated[str, Depends(guard)]) -> None:
            super().__init__(user=user)

    class Pair(NamedTuple):
        user: Annotated[str, Depends(guard)]

    class Socket(WebSocket):
        def __init__(self, websocket: WebSocket, user: Annotated[str, Depends(guard)]) -> None:
            super().__init__(websocket.scope, websocket.receive, websocket._send)

    class Nothing: ...

    for cls in (Text, State, Pair, Socket):
        assert not is_let_in(annotated_with(cls, Depends()), {})
        assert is_let_in(annotated_with(cls, Depends()), CREDENTIALS)
    assert is_let_in(annotated_with(Nothing, Depends()), {})


# Validators that nothing awaits


async def coroutine_default() -> str:
    raise ValueError("no")


async def checks(value: str) -> str:
    raise ValueError("no")


def yields(value: str) -> Iterator[str]:
    raise ValueError("no")
    yield value


class Checks:
    async def __call__(self, value: str) -> str:
        raise ValueError("no")


@functools.wraps(checks)
def wrapped(value: str) -> Any:
    return checks(value)


@pytest.mark.parametrize("function", [checks, yields, wrapped, Checks(), functools.partial(checks)], ids=readable)
@pytest.mark.parametrize(
    "make", [AfterValidator, BeforeValidator, PlainValidator, WrapValidator, Predicate], ids=readable
)
def test_a_validator_that_nothing_awaits(make: Any, function: Any) -> None:
    item = make(function)
    for annotation in (
        Annotated[str, item],
        Annotated[str, item, Query()],
        Annotated[str | None, Header(), item],
        Annotated[Annotated[str, item] | None, Query()],
        Annotated[list[Annotated[str, item]], Query()],
        TypeAliasType("Checked", Annotated[str, item]),
    ):
        for form in (annotated_as, of_a_dependency):
            with pytest.raises(
                DeclarationError, match=r"is async or has `yield`, .* refuses nobody; .*Depends\(function\)"
            ):
                form(annotation)


class AsyncField(BaseModel):
    user: str

    @field_validator("user")
    @classmethod
    async def check(cls, value: str) -> str:
        raise ValueError("no")


class AsyncModel(BaseModel):
    user: str

    @model_validator(mode="after")
    async def check(self) -> Any:
        raise ValueError("no")


class BelowAsync(AsyncField): ...


class AsyncDefault(BaseModel):
    user: str = Field(default_factory=coroutine_default)


class AsyncInside(BaseModel):
    user: Annotated[str, AfterValidator(checks)]


class AsyncNested(BaseModel):
    inner: AsyncField | None = None


@pytest.mark.parametrize("model", [AsyncField, AsyncModel, BelowAsync, AsyncDefault, AsyncInside, AsyncNested])
def test_a_model_whose_validator_nothing_awaits(model: Any) -> None:
    for marker in (Query(), Header(), Depends(), Query(default=None)):
        for annotation in (model, Json[list[model]]) if isinstance(marker, Param) else (model,):
            with pytest.raises(DeclarationError, match=r"(check|coroutine_default|checks) is async or has `yield`"):
                annotated_with(annotation, marker)


class AsyncPostInit(BaseModel):
    user: str

    async def model_post_init(self, context: Any) -> None:  # type: ignore[override]
        raise HTTPException(401)


@dataclass
class AsyncData:
    user: str

    async def __post_init__(self) -> None:
        raise HTTPException(401)


@dataclass
class DataDefault:
    user: str = field(default_factory=coroutine_default)  # type: ignore[arg-type]


@pytest.mark.parametrize("cls", [AsyncPostInit, AsyncData, DataDefault])
def test_a_constructor_that_does_not_await(cls: Any) -> None:
    for marker in (Depends(), Depends(cls), Depends(functools.partial(cls, user="x"))):
        with pytest.raises(DeclarationError, match=r"(_init(__)?|default) is async or has `yield`"):
            annotated_with(cls, marker)


def test_a_marker_of_the_end_of_a_constructor_is_refused() -> None:
    @dataclass
    class Data:
        user: str

        def __post_init__(self, checked: Annotated[str, Depends(guard)] = "x") -> None: ...  # noqa: RUF033  # the subject

    with pytest.raises(DeclarationError, match=r"Depends\(guard\) stands at the parameter 'checked'"):
        annotated_with(Data, Depends())


def test_functions_that_nothing_has_to_await_are_validators() -> None:
    @dataclass
    class Data:
        user: str = "x"
        send: ClassVar[Any] = functools.partial(checks)

    for annotation in (
        Annotated[str, AfterValidator(str.strip)],
        Annotated[str, AfterValidator(lambda value: value)],
        Annotated[str, AfterValidator(str)],
        Annotated[str, Query(default_factory=str)],
        Annotated[Data, Depends()],
    ):
        annotated_as(annotation)


@pytest.mark.parametrize("make", [Query, Header, Field], ids=readable)
def test_a_factory_that_nothing_awaits(make: Any) -> None:
    with pytest.raises(DeclarationError, match=r"coroutine_default is async or has `yield`"):
        annotated_as(Annotated[str, make(default_factory=coroutine_default)])


# A dependency that is called, or bound


async def coroutine() -> str:
    return "ann"


def generator() -> Iterator[str]:
    yield "ann"


async def async_generator() -> AsyncIterator[str]:
    yield "ann"


manager = contextmanager(generator)
async_manager = asynccontextmanager(async_generator)


@pytest.mark.parametrize("function", [coroutine, generator, async_generator, manager, async_manager], ids=readable)
def test_a_called_dependency_is_refused(function: Any) -> None:
    for form in (as_default, in_annotated, in_a_dependency, lambda it: as_default(Query(it)), lambda it: Depends(it)):
        with pytest.raises(DeclarationError, match=rf"{function.__name__} is called, .* write Depends\(\w+\) without"):
            of_the_route(form(function()))


async def bound(user, websocket: WebSocket) -> None:  # type: ignore[no-untyped-def]
    await websocket.accept()


async def bound_text(user: str, websocket: WebSocket) -> None:
    await websocket.accept()


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (functools.partial(bound, Depends(guard)), r"Depends\(guard\) is bound by position"),
        (functools.partial(bound, Query()), r"Query\(\) is bound by position"),
        (functools.partial(bound, user=security.HTTPBearer()), r"bind Depends\(HTTPBearer\(...\)\) instead"),
        (functools.partial(bound_text, fastapi.security.HTTPBearer()), r"bind Depends\(HTTPBearer\(...\)\) instead"),
        (functools.partial(bound_text, user=guard), r"bind Depends\(guard\) instead"),
        (functools.partial(functools.partial(bound_text, guard)), r"bind Depends\(guard\) instead"),
    ],
    ids=readable,
)
def test_a_dependency_that_is_bound_as_a_value_is_refused(call: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        APIWebSocketRoute("/", call)
    with pytest.raises(DeclarationError, match=problem):
        of_the_route(Depends(call))


def test_more_than_a_function_takes_is_bound() -> None:
    with pytest.raises(DeclarationError, match=r"its parameters cannot be read .*incorrect arguments"):
        of_the_route(Depends(functools.partial(bound_text, "x", "y", "z")))


def test_nothing_is_known_of_what_is_bound_to_a_function_in_c() -> None:
    given = functools.partial(max, 1)
    given.__signature__ = inspect.Signature([])  # type: ignore[attr-defined]
    APIWebSocketRoute("/", open_endpoint, dependencies=[Depends(given)])


def test_what_a_function_may_take_can_be_bound() -> None:
    async def by_hand(websocket: WebSocket, scheme: security.HTTPBearer, check: Callable[..., Any], any_: Any) -> None:
        await scheme(websocket)
        await check(websocket)
        await websocket.accept()

    call = functools.partial(by_hand, scheme=security.HTTPBearer(), check=guard, any_=guard)
    kept = functools.partial(bound_text, user=Depends(guard))
    for route in (APIWebSocketRoute("/", call), APIWebSocketRoute("/", kept)):
        assert not is_let_in(route, {})
        assert is_let_in(route, CREDENTIALS)


def test_a_factory_that_makes_a_marker_lets_nobody_in() -> None:
    async def endpoint(
        websocket: WebSocket, user: Annotated[str, Query(default_factory=lambda: Depends(guard))]
    ) -> None:
        await websocket.accept()

    with (
        pytest.raises(TypeError, match=r"test_unguarded.*makes a marker, which nobody reads"),
        TestClient(Starlette(routes=[APIWebSocketRoute("/", endpoint)])).websocket_connect("/"),
    ):
        pass


# Advice that lets nobody in


class User(BaseModel):
    user: str


@dataclass
class UserData:
    user: str


@pytest.mark.parametrize("cls", [User, UserData, dict])
def test_a_forgotten_dependency_is_named_before_the_places(cls: Any) -> None:
    for annotation in (cls, cls | None):
        with pytest.raises(DeclarationError) as caught:
            annotated_as(annotation)
        message = str(caught.value)
        assert "UnionType" not in message
        assert cls.__name__ in message
        assert message.index("Depends(function)") < message.index("Query()")
    for code in advised_codes(message):
        assert not is_let_in(annotated_with(cls, followed(code, {})), {})


@pytest.mark.parametrize(
    "annotation",
    [
        lambda: Annotated[Depends(guard), str],  # type: ignore[misc]
        lambda: Annotated[Depends(guard), User],  # type: ignore[misc]
        lambda: Optional[Depends(guard)],  # noqa: UP045  # a marker has no `|`
        lambda: list[Depends(guard)],  # type: ignore[misc]
        lambda: Annotated[list[Depends(guard)], Query()],  # type: ignore[misc]
        lambda: Optional[guard],  # noqa: UP045  # a function has no `|`
        lambda: guard,
    ],
)
def test_a_dependency_in_the_place_of_a_type_is_named(annotation: Callable[[], Any]) -> None:
    with pytest.raises(DeclarationError, match=r"place of the type.*Annotated\[..., Depends\(guard\)\]") as caught:
        annotated_as(annotation())
    assert " at 0x" not in str(caught.value)


@pytest.mark.parametrize("scheme", [security.HTTPBearer(), security.HTTPBearer, fastapi.security.HTTPBearer])
def test_a_scheme_in_the_place_of_a_type_is_named(scheme: Any) -> None:
    for annotation in (scheme, list[scheme], Annotated[scheme, "note"]):
        with pytest.raises(DeclarationError, match=r"Annotated\[..., Depends\(HTTPBearer\(...\)\)\]"):
            annotated_as(annotation)


@pytest.mark.parametrize(
    ("scopes", "advice"),
    [([1], "['1']"), (b"x", "['x']"), ("x", "['x']"), (5, "['5']"), ([b"x"], "['x']"), (0, "['0']")],
)
def test_scopes_that_are_no_texts_are_refused_at_their_place(scopes: Any, advice: str) -> None:
    problem = r"test_unguarded.*is no list of texts; write Security\(..., scopes=" + re.escape(advice)
    with pytest.raises(DeclarationError, match=problem):
        of_the_route(Security(guard, scopes=scopes))
    with pytest.raises(DeclarationError, match=problem):
        in_annotated(Security(guard, scopes=scopes))


@pytest.mark.parametrize("prefix", ["/{x:uid}", "/{x}/{x}"])
def test_a_prefix_that_no_path_can_have_is_refused_by_name(prefix: str) -> None:
    with pytest.raises(DeclarationError, match=r"Router.*parameter 'prefix': .*x"):
        Router(prefix=prefix)
    with pytest.raises(DeclarationError, match="parameter 'prefix'"):
        Router().include_router(Router(), prefix=prefix)


class KeepsByAnotherName:
    _user: Annotated[str, Depends(guard)]

    def __init__(self, user: Annotated[str, Depends(guard)]) -> None:
        self._user = user


class KeepsInASubclass(KeepsByAnotherName):
    def __init__(self, ann: Annotated[str, Depends(guard)], limit: int = 3) -> None:
        super().__init__(ann)


class TakesItFromTheClient:
    user: Annotated[str, Depends(guard)]

    def __init__(self, user: str, admin: Annotated[str, Depends(guard)]) -> None:
        self.user = user


@pytest.mark.parametrize("cls", [KeepsByAnotherName, KeepsInASubclass])
def test_the_body_of_a_class_may_have_another_name_for_what_its_constructor_takes(cls: Any) -> None:
    for form in (lambda: annotated_with(cls, Depends()), lambda: of_the_route(Depends(cls))):
        assert not is_let_in(form(), {})
        assert is_let_in(form(), CREDENTIALS)


def test_the_constructor_must_not_take_the_name_of_a_dependency_from_the_client() -> None:
    with pytest.raises(DeclarationError, match="stands at 'user' in the body of TakesItFromTheClient"):
        annotated_with(TakesItFromTheClient, Depends())


def now() -> float:
    return 0.0


class Clock(Protocol):
    def __call__(self) -> float: ...


Clocks = TypeAliasType("Clocks", Callable[[], float])
CALLED_BY_THE_TAKER: list[tuple[Any, Any]] = [
    (Callable[[], float], now),
    (Callable[..., Any] | None, functools.partial(now)),
    (Callable, time.time),
    (Clocks, lambda: 0.0),
    (type, Repository),
    (type[Abstract], BelowAbstract),
]


@pytest.mark.parametrize(("annotation", "default"), CALLED_BY_THE_TAKER, ids=readable)
@pytest.mark.parametrize("depends", [Depends, fastapi.Depends])
def test_a_function_may_be_the_default_of_a_parameter_that_says_so(annotation: Any, default: Any, depends: Any) -> None:
    def function(value: annotation = default) -> Any:
        return value

    class Taker:
        def __init__(self, value: annotation = default) -> None:
            self.value = value

    seen: list[Any] = []
    for dependency in (function, Taker):

        async def endpoint(websocket: WebSocket, made: Annotated[Any, depends(dependency)]) -> None:
            seen.append(getattr(made, "value", made))
            await websocket.accept()

        assert is_let_in(APIWebSocketRoute("/", endpoint), {})
    assert [getattr(value, "func", value) for value in seen] == [getattr(default, "func", default)] * 2


FORGOTTEN: list[tuple[Any, Any]] = [
    (Callable[..., Any], security.HTTPBearer()),
    (Callable[..., Any], Query),
    (type, now),
    (str, now),
    (Any, now),
    (Abstract, BelowAbstract),
]


@pytest.mark.parametrize(("annotation", "default"), FORGOTTEN, ids=readable)
def test_a_callable_that_nobody_calls_is_no_default(annotation: Any, default: Any) -> None:
    async def endpoint(websocket: WebSocket, value: annotation = default) -> None: ...

    with pytest.raises(DeclarationError, match="the default is a callable, and nothing calls it"):
        APIWebSocketRoute("/", endpoint)


@pytest.mark.parametrize("annotation", [Clock, Clock | None, Clocks, Callable, Any, "Clock"], ids=readable)
def test_a_function_may_be_bound_to_a_parameter_that_says_so(annotation: Any) -> None:
    def dependency(clock: annotation) -> float:
        return clock()

    assert is_let_in(annotated_with(float, Depends(functools.partial(dependency, now))), {})


@pytest.mark.parametrize("annotation", [str, str | None, Abstract], ids=readable)
def test_a_function_is_not_bound_to_a_parameter_of_another_type(annotation: Any) -> None:
    def dependency(clock: annotation) -> None: ...

    with pytest.raises(DeclarationError, match="a callable is bound to 'clock' as a value"):
        of_the_route(Depends(functools.partial(dependency, now)))


class ModelWithAlias(BaseModel):
    limit: Annotated[int, Query(alias="most", ge=1)] = 1


Most = Annotated[int, Query(alias="most", ge=1)]


class NamesByItself:
    _limit: Most

    def __init__(self, limit: Most = 1) -> None:
        self.limit = limit


class HeaderWithAlias(BaseModel):
    key: Annotated[str, Header(alias="x")] = "x"


@pytest.mark.parametrize("cls", [ModelWithAlias, NamesByItself], ids=readable)
def test_a_body_may_have_another_name_for_what_a_client_sends(cls: Any) -> None:
    seen: list[int] = []

    async def endpoint(websocket: WebSocket, made: Annotated[cls, Depends()]) -> None:
        seen.append(made.limit)
        await websocket.accept()

    scope = websocket_scope("/?most=3")
    connect(Starlette(routes=[APIWebSocketRoute("/", endpoint)]), scope)
    assert seen == [3]
    with pytest.raises(DeclarationError, match=r"Header\(\) stands at 'key' in the body of HeaderWithAlias"):
        annotated_with(HeaderWithAlias, Depends())


class HasEverything:
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return HasEverything()

    def __call__(self, user: Annotated[str, Depends(guard)]) -> str:
        return user


def test_an_object_that_has_every_attribute_is_a_dependency() -> None:
    route = of_the_route(Depends(HasEverything()))
    assert not is_let_in(route, {})
    assert is_let_in(route, CREDENTIALS)
