"""A session of SQLAlchemy that is given back before the chat begins.

DATABASE_URL=sqlite+aiosqlite:///chat.db uvicorn --app-dir examples database_session:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends, Query

engine = create_async_engine(os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///chat.db"))
# What was read stays readable after the session.
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "users"
    name: Mapped[str] = mapped_column(primary_key=True)
    greeting: Mapped[str]


class Text(Base):
    __tablename__ = "texts"
    number: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[str]
    text: Mapped[str]


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


async def current_user(
    name: Annotated[str, Query()],
    # "handshake": it goes back to the pool before the endpoint starts.
    session: Annotated[AsyncSession, Depends(session, scope="handshake")],
) -> User:
    user = await session.get(User, name)
    if user is None:
        raise HTTPException(403, "unknown user")
    return user


async def chat(websocket: WebSocket, user: Annotated[User, Depends(current_user)]) -> None:
    await websocket.accept()
    await websocket.send_text(user.greeting)
    async for text in websocket.iter_text():
        # A session for each piece of work, not for the hours of the connection.
        async with sessions.begin() as session:
            session.add(Text(user=user.name, text=text))
        await websocket.send_text(f"saved {text}")


app = Starlette(routes=[APIWebSocketRoute("/chat", chat)], lifespan=lifespan)
