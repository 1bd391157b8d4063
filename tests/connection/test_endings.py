"""How a connection ends: codes that a frame can carry, one end, and no error but the one that happened."""

import enum
import http
import logging
import re
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Annotated, Any

import anyio
import fastapi
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Depends, WebSocketRequestValidationError
from fastroute.connection.outgoing import Outgoing, errors_as_text


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Server:
    """A server at the other end, which may refuse a message.

    Args:
        refuse: gets each message before it goes out, and raises to refuse it.
        incoming: what the client sends; then nothing comes any more.
    """

    def __init__(
        self,
        refuse: Callable[[Message], None] = lambda message: None,
        incoming: tuple[Message, ...] = ({"type": "websocket.connect"},),
    ) -> None:
        self.refuse = refuse
        self.incoming = list(incoming)
        self.tried: list[str] = []
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self.incoming:
            await anyio.sleep_forever()
        return self.incoming.pop(0)

    async def send(self, message: Message) -> None:
        self.tried.append(message["type"])
        self.refuse(message)
        self.sent.append(dict(message))

    def run(self, app: Any, backend: str, **items: Any) -> Exception | None:
        """Returns the error that reaches the server."""

        async def main() -> Exception | None:
            with anyio.fail_after(10):
                try:
                    await app(websocket_scope(**items), self.receive, self.send)
                except Exception as error:
                    return error
                return None

        return anyio.run(main, backend=backend)

    @property
    def types(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]


def app_of(endpoint: Any, wrapped: bool = False, **options: Any) -> Any:
    route = APIWebSocketRoute("/", endpoint)
    return Starlette(routes=[route], **options) if wrapped else route


# Codes


class Codes(enum.IntEnum):
    MINE = 4001


POSSIBLE = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999, Codes.MINE]
IMPOSSIBLE: list[tuple[Any, int]] = [
    *((code, 1008) for code in (-1, 0, 1, 400, 401, 403, 404, 422, 499, http.HTTPStatus.FORBIDDEN, 1006, 401.0)),
    *((code, 1011) for code in (500, 503, 999, 1004, 1005, 1015, 1016, 1100, 2000, 2999, 5000, 65536, 10**30)),
    *(
        (code, 1011)
        for code in (http.HTTPStatus.BAD_GATEWAY, None, "1008", "", True, False, 1000.0, 1011.0, float("nan"), [], b"x")
    ),
]


async def by_exception(websocket: WebSocket, code: Any) -> None:
    raise WebSocketException(code, "why")


async def by_close(websocket: WebSocket, code: Any) -> None:
    await websocket.close(code, "why")


async def by_message(websocket: WebSocket, code: Any) -> None:
    await websocket.send({"type": "websocket.close", "code": code, "reason": "why"})


async def by_handler(websocket: WebSocket, code: Any) -> None:
    raise LookupError(code)


async def by_other_object(websocket: WebSocket, code: Any) -> None:
    await websocket._send({"type": "websocket.close", "code": code, "reason": "why"})


async def close_with_argument(websocket: WebSocket, error: Exception) -> None:
    await websocket.close(error.args[0], "why")


WAYS = [by_exception, by_close, by_message, by_handler, by_other_object]


def closing_by(way: Any, code: Any, accept: bool) -> Any:
    async def endpoint(websocket: WebSocket) -> None:
        if accept:
            await websocket.accept()
        await way(websocket, code)

    return app_of(endpoint, wrapped=way is by_handler, exception_handlers={LookupError: close_with_argument})


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", POSSIBLE)
def test_a_code_that_a_frame_can_carry_stays(way: Any, code: int, accept: bool, caplog: Any) -> None:
    server = Server()
    with caplog.at_level(logging.WARNING, "fastroute"):
        assert server.run(closing_by(way, code, accept), "asyncio") is None
    assert server.types == ["accept"] * accept + ["close"]
    assert (server.sent[-1]["code"], server.sent[-1]["reason"]) == (code, "why")
    assert not caplog.records


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("code", "becomes"), IMPOSSIBLE, ids=repr)
def test_a_code_that_no_frame_can_carry_is_replaced(
    way: Any, code: Any, becomes: int, accept: bool, caplog: Any
) -> None:
    server = Server()
    with caplog.at_level(logging.WARNING, "fastroute"):
        assert server.run(closing_by(way, code, accept), "asyncio") is None
    assert server.types == ["accept"] * accept + ["close"]
    assert (server.sent[-1]["code"], server.sent[-1]["reason"]) == (becomes, "why")
    assert type(server.sent[-1]["code"]) is int
    [record] = caplog.records
    assert record.name == "fastroute"
    assert re.search(
        rf"{closing_by.__name__}.*endpoint \(.*\) at /: .*{re.escape(repr(code))}.*{becomes}", record.message
    )


