"""Life: one connection that this side may end, by a policy, a deadline or a drain.

It lasts from the start of the handshake to the last clean-up.

The endpoint and the dependencies speak to the server through a life. So it knows when the handshake is accepted, when
the client was heard last, when it left, and whether the endpoint was told. The sweeper looks at each life; a timeout, a
client that left, or a drain becomes the one *cause* that ends the connection:

- A `receive` or `send` that waits is interrupted and raises the cause, as each later one does.
- Otherwise the endpoint is cancelled, and `settle` raises the cause in the place of the cancellation.

Who was told once is not told again. The close frame or denial goes out in the connection's own task, before any
clean-up runs, and no clean-up is ever cancelled.

If an endpoint does not receive for a while, a task reads ahead for it: servers report a lost client only through
`receive`.
"""

import asyncio
from asyncio import current_task
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any

import anyio
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from ..exceptions import ConnectionEnded
from .denying import deny
from .draining import Drain, drain_of
from .interrupting import is_cancellation, is_shielded, spawn, trio_task, waits_for
from .observing import logger, report_end, route_of
from .outgoing import POLICY_VIOLATION, Outgoing, is_last_of_denial
from .policy import Terms
from .sweeper import Sweeper, current_sweeper

__all__ = ["Begin", "Life", "beginning"]

_GOING_AWAY, _SERVICE_RESTART, _ABNORMAL = 1001, 1012, 1006
#: How far a connection is read ahead of.
_MOST_MESSAGES, _MOST_BYTES = 16, 64 * 1024
_pass_on = Outgoing.send
_LONGEST_UNNOTICED = 1.0  # seconds
_LOOKS_AT_A_SEND = 5  # a client gets a second to take the close frame


#: Begins the life of a connection, in the task that runs it; with the scope, receive and send that the route got.
Begin = Callable[[Scope, Receive, Send], "Life"]


def beginning(terms: Terms) -> Begin:
    """What begins the life of each connection of a route, which ends on the terms of its policy."""

    # A closure, as a call of it costs half of that of a partial.
    def begin(scope: Scope, receive: Receive, send: Send) -> Life:
        sweeper = current_sweeper()
        life: Life = (_TaskLife if sweeper.cancels_tasks else _ScopeLife)(sweeper, terms, scope, receive, send)
        sweeper.lives.add(life)
        if not sweeper.runs:
            sweeper.start()
        return life

    return begin


