"""APIWebSocketRoute: the one place where matching and dependencies meet, and that speaks ASGI."""

import inspect
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from starlette._exception_handler import _lookup_exception_handler
from starlette._utils import is_async_callable
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, WebSocketRoute, get_name
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from . import _fastapi
from ._implementation import PathMatcher, child_scope, route_path
from .dependant import Dependant, get_dependant
from .exceptions import DeclarationError, WebSocketRequestValidationError, describe
from .plan import Plan, build_plan
from .signature import CallKind, call_kind
from .solver import solve_dependencies

__all__ = ["APIWebSocketRoute"]

#: The longest close reason in bytes of UTF-8: a control frame has 125, the code takes two (RFC 6455, section 5.5).
_LONGEST_REASON = 123
_POLICY_VIOLATION, _INTERNAL_ERROR = 1008, 1011


class APIWebSocketRoute(WebSocketRoute):
    """A WebSocket endpoint with typed parameters and dependencies (`fastapi.routing.APIWebSocketRoute`).

    Args:
        path: the template, as Starlette's: `/rooms/{room_id:int}`.
        endpoint: an async function, or anything that is awaited when it is called.
        name: for `url_path_for`; the endpoint's name unless it is given.
        dependencies: `Depends()` that run before those of the endpoint, and whose results are dropped.
        dependency_overrides_provider: has a mapping `dependency_overrides`, from dependencies to replacements; it is
            read for each connection.

    Attributes:
        path, endpoint, name, dependencies, dependency_overrides_provider: as given; `dependencies` is a list.
        path_regex: the compiled pattern of the path, made when it is first asked for.
        path_format: the path without convertors.
        param_convertors: the convertors by parameter name.
        dependant: the tree of the endpoint's parameters and dependencies.
        app: the ASGI application behind the match.

    Raises:
        DeclarationError: the endpoint or a dependency asks for what a WebSocket does not have, or in a way that
            cannot work; the message names the function, the parameter and what to write instead.
        DependencyScopeError: a value is taken that is cleaned up too early.
        ValueError: the path does not start with a slash, or has an unknown convertor or a parameter twice.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        dependencies: Sequence[Any] | None = None,
        dependency_overrides_provider: Any | None = None,
    ) -> None:
        if not path.startswith("/"):
            raise DeclarationError(endpoint, None, f"the path {path!r} has to start with '/'")
        self.path = path
        self._endpoint = endpoint
        self.name = get_name(endpoint) if name is None else name
        self.dependencies = list(dependencies or [])
        self.dependency_overrides_provider = dependency_overrides_provider
        self._matcher = PathMatcher(path)
        _refuse_endpoint(endpoint)
        self.dependant: Dependant = get_dependant(
            path=self.path_format, call=endpoint, path_names=self.param_convertors, dependencies=self.dependencies
        )
        self._plan = build_plan(self.dependant, self.param_convertors)
        self._overridden: tuple[Any, Plan] | None = None
        self.app = self._answer

    @property
    def endpoint(self) -> Callable[..., Any]:  # type: ignore[override]  # the base class assigns it
        if _fastapi.reader_is_fastapi(depth=1):
            raise RuntimeError(
                f"{self!r}: FastAPI's include_router would make a new route of {describe(self._endpoint)} and leave "
                "out its dependencies; use app.router.routes.append(route), FastAPI(routes=[route]) or app.mount()"
            )
        return self._endpoint

    @property
    def path_regex(self) -> re.Pattern[str]:  # type: ignore[override]  # the base class assigns it
        return self._matcher.path_regex

    @property
    def path_format(self) -> str:  # type: ignore[override]  # the base class assigns it
        return self._matcher.path_format

    @property
    def param_convertors(self) -> dict[str, Convertor[Any]]:  # type: ignore[override]  # the base class assigns it
        return self._matcher.param_convertors

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route answers (`starlette.routing.WebSocketRoute.matches`).

        Args:
            scope: of the connection; it is not changed.

        Returns:
            `Match.FULL` and what to add to the scope: `endpoint`, `path_params` (those of the scope and the
            converted ones of this path) and `route`; or `Match.NONE` and an empty dict.
        """
        if scope["type"] == "websocket":
            params = self._matcher.match(route_path(scope))
            if params is not None:
                return Match.FULL, child_scope(scope, params, self._endpoint, self)
        return Match.NONE, {}

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = _Connection(scope, receive, send)
        try:
            await self._call_endpoint(connection.websocket)
        except Exception as error:
            await connection.answer(error)
        else:
            await connection.end()

    async def _call_endpoint(self, websocket: WebSocket) -> None:
        provider = self.dependency_overrides_provider
        overrides = getattr(provider, "dependency_overrides", None) if provider else None
        plan = self._plan_with(overrides) if overrides else self._plan

        def refuse(errors: list[Any]) -> Exception:
            mounted_at = websocket.scope.get("root_path", "").rstrip("/")
            return _fastapi.validation_error(errors, self._endpoint_context(f"WS {mounted_at}{self.path_format}"))

        await solve_dependencies(plan, websocket, refuse)

    def _plan_with(self, overrides: dict[Callable[..., Any], Callable[..., Any]]) -> Plan:
        # By identity: replacements that are equal may differ later. The copy keeps them alive, so that no id is
        # given to another one.
        key = (*map(id, overrides), *map(id, overrides.values()))
        if self._overridden is None or self._overridden[0][0] != key:
            plan = build_plan(self.dependant, self.param_convertors, overrides)
            self._overridden = ((key, dict(overrides)), plan)
        return self._overridden[1]

    def _endpoint_context(self, path: str) -> dict[str, Any]:
        context: dict[str, Any] = {"path": path}
        code = getattr(inspect.unwrap(self._endpoint), "__code__", None)
        if code is not None:
            context |= {"file": code.co_filename, "line": code.co_firstlineno, "function": get_name(self._endpoint)}
        return context