@pytest.mark.parametrize(("code", "becomes"), [*IMPOSSIBLE, *((code, code) for code in POSSIBLE)])
def test_a_close_without_reason(code: Any, becomes: int) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.close(code)

    server = Server()
    assert server.run(app_of(endpoint), "asyncio") is None
    assert (server.sent[0]["code"], server.sent[0]["reason"]) == (becomes, "")


def test_a_refusal_keeps_its_own_causes(backend: str) -> None:
    """Also if the server refuses the second code, too."""

    def refuse(message: Message) -> None:
        if message["type"] == "websocket.close":
            raise Refused(message["code"]) from LookupError("why")

    seen: list[Any] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await websocket.close(1008)
        except Refused as error:
            seen.extend([error, error.__cause__])

    assert Server(refuse).run(app_of(endpoint), backend) is None
    assert seen[0].args == (1008,)
    assert isinstance(seen[1], LookupError)


def test_a_close_without_code_stays_without(backend: str) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.send({"type": "websocket.close"})

    server = Server()
    assert server.run(app_of(endpoint), backend) is None
    assert server.sent[0].get("code", 1000) == 1000
    assert not server.sent[0].get("reason")


def test_a_clean_up_may_close_with_a_bad_code(backend: str) -> None:
    async def dependency(websocket: WebSocket) -> AsyncIterator[None]:
        await websocket.accept()
        yield
        raise WebSocketException(1006, "passed on")

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(dependency)]) -> None: ...

    server = Server()
    assert server.run(app_of(endpoint), backend) is None
    assert server.sent[-1] == {"type": "websocket.close", "code": 1008, "reason": "passed on"}


# Subprotocols


@pytest.mark.parametrize(
    ("offered", "chosen"), [([], "chat"), (["soap", "mqtt"], "chat"), (None, "chat"), (["Chat"], "chat")]
)
def test_a_subprotocol_that_was_not_offered_is_an_error(backend: str, offered: Any, chosen: str) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="chat")

    server = Server()
    error = server.run(app_of(endpoint), backend, subprotocols=offered)
    assert isinstance(error, RuntimeError)
    assert re.search(r"endpoint \(.*\) at /: accept\(subprotocol='chat'\).*offered \[.*websocket.scope", str(error))
    assert server.types == []  # the server answers 500


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["chat"], "chat"), (["soap", "chat"], "chat"), ([], None), (["a"], None), ([], "")]
)
def test_a_subprotocol_that_was_offered_goes_out(backend: str, offered: list[str], chosen: str | None) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol=chosen)
        await websocket.close(4000)

    server = Server()
    assert server.run(app_of(endpoint), backend, subprotocols=offered) is None
    assert server.sent[0]["subprotocol"] == chosen


def test_a_wrong_subprotocol_can_still_be_denied(backend: str) -> None:
    async def refuse(websocket: WebSocket, error: Exception) -> Response:
        return PlainTextResponse("no such protocol", 400)

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="chat")

    server = Server()
    assert server.run(app_of(endpoint, wrapped=True, exception_handlers={RuntimeError: refuse}), backend) is None
    assert server.sent[0]["status"] == 400


# Denial responses


async def pieces() -> AsyncIterator[bytes]:
    for piece in (b"one, ", b"two, ", b"", b"three"):
        yield piece


@pytest.mark.parametrize("by", ["handler", "send_denial_response"])
def test_a_streamed_denial_goes_out_as_one_body(backend: str, by: str) -> None:
    def response() -> Response:
        return StreamingResponse(pieces(), 418, {"x-a": "1"})

    async def handler(websocket: WebSocket, error: Exception) -> Response:
        return response()

    async def endpoint(websocket: WebSocket) -> None:
        if by == "handler":
            raise LookupError
        await websocket.send_denial_response(response())

    server = Server()
    assert server.run(app_of(endpoint, wrapped=True, exception_handlers={LookupError: handler}), backend) is None
    start, body = server.sent
    assert (start["status"], (b"x-a", b"1") in start["headers"]) == (418, True)
    assert (body["body"], body.get("more_body", False)) == (b"one, two, three", False)


def test_a_file_as_denial_goes_out_as_one_body(backend: str, tmp_path: Any) -> None:
    file = tmp_path / "page.txt"
    file.write_bytes(b"x" * 200_000)

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.send_denial_response(FileResponse(file, 403))

    server = Server()
    assert server.run(app_of(endpoint), backend) is None
    assert server.types == ["http.response.start", "http.response.body"]
    assert len(server.sent[1]["body"]) == 200_000


