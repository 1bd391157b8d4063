"""Results that show that a guard never ran: as values they refuse nobody, so that everybody would be let in."""

import asyncio
import contextlib
import copy
import functools
import types
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Annotated, Any, Literal, NewType, Protocol, TypedDict, TypeVar
from unittest.mock import AsyncMock

import fastapi.security
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Depends, Router, security
from fastroute.dependencies import results
from fastroute.dependencies.plan import build_plan
from fastroute.exceptions import describe


class Later:
    def __await__(self) -> Iterator[None]:
        yield


class Object:
    def guard(self) -> None: ...


class AsyncGuard:
    async def __call__(self) -> None: ...


async def guard() -> None:
    raise HTTPException(401)


def generating() -> Iterator[None]:
    yield


@types.coroutine
def awaited_generating() -> Iterator[None]:
    yield


async def yielding() -> AsyncIterator[None]:
    yield


REFUSALS: dict[str, Callable[[], Any]] = {
    "HTTPException": lambda: HTTPException(401),
    "FastAPI's exception": lambda: fastapi.HTTPException(401),
    "WebSocketException": lambda: WebSocketException(1008),
    "another exception": PermissionError,
    "Response": lambda: PlainTextResponse("no", 403),
    "scheme": security.HTTPBearer,
    "FastAPI's scheme": fastapi.security.HTTPBearer,
}
UNFINISHED: dict[str, Callable[[], Any]] = {
    "coroutine": guard,
    "generator that is awaited": awaited_generating,
    "awaitable": Later,
    "generator": generating,
    "async generator": yielding,
    "context manager": contextlib.contextmanager(generating),
    "async context manager": contextlib.asynccontextmanager(yielding),
    "function": lambda: guard,
    "lambda": lambda: lambda: None,
    "method": lambda: Object().guard,
    "builtin": lambda: print,
    "method of a builtin class": lambda: str.upper,
    "function of its own class": lambda: functools.cache(print),
    "partial": lambda: functools.partial(guard),
    "marker": lambda: Depends(guard),
    "FastAPI's marker": lambda: fastapi.Depends(guard),
    "exception class": lambda: HTTPException,
    "scheme class": lambda: security.HTTPBearer,
}


def plain(give: Callable[[], Any]) -> Any:
    def dependency() -> Any:
        return give()

    return dependency


def asynchronous(give: Callable[[], Any]) -> Any:
    async def dependency() -> Any:
        return give()

    return dependency


def of_threads(give: Callable[[], Any]) -> Any:
    def dependency() -> Iterator[Any]:
        yield give()

    return dependency


def of_the_loop(give: Callable[[], Any]) -> Any:
    async def dependency() -> AsyncIterator[Any]:
        yield give()

    return dependency


def of_contextlib(give: Callable[[], Any]) -> Any:
    @contextlib.asynccontextmanager
    async def dependency() -> AsyncIterator[Any]:
        yield give()

    return dependency


KINDS = [plain, asynchronous, of_threads, of_the_loop, of_contextlib]


@pytest.mark.parametrize("cls", [HTTPException, PlainTextResponse, security.HTTPBearer])
def test_a_class_is_named(cls: type) -> None:
    with pytest.raises(RuntimeError) as raised:
        connects(dropped(plain(lambda: cls)))
    assert f"gives the class {cls.__name__}, and nothing raises or calls it; do so there" in str(raised.value)


def connects(route: APIWebSocketRoute) -> None:
    assert connect(Starlette(routes=[route]), websocket_scope())[0]["type"] == "websocket.accept"


def dropped(dependency: Any, **options: Any) -> APIWebSocketRoute:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint, dependencies=[Depends(dependency, **options)])


def taken(dependency: Any, annotation: Any = Any) -> APIWebSocketRoute:
    async def endpoint(websocket: WebSocket, value: Annotated[annotation, Depends(dependency)]) -> None:
        websocket.state.value = value
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


