"""The WebSockets of an application, described as AsyncAPI 3.1: a public folder, `document` and `routes`.

- `describing`: the document: a channel and its operations for each route.
- `handshakes`: the path, query, headers and cookies that a route reads, as JSON Schema.
- `credentials`: security schemes.
- `responses`: the answers and close codes that a client of a route may get.
- `payloads`: the messages of a route.
- `schemas`: the JSON Schema of types, and the names of those that are shared.
- `serving`: two routes, with the document and a page.
- `page`: the document as one page of HTML.
"""

from .describing import document
from .serving import routes

__all__ = ["document", "routes"]