def test_a_denial_that_breaks_off_sends_nothing(backend: str) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("no more")

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.send_denial_response(StreamingResponse(broken()))

    server = Server()
    error = server.run(app_of(endpoint), backend)
    assert error is not None
    assert server.types == []  # the server answers 500, instead of half a response


# The courtesy close


async def hand_on(messages: list[Message], websocket: WebSocket) -> None:
    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)

    await other(websocket.scope, websocket._receive, websocket._send)


ACCEPT: Message = {"type": "websocket.accept"}
CLOSE: Message = {"type": "websocket.close", "code": 4000}
DENIAL: list[Message] = [
    {"type": "websocket.http.response.start", "status": 401, "headers": []},
    {"type": "websocket.http.response.body", "body": b"no"},
]


def one_end(server: Server) -> Callable[[Message], None]:
    """As uvicorn: nothing may follow the end."""

    def refuse(message: Message) -> None:
        if {"close", "http.response.body"} & set(server.types):
            raise RuntimeError(f"Unexpected ASGI message {message['type']!r} after the end")

    return refuse


def strict_server(*incoming: Message) -> Server:
    server = Server(incoming=({"type": "websocket.connect"}, *incoming))
    server.refuse = one_end(server)
    return server


@pytest.mark.parametrize("fails", [None, ZeroDivisionError("the bug"), WebSocketException(4001), HTTPException(403)])
@pytest.mark.parametrize("messages", [[ACCEPT, CLOSE], [CLOSE], DENIAL], ids=["after accept", "close", "denial"])
def test_nothing_follows_an_end_that_was_handed_on(backend: str, messages: list[Message], fails: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await hand_on(messages, websocket)
        if fails:
            raise fails

    server = strict_server()
    error = server.run(app_of(endpoint), backend)
    assert error is (fails if isinstance(fails, ZeroDivisionError) else None)
    assert [message["type"] for message in server.sent] == [message["type"] for message in messages]


@pytest.mark.parametrize(
    ("fails", "code"), [(None, 1000), (ZeroDivisionError("the bug"), 1011), (HTTPException(403), 1008)]
)
def test_a_connection_that_was_accepted_by_hand_is_closed(backend: str, fails: Any, code: int) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await hand_on([ACCEPT, {"type": "websocket.send", "text": "hello"}], websocket)
        if fails:
            raise fails

    server = strict_server()
    server.run(app_of(endpoint), backend)
    assert server.types == ["accept", "send", "close"]
    assert server.sent[-1]["code"] == code


def test_a_refused_courtesy_close_after_an_end_outside_is_no_error(backend: str) -> None:
    class Middleware:
        """Closes the connection with a WebSocket of its own."""

        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            scope["outer"] = WebSocket(scope, receive, send)
            await self.app(scope, receive, send)

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.scope["outer"].accept()
        await websocket.scope["outer"].close(4000, "outside")

    server = strict_server()
    assert server.run(Middleware(app_of(endpoint)), backend) is None
    assert server.types == ["accept", "close"]
    assert server.sent[-1]["code"] == 4000


# Errors while an error is answered


class Refused(Exception):
    pass


def refuse_closes(message: Message) -> None:
    if message["type"] in ("websocket.close", "websocket.http.response.start"):
        raise Refused(message["type"])


def refuse_reserved(message: Message) -> None:
    """As daphne's library."""
    if message["type"] == "websocket.close" and message["code"] != 1000 and message["code"] < 3000:
        raise Refused(f"invalid close code {message['code']}")


async def say_sorry(websocket: WebSocket, error: Exception) -> None:
    await websocket.close(1013, "sorry")


@pytest.mark.parametrize("refuse", [refuse_closes, refuse_reserved])
@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("handlers", [{}, {Exception: say_sorry}, {500: say_sorry}])
def test_an_unexpected_error_goes_on_whatever_becomes_of_the_close(
    backend: str, handlers: Any, accept: bool, refuse: Any
) -> None:
    bug = ZeroDivisionError("the bug")

    async def endpoint(websocket: WebSocket) -> None:
        if accept:
            await websocket.accept()
        raise bug

    for wrapped in (False, True):
        assert Server(refuse).run(app_of(endpoint, wrapped, exception_handlers=handlers), backend) is bug


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("error", [WebSocketException(1008, "no"), HTTPException(403, "no"), LookupError("handled")])
def test_an_answer_that_the_server_refuses_is_no_new_error(backend: str, error: Exception, accept: bool) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        if accept:
            await websocket.accept()
        raise error

    for wrapped in (False, True):
        if isinstance(error, LookupError) and not wrapped:
            continue
        app = app_of(endpoint, wrapped, exception_handlers={LookupError: say_sorry})
        assert Server(refuse_closes).run(app, backend) is None


@pytest.mark.parametrize("refused", ["websocket.http.response.start", "websocket.http.response.body"])
def test_a_denial_that_the_server_refuses_is_an_error_where_it_is_sent(backend: str, refused: str) -> None:
    def refuse(message: Message) -> None:
        if message["type"] == refused:
            raise Refused(refused)

    async def endpoint(websocket: WebSocket) -> None:
        with pytest.raises(Refused):
            await websocket.send_denial_response(PlainTextResponse("no", 418))
        raise LookupError("seen")

    assert isinstance(Server(refuse).run(app_of(endpoint), backend), LookupError)


@pytest.mark.parametrize(("code", "sent"), [(1000, 1000), (1001, 4001), (1008, 4008), (1011, 4011), (3001, 3001)])
def test_a_code_that_a_server_refuses_goes_out_with_3000_more(backend: str, code: int, sent: int) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise WebSocketException(code, "why")

    server = Server(refuse_reserved)
    assert server.run(app_of(endpoint), backend) is None
    assert server.sent[-1] == {"type": "websocket.close", "code": sent, "reason": "why"}


def test_a_close_that_went_out_with_3000_more_is_no_error_where_it_is_sent(backend: str) -> None:
    after: list[bool] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(1008)
        after.append(True)

    assert Server(refuse_reserved).run(app_of(endpoint), backend) is None
    assert after == [True]


@pytest.mark.parametrize("key", [Exception, 500])
def test_a_handler_for_all_errors_may_have_either_key(backend: str, key: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise ZeroDivisionError

    server = Server()
    error = server.run(app_of(endpoint, wrapped=True, exception_handlers={key: say_sorry}), backend)
    assert isinstance(error, ZeroDivisionError)
    assert server.sent[1:] == [{"type": "websocket.close", "code": 1013, "reason": "sorry"}]


def test_of_two_handlers_for_all_errors_that_of_the_class_runs(backend: str) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise ZeroDivisionError

    async def other(websocket: WebSocket, error: Exception) -> None:
        raise AssertionError("the other one runs")

    server = Server()
    server.run(app_of(endpoint, wrapped=True, exception_handlers={500: other, Exception: say_sorry}), backend)
    assert server.sent[-1]["code"] == 1013


def test_an_endpoint_that_returns_is_closed_as_it_was_accepted(backend: str) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.send({"type": "websocket.accept"})

    server = Server()
    assert server.run(app_of(endpoint), backend) is None
    assert server.sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1000, "reason": ""}]


