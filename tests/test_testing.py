"""`fastroute.testing.connect`, beside Starlette's TestClient, on asyncio and on trio."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import APIWebSocketRoute, Depends
from fastroute.testing import ClientSession, HandshakeRefused, connect


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[Any]]], Any]:
    return lambda function: anyio.run(function, backend=request.param)


Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def application(endpoint: Any, **options: Any) -> Starlette:
    return Starlette(routes=[APIWebSocketRoute("/{rest:path}", endpoint, **options)])


async def echo(websocket: WebSocket) -> None:
    await websocket.accept(
        subprotocol=(websocket.scope["subprotocols"] or [None])[0], headers=[(b"x-extra", b"1"), (b"x-extra", b"2")]
    )
    async for message in _messages(websocket):
        await websocket.send(message)
    await websocket.close()


async def _messages(websocket: WebSocket) -> Any:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        yield {**message, "type": "websocket.send"}


def test_messages_go_and_come(run: Run) -> None:
    async def test() -> None:
        async with connect(application(echo), "/") as socket:
            await socket.send_text("text")
            assert await socket.receive_text() == "text"
            await socket.send_bytes(b"\xff")
            assert await socket.receive_bytes() == b"\xff"
            await socket.send_json({"ä": [1]})
            assert await socket.receive() == {"type": "websocket.send", "text": '{"ä":[1]}'}
            await socket.send_json({"a": 1}, mode="binary")
            assert await socket.receive_json(mode="binary") == {"a": 1}
            await socket.send_json([None])
            assert await socket.receive_json() == [None]

    run(test)


def test_the_other_kind_of_message_is_an_error_that_shows_it(run: Run) -> None:
    async def test() -> None:
        async with connect(application(echo), "/") as socket:
            await socket.send_text("text")
            await socket.receive_bytes()

    with pytest.raises(AssertionError, match=r"a message with bytes was expected, and .*'text': 'text'"):
        run(test)


URLS = [
    "/",
    "/rooms/7?token=a&token=b",
    "rooms/7",
    "/a%20b/%C3%A4/%2F?q=%20+x",
    "/ä b?q=ä b",
    "ws://example.org/x",
    "ws://example.org:8080/x?y",
    "wss://example.org/x#fragment",
    "",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("subprotocols", [None, ["chat", "bearer.x"]])
def test_the_application_sees_the_scope_of_the_test_client(url: str, subprotocols: list[str] | None, run: Run) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x", b"y")]})

    headers = {"X-Token": "1", "cookie": "a=1"}

    async def test() -> ClientSession:
        async with connect(app, url, headers=headers, subprotocols=subprotocols) as socket:
            return socket

    mine = run(test)
    with TestClient(app).websocket_connect(url or "/", subprotocols=subprotocols, headers=headers) as theirs:
        assert mine.accepted_subprotocol == theirs.accepted_subprotocol == "chat"
        assert mine.extra_headers == theirs.extra_headers == [(b"x", b"y")]
    ours, oracle = seen
    for key in oracle.keys() - {"headers", "client", "server"}:
        assert ours[key] == oracle[key], key
    assert list(ours["server"]) == oracle["server"]
    # The other one also says which formats it takes and who it is.
    theirs_only = {b"accept", b"accept-encoding", b"user-agent"}
    expected = {name: value for name, value in oracle["headers"] if name not in theirs_only}
    assert dict(ours["headers"]) == {**expected, b"upgrade": b"websocket"}


@pytest.mark.parametrize("url", ["ftp://example.org/", "mailto:x", "ws://:80/x"])
def test_an_address_of_something_else_is_an_error(url: str, run: Run) -> None:
    async def test() -> None:
        async with connect(application(echo), url):
            pass

    with pytest.raises(ValueError, match="is no address of a WebSocket; write a path, or ws://host/path"):
        run(test)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"url": None}, TypeError, "None is no address of a WebSocket"),
        ({"url": "/", "headers": "x: y"}, TypeError, r"'x' is no header; write \{'name': 'value'\} or \[\('name'"),
        ({"url": "/", "headers": {"x": 1}}, TypeError, r"\('x', 1\) is no header"),
        ({"url": "/", "headers": [(b"x", b"y")]}, TypeError, "is no header"),
        ({"url": "/", "headers": {"x": "a\nb: c"}}, ValueError, r"no header can be 'x: a\\nb: c'"),
        ({"url": "/", "headers": {"x": "日本"}}, ValueError, "no header can be 'x: 日本'"),
        ({"url": "/", "subprotocols": "chat"}, TypeError, "subprotocols='chat': write a list of texts"),
        ({"url": "/", "subprotocols": ["日本"]}, ValueError, "no header can be 'Sec-WebSocket-Protocol: 日本'"),
    ],
)
def test_an_argument_that_no_client_could_send_is_an_error(options: Any, error: Any, told: str, run: Run) -> None:
    async def test() -> None:
        async with connect(application(echo), **options):
            pass

    with pytest.raises(error, match=told):
        run(test)


def test_headers_may_be_repeated_and_replace_those_of_the_client(run: Run) -> None:
    async def test() -> ClientSession:
        headers = [("X", "1"), ("x", "é"), ("Host", "other"), ("Sec-WebSocket-Protocol", "a, b")]
        async with connect(application(echo), "/", headers=headers) as socket:
            return socket

    socket = run(test)
    assert [value for name, value in socket.scope["headers"] if name == b"x"] == [b"1", b"\xe9"]
    assert [value for name, value in socket.scope["headers"] if name == b"host"] == [b"other"]
    assert socket.scope["subprotocols"] == ["a", "b"]
    assert socket.accepted_subprotocol == "a"


# --- the end ---


def test_an_endpoint_that_closes_ends_the_wait_with_its_code_and_reason(run: Run) -> None:
    async def closing(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(4001, "enough")

    async def test() -> None:
        async with connect(application(closing), "/") as socket:
            with pytest.raises(WebSocketDisconnect) as closed:
                await socket.receive_text()
            assert (closed.value.code, closed.value.reason) == (4001, "enough")

    run(test)


def test_the_endpoint_sees_that_the_client_leaves(run: Run) -> None:
    seen: list[Any] = []

    async def watching(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await websocket.receive_text()
        except WebSocketDisconnect as left:
            seen.append((left.code, left.reason))

    async def test() -> None:
        async with connect(application(watching), "/"):
            pass
        async with connect(application(watching), "/") as socket:
            await socket.close(3001, "bye")

    run(test)
    assert seen == [(1000, ""), (3001, "bye")]


def test_a_plain_endpoint_that_reads_until_the_client_has_left_is_no_error(run: Run) -> None:
    async def reading(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.receive_text()

    async def test() -> None:
        async with connect(Starlette(routes=[WebSocketRoute("/", reading)]), "/"):
            pass

    run(test)


def test_an_endpoint_that_sends_to_a_client_that_has_left_sees_it(run: Run) -> None:
    seen: list[Any] = []

    async def sending(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("x")
                await anyio.sleep(0)
        except WebSocketDisconnect as left:
            seen.append(left.code)

    async def test() -> None:
        async with connect(application(sending), "/") as socket:
            assert await socket.receive_text() == "x"

    run(test)
    assert seen == [1006]


def test_both_receivers_of_an_endpoint_see_the_disconnect(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert await receive() == await receive() == {"type": "websocket.disconnect", "code": 1000, "reason": ""}

    async def test() -> None:
        async with connect(app, "/"):
            pass

    run(test)


def test_an_application_that_ends_without_a_close_drops_the_client(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    async def test() -> None:
        async with connect(app, "/") as socket:
            await socket.receive()

    with pytest.raises(WebSocketDisconnect) as dropped:
        run(test)
    assert dropped.value.code == 1006


# --- waits ---


def test_a_silent_endpoint_is_a_failure(run: Run) -> None:
    async def silent(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    async def test() -> None:
        async with connect(application(silent), "/rooms/7", timeout=0.3) as socket:
            await socket.receive_text()

    with pytest.raises(TimeoutError, match=r"WebSocket /rooms/7: no message within 0\.3 s"):
        run(test)


def test_a_handshake_that_is_not_answered_is_a_failure(run: Run) -> None:
    async def never(websocket: WebSocket) -> None:
        await websocket.receive()
        await anyio.sleep(math.inf)

    async def test() -> None:
        async with connect(application(never), "/", timeout=0.3):
            pytest.fail("nobody accepted")

    with pytest.raises(TimeoutError, match="no message within"):
        run(test)


def test_an_endpoint_that_does_not_end_is_a_failure_and_is_cancelled(run: Run) -> None:
    ended: list[str] = []

    async def stubborn(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await anyio.sleep(math.inf)
        finally:
            ended.append("cancelled")

    async def test() -> None:
        async with connect(application(stubborn), "/x", timeout=0.3):
            pass

    with pytest.raises(TimeoutError, match=r"WebSocket /x: still runs 0\.3 s after its client has left"):
        run(test)
    assert ended == ["cancelled"]


def test_of_an_endpoint_that_does_not_end_their_client_says_nothing() -> None:
    ended: list[str] = []

    async def stubborn(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await anyio.sleep(math.inf)
        finally:
            ended.append("cancelled")

    with TestClient(application(stubborn)).websocket_connect("/x"):
        pass
    assert ended == ["cancelled"]


def test_a_time_limit_around_it_is_told_from_its_own(run: Run) -> None:
    async def silent(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    async def test() -> bool:
        with anyio.move_on_after(0.3) as limit:
            async with connect(application(silent), "/", timeout=30) as socket:
                await socket.receive_text()
        return limit.cancelled_caught

    assert run(test)


# --- refusals ---


async def refuse() -> None:
    raise HTTPException(401, "who are you", headers={"WWW-Authenticate": "Bearer"})


async def wrong(websocket: WebSocket, limit: int) -> None:
    raise AssertionError("not reached")


def test_a_denial_shows_status_headers_and_body(run: Run) -> None:
    async def test() -> None:
        async with connect(application(echo, dependencies=[Depends(refuse)]), "/"):
            pytest.fail("it was refused")

    with pytest.raises(HandshakeRefused) as refused:
        run(test)
    error = refused.value
    assert (error.status, error.body, error.text, error.code) == (401, b"who are you", "who are you", 1006)
    assert error.headers["www-authenticate"] == "Bearer"
    assert str(error).startswith("the handshake was refused: 401, www-authenticate: Bearer, ")
    assert str(error).endswith("close code 1006, reason 'who are you'")


def test_a_close_before_the_accept_shows_code_and_reason(run: Run) -> None:
    async def test() -> None:
        async with connect(application(wrong), "/?limit=x"):
            pytest.fail("it was refused")

    with pytest.raises(HandshakeRefused) as refused:
        run(test)
    error = refused.value
    assert (error.status, error.body, error.code, len(error.headers)) == (403, b"", 1008, 0)
    assert error.reason.startswith("query.limit: ")


def test_a_denial_in_pieces_is_read_whole(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 429})
        await send({"type": "websocket.http.response.body", "body": b"a", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"b", "more_body": True})
        await send({"type": "websocket.http.response.body"})

    async def test() -> None:
        async with connect(app, "/"):
            pytest.fail("it was refused")

    with pytest.raises(HandshakeRefused) as refused:
        run(test)
    assert (refused.value.status, refused.value.body) == (429, b"ab")


# --- errors ---


class Broken(Exception):
    pass


async def broken_before(websocket: WebSocket) -> None:
    raise Broken


async def broken_after(websocket: WebSocket) -> None:
    await websocket.accept()
    raise Broken


async def broken_at_the_end(websocket: WebSocket) -> None:
    await websocket.accept()
    with anyio.CancelScope(shield=True):
        await websocket.receive()
    raise Broken


@pytest.mark.parametrize("endpoint", [broken_before, broken_after, broken_at_the_end])
def test_an_error_of_the_endpoint_comes_out(endpoint: Any, run: Run) -> None:
    async def test() -> None:
        async with connect(application(endpoint), "/"):
            pass

    with pytest.raises(Broken):
        run(test)


def test_an_error_of_the_endpoint_ends_a_wait_and_says_for_what(run: Run) -> None:
    async def test() -> None:
        async with connect(application(broken_after), "/") as socket:
            await socket.receive_text()

    with pytest.raises(Broken) as raised:
        run(test)
    assert raised.value.__notes__ == ["the test got WebSocketDisconnect(1011, 'Internal Server Error')"]


def test_an_error_of_a_bare_application_ends_a_wait_at_once(run: Run) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise Broken

    async def test() -> None:
        async with connect(app, "/", timeout=30) as socket:
            await socket.receive_text()

    with pytest.raises(Broken) as raised:
        run(test)
    assert not hasattr(raised.value, "__notes__")


def test_an_error_of_the_test_comes_out_as_itself(run: Run) -> None:
    async def test() -> None:
        async with connect(application(echo), "/"):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(test)


def test_an_outcome_of_pytest_comes_out_as_itself(run: Run) -> None:
    async def test() -> None:
        async with connect(application(echo), "/"):
            pytest.fail("on purpose")

    with pytest.raises(pytest.fail.Exception, match="on purpose"):
        run(test)
