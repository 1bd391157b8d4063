"""Messages: a WebSocket whose messages have types, read and written by pydantic-core.

The types are looked at once, when a route is declared. A message then costs the call that parses and validates it at
once, or the call that makes its JSON: that of its own class, without a search through a union.
"""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, Generic, Literal, NoReturn, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError, PydanticSerializationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..exceptions import ConnectionEnded, Problem
from .injected import Injected, Injection

__all__ = ["MessageRules", "MessageTypes", "Messages", "members"]

_INVALID, _TOO_BIG = 1007, 1009  # RFC 6455, section 7.4.1

ReceiveT = TypeVar("ReceiveT", covariant=True)
SendT = TypeVar("SendT", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class MessageRules:
    """What happens to a message that is not as declared: `Annotated[Messages[In, Out], MessageRules(...)]`.

    Args:
        on_invalid: "close" ends the connection with 1007 and a reason that names the field and never quotes the input;
            "yield" gives the endpoint the `pydantic.ValidationError` in the place of the message. Name it in the type,
            so that type checkers know: `Messages[In | ValidationError, Out]`.
        max_size: bytes that a message may have, text as UTF-8; for a larger one the connection ends with 1009.

    Raises:
        ValueError: neither "close" nor "yield", or a size below 1.
    """

    on_invalid: Literal["close", "yield"] = "close"
    max_size: int = 1_048_576

    def __post_init__(self) -> None:
        if self.on_invalid not in ("close", "yield"):
            raise ValueError(f"MessageRules(on_invalid={self.on_invalid!r}): write 'close' or 'yield'")
        if isinstance(self.max_size, bool) or not isinstance(self.max_size, int) or self.max_size < 1:
            raise ValueError(f"MessageRules(max_size={self.max_size!r}): write a number of bytes, at least 1")

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> NoReturn:
        # So that nobody overlooks rules that stand where nobody reads them.
        raise PydanticUserError("MessageRules() belongs to a parameter of type Messages[Receive, Send]", code=None)


class Messages(Injected, Generic[ReceiveT, SendT]):
    """A WebSocket whose messages are JSON of declared types. A parameter of this type is injected, as a WebSocket is.

        async def room(messages: Messages[ClientChat | ClientPing, News]) -> None:
            await messages.accept()
            async for message in messages:
                await messages.send(News(text=message.text))

    A message that is invalid or too large ends the connection, as `MessageRules` says; for the endpoint it is as if the
    client had left: `async for` ends, and `receive` raises.

    Args:
        websocket: the connection.
        types: the declared types.

    Attributes:
        websocket: the connection, for everything else.
    """

    __slots__ = ("_ended", "_types", "websocket")

    def __init__(self, websocket: WebSocket, types: "MessageTypes") -> None:
        self.websocket = websocket
        self._types = types
        self._ended: tuple[int, str] | None = None

    @classmethod
    def _injection(cls, annotation: Any, metadata: Sequence[Any]) -> Injection:
        arguments = get_args(annotation)
        if len(arguments) != 2 or any(isinstance(argument, TypeVar) for argument in arguments):
            raise Problem("Messages needs the types of both directions; write Messages[Receive, Send]")
        rules = [item for item in metadata if isinstance(item, MessageRules)]
        return Injection(MessageTypes(cls, *arguments, rules[-1] if rules else MessageRules()))

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] | None = None
    ) -> None:
        """Accept the connection (`starlette.websockets.WebSocket.accept`).

        Args:
            subprotocol: one of those that the client offered.
            headers: of the answer.
        """
        await self.websocket.accept(subprotocol, headers)

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, ReceiveT]:
        return self._next(in_loop=True)

    def receive(self) -> Coroutine[Any, Any, ReceiveT]:
        """The next message, validated. With `on_invalid="yield"`, of an invalid one the `ValidationError`.

        Raises:
            WebSocketDisconnect: the client has left; or as `ConnectionEnded`, this side has ended the connection.
        """
        return self._next(in_loop=False)

    async def _next(self, in_loop: bool) -> ReceiveT:
        # One coroutine for both: another one around it would be felt with each message.
        types = self._types
        try:
            if self._ended is not None:
                raise ConnectionEnded(*self._ended)
            message = await self.websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
            data = message.get("text")
            if data is None:
                data = message["bytes"]
            if len(data) > types.surely_fits and _size(data) > types.rules.max_size:
                await self._end(_TOO_BIG, f"message is larger than {types.rules.max_size} bytes")
            try:
                return types.validate(data)  # type: ignore[no-any-return]  # of pydantic
            except ValidationError as error:
                invalid = error.with_traceback(None)
            if types.rules.on_invalid == "yield":
                return invalid  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the rule says so
            await self._end(_INVALID, types.reason(invalid))
        except WebSocketDisconnect:
            if in_loop:
                raise StopAsyncIteration from None
            raise

    async def _end(self, code: int, reason: str) -> NoReturn:
        self._ended = (code, reason)
        await self.websocket.close(code, reason)
        raise ConnectionEnded(code, reason)

    # No coroutine of its own, which would be felt with each message.
    def send(self, message: SendT) -> Coroutine[Any, Any, None]:
        """Send a message as text.

        Args:
            message: of the declared type.

        Raises:
            TypeError: of another type; nothing is sent.
            WebSocketDisconnect: the client has left.
        """
        to_json = self._types.to_json.get(type(message))
        text = self._types.unusual_text(message) if to_json is None else to_json(message, by_alias=True).decode()
        return self.websocket.send({"type": "websocket.send", "text": text})


