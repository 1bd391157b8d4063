"""Schemes of one's own whose `credentials()` gives neither credentials nor None: they would let everybody in."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, DeclarationError, Depends, Router, Security
from fastroute.security import APIKeyQuery, HTTPBearer, SecurityBase


class Asynchronous(SecurityBase[str]):
    async def credentials(self, connection: HTTPConnection) -> Any:  # type: ignore[override]
        return None


class Yielding(SecurityBase[str]):
    async def credentials(self, connection: HTTPConnection) -> AsyncIterator[str]:  # type: ignore[override]
        yield ""


class Generating(HTTPBearer):
    def credentials(self, connection: HTTPConnection) -> Iterator[str]:  # type: ignore[override]
        yield ""


class Inherited(Asynchronous):
    pass


def logged(method: Any) -> Any:
    @functools.wraps(method)
    def call(*arguments: Any) -> Any:
        return method(*arguments)

    return call


class Wrapped(APIKeyQuery):
    credentials = logged(Asynchronous.credentials)


SCHEMES = [Asynchronous(), Yielding(), Generating(), Inherited(), Wrapped(name="key")]


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()


def taken(call: Any) -> APIWebSocketRoute:
    async def endpoint(websocket: WebSocket, user: Annotated[Any, Depends(call)]) -> None:
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


FORMS: list[Callable[[Any], Any]] = [
    taken,
    lambda call: APIWebSocketRoute("/", chat, dependencies=[Depends(call)]),
    lambda call: APIWebSocketRoute("/", chat, dependencies=[Security(call, scopes=["a"])]),
    lambda call: Router(dependencies=[Depends(call)]),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: type(scheme).__name__)
@pytest.mark.parametrize("form", FORMS, ids=range(4))
def test_credentials_must_be_a_plain_method(form: Callable[[Any], Any], scheme: Any) -> None:
    for call in (scheme, scheme.__call__, functools.partial(scheme)):
        with pytest.raises(
            DeclarationError, match=rf"{type(scheme).__name__}\.credentials\(\) .*write `def credentials`"
        ):
            form(call)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: type(scheme).__name__)
def test_an_override_lets_nobody_in_either(scheme: Any) -> None:
    app = Starlette(routes=[taken(HTTPBearer())])
    route: Any = app.routes[0]
    app.dependency_overrides = {route.dependant.dependencies[0].call: scheme}  # type: ignore[attr-defined]
    with pytest.raises(DeclarationError, match="credentials"), TestClient(app).websocket_connect("/"):
        raise AssertionError("let in")


async def anything() -> str:
    return "ann"


class Awaitable:
    def __await__(self) -> Iterator[None]:
        yield


@pytest.mark.parametrize(
    "give",
    [lambda: False, lambda: True, anything, lambda: anything(), Awaitable, lambda: HTTPException(401), Response],
    ids=["False", "True", "async", "coroutine", "awaitable", "exception", "response"],
)
@pytest.mark.parametrize("auto_error", [True, False])
@pytest.mark.parametrize("form", FORMS[:3], ids=range(3))
def test_no_credentials_are_an_error_on_connect(form: Callable[[Any], Any], auto_error: bool, give: Any) -> None:
    class Scheme(SecurityBase[Any]):
        def credentials(self, connection: HTTPConnection) -> Any:
            return give()

    app = Starlette(routes=[form(Scheme(auto_error=auto_error))])
    with (
        pytest.raises(RuntimeError, match=r"Scheme\.credentials .*test_own_schemes\.py.*return the credentials"),
        TestClient(app).websocket_connect("/"),
    ):
        raise AssertionError("let in")


def test_a_call_of_its_own_may_await_its_credentials() -> None:
    class Own(Asynchronous):
        async def __call__(self, connection: HTTPConnection) -> Any:
            return await self.credentials(connection) or "ann"

    with TestClient(Starlette(routes=[taken(Own())])).websocket_connect("/"):
        pass


def test_a_scheme_for_requests_reads_the_connection_and_gets_no_response() -> None:
    class ForRequests(HTTPBearer):
        async def __call__(self, request: Request) -> Any:  # type: ignore[override]
            return request.headers.get("authorization", "ann")

    class Answering(HTTPBearer):
        async def __call__(self, request: Request, response: Response) -> Any:  # type: ignore[override]
            raise NotImplementedError

    with TestClient(Starlette(routes=[taken(ForRequests())])).websocket_connect("/"):
        pass
    with pytest.raises(DeclarationError, match="parameter 'response': there is no Response to a WebSocket"):
        taken(Answering())


@pytest.mark.parametrize("value", ["", 0, (), {}, "ann"], ids=repr)
def test_false_credentials_are_credentials(value: Any) -> None:
    class Scheme(SecurityBase[Any]):
        def credentials(self, connection: HTTPConnection) -> Any:
            return value

    with TestClient(Starlette(routes=[taken(Scheme())])).websocket_connect("/"):
        pass
