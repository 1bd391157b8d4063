"""The endpoints of some cases of bench_solver.py as Litestar has them, by the name of the case."""

import time
from typing import Annotated, Any

from bench_solver import add_four
from litestar import Litestar, MediaType, WebSocket, get, websocket
from litestar.di import NamedDependency, Provide
from litestar.params import CookieParameter, HeaderParameter, QueryParameter

__all__ = ["HANDLERS", "application"]

Socket = WebSocket[Any, Any, Any]


async def answer(socket: Socket, value: Any) -> None:
    await socket.accept()
    await socket.send_text(repr(value))
    await socket.close()


@websocket("/")
async def no_parameters(socket: Socket) -> None:
    await answer(socket, None)


@websocket("/rooms/{room:int}")
async def five(
    socket: Socket,
    room: int,
    name: Annotated[str, QueryParameter(min_length=2)],
    x_token: Annotated[str, HeaderParameter(name="x-token")],
    session: Annotated[str, CookieParameter(name="session")],
    page: Annotated[int, QueryParameter(ge=1)] = 1,
) -> None:
    await answer(socket, (room, name, page, x_token, session))


def branch(number: int) -> Any:
    """A dependency that takes four leaves of its own, by their names."""
    leaves = ", ".join(f"{name}: NamedDependency[int]" for name in leaves_of(number))
    names: dict[str, Any] = {"__name__": __name__, "NamedDependency": NamedDependency, "add_four": add_four}
    exec(f"async def branch({leaves}) -> int: return await add_four({', '.join(leaves_of(number))})", names)
    return names["branch"]


def leaves_of(number: int) -> list[str]:
    return [f"leaf_{number}_{leaf}" for leaf in range(4)]


def own_leaf() -> Any:
    """Litestar takes a function under one name only."""

    async def leaf() -> int:
        return 1

    return leaf


LEAVES = {name: Provide(own_leaf()) for number in range(4) for name in leaves_of(number)}
BRANCHES = {name: Provide(branch(number)) for number, name in enumerate("abcd")}


@websocket("/", dependencies=LEAVES | BRANCHES)
async def tree(
    socket: Socket,
    a: NamedDependency[int],
    b: NamedDependency[int],
    c: NamedDependency[int],
    d: NamedDependency[int],
) -> None:
    await answer(socket, a + b + c + d)


HANDLERS = {"no parameters": no_parameters, "path, 2 query, header, cookie": five, "tree of 20": tree}


@get("/cpu", media_type=MediaType.TEXT, sync_to_thread=False)
def cpu() -> str:
    return repr(time.process_time())


def application(case: str) -> Litestar:
    return Litestar([HANDLERS[case], cpu], openapi_config=None)