def test_an_error_that_is_raised_again_and_again_collects_no_tracebacks(backend: str) -> None:
    error = LookupError("one for all connections")

    async def endpoint(websocket: WebSocket) -> None:
        raise error

    app = app_of(endpoint, wrapped=True, exception_handlers={LookupError: say_sorry})
    assert Server().run(app, backend) is None
    assert error.__traceback__ is None


@pytest.mark.parametrize(
    ("error", "status", "end"),
    [
        (HTTPException(403, "no"), 500, (1008, "no")),
        (HTTPException(503, "busy"), 400, (1011, "busy")),
        (LookupError("secret"), 499, (1008, "")),
        (LookupError("secret"), 500, (1011, "")),
    ],
)
def test_a_response_of_a_handler_after_the_accept_closes_as_the_error_says(
    backend: str, error: Exception, status: int, end: tuple[int, str]
) -> None:
    async def handler(websocket: WebSocket, error: Exception) -> Response:
        return PlainTextResponse("page", status)

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise error

    server = Server()
    app = app_of(endpoint, wrapped=True, exception_handlers={HTTPException: handler, LookupError: handler})
    assert server.run(app, backend) is None
    assert (server.sent[-1]["code"], server.sent[-1]["reason"]) == end


def test_an_error_of_a_handler_itself_is_raised(backend: str) -> None:
    mistake = KeyError("in the handler")

    async def handler(websocket: WebSocket, error: Exception) -> None:
        raise mistake

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise LookupError("first")

    server = Server(refuse_closes)
    assert server.run(app_of(endpoint, wrapped=True, exception_handlers={LookupError: handler}), backend) is mistake
    assert isinstance(mistake.__context__, LookupError)


