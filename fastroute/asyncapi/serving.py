"""Two routes for any application: the document, and a page for people."""

from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from .describing import document
from .page import POLICY, page

__all__ = ["routes"]


def routes(app: Any, path: str = "/asyncapi") -> list[Route]:
    """Two routes to put into any application: `app.router.routes.extend(routes(app))`.

    The document is made at the first request, and kept.

    Args:
        app: the application that is described; it need not be the one that gets the routes.
        path: of the page; the document is behind it, with `.json` at its end.

    Raises:
        ValueError: the path does not start with a slash, or ends with one.
    """
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError(f"the path {path!r} of the page must start with a slash and not end with one")

    @cache
    def described() -> dict[str, Any]:
        return document(app)

    # Not async: a document of many routes takes a while, and a thread can.
    def as_json(request: Request) -> JSONResponse:
        return JSONResponse(described())

    def as_page(request: Request) -> HTMLResponse:
        text = page(described(), f"{request.url.path.rpartition('/')[2]}.json")
        return HTMLResponse(text, headers={"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"})

    return [
        Route(f"{path}.json", as_json, name="asyncapi_document", include_in_schema=False),
        Route(path, as_page, name="asyncapi_page", include_in_schema=False),
    ]
