"""Declarations of the values an endpoint or dependency takes: inert, read once when a route is declared."""

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from pydantic import AliasChoices, AliasPath, Discriminator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

__all__ = [
    "Concurrency",
    "Cookie",
    "DependencyMarker",
    "Depends",
    "Header",
    "Lifetime",
    "Param",
    "ParamKeywords",
    "Path",
    "Place",
    "Query",
    "Security",
    "SecurityScopes",
    "UsesScopes",
    "as_scopes",
]

#: The part of a connection that holds a parameter; the first item of an error's `loc`.
Place = Literal["path", "query", "header", "cookie"]

#: How long the value of a `yield` dependency lives, shortest first.
Lifetime = Literal["handshake", "function", "request"]


class ParamKeywords(TypedDict, total=False):
    """Keywords of `Path`, `Query`, `Header` and `Cookie`: those of `pydantic.Field` that have a meaning here."""

    default_factory: Callable[[], Any] | None
    alias: str | None
    alias_priority: int | None
    validation_alias: str | AliasPath | AliasChoices | None
    serialization_alias: str | None
    title: str | None
    description: str | None
    gt: float | None
    ge: float | None
    lt: float | None
    le: float | None
    min_length: int | None
    max_length: int | None
    pattern: str | re.Pattern[str] | None
    discriminator: str | Discriminator | None
    strict: bool | None
    validate_default: bool | None
    union_mode: Literal["smart", "left_to_right"] | None
    fail_fast: bool | None
    multiple_of: float | None
    allow_inf_nan: bool | None
    max_digits: int | None
    decimal_places: int | None
    examples: list[Any] | None
    deprecated: str | bool | None
    json_schema_extra: dict[str, Any] | Callable[[dict[str, Any]], None] | None
    regex: str | None
    example: Any
    openapi_examples: dict[str, Any] | None
    include_in_schema: bool


#: Keywords that FastAPI reads for its schema only: accepted, so that endpoints move here unchanged.
_SCHEMA_ONLY = ("example", "openapi_examples")


class Param(FieldInfo):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]  # final for type checkers only; models must recognise it as a field
    """One declared parameter: its place, and pydantic's constraints on it.

    It is a `FieldInfo`, so that it also works inside a model (`Header(convert_underscores=False)` on one field of a
    model that is read from headers).
    """

    def __init__(
        self,
        place: Place,
        default: Any = PydanticUndefined,
        *,
        convert_underscores: bool = False,
        **keywords: Unpack[ParamKeywords],
    ) -> None:
        include_in_schema = keywords.pop("include_in_schema", True)
        for keyword in keywords:
            if keyword not in ParamKeywords.__annotations__:
                raise TypeError(_unknown_keyword(place, keyword))
        for keyword in _SCHEMA_ONLY:
            keywords.pop(keyword, None)  # type: ignore[misc]  # each is a literal, only not in this line
        regex = keywords.pop("regex", None)
        if regex is not None:
            warnings.warn("`regex` is deprecated, use `pattern`", DeprecationWarning, stacklevel=3)
            keywords["pattern"] = regex
        alias = keywords.get("alias")
        if alias is not None:
            keywords["validation_alias"] = keywords.get("validation_alias") or alias
            keywords["serialization_alias"] = keywords.get("serialization_alias") or alias
        super().__init__(default=default, **keywords)
        self.in_ = place
        self.convert_underscores = convert_underscores
        self.include_in_schema = include_in_schema

    def __repr__(self) -> str:
        default = "" if self.default is PydanticUndefined else repr(self.default)
        return f"{self.in_.capitalize()}({default})"


def _unknown_keyword(place: Place, keyword: str) -> str:
    from difflib import get_close_matches  # for this error alone

    options = [*ParamKeywords.__annotations__, *(["convert_underscores"] if place == "header" else [])]
    close = get_close_matches(keyword, options, 1)
    hint = f"did you mean {close[0]}?" if close else f"it takes default, {', '.join(options)}"
    return f"{place.capitalize()}() has no keyword {keyword!r}; {hint}"


Marker = TypeVar("Marker", bound=Callable[..., Any])


def _with_keywords_shown(marker: Marker) -> Marker:
    """The same function; `help()` and tools show each keyword, as type checkers do."""
    *own, _ = inspect.signature(marker).parameters.values()
    keywords = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=name == "include_in_schema" or None, annotation=annotation
        )
        for name, annotation in ParamKeywords.__annotations__.items()
    ]
    vars(marker)["__signature__"] = inspect.Signature([*own, *keywords], return_annotation=Any)
    return marker


