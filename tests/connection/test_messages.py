"""Messages: a WebSocket whose messages have types; on both engines, on asyncio and on trio."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any, Generic, Literal, NamedTuple, NoReturn, TypeVar
from uuid import UUID

import anyio
import pytest
from engines import ENGINES, engine
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from typing_extensions import TypedDict

from fastroute import (
    APIWebSocketRoute,
    ConnectionEnded,
    ConnectionPolicy,
    DeclarationError,
    Depends,
    MessageRules,
    Messages,
    Query,
)
from fastroute.connection.injected import Injected
from fastroute.testing import ClientSession, connect


class Chat(BaseModel):
    type: Literal["chat"] = "chat"
    text: str


class Ping(BaseModel):
    type: Literal["ping"] = "ping"


@dataclass
class News:
    text: str
    type: str = "news"


Incoming = Annotated[Chat | Ping, Field(discriminator="type")]


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Any]], Any]:
    return lambda function: anyio.run(function, backend=request.param)


@pytest.fixture(params=list(ENGINES), autouse=True)
def each_engine(request: pytest.FixtureRequest) -> Any:
    with engine(request.param):
        yield


Run = Callable[[Callable[[], Any]], Any]


def session(endpoint: Any, **options: Any) -> AbstractAsyncContextManager[ClientSession]:
    return connect(Starlette(routes=[APIWebSocketRoute("/{room_id}", endpoint, **options)]), "/7")


async def room(messages: Messages[Incoming, News | Chat], room_id: int) -> None:
    await messages.accept()
    async for message in messages:
        if isinstance(message, Ping):
            await messages.send(News("pong"))
        else:
            await messages.send(Chat(text=f"{room_id}: {message.text}"))


def test_messages_are_read_and_written_as_their_types(run: Run) -> None:
    async def test() -> None:
        async with session(room) as socket:
            await socket.send_json({"type": "chat", "text": "hello"})
            assert await socket.receive() == {"type": "websocket.send", "text": '{"type":"chat","text":"7: hello"}'}
            await socket.send_json({"type": "ping"}, mode="binary")
            assert await socket.receive_json() == {"text": "pong", "type": "news"}

    run(test)


def test_the_client_of_starlette_and_the_accept_with_its_options() -> None:
    async def endpoint(messages: Messages[int, int]) -> None:
        await messages.accept("numbers", headers=[(b"x-more", b"1")])
        await messages.send(await messages.receive() + 1)

    client = TestClient(Starlette(routes=[APIWebSocketRoute("/", endpoint)]))
    with client.websocket_connect("/", subprotocols=["numbers"]) as socket:
        assert socket.accepted_subprotocol == "numbers"
        assert (b"x-more", b"1") in socket.extra_headers
        socket.send_text("1")
        assert socket.receive_json() == 2


def test_the_loop_ends_and_receive_raises_if_the_client_leaves(run: Run) -> None:
    seen: list[Any] = []

    async def looping(messages: Messages[int, int]) -> None:
        await messages.accept()
        seen.append([message async for message in messages])

    async def waiting(messages: Messages[int, int]) -> None:
        await messages.accept()
        try:
            await messages.receive()
        except WebSocketDisconnect as left:
            seen.append((left.code, left.reason))

    async def test() -> None:
        for endpoint in (looping, waiting):
            async with session(endpoint) as socket:
                if endpoint is looping:
                    await socket.send_text("1")
                await socket.close(3001, "bye")

    run(test)
    assert seen == [[1], (3001, "bye")]


# --- invalid messages ---


async def ended(socket: ClientSession) -> tuple[int, str]:
    with pytest.raises(WebSocketDisconnect) as closed:
        await socket.receive_text()
    return closed.value.code, closed.value.reason


def test_an_invalid_message_ends_the_connection_as_if_the_client_had_left(run: Run) -> None:
    seen: list[Any] = []

    async def dependency() -> AsyncIterator[None]:
        yield
        seen.append("cleaned up")

    async def endpoint(messages: Messages[Chat, News]) -> None:
        await messages.accept()
        async for message in messages:
            seen.append(message)
        with pytest.raises(WebSocketDisconnect) as again:
            await messages.receive()
        seen.append((type(again.value).__name__, again.value.code, again.value.reason))

    async def test() -> None:
        async with session(endpoint, dependencies=[Depends(dependency)]) as socket:
            await socket.send_json({"type": "other"})
            await socket.send_json({"text": "after it"})
            code, reason = await ended(socket)
            assert code == 1007
            assert reason == "type: Input should be 'chat'; text: Field required"

    run(test)
    assert seen == [("ConnectionEnded", 1007, "type: Input should be 'chat'; text: Field required"), "cleaned up"]


class Point(NamedTuple):
    left: int


def test_receive_raises_the_end_of_the_own_side(run: Run) -> None:
    raised: list[Any] = []

    async def endpoint(messages: Messages[int, int]) -> None:
        await messages.accept()
        for _ in range(2):
            with pytest.raises(ConnectionEnded) as error:
                await messages.receive()
            raised.append((error.value.code, error.value.reason))

    async def test() -> None:
        async with session(endpoint) as socket:
            await socket.send_text("x" * 2_000_000)
            assert (await ended(socket))[0] == 1009

    run(test)
    assert raised == [(1009, "message is larger than 1048576 bytes")] * 2


@pytest.mark.parametrize(
    ("items", "end"),
    [({}, (1005, "")), ({"code": 3001, "reason": None}, (3001, "")), ({"reason": "bye"}, (1005, "bye"))],
)
def test_a_client_may_leave_without_code_and_reason(items: Any, end: Any, run: Run) -> None:
    async def receive() -> Any:
        return {"type": "websocket.disconnect", **items}

    async def test() -> Any:
        websocket = WebSocket({"type": "websocket"}, receive, print)  # type: ignore[arg-type]
        websocket.application_state = websocket.client_state = WebSocketState.CONNECTED
        with pytest.raises(WebSocketDisconnect) as left:
            await Messages[Any, Any](websocket, messages_types(Messages[int, int])).receive()
        return left.value.code, left.value.reason

    assert run(test) == end


class Strange(BaseModel):
    model_config = ConfigDict(extra="forbid", val_json_bytes="base64")
    number: int = 0
    numbers: list[int] = []
    raw: bytes = b""
    either: Point | bool = False
    day: date = date.min
    id: UUID = UUID(int=0)
    tags: dict[str, int] = {}
    choice: Incoming = Ping()
    checked: str = ""
    custom: str = ""

    @field_validator("checked")
    @classmethod
    def _check(cls, value: str) -> str:
        if value:
            raise ValueError(f"{value!r} is wrong")
        return value

    @field_validator("custom")
    @classmethod
    def _rude(cls, value: str) -> str:
        if value:
            # The second has the name of an error of pydantic's, and not what that needs.
            raise PydanticCustomError("rude" if value == "SECRET" else "greater_than", f"never say {value}")
        return value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Invalid JSON: EOF while parsing an object at line 1 column 1"),
        ('{"number": "SECRET"}', "number: Input should be a valid integer, unable to parse string as an integer"),
        ('{"numbers": [1, 1.5]}', "numbers.1: Input should be a valid integer, got a number with a fractional part"),
        ('{"raw": "SECRET!"}', "raw: Data should be valid base64"),
        (
            '{"either": [1.5]}',
            "either.Point.0: Input should be a valid integer, got a number with a fractional part; "
            "either.bool: Input should be a valid ",
        ),
        ('{"day": "SECRET"}', "day: Input should be a valid date or datetime"),
        ('{"id": "SECRET"}', "id: Input should be a valid UUID"),
        ('{"tags": {"SECRET": 1.5}}', "tags.*: Input should be a valid integer, got a number with a fractional part"),
        ('{"SECRET": 1}', "*: Extra inputs are not permitted"),
        ('{"choice": {"type": "SECRET"}}', "choice: 'type' should be one of 'chat', 'ping'"),
        ('{"checked": "SECRET"}', "checked: Value error"),
        ('{"custom": "SECRET"}', "custom: Invalid (rude)"),
        ('{"custom": "SECRET "}', "custom: Invalid (greater_than)"),
    ],
)
def test_the_reason_tells_the_field_and_never_quotes_the_input(text: str, reason: str, run: Run) -> None:
    async def endpoint(messages: Messages[Strange, None]) -> None:
        await messages.accept()
        await messages.receive()

    async def test() -> tuple[int, str]:
        async with session(endpoint) as socket:
            await socket.send_text(text)
            return await ended(socket)

    assert run(test) == (1007, reason)


@pytest.mark.parametrize("each_engine", ["generated"], indirect=True)  # no route, so either engine will do
@given(st.data())
def test_no_generated_input_is_in_the_reason(data: st.DataObject) -> None:
    """Texts of letters that no schema and no message has."""
    secret = data.draw(st.text("ΩЖ漢", min_size=1, max_size=8))
    values = st.one_of(st.just(secret), st.dictionaries(st.just(secret), st.just(secret)), st.lists(st.just(secret)))
    sent = data.draw(st.dictionaries(st.sampled_from([*Strange.model_fields, secret]), values, min_size=1))
    types = messages_types(Messages[Strange, None])
    try:
        types.validate(json.dumps(sent))
    except ValidationError as error:
        reason = types.reason(error)
        assert reason
        assert not set(reason) & set("ΩЖ漢")


def messages_types(annotation: Any, *metadata: Any) -> Any:
    return annotation.__origin__._injection(annotation, metadata).make


def test_a_rule_can_hand_the_error_to_the_endpoint(run: Run) -> None:
    async def endpoint(
        messages: Annotated[Messages[Chat | ValidationError, News], MessageRules(on_invalid="yield")],
    ) -> None:
        await messages.accept()
        async for message in messages:
            invalid = isinstance(message, ValidationError)
            await messages.send(News(message.errors()[0]["type"] if invalid else message.text))

    async def test() -> None:
        async with session(endpoint) as socket:
            await socket.send_text('{"text": 1}')
            assert (await socket.receive_json())["text"] == "string_type"
            await socket.send_json({"text": "right"})
            assert (await socket.receive_json())["text"] == "right"

    run(test)


def test_a_lone_surrogate_is_an_invalid_message(run: Run) -> None:
    async def test() -> None:
        async with session(room) as socket:
            await socket.send_text('{"type": "chat", "text": "\ud800"}')
            assert (await ended(socket))[0] == 1007

    run(test)


@pytest.mark.parametrize(
    ("message", "fits"),
    [
        ('"' + "x" * 18 + '"', True),
        ('"' + "x" * 19 + '"', False),
        ('"' + "é" * 9 + '"', True),
        ('"' + "é" * 10 + '"', False),
        ('"' + "\ud800" * 7 + '"', False),
        ("\U0001f600" * 6, False),
        (b'"' + b"x" * 18 + b'"', True),
        (b'"' + b"x" * 19 + b'"', False),
    ],
)
@pytest.mark.parametrize("on_invalid", ["close", "yield"])
def test_a_larger_message_ends_the_connection(message: str | bytes, fits: bool, on_invalid: Any, run: Run) -> None:
    rules = MessageRules(on_invalid=on_invalid, max_size=20)

    async def endpoint(messages: Annotated[Messages[str, int], rules]) -> None:
        await messages.accept()
        async for text in messages:
            await messages.send(len(text))

    async def test() -> None:
        async with session(endpoint) as socket:
            await (socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message))
            if fits:
                assert await socket.receive_json() in (9, 18)
            else:
                assert await ended(socket) == (1009, "message is larger than 20 bytes")

    run(test)


def test_the_default_size_is_a_mebibyte(run: Run) -> None:
    async def endpoint(messages: Messages[str, int]) -> None:
        await messages.accept()
        async for text in messages:
            await messages.send(len(text))

    async def test() -> None:
        async with session(endpoint) as socket:
            await socket.send_json("x" * 1_048_574)
            assert await socket.receive_json() == 1_048_574
            await socket.send_json("x" * 1_048_575)
            assert (await ended(socket))[0] == 1009

    run(test)


# --- sending ---


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    text: str = Field(alias="the text")


class Special(Chat):
    more: int = 1


class Keyed(TypedDict):
    key: int


Upper = Annotated[Chat, PlainSerializer(lambda chat: chat.text.upper())]
T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    value: T


@pytest.mark.parametrize(
    ("sends", "message", "text"),
    [
        (Chat, Chat(text="é"), '{"type":"chat","text":"é"}'),
        (Chat | Ping, Ping(), '{"type":"ping"}'),
        (Incoming, Chat(text=""), '{"type":"chat","text":""}'),
        (Chat | Ping, Special(text="s"), '{"type":"chat","text":"s"}'),
        (News, News("n"), '{"text":"n","type":"news"}'),
        (Aliased, Aliased(text="a"), '{"the text":"a"}'),
        (Upper, Chat(text="a"), '"A"'),
        (Chat | int, 7, "7"),
        (int | None, None, "null"),
        (list[Chat], [Chat(text="a")], '[{"type":"chat","text":"a"}]'),
        (list[Aliased], [Aliased(text="a")], '[{"the text":"a"}]'),
        (Keyed, {"key": 1}, '{"key":1}'),
        (Literal["a", "b"], "b", '"b"'),
        (Box[int], Box[int](value=1), '{"value":1}'),
        (Box[int] | Box[str], Box[str](value="x"), '{"value":"x"}'),
        (Any, {"a": [1]}, '{"a":[1]}'),
        (date, date(2026, 1, 2), '"2026-01-02"'),
    ],
)
def test_a_message_is_written_as_pydantic_does(sends: Any, message: Any, text: str) -> None:
    async def test() -> Any:
        sent: list[Any] = []

        async def send(item: Any) -> None:
            sent.append(item)

        websocket = WebSocket({"type": "websocket"}, print, send)  # type: ignore[arg-type]
        websocket.application_state = websocket.client_state = WebSocketState.CONNECTED
        await Messages[Any, Any](websocket, messages_types(Messages[int, sends])).send(message)
        return sent

    assert anyio.run(test) == [{"type": "websocket.send", "text": text}]
    assert TypeAdapter(sends).dump_json(message, by_alias=True).decode() == text


@pytest.mark.parametrize(
    ("sends", "message"),
    [
        (Chat, Ping()),
        (Chat, {"type": "chat", "text": "a dict is another type"}),
        (Chat | int, {"type": "chat", "text": "a dict is another type"}),
        (Chat | Ping, None),
        (Incoming, News("x")),
        (int, "1"),
        (int, True),
        (int, None),
        (str | None, 1),
        (list[Chat], [Ping()]),
        (list[Chat], [{"text": "x"}]),
        (Keyed, {"key": "1"}),
        (Literal["a"], "b"),
        (Box[int], Box[str](value="x")),
        (Any, object()),
    ],
)
def test_a_message_of_another_type_is_not_sent(sends: Any, message: Any, run: Run) -> None:
    raised: list[str] = []

    async def endpoint(messages: Messages[int, sends]) -> None:  # type: ignore[valid-type]
        await messages.accept()
        with pytest.raises(TypeError) as error:
            await messages.send(message)
        raised.append(str(error.value))
        await messages.websocket.send_text("the next")

    async def test() -> None:
        async with session(endpoint) as socket:
            assert await socket.receive_text() == "the next"

    run(test)
    # Pydantic says what it cannot write.
    assert raised[0].startswith("Messages.send(): Unable to serialize" if sends is Any else "Messages.send()")


@pytest.mark.parametrize(
    ("sends", "named"), [(Incoming, "Chat | Ping"), (Chat | list[int] | None, "Chat | list[int] | NoneType")]
)
def test_the_error_names_both_types(sends: Any, named: str) -> None:
    with pytest.raises(TypeError) as error:
        messages_types(Messages[int, sends]).unusual_text(News("x"))
    assert str(error.value) == f"Messages.send() takes {named}, not News"


# --- declarations ---


def declared(annotation: Any) -> APIWebSocketRoute:
    async def endpoint(messages: Any) -> None: ...

    endpoint.__annotations__["messages"] = annotation
    return APIWebSocketRoute("/", endpoint)


class Opaque: ...


class Failing:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> NoReturn:
        raise TypeError("never\nand again never")


class Undefined(BaseModel):
    other: "Missing"  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (Messages, r"needs the types of both directions; write Messages\[Receive, Send\]"),
        (Annotated[Messages, MessageRules()], "needs the types of both directions"),
        (Messages[T, int], "needs the types of both directions"),
        (Messages[int, T], "needs the types of both directions"),
        (Messages[Chat | ValidationError, News], r"a ValidationError never comes here; add MessageRules\(on_invalid="),
        (Messages[Opaque, News], "pydantic cannot read messages of Opaque: Unable to generate .* fully support it.$"),
        (Messages[int, Failing], "pydantic cannot read messages of Failing: never$"),
        (Messages[int, Undefined], "pydantic cannot read messages of Undefined"),
        (Messages[Undefined, int], "pydantic cannot read messages of Undefined"),
        (
            Annotated[Messages[int, int], MessageRules],
            r"MessageRules in Annotated is not called; write MessageRules\(\)",
        ),
        (Annotated[int, MessageRules()], r"belongs to a parameter of type Messages\[Receive, Send\]"),
        (
            Annotated[list[Annotated[int, MessageRules()]], Query()],
            r"belongs to a parameter of type Messages\[Receive, Send\]",
        ),
        (Annotated[WebSocket, MessageRules()], r"belongs to a parameter of type Messages\[Receive, Send\]"),
        (Annotated[None, Depends(print), MessageRules()], r"belongs to a parameter of type Messages\["),
    ],
)
def test_a_mistake_in_a_declaration_is_told(annotation: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        declared(annotation)


def test_the_rules_count_inside_of_an_optional_type() -> None:
    route = declared(Annotated[Messages[int, int] | None, MessageRules(max_size=7)])
    types: Any = route.dependant.injected["messages"].make
    assert types.rules.max_size == 7


@pytest.mark.parametrize("options", [{"on_invalid": "ignore"}, {"max_size": 0}, {"max_size": True}, {"max_size": 1.5}])
def test_rules_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"MessageRules\(.*=.*\): write "):
        MessageRules(**options)


def test_rules_are_frozen_and_their_arguments_have_names() -> None:
    make: Any = MessageRules
    with pytest.raises(TypeError):
        make("yield")
    with pytest.raises(AttributeError):
        MessageRules().max_size = 1  # type: ignore[misc]


def test_a_class_that_does_not_say_how_it_is_made_is_an_error() -> None:
    class Forgetful(Injected): ...

    with pytest.raises(NotImplementedError):
        declared(Forgetful)


def test_annotations_may_be_texts(run: Run) -> None:
    async def endpoint(messages: "Messages[Chat, 'News']") -> None:
        await messages.accept()
        await messages.send(News((await messages.receive()).text))

    async def test() -> None:
        async with session(endpoint) as socket:
            await socket.send_json({"text": "x"})
            assert (await socket.receive_json())["text"] == "x"

    run(test)


# --- with all else ---


def test_a_dependency_may_take_the_first_message_and_be_replaced(run: Run) -> None:
    class Login(BaseModel):
        token: str

    async def user(messages: Messages[Login, None]) -> str:
        await messages.accept()
        return (await messages.receive()).token

    async def replacement(messages: Messages[int, None], websocket: WebSocket) -> str:
        assert messages.websocket is websocket
        await messages.accept()
        return str(await messages.receive())

    async def endpoint(user: Annotated[str, Depends(user)], messages: Messages[Chat, News]) -> None:
        async for message in messages:
            await messages.send(News(f"{user}: {message.text}"))

    provider = SimpleNamespace(dependency_overrides={})
    open_session = partial(session, endpoint, dependency_overrides_provider=provider)

    async def test() -> None:
        async with open_session() as socket:
            await socket.send_json({"token": "ann"})
            await socket.send_json({"text": "hi"})
            assert (await socket.receive_json())["text"] == "ann: hi"
        provider.dependency_overrides[user] = replacement
        async with open_session() as socket:
            await socket.send_text("7")
            await socket.send_json({"text": "hi"})
            assert (await socket.receive_json())["text"] == "7: hi"

    run(test)


def test_a_policy_ends_the_loop(run: Run) -> None:
    seen: list[str] = []

    async def endpoint(messages: Messages[Chat, News]) -> None:
        await messages.accept()
        async for _ in messages:
            pass
        seen.append("over")

    async def test() -> None:
        async with session(endpoint, policy=ConnectionPolicy(idle_timeout=0.01)) as socket:
            assert (await ended(socket))[0] == 1001

    run(test)
    assert seen == ["over"]


def test_of_several_rules_the_last_ones_count() -> None:
    rules = [MessageRules(max_size=size) for size in (1, 2, 3)]
    found: Any = Messages._injection(Messages[int, int], ["other", *rules]).make
    assert found.rules is rules[-1]