def _size(data: str | bytes) -> int:
    return len(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)


class MessageTypes:
    """The types of one `Messages` parameter, and how they are read and written.

    Args:
        cls: the class of the parameter.
        receive, send: the types, as its annotation has them.
        rules: for messages that are not as declared.

    Attributes:
        rules: as given.
        received, sent: the types, without a ValidationError.
        validate: the message from its JSON; raises ValidationError.
        to_json: writes a message of exactly this class, without a search through a union.
        surely_fits: a text of so many characters is not too large, whatever they are.

    Raises:
        Problem: pydantic cannot validate a type, or a ValidationError is named that never comes.
    """

    def __init__(self, cls: type[Messages[Any, Any]], receive: Any, send: Any, rules: MessageRules) -> None:
        named = list(members(receive))
        if ValidationError in named:
            if rules.on_invalid != "yield":
                raise Problem("a ValidationError never comes here; add MessageRules(on_invalid='yield')")
            named.remove(ValidationError)
            receive = Union[tuple(named)]  # noqa: UP007  # made of many
        self._cls = cls
        self.rules = rules
        self.received, self.sent = receive, send
        self._adapter = _adapter(receive)
        _adapter(send)
        self.validate: Callable[[str | bytes], Any] = self._adapter.validator.validate_json
        self.surely_fits = rules.max_size // 4
        classes = [member for member in members(send) if _is_class_of_messages(member)]
        self.to_json = {member: TypeAdapter(member).serializer.to_json for member in classes}
        others = [member for member in members(send) if member not in classes]
        self._others = _adapter(Union[tuple(others)]) if others else None  # noqa: UP007  # made of many

    def __call__(self, websocket: WebSocket, life: object) -> Messages[Any, Any]:
        """The value of the parameter for one connection."""
        return self._cls(websocket, self)

    def unusual_text(self, message: Any) -> str:
        """The JSON of an instance of a subclass, or of a type that is no class of messages.

        Raises:
            TypeError: it is of no declared type.
        """
        for cls in type(message).__mro__:
            if cls in self.to_json:
                return self.to_json[cls](message, by_alias=True).decode()
        if self._others is not None and self._others.validator.isinstance_python(message, strict=True):
            try:
                return self._others.serializer.to_json(message, by_alias=True, warnings="error").decode()
            except PydanticSerializationError as error:
                raise TypeError(f"{self._cls.__name__}.send(): {error}") from error
        raise TypeError(f"{self._cls.__name__}.send() takes {_named(self.sent)}, not {type(message).__name__}")

    def reason(self, error: ValidationError) -> str:
        """The fields that are wrong, and why, without a word of the input."""
        errors = error.errors(include_url=False, include_input=False)
        return "; ".join(": ".join(filter(None, (self._field(each["loc"]), _problem(each)))) for each in errors)

    def _field(self, loc: tuple[int | str, ...]) -> str:
        # A key of a dict, or one that is forbidden, is the client's.
        return ".".join(str(part) if isinstance(part, int) or part in self._words else "*" for part in loc)

    @cached_property
    def _words(self) -> frozenset[str]:
        """All names in the schema of the received type."""
        return frozenset(_words_in(self._adapter.core_schema))


def members(annotation: Any) -> Iterator[Any]:
    """The members of a union; of anything else itself. A discriminator says nothing about what they are."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        if all(isinstance(item, FieldInfo) and item.discriminator is not None for item in metadata):
            annotation = inner
    if get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from members(member)
    else:
        yield annotation


def _is_class_of_messages(member: Any) -> bool:
    return isinstance(member, type) and (issubclass(member, BaseModel) or is_dataclass(member))


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        # Built here: an incomplete schema is an error at startup and not on the first connection.
        _ = adapter.validator.validate_json, adapter.serializer.to_json
    except (PydanticUserError, NameError, TypeError) as error:
        raise Problem(f"pydantic cannot read messages of {_named(annotation)}: {str(error).splitlines()[0]}") from error
    return adapter


def _named(annotation: Any) -> str:
    return " | ".join(each.__name__ if isinstance(each, type) else repr(each) for each in members(annotation))


def _problem(error: Any) -> str:
    """The message of a validation error, made anew from the parts that come from the schema."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "union_tag_invalid":
        return f"{context['discriminator']} should be one of {context['expected_tags']}"
    if kind != "json_invalid":  # which tells the place in the text and nothing of it
        context = {key: "" if key in ("error", "encoding_error") else value for key, value in context.items()}
    try:
        return PydanticKnownError(kind, context).message().rstrip(" ,:")
    except (KeyError, TypeError):  # a custom error: its text may say anything
        return f"Invalid ({kind})"


def _words_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, str):
        yield schema
    elif isinstance(schema, type):
        yield schema.__name__
    elif isinstance(schema, dict):
        for key, value in schema.items():
            yield from _words_in(key)
            yield from _words_in(value)
    elif isinstance(schema, list | tuple | set | frozenset):
        for item in schema:
            yield from _words_in(item)
