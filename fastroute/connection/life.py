"""Life: one connection under a policy, from the start of its handshake to its last clean-up.

The endpoint and the dependencies speak to the server through a life. So it knows when the handshake is accepted, when
the client was heard last, when it left, and whether the endpoint was told. The sweeper looks at each life; a timeout, a
client that left, or a drain becomes the one *cause* that ends the connection:

- A `receive` or `send` that waits is interrupted and raises the cause, as each later one does.
- Otherwise the endpoint is cancelled, and `settle` raises the cause in the place of the cancellation.

Who was told once is not told again. The close frame or denial goes out in the connection's own task, before any
clean-up runs, and no clean-up is ever cancelled.

A connection that does not receive for a while is read ahead of, by a task of its own, as servers tell of a client that
left by `receive` alone.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from time import monotonic
from types import TracebackType
from typing import Any

import anyio
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from ..exceptions import ConnectionEnded
from .deadline import Deadline
from .draining import Drain, drains
from .handshake import POLICY_VIOLATION, deny
from .interrupting import Interrupted, Section, new_part, new_section, spawn
from .observing import logger, report_end, route_of
from .outgoing import Outgoing
from .policy import Terms
from .sweeper import current_sweeper

__all__ = ["Life"]

_GOING_AWAY, _SERVICE_RESTART, _ABNORMAL = 1001, 1012, 1006
#: How far a connection is read ahead of.
_MOST_MESSAGES, _MOST_BYTES = 16, 64 * 1024
_LONGEST_SEND = 1.0  # seconds that a client gets to take the close frame


class Life(Outgoing):
    """One connection.

    Args:
        terms: when it ends.
        scope, receive, send: as the route got them.

    Attributes:
        expires: the earliest `Deadline`, by the monotonic clock.
    """

    expires = inf
    _drain: Drain | None = None
    # The client: whether it was heard since the last look, and the messages that are read ahead, with their bytes.
    _heard = False
    _queue: deque[Message | Exception] | None = None
    _held = 0
    _full = False
    _arrived: anyio.Event | None = None
    _stop_reading: Callable[[], object] | None = None
    # The endpoint: its calls of `receive` that wait, and whether it made none since the last look.
    _receiving = 0
    _quiet = False
    _accepted = False
    # The end: why, with the status of a denial; whether the endpoint must still be interrupted, was told, is over.
    _cause: WebSocketDisconnect | None = None
    _status = 0
    _pending = _told = _over = False
    _final: tuple[int, str] | None = None

    def __init__(self, terms: Terms, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, send)
        self._terms = terms
        self._receive = receive
        self._sweeper = sweeper = current_sweeper()
        self._section = new_section(sweeper.is_asyncio)
        self._calls: set[Section] = set()
        self._began = self._last_heard = monotonic()

    @property
    def deadline(self) -> Deadline:
        """For a parameter of this type."""
        return Deadline(self)

    # What the generated code does

    def __enter__(self) -> None:
        self._sweeper.add(self)
        if drains and self._sweeper.drains:
            self._drain = self._sweeper.drains[-1]
            self._drain.add(self, self._scope)
            if self._drain.ends:
                self.restart(interrupt=False)
                raise self._new_cause()
        self._section.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> Any:
        return self._section.__exit__(kind, error, traceback)

    async def settle(self, error: BaseException | None = None) -> None:
        """Note that the endpoint is over, however it ended.

        Args:
            error: raised by it or by a dependency.

        Raises:
            WebSocketDisconnect: the cause for which the endpoint was cancelled.
        """
        self._over = True
        if self._stop_reading is not None:
            self._stop_reading()
        if self._cause is None:
            return
        cancelled = self._section.took(error)
        await self._say_end()
        if cancelled:
            raise self._new_cause() from None

    def finish(self) -> None:
        """Note that all is over."""
        self._over = True
        if self._stop_reading is not None:
            self._stop_reading()
        self._sweeper.remove(self)
        if self._drain is not None:
            self._drain.remove(self)
        if self._terms.on_end is not None:
            code, reason = self._end()
            report_end(self._terms.on_end, self._scope, code, reason, self._began)

    # What the endpoint and its dependencies do

    async def receive(self) -> Message:
        """The next message of the client (ASGI).

        Raises:
            ConnectionEnded: this side ended the connection.
        """
        if isinstance(self._cause, ConnectionEnded):
            await self._tell()
        self._quiet = False
        self._receiving += 1
        try:
            message: Message = await (self._call(self._receive()) if self._queue is None else self._next())
        except Exception:
            self._told = True
            raise
        finally:
            self._receiving -= 1
        self._note(message)
        if message["type"] == "websocket.disconnect":
            self._told = True
        return message

    async def send(self, message: Message) -> None:
        """Send a message (ASGI).

        Raises:
            ConnectionEnded: this side ended the connection.
            WebSocketDisconnect: the client has left, and the endpoint is being ended for that.
        """
        message_type = message["type"]
        if message_type == "websocket.accept":
            self._look_at_time(monotonic())
        if self._cause is not None:
            await self._tell()
        if message_type == "websocket.accept":
            self._accepted = True
            self._last_heard = monotonic()
        elif message_type != "websocket.send":
            self._told = True
        try:
            await self._call(super().send(message))
        except Exception:
            self._told = True
            raise

    async def _call(self, awaitable: Awaitable[Any]) -> Any:
        """The result of a call of the server; it may be interrupted."""
        call = new_part(self._sweeper.is_asyncio)
        self._calls.add(call)
        try:
            with call:
                return await awaitable
        except Interrupted:
            await self._tell()
        finally:
            self._calls.discard(call)

    async def _tell(self) -> None:
        self._told = True
        await self._say_end()
        raise self._new_cause() from None

    def _new_cause(self) -> WebSocketDisconnect:
        # A new one each time: one that is raised again and again collects tracebacks.
        assert self._cause is not None
        return type(self._cause)(self._cause.code, self._cause.reason)

    # What ends it

    def look(self, now: float) -> None:
        """Do what is due, for the sweeper."""
        if self._over:
            return
        if self._pending:
            self._pending = not self._section.interrupt()
            return
        if self._cause is not None or self._told:
            return
        if self._heard:
            self._heard, self._last_heard = False, now
        self._look_at_time(now, interrupt=True)
        if self._terms.cancel_on_disconnect or self._terms.idle_timeout < inf:
            self._look_at_client(now)

    def _look_at_time(self, now: float, *, interrupt: bool = False) -> None:
        terms = self._terms
        if now >= self.expires:
            self.stop(POLICY_VIOLATION, "session expired", 401, interrupt=interrupt)
        elif now - self._began >= terms.max_lifetime:
            self.stop(_GOING_AWAY, "maximum lifetime reached", 408, interrupt=interrupt)
        elif not self._accepted:
            if now - self._began >= terms.accept_timeout:
                self.stop(POLICY_VIOLATION, "not accepted in time", 408, interrupt=interrupt)
        elif now - self._last_heard >= terms.idle_timeout:
            self.stop(_GOING_AWAY, "idle timeout", 408, interrupt=interrupt)

    def stop(self, code: int, reason: str, status: int, *, interrupt: bool = True) -> None:
        """End the connection, unless it has ended.

        Args:
            code, reason: of the close frame.
            status: of the denial, if the handshake is not accepted yet.
            interrupt: end the endpoint as well; else the caller tells it.
        """
        if self._cause is not None or self._told or self._over:
            return
        self._status = status
        logger.info("WebSocket %s: ended by this side: %s", route_of(self._scope), reason)
        self._cause = ConnectionEnded(code if self._accepted else POLICY_VIOLATION, reason)
        if interrupt:
            self._interrupt()

    def restart(self, *, interrupt: bool = True) -> None:
        """End the connection since the application shuts down, for a drain."""
        self.stop(_SERVICE_RESTART, "service restart", 503, interrupt=interrupt)

    def _interrupt(self) -> None:
        if self._calls:
            for call in self._calls:
                call.interrupt()
        else:
            self._pending = not self._section.interrupt()

    async def _say_end(self) -> None:
        """Send the close frame or the denial, if the client has neither, and has not left."""
        if self._final is not None or self.ending is not None or not isinstance(self._cause, ConnectionEnded):
            return
        code, reason = self._cause.code, self._cause.reason
        self._final = (code, reason) if self._accepted else (self._status, reason)
        with anyio.move_on_after(_LONGEST_SEND, shield=True), suppress(Exception):
            if self._accepted:
                await super().send({"type": "websocket.close", "code": code, "reason": reason})
            elif not await deny(self._scope, self._receive, super().send, self._status, reason):
                self._final = (403, reason)

    def _end(self) -> tuple[int, str]:
        """The code and reason of the end: what came first of a frame of the client and one of this side."""
        if self._final is not None:
            return self._final
        ending = self.ending
        if ending is None:
            return (_ABNORMAL, "") if self._accepted else (500, "")
        if ending["type"] == "websocket.close":
            return (ending.get("code", 1000) if self._accepted else 403), ending.get("reason") or ""
        return ending["status"], ""

    # What the client does

    def _note(self, message: Message) -> None:
        if message["type"] == "websocket.receive":
            self._heard = True
        elif message["type"] == "websocket.disconnect" and self._final is None and self.ending is None:
            self._final = (message.get("code", 1005), message.get("reason") or "")

    def _look_at_client(self, now: float) -> None:
        if self._receiving or self._stop_reading is not None:
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
            self._stop_reading = spawn(self._sweeper.is_asyncio, self._read_ahead)
        self._quiet = True

    def _has_room(self) -> bool:
        return self._held < _MOST_BYTES and len(self._queue or ()) < _MOST_MESSAGES

    async def _read_ahead(self) -> None:
        assert self._queue is not None
        try:
            while not self._over and self._has_room():
                message = await self._receive()
                self._queue.append(message)
                self._held += _size(message)
                self._note(message)
                if message["type"] == "websocket.disconnect":
                    self._note_left(message)
                    return
                if self._arrived is not None:
                    return  # the endpoint receives again, and needs nobody to read for it
        except Exception as error:
            self._queue.append(error)
        finally:
            self._stop_reading = None
            if self._arrived is not None:
                self._arrived.set()

    def _note_left(self, message: Message) -> None:
        receives = self._receiving > 0
        if self._terms.cancel_on_disconnect and self._cause is None and not (self._told or self._over or receives):
            self._cause = WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
            self._interrupt()

    async def _next(self) -> Message:
        """The next message, as the connection was read ahead of."""
        assert self._queue is not None
        while not self._queue:
            if self._stop_reading is None:
                message: Message = await self._call(self._receive())
                return message
            if self._arrived is None:
                self._arrived = anyio.Event()
            try:
                await self._call(self._arrived.wait())
            finally:
                self._arrived = None
        item = self._queue.popleft()
        if isinstance(item, Exception):
            raise item
        self._held -= _size(item)
        return item


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or "")