class Life(Outgoing):
    """One connection, on any event loop; the two kinds below differ in how an endpoint is interrupted.

    Attributes:
        cause: why the connection is ended; None as long as it is not.
        over: whether the endpoint has ended, so that nothing interrupts it any more.
        expires: the earliest `Deadline`, by the monotonic clock.
    """

    over = False
    # The client: whether it was heard since the last look, and the messages that are read ahead, with their bytes.
    _heard = False
    _last_heard = inf
    _held = 0
    _full = False
    _gone = False  # there is nothing more to read
    _left: WebSocketDisconnect | None = None
    _arrived: anyio.Event | None = None
    # The endpoint: how many calls of `receive` wait, and whether it made none since the last look.
    _receiving = 0
    _quiet = False
    _accepted = False
    # The end: the status of a denial; whether the endpoint must still be interrupted, and was told.
    _status: int
    _pending = _told = False
    _closing_since = inf
    # Where the endpoint waited when the calls of its tasks were interrupted, or one of the others was told; since when.
    _stuck: tuple[object, float] | None = None
    _final: tuple[int, str] | None = None
    # The end is being sent: by `_say_end`, or as a message that passes here; the sweeper has seen that so often.
    _saying: anyio.CancelScope | None = None
    _says = False
    _looks = 0

    def __init__(self, sweeper: Sweeper, terms: Terms, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._sweeper = sweeper
        self._terms = terms
        self._receive = receive
        self._began = monotonic()
        # Of the endpoint.
        self._task: Any = trio_task() if sweeper.loop is None else current_task(sweeper.loop)
        # The calls here that wait: the tasks, or the cancel scopes, by which they are interrupted.
        self._waiting: list[Any] = []
        # Every connection reads these, and a default of the class would be slower.
        self.cause: WebSocketDisconnect | None = None
        self.expires = inf
        self._drain: Drain | None = None
        self._received_first = False
        self._queue: deque[Message | Exception] | None = None
        self._stop_reading: Callable[[], object] | None = None

    # What the generated code does

    def enter(self) -> None:
        """Note that the dependencies and the endpoint begin; `leave` follows.

        Raises:
            ConnectionEnded: the application shuts down.
        """
        if self._sweeper.drains:
            drain = self._drain = drain_of(self._sweeper.drains, self._scope)
            drain.add(self, self._scope)
            if drain.ends:
                self.shut_down(interrupt=False)
                raise self._new_cause()

    def leave(self, error: BaseException | None = None) -> bool:
        """Note that the last clean-up is over.

        Args:
            error: that comes out of them.

        Returns:
            True if that settles the error.
        """
        return False

    async def settle(self, error: BaseException | None = None) -> None:
        """Note that the endpoint is over, however it ended; needless if it returned and there is no cause.

        Args:
            error: raised by it or by a dependency.

        Raises:
            WebSocketDisconnect: the cause for which the endpoint was cancelled.
        """
        self.over = True
        if self.cause is None:
            return
        cancelled = self._took(error)
        await self._say_end()
        if cancelled:
            raise self._new_cause() from None

    def finish(self) -> None:
        """Note that all is over."""
        self._sweeper.lives.discard(self)
        if self._stop_reading is not None:
            self._stop_reading()
        if self._drain is not None:
            self._drain.remove(self)
        if self._terms.on_end is not None:
            code, reason = self._end()
            report_end(self._terms.on_end, self._scope, code, reason, self._began)

    # What the endpoint and its dependencies do

    def receive(self) -> Awaitable[Message]:
        """The next message of the client (ASGI).

        Raises:
            ConnectionEnded: this side ended the connection.
        """
        if self._received_first or self._queue is not None:
            return self._received()
        # This one is there already.
        self._received_first = True
        return self._receive()

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message (ASGI).

        Raises:
            ConnectionEnded: this side ended the connection.
            WebSocketDisconnect: the client has left, and the endpoint is being ended for that.
        """
        message_type = message["type"]
        if message_type == "websocket.accept" and self.expires < inf:
            self._look_at_time(monotonic(), interrupt=False)
        if self.cause is not None:
            return self._tell()
        if message_type == "websocket.send":
            return self._call(self._send, message)
        if message_type == "websocket.accept":
            accepting = _pass_on(self, message)  # raises for a subprotocol that was not offered
            self._accepted = self._heard = True
            return accepting
        if message_type == "websocket.close" or is_last_of_denial(message):
            self._note_told()
            return self._said(message)
        return _pass_on(self, message)

    async def _received(self) -> Message:
        # After a disconnect come the messages that were read ahead.
        if isinstance(self.cause, ConnectionEnded):
            await self._tell()
        self._receiving += 1
        self._quiet = False
        try:
            message: Message = await self._call(self._receive if self._queue is None else self._next)
        finally:
            self._receiving -= 1
        self._heard = True
        if message["type"] == "websocket.disconnect":
            self._note(message)
            self._note_told()
        return message

    async def _call(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Call what may wait, so that `_interrupt` makes it raise the cause."""
        raise AssertionError("each kind has its own")

    async def _said(self, message: Message) -> None:
        """Send the end. An endpoint that waits here is interrupted as everywhere, but nothing after it is."""
        self._says = True
        try:
            await (self._call(_pass_on, self, message) if self.over else _pass_on(self, message))
        finally:
            self._says = False

    async def _tell(self) -> Any:
        await self._say_end()
        raise self._new_cause() from None

    def _note_told(self) -> None:
        """Note that a call told of the end, or is the end. If another task made it, the endpoint has yet to notice."""
        loop = self._sweeper.loop
        if not self._told and self._task is not (trio_task() if loop is None else current_task(loop)):
            self._stuck = (waits_for(self._task), monotonic())
        self._told = True

    def _new_cause(self) -> WebSocketDisconnect:
        # A new one each time: one that is raised again and again collects tracebacks.
        assert self.cause is not None
        return type(self.cause)(self.cause.code, self.cause.reason)

    def _interrupt(self) -> None:
        """Interrupt the calls that wait, else the endpoint."""
        if self._waiting:
            self._pending = False
            self._interrupt_calls()
            self._stuck = (waits_for(self._task), monotonic())
        else:
            self._interrupt_task()

    def _interrupt_calls(self) -> None:
        raise AssertionError("each kind has its own")

    def _interrupt_task(self) -> None:
        """Interrupt the endpoint; `_pending` if it cannot be now."""
        raise AssertionError("each kind has its own")

    def _interrupt_if_stuck(self, now: float) -> None:
        """Let an endpoint be ended that did not notice for a second: the calls were those of other tasks of its own."""
        assert self._stuck is not None
        place, since = self._stuck
        if now - since < _LONGEST_UNNOTICED:
            return
        self._stuck = None
        if waits_for(self._task) is not place:
            return
        if self.cause is not None:
            self._interrupt_task()
            return
        self._told = False
        self._end_if_left()

    def _took(self, error: BaseException | None) -> bool:
        """Whether an error came out because of `_interrupt`; from then on nothing is cancelled."""
        raise AssertionError("each kind has its own")

    # What ends it

    def look(self, now: float) -> None:
        """Do what is due, for the sweeper."""
        if self._heard:
            self._heard, self._last_heard = False, now
        if self._saying is not None:
            # Not a timeout: after a second in which the event loop was blocked, each frame would be given up at once.
            self._looks += 1
            if self._looks >= _LOOKS_AT_A_SEND:
                self._saying.cancel()
        if self.over:
            if self._says:
                self._look_at_last_send(now)
            return
        if self._pending:
            self._interrupt()
            return
        if self._stuck is not None:
            self._interrupt_if_stuck(now)
        if self.cause is not None or (self._told and not self._close_waits(now)):
            return
        if self._is_drained():
            self.shut_down()
        self._look_at_time(now)
        if self._terms.cancel_on_disconnect or self._terms.idle_timeout < inf:
            self._look_at_client(now)

    def _close_waits(self, now: float) -> bool:
        """Whether the endpoint closes, but its client takes nothing for a second; then it may be ended all the same."""
        if not self._says:
            self._closing_since = inf
            return False
        self._closing_since = min(self._closing_since, now)
        self._told = now - self._closing_since < _LONGEST_UNNOTICED
        return not self._told

    def _look_at_last_send(self, now: float) -> None:
        """End what waits for a client that takes nothing, if the connection may not go on."""
        self._looks += 1
        if self.cause is None and self._looks >= _LOOKS_AT_A_SEND and (self._is_drained() or self._due(now)):
            self.cause = ConnectionEnded(_GOING_AWAY, "the client takes nothing")
            self._interrupt_calls()

    def _look_at_time(self, now: float, *, interrupt: bool = True) -> None:
        due = self._due(now)
        if due is not None:
            self.stop(*due, interrupt=interrupt)

    def _due(self, now: float) -> tuple[int, str, int] | None:
        """Why it may not go on, as for `stop`; None as long as it may."""
        terms = self._terms
        if now >= self.expires:
            return POLICY_VIOLATION, "session expired", 401
        if now - self._began >= terms.max_lifetime:
            return _GOING_AWAY, "maximum lifetime reached", 408
        if not self._accepted:
            late = now - self._began >= terms.accept_timeout
            return (POLICY_VIOLATION, "not accepted in time", 408) if late else None
        idle = now - self._last_heard >= terms.idle_timeout
        return (_GOING_AWAY, "idle timeout", 408) if idle else None

    def _is_drained(self) -> bool:
        return self._drain is not None and self._drain.ends

    def stop(self, code: int, reason: str, status: int, *, interrupt: bool = True) -> None:
        """End the connection, unless it has ended.

        Args:
            code, reason: of the close frame.
            status: of the denial, if the handshake is not accepted yet.
            interrupt: end the endpoint as well; else the caller tells it.
        """
        if self.cause is not None or self._told or self.over:
            return
        self._status = status
        if self._accepted:
            logger.info("WebSocket %s: ended by this side: %s", route_of(self._scope), reason)
        else:
            self.why = reason
        self.cause = ConnectionEnded(code if self._accepted else POLICY_VIOLATION, reason)
        if interrupt:
            self._interrupt()

    def shut_down(self, *, interrupt: bool = True) -> None:
        """End the connection since the application shuts down, for a drain."""
        self.stop(_SERVICE_RESTART, "service restart", 503, interrupt=interrupt)

    async def _say_end(self) -> None:
        """Send the close frame or the denial, if the client has neither, and has not left."""
        if self._final is not None or self.ending is not None or not isinstance(self.cause, ConnectionEnded):
            return
        code, reason = self.cause.code, self.cause.reason
        self._final = (code, reason) if self._accepted else (self._status, reason)
        with anyio.CancelScope(shield=True) as self._saying, suppress(Exception):
            if self._accepted:
                await super().send({"type": "websocket.close", "code": code, "reason": reason})
            elif not await deny(self._scope, self._receive, super().send, self._status, reason):
                self._final = (403, reason)
        self._saying = None

    def _end(self) -> tuple[int, str]:
        """The code and reason of the end: what came first of a frame of the client and one of this side."""
        if self._final is not None:
            return self._final
        ending = self.ending
        if ending is None:
            return (_ABNORMAL, "") if self._accepted else (500, "")
        if ending["type"] == "websocket.close":
            return (ending["code"] if self._accepted else 403), ending.get("reason") or ""
        return ending["status"], ""

    # What the client does

    def _note(self, message: Message) -> None:
        if message["type"] == "websocket.receive":
            self._heard = True
        elif message["type"] == "websocket.disconnect":
            self._gone, self._left = True, WebSocketDisconnect(message.get("code") or 1005, message.get("reason"))
            if self._final is None and self.ending is None:
                self._final = (self._left.code, self._left.reason)

    def _look_at_client(self, now: float) -> None:
        if self._receiving or self._gone or self._stop_reading is not None:
            return
        if not self._has_room():
            self._last_heard = now  # there may be more to read
            if not self._full:
                self._full = True
                logger.info(
                    "WebSocket %s: %d messages (%d bytes) wait for the endpoint to receive; until then nobody can see "
                    "whether the client has left",
                    route_of(self._scope),
                    len(self._queue or ()),
                    self._held,
                )
        elif self._quiet:
            self._queue = deque() if self._queue is None else self._queue
            self._stop_reading = spawn(self._read_ahead, self._sweeper.loop)
        self._quiet = True

    def _has_room(self) -> bool:
        return self._held < _MOST_BYTES and len(self._queue or ()) < _MOST_MESSAGES

    async def _read_ahead(self) -> None:
        assert self._queue is not None
        try:
            while self._has_room():
                message = await self._receive()
                self._queue.append(message)
                self._held += _size(message)
                self._note(message)
                if self._gone:
                    if not self._receiving:
                        self._end_if_left()
                    return
                if self._arrived is not None:
                    return  # the endpoint receives again, and needs nobody to read for it
        except Exception as error:
            self._gone = True
            self._queue.append(error)
        finally:
            self._stop_reading = None
            arrived, self._arrived = self._arrived, None
            if arrived is not None:
                arrived.set()

    def _end_if_left(self) -> None:
        if not self._terms.cancel_on_disconnect or self._left is None:
            return
        if self.cause is None and not (self._told or self.over):
            self.cause = self._left
            self._interrupt()

    async def _next(self) -> Message:
        """The next message, as the connection was read ahead of."""
        assert self._queue is not None
        while not self._queue:
            if self._stop_reading is None:
                return await self._receive()
            if self._arrived is None:
                self._arrived = anyio.Event()
            await self._arrived.wait()
        item = self._queue.popleft()
        if isinstance(item, Exception):
            raise item
        self._held -= _size(item)
        return item


class _TaskLife(Life):
    """On asyncio: a task is cancelled once, and that is taken back when it has come out, as `asyncio.timeout` does.

    A call that waits is interrupted in its own task. An endpoint that waits for something else is interrupted when no
    shield is around it, and nobody else cancels it.
    """

    # Whether the task of the endpoint was interrupted.
    _cancelled = False
    # How often each that waited in a call here was cancelled when it was interrupted; replaced, never changed.
    _interrupted: Mapping[asyncio.Task[Any], int] = {}

    async def _call(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        task: Any = current_task(self._sweeper.loop)
        self._waiting.append(task)
        try:
            return await function(*arguments)
        except BaseException as error:
            await self._raised(task, error)
            raise
        finally:
            self._waiting.remove(task)

    async def _raised(self, task: "asyncio.Task[Any]", error: BaseException) -> None:
        before = self._interrupted.get(task)
        # Somebody else may have cancelled the task meanwhile.
        if before is not None:
            self._interrupted = {other: count for other, count in self._interrupted.items() if other is not task}
            if task.uncancel() <= before and isinstance(error, asyncio.CancelledError):
                await self._tell()
        if isinstance(error, Exception):
            self._note_told()

    def _interrupt_calls(self) -> None:
        self._interrupted = {task: task.cancelling() for task in self._waiting}
        for task in self._waiting:
            task.cancel()

    def _interrupt_task(self) -> None:
        # A server may cancel as well: that must not be lost, nor what the endpoint does in its course be cut off.
        self._pending = self._task.cancelling() > 0 or is_shielded(self._task)
        if not self._pending:
            self._cancelled = True
            self._task.cancel()

    def _took(self, error: BaseException | None) -> bool:
        return self._cancelled and self._task.uncancel() == 0 and is_cancellation(error)


class _ScopeLife(Life):
    """On trio: the endpoint and each call that waits have cancel scopes.

    A scope stays cancelled. So there is a second one inside of that of the endpoint, to shield its clean-ups.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._outer, self._shield = anyio.CancelScope(), anyio.CancelScope()

    def enter(self) -> None:
        super().enter()
        self._outer.__enter__()
        self._shield.__enter__()

    def leave(self, error: BaseException | None = None) -> bool:
        _exit(self._shield, error)
        return _exit(self._outer, error)

    async def _call(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        with anyio.CancelScope() as scope:
            self._waiting.append(scope)
            try:
                return await function(*arguments)
            except Exception:
                self._note_told()
                raise
            finally:
                self._waiting.remove(scope)
        return await self._tell()

    def _interrupt_calls(self) -> None:
        for scope in self._waiting:
            scope.cancel()

    def _interrupt_task(self) -> None:
        self._outer.cancel()

    def _took(self, error: BaseException | None) -> bool:
        if not self._outer.cancel_called:
            return False
        self._shield.shield = True
        return is_cancellation(error)


def _exit(scope: anyio.CancelScope, error: BaseException | None) -> bool:
    if error is None:
        return bool(scope.__exit__(None, None, None))
    return bool(scope.__exit__(type(error), error, error.__traceback__))


def _size(message: Message) -> int:
    text = message.get("text")
    return len(message.get("bytes") or b"") if text is None else len(text.encode("utf-8", "surrogatepass"))
