"""The two ways a connection can follow its plan: the generated code that routes run, and the interpreter beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState

from fastroute import routing
from fastroute.connection.closing import answer, end
from fastroute.connection.life import Begin, Life
from fastroute.connection.outgoing import Outgoing
from fastroute.dependencies.codegen import compile_plan
from fastroute.dependencies.interpreter import MakeError, solve_dependencies
from fastroute.dependencies.plan import Plan

__all__ = ["ENGINES", "engine"]


def interpret_plan(plan: Plan, make_error: MakeError, title: str, begin: Begin | None = None) -> ASGIApp:
    """The application of `compile_plan` without its code: the same shell around the interpreter."""

    async def run(websocket: WebSocket, outgoing: Outgoing, life: Life | None) -> None:
        try:
            if life is None:
                await solve_dependencies(plan, websocket, make_error)
            else:
                await living(websocket, life)
        except Exception as error:
            if not await answer(websocket, outgoing, error):
                raise
        else:
            if outgoing.state is not WebSocketState.DISCONNECTED:
                await end(websocket, outgoing)

    async def living(websocket: WebSocket, life: Life) -> None:
        life.enter()
        try:
            await solve_dependencies(plan, websocket, make_error, life)
        except BaseException as error:
            if not life.leave(error):
                raise
        else:
            life.leave()

    async def connect(scope: Scope, receive: Receive, send: Send) -> None:
        outgoing = Outgoing(scope, send)
        await run(WebSocket(scope, receive, outgoing.send), outgoing, None)

    async def live(scope: Scope, receive: Receive, send: Send) -> None:
        assert begin is not None
        life = begin(scope, receive, send)
        try:
            await run(WebSocket(scope, life.receive, life.send), life, life)
        finally:
            life.finish()

    return connect if begin is None else live


ENGINES = {"generated": compile_plan, "interpreter": interpret_plan}


@contextmanager
def engine(name: str) -> Iterator[None]:
    """Routes that get their first connection inside, and overrides that come up inside, run on this engine."""
    with mock.patch.object(routing, "compile_plan", ENGINES[name]):
        yield
