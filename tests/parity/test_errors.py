"""Validation errors, exceptions and their handlers, and the rest: as in FastAPI."""

import threading
from collections.abc import AsyncIterator
from typing import Annotated, Any

import fastapi
import fastapi.security
import pytest
from oracle import FASTAPI, FASTROUTE, MOVED, OURS, Api, Declared, Mounted, handshake, parity, starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.websockets import WebSocket

import fastroute

# All errors are collected


@parity(
    handshake("/?a=1&b=2&c=3&q=4"),
    handshake("/?a=x&b=2&c=3&q=4"),
    handshake("/?a=x&b=x&c=x&q=x"),
    handshake("/?a=1&b=x&c=3&q=x"),
    handshake("/?a=1&b=2&c=x&q=4"),
    handshake(),
)
def test_all_errors_are_collected(api: Api) -> Any:
    async def broken(a: int) -> str:
        api.log("broken", a)
        return "broken"

    async def above(value: Annotated[str, api.Depends(broken)], b: int) -> str:
        api.log("above", value, b)
        return "above"

    async def resource(c: Annotated[int, api.Query(gt=1)]) -> AsyncIterator[str]:
        api.log("resource", c)
        try:
            yield "resource"
        except BaseException as error:
            api.log("resource sees", type(error).__name__)
            raise
        finally:
            api.log("resource exit")

    def thread(c: int) -> str:
        api.log("thread", c)
        return "thread"

    async def endpoint(
        websocket: WebSocket,
        q: int,
        one: Annotated[str, api.Depends(above)],
        two: Annotated[str, api.Depends(resource)],
        three: Annotated[str, api.Depends(thread)],
    ) -> None:
        await api.end(websocket, q, one, two, three)

    return endpoint


@parity(handshake("/?q=x"), handshake("/?q=1"))
def test_an_exception_wins_over_validation_errors(api: Api) -> Any:
    async def invalid(q: int) -> None:
        api.log("invalid", q)

    async def fails() -> None:
        raise ValueError("fails")

    async def endpoint(
        websocket: WebSocket,
        one: Annotated[None, api.Depends(invalid)],
        two: Annotated[str, api.Depends(api.resource("two"))],
        three: Annotated[None, api.Depends(fails)],
    ) -> None:
        await api.end(websocket)

    return endpoint


@parity(handshake("/x?q=x&d=x", ("h", "x"), ("cookie", "c=x")), handshake("/1"), path="/{p}")
def test_order_of_validation_errors(api: Api) -> Any:
    async def dependency(d: int, h: Annotated[int, api.Header()], p: int) -> None: ...

    async def endpoint(
        websocket: WebSocket,
        c: Annotated[int, api.Cookie()],
        h: Annotated[int, api.Header()],
        q: int,
        value: Annotated[None, api.Depends(dependency)],
        p: int,
        other: int,
    ) -> None:
        await api.end(websocket, c, h, q, value, p)

    return endpoint


# The validation error


@pytest.mark.parametrize("names", [FASTAPI, FASTROUTE], ids=["fastapi", "fastroute"])
def test_the_validation_error(names: dict[str, Any]) -> None:
    class_ = names["ValidationError"]
    assert class_.__name__ == "WebSocketRequestValidationError"
    assert not issubclass(class_, HTTPException)
    bare = class_([])
    assert bare.errors() == []
    assert (bare.endpoint_function, bare.endpoint_path, bare.endpoint_file, bare.endpoint_line) == (None,) * 4


def both_errors(errors: list[Any], context: Any) -> tuple[Any, Any]:
    return (
        FASTAPI["ValidationError"](errors, endpoint_ctx=context),
        FASTROUTE["ValidationError"](errors, endpoint_ctx=context),
    )


@pytest.mark.parametrize("errors", [[], [{"type": "missing", "loc": ("query", "q")}], [{"a": 1}, {"b": 2}]])
@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"path": "WS /a"},
        {"function": "f", "file": "a.py", "line": 3},
        {"function": "f", "file": "a.py", "line": 3, "path": "WS /a"},
    ],
)
def test_the_text_of_the_validation_error(errors: list[Any], context: Any) -> None:
    theirs, ours = both_errors(errors, context)
    assert str(ours) == str(theirs)
    assert ours.errors() == theirs.errors()
    for name in ("endpoint_ctx", "endpoint_function", "endpoint_path", "endpoint_file", "endpoint_line"):
        assert getattr(ours, name) == getattr(theirs, name)