# Clients that have left


async def left_while_receiving(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()


async def left_while_sending(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")


async def left_before_accept(websocket: WebSocket) -> None:
    await websocket.accept()


def refuse_more(server: Server, lost: str) -> Callable[[Message], None]:
    """Loses the client at a message of this type; whatever comes after it is an error, as with uvicorn's websockets."""
    gone: list[bool] = []

    def refuse(message: Message) -> None:
        if gone or (not server.incoming and message["type"] == "websocket.close"):
            raise RuntimeError(f"Unexpected ASGI message {message['type']!r}, the response is complete")
        if message["type"].removeprefix("websocket.") == lost:
            gone.append(True)
            raise BrokenPipeError("the client left")

    return refuse


LEAVING = [(left_while_receiving, "never"), (left_while_sending, "send"), (left_before_accept, "accept")]
AFTERWARDS: list[Any] = [
    None,
    WebSocketException(4001, "late"),
    HTTPException(403, "late"),
    WebSocketDisconnect(1006),
    WebSocketRequestValidationError([{"loc": ("query", "q"), "msg": "late"}]),
]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("afterwards", AFTERWARDS, ids=repr)
@pytest.mark.parametrize(("leave", "lost"), LEAVING)
@pytest.mark.parametrize("grouped", [False, True])
def test_a_client_that_has_left_is_no_error(
    backend: str, leave: Any, lost: str, afterwards: Any, wrapped: bool, grouped: bool
) -> None:
    async def dependency() -> AsyncIterator[None]:
        try:
            yield
        finally:
            if afterwards:
                raise afterwards

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(dependency)]) -> None:
        if not grouped:
            await leave(websocket)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(leave, websocket)
            group.start_soon(anyio.sleep_forever)

    server = Server(incoming=({"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}))
    server.refuse = refuse_more(server, lost)
    assert server.run(app_of(endpoint, wrapped), backend) is None
    assert "close" not in server.types
    # Starlette does not know that an accept was not sent.
    assert lost == "accept" or "websocket.close" not in server.tried


def test_a_handler_of_a_client_that_was_lost_at_the_close_reaches_nobody(backend: str) -> None:
    called: list[Exception] = []

    async def handler(websocket: WebSocket, error: Exception) -> None:
        called.append(error)
        await websocket.close(4000)

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(WebSocketDisconnect):
            await websocket.close(4001)
        raise LookupError

    def refuse(message: Message) -> None:
        if message["type"] == "websocket.close":
            raise BrokenPipeError("the client left")

    server = Server(refuse)
    assert server.run(app_of(endpoint, wrapped=True, exception_handlers={LookupError: handler}), backend) is None
    assert len(called) == 1
    assert server.tried.count("websocket.close") == 1


def test_a_handler_that_is_too_late_runs_and_reaches_nobody(backend: str) -> None:
    seen: list[Any] = []

    async def handler(websocket: WebSocket, error: Exception) -> None:
        seen.append((error, websocket.client_state.name))
        await websocket.send_text("hello?")
        await websocket.close(4000)

    error = LookupError("afterwards")

    async def endpoint(websocket: WebSocket) -> None:
        try:
            await left_while_receiving(websocket)
        finally:
            raise error

    server = strict_server({"type": "websocket.disconnect", "code": 1001})
    assert server.run(app_of(endpoint, wrapped=True, exception_handlers={LookupError: handler}), backend) is None
    assert seen == [(error, "DISCONNECTED")]
    assert server.types == ["accept"]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("not about the client"),
        ExceptionGroup("", [FileNotFoundError("not about the client")]),
        ExceptionGroup("", [WebSocketDisconnect(), ZeroDivisionError()]),
        ExceptionGroup("", [OSError(), ZeroDivisionError(), WebSocketDisconnect()]),
        ExceptionGroup("", [ExceptionGroup("", [WebSocketDisconnect()]), ExceptionGroup("", [LookupError()])]),
    ],
    ids=repr,
)
def test_an_error_that_is_not_about_the_client_goes_on(backend: str, error: Exception, wrapped: bool) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise error

    server = Server()
    assert server.run(app_of(endpoint, wrapped), backend) is error
    assert server.sent[-1]["code"] == 1011


@pytest.mark.parametrize(
    "error",
    [
        ExceptionGroup("", [OSError("lost"), WebSocketDisconnect(1006)]),
        ExceptionGroup("", [ExceptionGroup("", [WebSocketDisconnect(1006)]), ConnectionResetError()]),
        ExceptionGroup("", [WebSocketDisconnect(1001), WebSocketDisconnect(1006)]),
    ],
    ids=repr,
)
def test_a_group_that_tells_of_leaving_alone_ends_quietly(backend: str, error: Exception) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        raise error

    assert Server().run(app_of(endpoint), backend) is None


# Groups of one


INVALID = WebSocketRequestValidationError([{"loc": ("query", "q"), "msg": "Field required", "type": "missing"}])


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (HTTPException(401, "who"), 1008, "who"),
        (HTTPException(503, "busy"), 1011, "busy"),
        (WebSocketException(4001, "mine"), 4001, "mine"),
        (INVALID, 1008, "query.q: Field required"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("beside", [(), (WebSocketDisconnect(1006),)], ids=["alone", "beside a disconnect"])
def test_an_answer_that_is_alone_in_a_group_is_answered_as_itself(
    backend: str, error: Exception, code: int, reason: str, wrapped: bool, depth: int, beside: Any
) -> None:
    group = ExceptionGroup("", [error, *beside])
    if depth == 2:
        group = ExceptionGroup("", [group])

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise group

    server = Server()
    assert server.run(app_of(endpoint, wrapped), backend) is None
    assert (server.sent[-1]["code"], server.sent[-1]["reason"]) == (code, reason)


def test_a_real_task_group_with_one_answer(backend: str) -> None:
    async def task() -> None:
        raise HTTPException(401, "who")

    async def endpoint(websocket: WebSocket) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(task)
            group.start_soon(anyio.sleep_forever)

    server = Server()
    assert server.run(app_of(endpoint, wrapped=True), backend) is None
    assert (server.sent[0]["status"], server.sent[1]["body"]) == (401, b"who")


def test_two_answers_in_a_group_are_an_error(backend: str) -> None:
    error = ExceptionGroup("", [HTTPException(401), HTTPException(403)])

    async def endpoint(websocket: WebSocket) -> None:
        raise error

    assert Server().run(app_of(endpoint), backend) is error


def test_a_handler_for_groups_comes_first(backend: str) -> None:
    async def handler(websocket: WebSocket, error: Exception) -> None:
        await websocket.close(4099, type(error).__name__)

    async def endpoint(websocket: WebSocket) -> None:
        raise ExceptionGroup("", [HTTPException(401)])

    server = Server()
    app = app_of(endpoint, wrapped=True, exception_handlers={ExceptionGroup: handler})
    assert server.run(app, backend) is None
    assert (server.sent[0]["code"], server.sent[0]["reason"]) == (4099, "ExceptionGroup")


# Reasons that are lists of errors


ERRORS = [
    {"type": "missing", "loc": ["query", "q"], "msg": "Field required", "input": None},
    {"type": "int_parsing", "loc": ["header", "x-n"], "msg": "no int", "input": "a"},
]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (ERRORS, "query.q: Field required; header.x-n: no int"),
        (tuple(ERRORS[:1]), "query.q: Field required"),
        ([{"loc": ("query", "tags", 1), "msg": "no"}], "query.tags.1: no"),
        ({"detail": "no"}, '{"detail": "no"}'),
        ({"until": date(2030, 1, 2)}, '{"until": "2030-01-02"}'),
        (["one", "two"], '["one", "two"]'),
        ([{"msg": "no place"}], '[{"msg": "no place"}]'),
        ([{"loc": ["a"]}], '[{"loc": ["a"]}]'),
        ([{"loc": "a", "msg": "no list"}], '[{"loc": "a", "msg": "no list"}]'),
        (7, "7"),
    ],
)
@pytest.mark.parametrize("by", ["close", "exception", "HTTPException"])
def test_a_reason_that_is_no_text(reason: Any, text: str, by: str) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        if by == "close":
            await websocket.close(1008, reason)
        raise WebSocketException(1008, reason) if by == "exception" else fastapi.HTTPException(403, reason)

    server = Server()
    server.run(app_of(endpoint), "asyncio")
    assert server.sent[-1] == {"type": "websocket.close", "code": 1008, "reason": text}


