"""A JSON Web Token: in the header, in a subprotocol, or in the first message.

JWT_KEY=... uvicorn --app-dir examples jwt_tokens:app
"""

import os
from typing import Annotated

import anyio
import jwt
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends
from fastroute.security import HTTPAuthorizationCredentials, HTTPBearer, SubprotocolBearer, SubprotocolCredentials

KEY = os.environ["JWT_KEY"]
SECONDS = 10  # for the first message


def user_of(token: str) -> str:
    """The user that a token names."""
    try:
        claims = jwt.decode(token, KEY, algorithms=["HS256"], audience="chat", options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        raise HTTPException(401, "invalid token", {"WWW-Authenticate": "Bearer"}) from None
    return str(claims["sub"])


# For programs: they can set headers.


async def by_header(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    return user_of(bearer.credentials)


async def header(websocket: WebSocket, user: Annotated[str, Depends(by_header)]) -> None:
    await websocket.accept()
    await websocket.send_text(f"hello {user}")


# For browsers: new WebSocket(url, ["chat", "bearer." + token]). A JWT needs no encoding.

Bearer = Annotated[SubprotocolCredentials, Depends(SubprotocolBearer(subprotocols=["chat"], base64url=False))]


async def by_subprotocol(bearer: Bearer) -> str:
    return user_of(bearer.token)


async def subprotocol(websocket: WebSocket, bearer: Bearer, user: Annotated[str, Depends(by_subprotocol)]) -> None:
    await websocket.accept(subprotocol=bearer.subprotocol)
    await websocket.send_text(f"hello {user}")


# For clients that can do neither. Anybody gets a connection, for some seconds.


async def by_first_message(websocket: WebSocket) -> str:
    await websocket.accept()
    try:
        with anyio.fail_after(SECONDS):
            token = await websocket.receive_text()
    except TimeoutError:
        raise WebSocketException(1008, "the first message must be a token") from None
    return user_of(token)


async def first_message(websocket: WebSocket, user: Annotated[str, Depends(by_first_message)]) -> None:
    await websocket.send_text(f"hello {user}")


app = Starlette(
    routes=[
        APIWebSocketRoute("/header", header),
        APIWebSocketRoute("/subprotocol", subprotocol),
        APIWebSocketRoute("/first-message", first_message),
    ]
)
