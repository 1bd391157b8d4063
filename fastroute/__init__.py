"""FastAPI's WebSocket routes on plain Starlette, with compiled matching and an indexed router."""

from ._implementation import IMPLEMENTATION, PathMatcher

__all__ = ["IMPLEMENTATION", "PathMatcher", "__version__"]

__version__ = "0.1.0"