@pytest.mark.parametrize("wrap", ["none", "async", "sync", "class"])
def test_the_default_handler_of_fastapi_in_any_wrapping(backend: str, wrap: str) -> None:
    """Sentry and New Relic put a wrapper in the place of each handler."""
    app = fastapi.FastAPI()
    original: Any = app.exception_handlers[fastapi.exceptions.WebSocketRequestValidationError]

    async def in_function(websocket: WebSocket, error: Exception) -> Any:
        return await original(websocket, error)

    def awaitable(websocket: WebSocket, error: Exception) -> Any:
        return anyio.from_thread.run(original, websocket, error)

    class InObject:
        async def __call__(self, websocket: WebSocket, error: Exception) -> Any:
            return await original(websocket, error)

    wrapped: Any = {"none": original, "async": in_function, "sync": awaitable, "class": InObject()}[wrap]
    app.exception_handlers[fastapi.exceptions.WebSocketRequestValidationError] = wrapped

    async def accept(websocket: WebSocket) -> None:
        await websocket.accept()

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(accept)], q: int, room: int) -> None: ...

    app.router.routes.append(APIWebSocketRoute("/", endpoint))
    server = Server()
    assert server.run(app, backend) is None
    assert server.sent[-1]["code"] == 1008
    assert server.sent[-1]["reason"] == "query.q: Field required; query.room: Field required"


