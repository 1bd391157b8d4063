"""Two routes for any application: the document, and a page for people."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ..tracing.entries import entries, walk
from .describing import check_application, document
from .page import POLICY, page

__all__ = ["routes"]


def routes(app: Any, path: str = "/asyncapi") -> list[Route]:
    """Two routes to put into any application: `app.router.routes.extend(routes(app))`.

    The document is made at the first request, and again if a route was added, removed or replaced since.

    Args:
        app: the application that is described; it need not be the one that gets the routes.
        path: of the page; the document is behind it, with `.json` at its end.

    Raises:
        TypeError: the application has no routes.
        ValueError: the path does not start with a slash, ends with one, or has parameters.
    """
    check_application(app)
    if not isinstance(path, str) or not path.startswith("/") or path.endswith("/") or "{" in path:
        raise ValueError(f"the path {path!r} of the page must start with a slash, not end with one, and have no braces")

    described = _Described(app)

    # Not async: a document of many routes takes a while, and a thread can.
    def as_json(request: Request) -> Response:
        # In ASCII: a docstring may have a lone surrogate, which has no UTF-8.
        return Response(json.dumps(described.document()), media_type="application/json")

    def as_page(request: Request) -> HTMLResponse:
        text = page(described.document(), f"{request.url.path.rpartition('/')[2]}.json")
        return HTMLResponse(
            text.encode("utf-8", "replace"),
            headers={"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"},
        )

    return [
        Route(f"{path}.json", as_json, name="asyncapi_document", include_in_schema=False),
        Route(path, as_page, name="asyncapi_page", include_in_schema=False),
    ]


class _Described:
    """An application with its document: to make one takes hundreds of times as long as to walk the routes."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._made: tuple[list[Any], dict[str, Any]] | None = None

    def document(self) -> dict[str, Any]:
        """The document of the routes as they are now."""
        routes = [entry.route for entry in walk(entries(self._app))]
        made = self._made
        # By identity: routes are equal if their paths and endpoints are.
        if made is None or list(map(id, made[0])) != list(map(id, routes)):
            made = self._made = routes, document(self._app)
        return made[1]
