"""The errors that users meet, each with its data, and the internal `Problem`; `describe` names a callable in them."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.websockets import WebSocketDisconnect

__all__ = [
    "ConnectionEnded",
    "DeclarationError",
    "DeclarationTypeError",
    "DependencyScopeError",
    "Problem",
    "WebSocketRequestValidationError",
    "describe",
    "problems_of",
]


def describe(call: Callable[..., Any]) -> str:
    """`module.name (file:line)` of a callable, as far as it has them."""
    function = inspect.unwrap(call.func if isinstance(call, functools.partial) else call)
    named = function if hasattr(function, "__qualname__") else type(function)
    if inspect.isclass(named):
        function = named.__init__ if named is function else named.__call__
    # A coroutine is a function that was called by mistake; it has no module.
    code = getattr(function, "__code__", None) or getattr(function, "cr_code", None)
    location = f" ({code.co_filename}:{code.co_firstlineno})" if inspect.iscode(code) else ""
    module = getattr(named, "__module__", None)
    return f"{module}.{named.__qualname__}{location}" if module else f"{named.__qualname__}{location}"


class DeclarationError(ValueError):
    """A route, endpoint or dependency is declared in a way that cannot work.

    Attributes:
        call: the endpoint or dependency with the mistake.
        parameter: the name of the parameter, or None if the mistake is not about one.
        problem: the mistake, and the fix.
        endpoint: the endpoint of the route that needs `call`; None until a route is made of it.
    """

    endpoint: Callable[..., Any] | None = None

    def __init__(self, call: Callable[..., Any], parameter: str | None, problem: str) -> None:
        self.call = call
        self.parameter = parameter
        self.problem = problem
        about = "" if parameter is None else f"parameter {parameter!r}: "
        super().__init__(f"{describe(call)}: {about}{problem}")

    def __str__(self) -> str:
        text = super().__str__()
        if self.endpoint is None or self.endpoint is self.call:
            return text
        return f"{text} (a dependency of the endpoint {describe(self.endpoint)})"


class DeclarationTypeError(DeclarationError, TypeError):
    """A route or router is given an object of a type that it cannot use."""


class Problem(Exception):
    """A mistake in a declaration, without its place: `DeclarationError` is raised from it once the place is known."""


@contextmanager
def problems_of(call: Callable[..., Any], parameter: str | None) -> Iterator[None]:
    """Tell the place of a `Problem` that is raised inside."""
    try:
        yield
    except Problem as problem:
        raise DeclarationError(call, parameter, str(problem)) from problem.__cause__


class DependencyScopeError(DeclarationError):
    """A dependency or endpoint takes a value that is cleaned up while it still needs it."""


class WebSocketRequestValidationError(Exception):
    """A connection does not send the parameters that its route declares (`fastapi`'s exception of this name).

    Args:
        errors: the list that `errors()` returns.
        endpoint_ctx: the attributes below, without `endpoint_`.

    Attributes:
        endpoint_function: the endpoint's name.
        endpoint_path: "WS " and the route's path, with the path it is mounted at.
        endpoint_file: the file that defines the endpoint.
        endpoint_line: the line there.
    """

    def __init__(self, errors: Sequence[Any], *, endpoint_ctx: dict[str, Any] | None = None) -> None:
        self._errors = errors
        self.endpoint_ctx = endpoint_ctx
        context = endpoint_ctx or {}
        self.endpoint_function: str | None = context.get("function")
        self.endpoint_path: str | None = context.get("path")
        self.endpoint_file: str | None = context.get("file")
        self.endpoint_line: int | None = context.get("line")

    def errors(self) -> Sequence[Any]:
        """One dict for each error, as pydantic's: `type`, `loc`, `msg`, `input`, and `ctx` if it has one."""
        return self._errors

    def __str__(self) -> str:
        count = len(self._errors)
        lines = [f"{count} validation error{'' if count == 1 else 's'}:", *(f"  {error}" for error in self._errors)]
        located = self.endpoint_file and self.endpoint_line and self.endpoint_function
        if located:
            lines.append(f'\n  File "{self.endpoint_file}", line {self.endpoint_line}, in {self.endpoint_function}')
        if self.endpoint_path:
            lines.append(f"    {self.endpoint_path}" if located else f"\n  Endpoint: {self.endpoint_path}")
        return "\n".join(lines)


class ConnectionEnded(WebSocketDisconnect):
    """This side ended the connection: by its policy, by a `Deadline`, for a message that `Messages` refuses, or as
    the application shuts down.

    Raised by `receive()` and `send()` from then on, and seen by yield dependencies at their `yield`.

    Attributes:
        code: of the close frame; 1008 if the handshake was refused.
        reason: of the close frame, or the text of the refusal.
    """