def test_the_reason_of_very_many_errors_is_that_of_all() -> None:
    errors = [{"loc": ("query", "a", number), "msg": "wrong \u20ac", "type": "x"} for number in range(1_000)]
    reason = "; ".join(f"query.a.{number}: wrong \u20ac" for number in range(1_000))
    assert len(errors_as_text(errors)) < 5_000
    assert reason.startswith(errors_as_text(errors))
    assert len(errors_as_text(errors)) > 123
    # Each has four characters or more, however short it is.
    assert len(errors_as_text([{"loc": (), "msg": ""}] * 1_000)) >= 123


# Values that no message can carry


CIRCULAR: dict[str, Any] = {}
CIRCULAR["self"] = CIRCULAR


class Untold:
    def __str__(self) -> str:
        raise ValueError("no text")


ODD = [{("a",): 1}, CIRCULAR, [CIRCULAR], "\ud800", "\ud800" * 200, b"x", {1, 2}, Untold(), {"a": Untold()}]


def sent_by(endpoint: Any) -> list[dict[str, Any]]:
    return connect(APIWebSocketRoute("/", endpoint), websocket_scope())


@pytest.mark.parametrize("reason", ODD, ids=lambda value: ascii(type(value).__name__))
def test_every_reason_becomes_a_text(reason: Any) -> None:
    async def closes(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(4000, reason)

    async def raises(websocket: WebSocket) -> None:
        await websocket.accept()
        raise fastapi.HTTPException(403, detail=reason)

    for endpoint, code in ((closes, 4000), (raises, 1008)):
        accepted, close = sent_by(endpoint)
        assert accepted["type"] == "websocket.accept"
        assert close["code"] == code
        assert 0 < len(close["reason"].encode()) <= 123


@pytest.mark.parametrize("detail", ODD, ids=lambda value: ascii(type(value).__name__))
def test_every_detail_becomes_a_body(detail: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        raise fastapi.HTTPException(403, detail=detail)

    start, body = sent_by(endpoint)
    assert start["status"] == 403
    assert body["body"].decode()


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [(199, 403, 1008), (499, 499, 1008), (500, 500, 1011), (599, 599, 1011),
     (99, 403, 1008), (100, 403, 1008), (101, 403, 1008), (0, 403, 1008), (-1, 403, 1008), (600, 500, 1011),
     (10**400, 500, 1011), ("401", 401, 1008), ("no", 500, 1011), (None, 500, 1011), (401.0, 401, 1008),
     (float("nan"), 500, 1011), (float("inf"), 500, 1011), (http.HTTPStatus.NOT_FOUND, 404, 1008), (200, 200, 1008)],
    ids=str,
)  # fmt: skip
def test_a_status_that_no_response_can_have_is_replaced(given: Any, status: int, code: int) -> None:
    async def before(websocket: WebSocket) -> None:
        raise fastapi.HTTPException(given, detail="no")

    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        await before(websocket)

    async def by_hand(websocket: WebSocket) -> None:
        await websocket.send_denial_response(SendsStatus(given))

    assert [message.get("status") for message in sent_by(before)] == [status, None]
    assert sent_by(after)[-1] == {"type": "websocket.close", "code": code, "reason": "no"}
    assert sent_by(by_hand)[0]["status"] == status


class SendsStatus(Response):
    def __init__(self, status: Any) -> None:
        super().__init__()
        self.status_code = status


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({"Retry-After": 5}, [(b"retry-after", b"5")]),
        ({"x": "\u65e5\u672c", "y": "1"}, [(b"y", b"1")]),
        ({"\u65e5": "1", "y": "1"}, [(b"y", b"1")]),
        ({"x": "a\r\nset-cookie: b", "y": "1"}, [(b"y", b"1")]),
        ({"x": "a\0", "y": "\xe9"}, [(b"y", b"\xe9")]),
        ({"x": "\u0100", "y": "\xff"}, [(b"y", b"\xff")]),
        ([("x", "1")], [(b"x", b"1")]),
    ],
    ids=ascii,
)
def test_headers_of_an_exception_that_cannot_be_sent_are_left_out(headers: Any, sent: Any) -> None:
    async def before(websocket: WebSocket) -> None:
        raise HTTPException(403, headers=headers)

    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        raise HTTPException(403, headers=headers)

    start, _ = sent_by(before)
    assert [pair for pair in start["headers"] if not pair[0].startswith(b"content-")] == sent
    assert sent_by(after)[-1] == {"type": "websocket.close", "code": 1008, "reason": "Forbidden"}