@parity(handshake("/?q=x"))
def test_the_validation_error_says_where_the_endpoint_is(api: Api) -> Any:
    class Chat:
        async def __call__(self, websocket: WebSocket, q: int) -> None:
            await api.end(websocket, q)

        async def join(self, websocket: WebSocket, q: int) -> None:
            await api.end(websocket, q)

    return Chat().join


@parity(handshake("/?q=x"))
def test_the_validation_error_of_a_connection_names_its_endpoint(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: int) -> None:
        await api.end(websocket, q)

    async def handler(websocket: WebSocket, error: Exception) -> None:
        api.log(str(error))
        await websocket.close(1008)

    return Declared(endpoint, handlers={api.ValidationError: handler})


# Exceptions and handlers


@parity(
    handshake("/?place=dependency"),
    handshake("/?place=endpoint"),
    handshake("/?place=accepted"),
    handshake("/?place=exit"),
)
def test_websocket_exception(api: Api) -> Any:
    def fail(place: str, here: str) -> None:
        if place == here:
            raise WebSocketException(3003, "reas\xf6n")

    async def dependency(place: str) -> None:
        fail(place, "dependency")

    async def exit_fails(place: str) -> AsyncIterator[None]:
        yield
        fail(place, "exit")

    async def endpoint(
        websocket: WebSocket,
        place: str,
        a: Annotated[str, api.Depends(api.resource("a"))],
        b: Annotated[None, api.Depends(dependency)],
        c: Annotated[None, api.Depends(exit_fails)],
    ) -> None:
        fail(place, "endpoint")
        await websocket.accept()
        api.log("accepted")
        fail(place, "accepted")

    return endpoint


@parity()
def test_websocket_exception_after_the_own_close(api: Api) -> Any:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(3000, "mine")
        raise WebSocketException(4000, "late")

    return endpoint


@parity(handshake("/?place=dependency"), handshake("/?place=endpoint"), handshake("/?place=exit"))
def test_http_exception_before_accept(api: Api) -> Any:
    def fail(place: str, here: str) -> None:
        if place == here:
            raise HTTPException(429, "later", headers={"Retry-After": "3"})

    def dependency(place: str) -> None:
        fail(place, "dependency")

    async def exit_fails(place: str) -> AsyncIterator[None]:
        yield
        fail(place, "exit")

    async def endpoint(
        websocket: WebSocket,
        place: str,
        a: Annotated[str, api.Depends(api.resource("a"))],
        b: Annotated[None, api.Depends(dependency)],
        c: Annotated[None, api.Depends(exit_fails)],
    ) -> None:
        fail(place, "endpoint")

    return endpoint


def in_fastapi(route: Any, handlers: Any) -> Any:
    application = fastapi.FastAPI(exception_handlers=handlers)
    application.router.routes.append(route)
    return application


@parity(handshake("/?status=403"), handshake("/?status=204"), handshake("/?status=503"), host=in_fastapi)
def test_http_exception_under_fastapi(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, status: int) -> None:
        raise fastapi.HTTPException(status, detail={"why": "no"}, headers={"X-Why": "no"})

    return endpoint


class Base(Exception):
    pass


class Derived(Base):
    pass


@parity(
    handshake("/?kind=derived"),
    handshake("/?kind=base"),
    handshake("/?kind=404"),
    handshake("/?kind=418"),
    handshake("/?kind=other"),
)
def test_exception_handlers(api: Api) -> Any:
    main: list[int] = []

    async def endpoint(websocket: WebSocket, kind: str) -> None:
        main[:] = [threading.get_ident()]
        raise {
            "derived": Derived("derived"),
            "base": Base("base"),
            "404": HTTPException(404, "by status"),
            "418": HTTPException(418, "by class"),
            "other": KeyError("nobody"),
        }[kind]

    async def by_class(websocket: WebSocket, error: Exception) -> None:
        api.log("by class", websocket, error)
        await websocket.close(4001)

    def in_thread(websocket: WebSocket, error: Exception) -> Any:
        api.log("in thread", websocket, error, threading.get_ident() == main[0])
        return PlainTextResponse("from the thread", 418)

    async def by_status(websocket: WebSocket, error: Any) -> Any:
        api.log("by status", websocket, error.detail)
        return JSONResponse({"status": error.status_code}, error.status_code)

    return Declared(endpoint, handlers={Base: by_class, 404: by_status, HTTPException: in_thread})


@parity()
def test_an_unhandled_error_reaches_the_server(api: Api) -> Any:
    async def endpoint(websocket: WebSocket) -> None:
        raise Base("unhandled")

    return endpoint


