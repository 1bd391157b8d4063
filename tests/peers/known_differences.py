"""Tests of Starlette and FastAPI that fail with our parts in place, because of a deliberate difference.

Each names the row of docs/differences.md by its beginning. The run fails if one of them passes, if it is gone, or if
another test fails.
"""

import os

import pytest

__all__ = ["KNOWN", "expect"]

_ERRORS = "a mistake in a declaration"
_INCLUDED = "FastAPI's `include_router` with our route"
_LEFT = "`WebSocketDisconnect` out of the endpoint"
_TELEMETRY = "`FastAPI(telemetry=...)`, `get_telemetry_data()`"

_OF_TELEMETRY = "tests/test_telemetry/test_websockets.py::"
_TUTORIAL = "tests/test_tutorial/test_websockets/"

#: By plugin and by the test, without its parameters: the first cell of the row, or its beginning.
KNOWN: dict[str, dict[str, str]] = {
    "accelerated_starlette": {},
    "router_in_starlette": {},
    "route_in_fastapi": {
        "tests/test_dependency_yield_scope_websockets.py::test_broken_scope": _ERRORS,
        "tests/test_router_include_context.py::"
        "test_iter_route_contexts_supports_nested_repeated_live_websocket_routes": _INCLUDED,
        "tests/test_telemetry/test_data.py::test_request_objects_are_not_exported": _TELEMETRY,
        f"{_OF_TELEMETRY}test_connection_context_route_and_data": _TELEMETRY,
        f"{_OF_TELEMETRY}test_client_disconnect": _TELEMETRY,
        f"{_OF_TELEMETRY}test_validation_data": _TELEMETRY,
        f"{_OF_TELEMETRY}test_concurrent_connections_keep_local_data_separate": _TELEMETRY,
        f"{_TUTORIAL}test_tutorial001.py::test_websocket": _LEFT,
        f"{_TUTORIAL}test_tutorial002.py::test_websocket_with_cookie": _LEFT,
        f"{_TUTORIAL}test_tutorial002.py::test_websocket_with_header": _LEFT,
        f"{_TUTORIAL}test_tutorial002.py::test_websocket_with_header_and_query": _LEFT,
    },
}

#: They fail without us as well if root runs them, who may read everything.
OF_NO_ROOT = {
    "tests/test_staticfiles.py::test_staticfiles_with_invalid_dir_permissions_returns_401",
}


def expect(plugin: str, items: list[pytest.Item]) -> None:
    """Mark the known differences; raises if one of them is not among the tests of its file."""
    known, seen = KNOWN[plugin], set()
    files = {item.nodeid.partition("::")[0] for item in items}
    for item in items:
        test = item.nodeid.partition("[")[0]
        if test in known:
            seen.add(test)
            item.add_marker(pytest.mark.xfail(reason=known[test], strict=True))
        if test in OF_NO_ROOT and os.geteuid() == 0:
            item.add_marker(pytest.mark.skip(reason="root may read everything"))
    if gone := {test for test in known.keys() - seen if test.partition("::")[0] in files}:
        raise pytest.UsageError(f"no longer among the tests: {', '.join(sorted(gone))}")