def test_a_message_of_another_type_is_no_end() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket._send({"type": "websocket.something"})

    types = [message["type"] for message in sent_by(endpoint)]
    assert types == ["websocket.accept", "websocket.something", "websocket.close"]


@pytest.mark.parametrize("denials", [False, True])
def test_an_http_exception_before_the_accept_is_a_denial_if_the_server_has_them(backend: str, denials: bool) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        raise HTTPException(403, "no")

    server = Server()
    extensions = {"websocket.http.response": {}} if denials else {}
    assert server.run(app_of(endpoint), backend, extensions=extensions) is None
    if denials:
        assert server.types == ["http.response.start", "http.response.body"]
        assert (server.sent[0]["status"], server.sent[1]["body"]) == (403, b"no")
    else:
        assert server.sent == [{"type": "websocket.close", "code": 1008, "reason": "no"}]


@pytest.mark.parametrize("lost", [OSError, RuntimeError])
@pytest.mark.parametrize("code", [1000, 1001, 1014, 3000, 4001])
def test_a_close_is_tried_again_if_only_its_code_may_be_the_reason(backend: str, lost: Any, code: int) -> None:
    tried = []

    def refuse(message: Message) -> None:
        if message["type"] == "websocket.close":
            tried.append(message["code"])
            raise lost

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send({"type": "websocket.close", "code": code})

    Server(refuse).run(app_of(endpoint), backend)
    again = lost is RuntimeError and 1000 < code < 3000
    assert tried == ([code, code + 3000] if again else [code])


# What is said of it in the log


def denial(**items: Any) -> list[Message]:
    return [{"type": "websocket.http.response.start", **items}, {"type": "websocket.http.response.body", "body": b"no"}]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"type": "websocket.close", "code": 999}], ["no close frame can have the code 999; the client gets 1011"]),
        (
            denial(status=99, headers=[(b"x", b"a\nb")]),
            [
                "no denial can have the status 99; the client gets 403",
                "a header of the denial has a line break or NUL, and is left out",
            ],
        ),
        (denial(status=99, headers=[(b"x", b"1")]), ["no denial can have the status 99; the client gets 403"]),
        (denial(status=401, headers=[(b"x", b"1")]), []),
        (denial(status=401), []),
    ],
)
@pytest.mark.parametrize(
    ("scope", "place"),
    [
        ({}, "WebSocket route"),
        ({"endpoint": "text", "route": object()}, "WebSocket route"),
        ({"route": APIWebSocketRoute("/rooms/{room}", by_close)}, "WebSocket route at /rooms/{room}"),
    ],
)
def test_whatever_had_to_be_replaced_is_logged_with_its_place(
    messages: list[Message], said: list[str], scope: Any, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()

    async def send() -> None:
        outgoing = Outgoing(scope, server.send)
        for message in messages:
            await outgoing.send(message)

    anyio.run(send)
    assert caplog.messages == [f"{place}: {text}" for text in said]
    assert server.types == [message["type"].removeprefix("websocket.") for message in messages]


@pytest.mark.parametrize(("name", "value"), [("x", "\u0100"), ("\u0100", "x")])
def test_a_header_that_is_not_latin_is_logged(name: str, value: str, caplog: pytest.LogCaptureFixture) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        raise HTTPException(403, headers={name: value})

    assert Server().run(app_of(endpoint), "asyncio") is None
    assert caplog.messages == [f"the header {name!r} of an HTTPException cannot be sent: it is not Latin-1"]


def test_a_body_without_a_start_is_left_to_the_server(backend: str) -> None:
    """Servers refuse it by an error of their own."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket._send({"type": "websocket.http.response.body", "body": b"no"})

    server = Server()
    assert server.run(app_of(endpoint), backend) is None
    assert server.sent == [{"type": "websocket.http.response.body", "body": b"no"}]
