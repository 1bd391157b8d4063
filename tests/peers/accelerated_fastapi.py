"""A pytest plugin for FastAPI's own suite: every application is accelerated at its first call.

    pytest -p accelerated_fastapi

Each test passes as it does without. At the end the plugin says how many applications it accelerated, and fails the
run if one of their routers was left as it was.
"""

from typing import Any

import pytest
from fastapi import FastAPI

from fastroute import accelerate

_answer = FastAPI.__call__
_accelerated: list[FastAPI] = []
_seen: set[int] = set()
_left: list[str] = []


async def _accelerate_and_answer(self: FastAPI, scope: Any, receive: Any, send: Any) -> None:
    if id(self) not in _seen:
        _seen.add(id(self))
        _accelerated.append(self)  # kept, so that no id is given twice
        _left.extend(str(left) for left in accelerate(self).left)
    await _answer(self, scope, receive, send)


@pytest.hookimpl
def pytest_configure() -> None:
    FastAPI.__call__ = _accelerate_and_answer  # type: ignore[method-assign]


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"{len(_seen)} FastAPI applications accelerated, {len(_left)} routers left")
    for line in _left[:20]:
        terminalreporter.write_line(line)


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