def _refuse_endpoint(endpoint: Callable[..., Any]) -> None:
    if inspect.isclass(endpoint):
        raise DeclarationError(endpoint, None, "is a class; an endpoint is an async function (or use WebSocketRoute)")
    kind = call_kind(endpoint)
    if kind.yields:
        raise DeclarationError(endpoint, None, "an endpoint cannot yield; move the clean-up into a dependency")
    if kind is not CallKind.COROUTINE:
        raise DeclarationError(endpoint, None, "a WebSocket endpoint has to be async; write `async def`")


class _Connection:
    """One connection: sees to it that it ends with an answer that a client can read, never with a 1006."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self._send = send
        self.websocket = WebSocket(scope, receive, self.send)

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.close" and message.get("reason"):
            message = {**message, "reason": _short_text(message["reason"])}
        await self._send(message)

    @property
    def _accepted(self) -> bool:
        return self.websocket.application_state is WebSocketState.CONNECTED

    @property
    def _open(self) -> bool:
        """Whether something can still be said."""
        websocket = self.websocket
        return (
            websocket.application_state in (WebSocketState.CONNECTING, WebSocketState.CONNECTED)
            and websocket.client_state is not WebSocketState.DISCONNECTED
        )

    async def end(self) -> None:
        """Close what the endpoint left open: servers would drop it without a close frame, or answer 500."""
        if self._open:
            await self.websocket.close()

    async def answer(self, error: Exception) -> None:
        """Tell the client, by the handler that is registered for the error or as it is described in the README."""
        handler = self._handler(error)
        if handler is not None:
            try:
                await self._handle(handler, error)
            except Exception as raised:
                await self._fail(raised)
        elif isinstance(error, WebSocketRequestValidationError):
            await self._close(_POLICY_VIOLATION, _validation_reason(error))
        elif isinstance(error, WebSocketException):
            await self._close(error.code, error.reason)
        elif isinstance(error, HTTPException):
            response = PlainTextResponse(error.detail, error.status_code, headers=error.headers)
            await self._respond(response, error)
        elif not isinstance(error, WebSocketDisconnect):
            await self._fail(error)
        await self.end()

    def _handler(self, error: Exception) -> Callable[..., Any] | None:
        by_class, by_status = self.scope.get("starlette.exception_handlers", ({}, {}))
        handler = by_status.get(error.status_code) if isinstance(error, HTTPException) else None
        if handler is None:
            handler = _lookup_exception_handler(by_class, error)
        return None if _fastapi.unhelpful_handler(handler) else handler

    async def _handle(self, handler: Callable[..., Any], error: Exception) -> None:
        if is_async_callable(handler):
            response = await handler(self.websocket, error)
        else:
            response = await run_in_threadpool(handler, self.websocket, error)
        if response is not None:
            await self._respond(response, error)
        error.__traceback__ = None

    async def _respond(self, response: Response, error: Exception) -> None:
        """A denial response where that is possible (ASGI: `websocket.http.response`), else a close."""
        denial = "websocket.http.response" in self.scope.get("extensions", {})
        if denial and self.websocket.application_state is WebSocketState.CONNECTING:
            await response(self.scope, self.receive, self.websocket.send)
            return
        status = getattr(error, "status_code", response.status_code)
        code = _INTERNAL_ERROR if status >= 500 else _POLICY_VIOLATION
        await self._close(code, getattr(error, "detail", ""))

    async def _fail(self, error: Exception) -> None:
        """What nobody expected: the application's handler for it, then a close; the server logs it."""
        app = self.scope.get("app")
        handlers = getattr(app, "exception_handlers", {})
        handler = handlers.get(Exception) or handlers.get(500)
        try:
            if handler is not None:
                await self._handle(handler, error)
        finally:
            if self._accepted:
                await self._close(_INTERNAL_ERROR, "Internal Server Error")
        raise error

    async def _close(self, code: int, reason: str | None) -> None:
        if self._open:
            await self.websocket.close(code, reason)


def _validation_reason(error: WebSocketRequestValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())


def _short_text(reason: Any) -> str:
    """A close reason that every server can send: text, cut at a character where it is too long."""
    text = reason if isinstance(reason, str) else json.dumps(reason, default=str)
    return text.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")