def refused(route: APIWebSocketRoute, dependency: Any) -> None:
    name = dependency.__qualname__
    with pytest.raises(RuntimeError, match=rf"{name} \(.*test_results\.py:\d+\) gives .*, and nothing .*; ") as raised:
        connects(route)
    assert "never awaited" not in str(raised.value)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("give", [*REFUSALS.values(), *UNFINISHED.values()], ids=[*REFUSALS, *UNFINISHED])
@pytest.mark.parametrize("kind", KINDS)
def test_dropped_results_that_ran_nothing(kind: Callable[[Any], Any], give: Callable[[], Any]) -> None:
    dependency = kind(give)
    refused(dropped(dependency), dependency)
    refused(dropped(dependency, max_concurrency=1), dependency)


@pytest.mark.parametrize("give", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("annotation", [Any, str, object, str | None])
@pytest.mark.parametrize("kind", KINDS)
def test_refusals_that_are_taken(kind: Callable[[Any], Any], annotation: Any, give: Callable[[], Any]) -> None:
    dependency = kind(give)
    refused(taken(dependency, annotation), dependency)

    def between(value: Annotated[annotation, Depends(dependency)]) -> None: ...

    refused(dropped(between), dependency)


@pytest.mark.parametrize("give", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_that_is_declared_is_a_value(kind: Callable[[Any], Any], give: Callable[[], Any]) -> None:
    cls = type(give())
    for annotation in (cls, cls | None, cls | str):
        connects(taken(kind(give), annotation))


@pytest.mark.parametrize("give", UNFINISHED.values(), ids=UNFINISHED)
def test_everything_else_may_be_taken(give: Callable[[], Any]) -> None:
    async def endpoint(websocket: WebSocket, value: Annotated[Any, Depends(plain(give))]) -> None:
        if asyncio.iscoroutine(value):
            value.close()
        await websocket.accept()

    connects(APIWebSocketRoute("/", endpoint))


class Session:
    """Many values can be entered, and a transaction for its clean-up alone is common."""

    def __enter__(self) -> None: ...

    def __exit__(self, *error: Any) -> None: ...


class Checker:
    async def __call__(self, websocket: WebSocket) -> None:
        raise HTTPException(401)


class User: ...


class Claims(TypedDict):
    sub: str


class Sender:
    def __call__(self, text: str) -> None: ...


class Sends(Protocol):
    def __call__(self, text: str) -> None: ...


UserId = NewType("UserId", str)
MemberId = NewType("MemberId", UserId)
#: Those that are no value of a type which does not say so.
NEVER_RAN = {name: give for name, give in UNFINISHED.items() if not name.endswith(("class", "awaitable"))}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("give", NEVER_RAN.values(), ids=NEVER_RAN)
@pytest.mark.parametrize(
    "annotation", [str, User, User | None, UserId, MemberId, Claims, list[str], "str | int", Annotated[User, "x"]]
)
def test_what_is_taken_as_a_value_of_another_type_never_ran(annotation: Any, give: Callable[[], Any]) -> None:
    dependency = plain(give)
    refused(taken(dependency, annotation), dependency)
    refused(taken(asynchronous(give), annotation), asynchronous(give))

    def between(value: Annotated[annotation, Depends(dependency)]) -> None: ...

    refused(dropped(between), dependency)


def test_a_factory_that_is_not_called_lets_nobody_in() -> None:
    def require(role: str = "user") -> Any:
        async def check() -> User:
            raise HTTPException(403)

        return check

    refused(taken(require, User), require)
    connects(taken(require, Any))


@pytest.mark.parametrize("annotation", [Callable[[], None], Any, object, Sender, Sends, Sends | None, TypeVar("T")])
@pytest.mark.parametrize("value", [guard, len, functools.partial(guard), Object().guard], ids=range(4))
def test_a_function_may_be_the_value(annotation: Any, value: Any) -> None:
    connects(taken(lambda: value, annotation))


@pytest.mark.parametrize("value", [HTTPException, Later(), Checker(), security.HTTPBearer], ids=range(4))
def test_a_class_or_object_may_be_a_value_of_another_type(value: Any) -> None:
    """Whoever reads it finds out; and both engines say the same."""

    async def endpoint(websocket: WebSocket, n: int, user: Annotated[str, Depends(plain(lambda: value))]) -> None:
        assert user is value
        await websocket.accept()

    route = APIWebSocketRoute("/", endpoint)
    sent = connect(Starlette(routes=[route]), websocket_scope("/?n=1"))
    assert sent[0]["type"] == "websocket.accept"
    plan = build_plan(route.dependant, ())
    plan.steps[0].check(value)


def test_a_task_is_no_value_of_another_type() -> None:
    async def later(connection: HTTPConnection) -> Any:
        return asyncio.ensure_future(asyncio.sleep(0))

    refused(taken(later, str), later)
    connects(taken(later, asyncio.Future[None]))


@pytest.mark.parametrize("annotation", [Iterator[None], Iterable[None], Literal["a"], Any])
def test_a_generator_may_be_the_value(annotation: Any) -> None:
    connects(taken(plain(generating), annotation))


@pytest.mark.parametrize("annotation", [contextlib.AbstractContextManager[None], Session, Any])
def test_what_can_be_entered_may_be_the_value(annotation: Any) -> None:
    connects(taken(lambda: contextlib.contextmanager(generating)(), annotation))


def test_a_parameter_without_annotation_takes_everything() -> None:
    async def endpoint(websocket: WebSocket, value=Depends(lambda: guard)) -> None:  # type: ignore[no-untyped-def]
        assert value is guard
        await websocket.accept()

    connects(APIWebSocketRoute("/", endpoint))


async def unannotated(websocket: WebSocket, _=Depends(guard)) -> None:  # type: ignore[no-untyped-def]
    await websocket.accept()


async def annotated(websocket: WebSocket, _: Annotated[Any, Depends(guard)]) -> None:
    await websocket.accept()


async def for_nothing(websocket: WebSocket, user: None = Depends(guard)) -> None:
    await websocket.accept()
    del user


class Method:
    async def method(self, websocket: WebSocket, *, user: Any = Depends(guard)) -> None:
        await websocket.accept()


async def read_inside(websocket: WebSocket, user: Any = Depends(guard)) -> None:
    def inner() -> Any:
        return user

    await websocket.accept()


async def read_by_name(websocket: WebSocket, user: Any = Depends(guard)) -> None:
    assert "user" in locals()
    await websocket.accept()


async def read_after(websocket: WebSocket, user: Any = Depends(guard)) -> None:
    await websocket.accept()
    _, user = user, None


@functools.wraps(annotated)
async def wrapper(websocket: WebSocket, **keywords: Any) -> None:
    await websocket.accept()


class OwnEndpoint:
    async def __call__(self, websocket: WebSocket, user: Any = Depends(guard)) -> None:
        await websocket.accept()


def overriding(endpoint: Any, give: Callable[[], Any]) -> None:
    app = Starlette(routes=[APIWebSocketRoute("/", endpoint)])
    app.dependency_overrides = {guard: give}  # type: ignore[attr-defined]
    assert connect(app, websocket_scope(app=app))[0]["type"] == "websocket.accept"


@pytest.mark.parametrize("endpoint", [unannotated, annotated, for_nothing, Method().method], ids=range(4))
@pytest.mark.parametrize("give", [*NEVER_RAN.values(), lambda: False, Checker], ids=[*NEVER_RAN, "False", "object"])
def test_a_parameter_that_nobody_reads_drops_the_result(endpoint: Any, give: Callable[[], Any]) -> None:
    for kind in KINDS:
        with pytest.raises(RuntimeError, match="and nothing"):
            overriding(endpoint, kind(give))
    for harmless in (True, None, "ann", 0, User(), Session()):
        overriding(endpoint, plain(functools.partial(copy.copy, harmless)))


@pytest.mark.parametrize("endpoint", [read_inside, read_by_name, read_after, wrapper, OwnEndpoint()], ids=range(5))
def test_a_parameter_that_somebody_may_read_takes_the_result(endpoint: Any) -> None:
    for result in (False, True, guard, Checker(), None):
        overriding(endpoint, plain(functools.partial(copy.copy, result)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_guard_that_answers_false_lets_nobody_in(kind: Callable[[Any], Any]) -> None:
    refused(dropped(kind(lambda: False)), kind(lambda: False))
    connects(dropped(kind(lambda: True)))
    connects(taken(kind(lambda: False)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_guard_that_is_made_and_not_called_lets_nobody_in(kind: Callable[[Any], Any]) -> None:
    refused(dropped(kind(Checker)), kind(Checker))
    connects(dropped(kind(Sender)))
    connects(dropped(kind(AsyncMock)))
    connects(taken(kind(Checker)))


@pytest.mark.parametrize("value", [None, 0, "", (), [None], object(), Object(), Object, Session()], ids=range(9))
@pytest.mark.parametrize("kind", KINDS)
def test_values_may_be_dropped(kind: Callable[[Any], Any], value: Any) -> None:
    connects(dropped(kind(lambda: value)))


def test_a_class_says_nothing_of_other_classes() -> None:
    connects(dropped(plain(lambda: Object)))
    for cls in (HTTPException, security.HTTPBearer):
        dependency = plain(lambda cls=cls: cls)
        refused(dropped(dependency), dependency)


GIVES: list[tuple[Any, str]] = [
    (PermissionError("no"), "PermissionError, and nothing raises it; write `raise` instead of `return`"),
    (
        PlainTextResponse("no"),
        "a PlainTextResponse, and nothing sends it; raise HTTPException or WebSocketException instead",
    ),
    (
        security.HTTPBearer(),
        "a security scheme, and nothing calls it; depend on the scheme itself: Depends(HTTPBearer(...))",
    ),
    (Later(), "an awaitable, and nothing awaits it; make it async, and await it there"),
    (generating(), "a generator, and nothing runs it; depend on the generator function itself"),
    (guard, "a function, and nothing calls it; call it there, or call the outer one: Depends(outer())"),
    (False, "False, and nothing reads it; raise HTTPException or WebSocketException there instead"),
    (AsyncGuard(), "a AsyncGuard, and nothing calls it; depend on the object itself: Depends(object)"),
    (Depends(guard), "a marker, and nothing reads it; put it into the declaration"),
]


@pytest.mark.parametrize(("result", "problem"), GIVES, ids=range(len(GIVES)))
def test_the_result_and_the_fix_are_named(result: Any, problem: str) -> None:
    def dependency() -> Any:
        return result

    with pytest.raises(RuntimeError) as raised:
        connects(dropped(dependency))
    assert str(raised.value) == f"{describe(dependency)} gives {problem}"


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (BaseException, PermissionError("no")),
        (Response, PlainTextResponse("no")),
        (security.SecurityBase[str], security.HTTPBearer()),
    ],
    ids=range(3),
)
def test_a_refusal_of_a_declared_base_class_is_a_value(annotation: Any, value: Any) -> None:
    connects(taken(lambda: value, annotation))


def test_true_is_looked_at_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_refusal", None)
    connects(dropped(lambda: True))


def test_an_object_that_was_taken_may_not_be_dropped() -> None:
    taker = (guard, "value")
    results.check_result(AsyncGuard(), guard, (taker,))
    with pytest.raises(RuntimeError, match="a AsyncGuard, and nothing calls it"):
        results.check_result(AsyncGuard(), guard, ())


def test_a_result_that_was_taken_says_nothing_of_dropped_ones() -> None:
    for give in (lambda: Later(), lambda: functools.partial(guard)):
        connects(taken(plain(give)))
        refused(dropped(plain(give)), plain(give))


def test_the_type_of_a_dropped_result_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    route = dropped(plain(lambda: Session()))
    connects(route)
    monkeypatch.setattr(results, "_refusal", None)
    connects(route)


@pytest.mark.parametrize("kind", KINDS)
def test_no_later_dependency_runs(kind: Callable[[Any], Any]) -> None:
    ran: list[int] = []
    router = Router(dependencies=[Depends(kind(lambda: HTTPException(401))), Depends(lambda: ran.append(1))])

    @router.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        ran.append(2)

    with pytest.raises(RuntimeError, match="nothing raises it"):
        connects(router.routes[0])  # type: ignore[arg-type]
    assert ran == []


def test_clean_ups_run() -> None:
    ended = []

    async def dependency() -> AsyncIterator[Any]:
        try:
            yield Response()
        finally:
            ended.append(True)

    with pytest.raises(RuntimeError, match="nothing sends it"):
        connects(dropped(dependency))
    assert ended == [True]


def test_the_interpreter_refuses_after_a_wrong_parameter() -> None:
    async def endpoint(websocket: WebSocket, n: int) -> None:
        raise AssertionError("let in")

    async def asks(m: int) -> None: ...

    dependency = asynchronous(lambda: HTTPException(401))
    refused(APIWebSocketRoute("/", endpoint, dependencies=[Depends(asks), Depends(dependency)]), dependency)


def test_an_override_is_checked() -> None:
    def allows() -> str:
        return "ann"

    app = Starlette(routes=[taken(allows)])
    app.dependency_overrides = {allows: lambda: HTTPException(401)}  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="nothing raises it"), TestClient(app).websocket_connect("/"):
        raise AssertionError("let in")


class Lazy:
    """Stands for a value, and makes it if it is asked for anything."""

    def __init__(self, make: Callable[[], Any]) -> None:
        object.__setattr__(self, "make", make)

    @property
    def __class__(self) -> Any:
        return type(self.make())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.make(), name)

    def __call__(self) -> Any:
        return self.make()()

    def __await__(self) -> Any:
        return self.make().__await__()


class Secret:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def impossible() -> Any:
    raise LookupError("there is no value yet")


@pytest.mark.parametrize("annotation", [Any, str, object])
def test_a_value_that_is_read_is_asked_for_nothing(annotation: Any) -> None:
    for give in (lambda: Lazy(impossible), Secret):
        connects(taken(plain(give), annotation))


def test_a_dropped_proxy_is_what_it_stands_for() -> None:
    for give in (lambda: Lazy(lambda: "ann"), Secret):
        connects(dropped(plain(give)))
    dependency = plain(lambda: Lazy(lambda: guard))
    refused(dropped(dependency), dependency)


class Client:
    """Can be awaited and entered to connect it, and connects by itself, as that of redis."""

    def __await__(self) -> Iterator[None]:
        yield

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *error: Any) -> None: ...


class Task(Later):
    """Does something only if it is awaited."""


def test_a_parameter_that_is_not_read_yet_may_declare_its_value() -> None:
    cases = [(Client, Client, True), (Client, Any, True), (Task, Later, True), (Task, Task | None, True)]
    cases += [(Task, Any, False), (Task, User, False), (AsyncGuard, AsyncGuard, False)]
    for cls, annotation, is_taken in cases:

        async def endpoint(websocket: WebSocket, value: Annotated[annotation, Depends(plain(cls))]) -> None:
            await websocket.accept()

        route = APIWebSocketRoute("/", endpoint)
        if is_taken:
            connects(route)
        else:
            with pytest.raises(RuntimeError, match=r"gives an? "):
                connects(route)


def test_a_client_that_can_be_awaited_may_be_dropped() -> None:
    for kind in KINDS:
        connects(dropped(kind(Client)))


async def beside() -> None:
    await asyncio.sleep(60)


def test_a_task_that_a_clean_up_ends_may_be_dropped() -> None:
    async def runs() -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.ensure_future(beside())
        yield task
        task.cancel()

    async def leaves() -> asyncio.Task[None]:
        return asyncio.ensure_future(beside())

    connects(dropped(runs))
    refused(dropped(leaves), leaves)
