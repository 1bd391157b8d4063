"""The rows of a `RouteTable`: records with which an index describes its routes. Both twins read them by name."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Literal, NamedTuple

from starlette.convertors import Convertor
from starlette.routing import BaseRoute

__all__ = ["Row", "Segment", "Shortcut", "Unchanged"]

#: Of a template (see `Row`).
Segment = str | EllipsisType | None


@dataclass(slots=True)
class Unchanged:
    """A shortcut is right as long as all of this is true of its route."""

    cls: type[BaseRoute]  # the class of the route, exactly
    matches: Callable[..., Any]  # the function of that class; the route has none of its own
    path_regex: re.Pattern[str] | None  # None if neither this nor the convertors can be assigned
    param_convertors: Mapping[str, Convertor[Any]] | None
    longest_path: int  # for a longer path the route itself is asked


@dataclass(slots=True)
class Shortcut:
    """How a table answers in place of the route's `matches`, and with the same answer, without calling it.

    For the template `/rooms/{room}/{seat}` the way through the tree is all there is to match: `match` is None, and
    `text_segments` is `((2, "room"), (3, "seat"))`. Segment 0 is the empty text before the first slash. For
    `/rooms/{room:int}`, `match` is `PathMatcher("/rooms/{room:int}").match`, and `text_segments` is empty.
    """

    unchanged: Unchanged
    match: Callable[[str], dict[str, Any] | None] | None  # None if each parameter is a whole segment of text
    text_segments: tuple[tuple[int, str], ...]  # then these are their numbers and names
    endpoint: Literal["endpoint", "_endpoint"]  # the attribute of the route that holds the endpoint
    checks_method: bool
    adds_route: bool  # to the child scope


class Row(NamedTuple):
    """A route of a table.

    Attributes:
        route: anything with `matches(scope)`.
        segments: the text of each segment of its template, None for a segment that is or has a parameter, and `...`
            at the end if the template goes on with something that may cross slashes. None instead of a sequence for
            a route that is not indexed: it is a candidate for every path.
        shortcut: None if the route's own `matches` is to be called.
    """

    route: Any
    segments: Sequence[Segment] | None = None
    shortcut: Shortcut | None = None
