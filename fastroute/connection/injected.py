"""Injected: the base of classes that a parameter asks for by its annotation alone, as it does for a WebSocket.

A new one needs a class and nothing else: the tree keeps its `Injection`, and both engines call that.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from starlette.websockets import WebSocket

__all__ = ["Injected", "Injection"]


class Injection(NamedTuple):
    """How the value of one parameter is made.

    Attributes:
        make: called for each connection with its WebSocket and its `Life`.
        needs_life: there is a `Life` for each connection; else it may be None.
    """

    make: Callable[[WebSocket, Any], Any]
    needs_life: bool = False


class Injected:
    """Base of classes that are injected by type."""

    __slots__ = ()

    @classmethod
    def _injection(cls, annotation: Any, metadata: Sequence[Any]) -> Injection:
        """How to make the value of a parameter.

        Args:
            annotation: this class, with its arguments if it is generic.
            metadata: of `Annotated`.

        Raises:
            Problem: the class is not meant in this way.
        """
        raise NotImplementedError