@parity(handshake(messages=("a", "b"), subprotocols=("soap", "chat")))
def test_an_accepted_connection_is_left_to_the_server(api: Api) -> Any:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="chat", headers=[(b"x-a", b"1")])
        async for text in websocket.iter_text():
            await websocket.send_text(text)
        api.log("returns")

    return endpoint


# Parameters that only HTTP has


@parity()
def test_the_idiom_of_two_protocols(api: Api) -> Any:
    async def dependency(request: Request = None, websocket: WebSocket = None) -> Any:  # type: ignore[assignment]  # the idiom
        api.log("dependency", request, websocket)
        return (request or websocket).url.path

    async def endpoint(websocket: WebSocket, path: Annotated[str, api.Depends(dependency)]) -> None:
        await api.end(websocket, path)

    return endpoint


# Security schemes

KEY = ("cookie", "key=c")


@parity(
    handshake(),
    handshake("/?key=q", ("x-key", "h"), KEY, ("authorization", "Bearer token")),
    handshake("/", ("authorization", "Basic dTpw")),
    handshake("/", ("authorization", "Digest d")),
    handshake("/", ("authorization", "Basic !"), KEY),
)
def test_security_schemes_without_auto_error(api: Api) -> Any:
    schemes = api.security

    def all_of(
        a: Annotated[Any, api.Depends(schemes.APIKeyQuery(name="key", auto_error=False))],
        b: Annotated[Any, api.Depends(schemes.APIKeyHeader(name="X-Key", auto_error=False))],
        c: Annotated[Any, api.Depends(schemes.APIKeyCookie(name="key", auto_error=False))],
        e: Annotated[Any, api.Security(schemes.HTTPBearer(auto_error=False), scopes=["a"])],
        f: Annotated[Any, api.Security(schemes.HTTPDigest(auto_error=False))],
        g: Annotated[Any, api.Depends(schemes.OAuth2PasswordBearer("/token", auto_error=False))],
        h: Annotated[Any, api.Depends(schemes.OAuth2AuthorizationCodeBearer("/a", "/t", auto_error=False))],
        i: Annotated[Any, api.Depends(schemes.OpenIdConnect(openIdConnectUrl="/o", auto_error=False))],
        d: Annotated[Any, api.Depends(schemes.HTTPBasic(auto_error=False))],
    ) -> Any:
        return [a, b, c, d, e, f, g, h, i]

    async def endpoint(websocket: WebSocket, found: Annotated[Any, api.Depends(all_of)]) -> None:
        await api.end(websocket, found)

    return endpoint


SCHEMES: dict[str, Any] = {
    "APIKeyQuery": {"name": "key"},
    "APIKeyHeader": {"name": "x-key"},
    "APIKeyCookie": {"name": "key"},
    "HTTPBasic": {"realm": "here"},
    "HTTPBearer": {},
    "HTTPDigest": {},
    "OAuth2PasswordBearer": {"tokenUrl": "/token"},
    "OAuth2AuthorizationCodeBearer": {"authorizationUrl": "/a", "tokenUrl": "/token"},
    "OpenIdConnect": {"openIdConnectUrl": "/o"},
}


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_security_schemes_refuse(scheme: str, ours: str) -> None:
    def declare(api: Api) -> Any:
        instance = getattr(api.security, scheme)(**SCHEMES[scheme])

        async def endpoint(websocket: WebSocket, found: Annotated[Any, api.Depends(instance)]) -> None:
            await api.end(websocket, found)

        return endpoint

    expected = Mounted(FASTAPI, declare, "/", starlette).run(handshake(), "asyncio")
    assert expected.messages[0]["status"] == ("int", "401")
    assert "www-authenticate" in str(expected.messages)
    assert Mounted(OURS[ours], declare, "/", starlette).run(handshake(), "asyncio") == expected


@pytest.mark.parametrize("names", [FASTROUTE, MOVED], ids=["own", "moved"])
def test_security_schemes_of_either_package_serve_either_route(names: dict[str, Any]) -> None:
    """Our schemes are plain callables, so FastAPI's routes can use them, and the other way round."""
    for schemes in (fastapi.security, fastroute.security):

        def declare(api: Api, bearer: Any = schemes.HTTPBearer()) -> Any:
            async def endpoint(websocket: WebSocket, found: Annotated[Any, api.Depends(bearer)]) -> None:
                await api.end(websocket, found.credentials)

            return endpoint

        for each in (FASTAPI, names):
            record = Mounted(each, declare, "/", starlette).run(
                handshake("/", ("authorization", "Bearer x")), "asyncio"
            )
            assert record.events == [("endpoint", "x")]