@_with_keywords_shown
def Path(default: Any = ..., **keywords: Unpack[ParamKeywords]) -> Any:
    """Declare a parameter that the path template names (`fastapi.Path`).

    Args:
        default: only `...`: a path parameter is always there.
        keywords: constraints and names as in `pydantic.Field`.

    Raises:
        ValueError: a default is given.
    """
    if default is not ... and default is not PydanticUndefined:
        raise ValueError(f"Path({default!r}): a path parameter is always there; remove the default")
    return Param("path", **keywords)


@_with_keywords_shown
def Query(default: Any = PydanticUndefined, **keywords: Unpack[ParamKeywords]) -> Any:
    """Declare a parameter of the query string (`fastapi.Query`).

    Args:
        default: used if the client sends none; without it the parameter is required. In `Annotated`, write
            the default with `=` after the annotation instead.
        keywords: constraints and names as in `pydantic.Field`.
    """
    return Param("query", default, **keywords)


@_with_keywords_shown
def Header(
    default: Any = PydanticUndefined, *, convert_underscores: bool = True, **keywords: Unpack[ParamKeywords]
) -> Any:
    """Declare a parameter that is read from a header of the handshake (`fastapi.Header`).

    Args:
        default: used if the client sends none; without it the parameter is required.
        convert_underscores: look for `x-token` if the parameter is called `x_token`. An alias is literal.
        keywords: constraints and names as in `pydantic.Field`.
    """
    return Param("header", default, convert_underscores=convert_underscores, **keywords)


@_with_keywords_shown
def Cookie(default: Any = PydanticUndefined, **keywords: Unpack[ParamKeywords]) -> Any:
    """Declare a parameter that is read from a cookie of the handshake (`fastapi.Cookie`).

    Args:
        default: used if the client sends none; without it the parameter is required.
        keywords: constraints and names as in `pydantic.Field`.
    """
    return Param("cookie", default, **keywords)


@dataclass(frozen=True, eq=False)
class Concurrency:
    """At most `max_concurrency` calls at a time in one event loop; belongs to one `Depends()`, compared by identity."""

    max_concurrency: int

    def __post_init__(self) -> None:
        limit = self.max_concurrency
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ValueError(f"max_concurrency must be an int of at least 1, not {limit!r}")


@dataclass(frozen=True)
class DependencyMarker:
    """The marker of a dependency: made by `Depends()` and `Security()`."""

    dependency: Callable[..., Any] | None = None
    use_cache: bool = True
    scope: Lifetime | None = None
    concurrency: Concurrency | None = None
    scopes: Sequence[str] = field(default=())


def Depends(
    dependency: Callable[..., Any] | None = None,
    *,
    use_cache: bool = True,
    scope: Lifetime | None = None,
    max_concurrency: int | None = None,
) -> Any:
    """Declare that a parameter is the result of a call (`fastapi.Depends`).

    Args:
        dependency: an async or sync function, a generator of either kind, a class, or any callable; without it,
            the annotation of the parameter.
        use_cache: call it once per connection and share the result; False calls it again for this parameter.
        scope: when the clean-up of a `yield` dependency runs. "request" (the default) and "function": after the
            endpoint, function before request, as in FastAPI. "handshake": after the last dependency and
            before the endpoint starts.
        max_concurrency: how many connections may be inside this dependency at a time (in one event loop).

    Raises:
        ValueError: `max_concurrency` is not an int of at least 1.
    """
    concurrency = None if max_concurrency is None else Concurrency(max_concurrency)
    return DependencyMarker(dependency, use_cache, scope, concurrency)


def Security(
    dependency: Callable[..., Any] | None = None, *, scopes: Sequence[str] | None = None, use_cache: bool = True
) -> Any:
    """Declare a dependency that needs OAuth2 scopes (`fastapi.Security`).

    Args:
        dependency: as in `Depends`.
        scopes: this dependency and all below it must check them; they read them from `SecurityScopes`.
        use_cache: as in `Depends`; the result is shared between uses with the same scopes.
    """
    return DependencyMarker(dependency, use_cache, scopes=as_scopes(scopes))


def as_scopes(scopes: Sequence[str] | None) -> Sequence[str]:
    """The scopes of a marker as a tuple; all else stays, an error as soon as the place of its parameter is known."""
    if scopes is None:
        return ()
    return tuple(scopes) if isinstance(scopes, Iterable) and not isinstance(scopes, str | bytes) else scopes


class UsesScopes:
    """Base of callables that give one result for each set of scopes: the security schemes."""


class SecurityScopes:
    """The scopes that `Security()` asked for on the way to a dependency (`fastapi.security.SecurityScopes`).

    Attributes:
        scopes: outermost first, without duplicates.
        scope_str: the scopes separated by spaces (RFC 6749, section 3.3).
    """

    def __init__(self, scopes: list[str] | None = None) -> None:
        self.scopes = scopes or []
        self.scope_str = " ".join(self.scopes)
