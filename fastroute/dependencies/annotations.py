"""The types and the metadata that an annotation is made of. At declaration, and if overrides are planned."""

import inspect
import typing
from collections.abc import Iterator
from dataclasses import InitVar, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin, is_typeddict

from pydantic import BaseModel
from typing_extensions import TypeAliasType

__all__ = [
    "alternatives",
    "flattened",
    "is_union",
    "metadata_in",
    "metadata_in_unions",
    "rules_out",
    "told",
    "types_in",
    "unaliased",
]

#: Those of the `type` statement have a class of their own up to Python 3.12.
_ALIASES = (TypeAliasType, getattr(typing, "TypeAliasType", TypeAliasType))


def unaliased(annotation: Any) -> Any:
    """The annotation behind `type` aliases, with the arguments of generic ones put in, and behind `InitVar[...]`."""
    while True:
        origin = get_origin(annotation)
        if isinstance(annotation, InitVar):
            annotation = annotation.type
        elif isinstance(annotation, _ALIASES):
            annotation = annotation.__value__
        elif isinstance(origin, _ALIASES):
            given = dict(zip(origin.__type_params__, get_args(annotation), strict=False))
            annotation = origin.__value__
            if isinstance(annotation, TypeVar):
                annotation = given.get(annotation, Any)
            elif parameters := getattr(annotation, "__parameters__", ()):
                annotation = annotation[tuple(given.get(parameter, Any) for parameter in parameters)]
        else:
            return annotation


def flattened(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without `Annotated`, and the metadata; `type` aliases are followed."""
    metadata: tuple[Any, ...] = ()
    annotation = unaliased(annotation)
    while get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        annotation, metadata = unaliased(annotation), (*rest, *metadata)
    return annotation, metadata


def is_union(annotation: Any) -> bool:
    """Whether it is a union, in either way of writing one."""
    return get_origin(annotation) in (Union, UnionType)


def alternatives(annotation: Any, *, aliases: bool = False, new_types: bool = False) -> Iterator[Any]:
    """The members of a union, without `Annotated`; any other annotation is its own only alternative.

    Args:
        annotation: the annotation.
        aliases: look behind `type` aliases inside of it, too. FastAPI does not when it decides about a place.
        new_types: look behind each `NewType`, too.
    """
    if aliases:
        annotation, _ = flattened(annotation)
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if new_types and isinstance(annotation, NewType):
        yield from alternatives(annotation.__supertype__, aliases=aliases, new_types=True)
        return
    if not is_union(annotation):
        yield annotation
        return
    for part in get_args(annotation):
        yield from alternatives(part, aliases=aliases, new_types=new_types)


def rules_out(annotation: Any, cls: type[Any]) -> bool:
    """Whether an annotation is made of classes alone, and the objects of a class are of none of them."""
    parts = [part for part in alternatives(annotation, aliases=True, new_types=True) if part is not NoneType]
    return not any(_may_be(get_origin(part) or part, cls) for part in parts)


def _may_be(annotated: Any, cls: type[Any]) -> bool:
    if annotated is Any or annotated is inspect.Parameter.empty:
        return True
    if not isinstance(annotated, type) or getattr(annotated, "_is_protocol", False):
        return True
    if is_typeddict(annotated):
        return False
    # A function may stand for an object that is called.
    return issubclass(cls, annotated) or any(_has(cls, use) and _has(annotated, use) for use in _USES)


#: The methods by which somebody awaits, runs, enters or calls an object.
_USES = ("__await__", "__next__", "__anext__", "__enter__", "__aenter__", "__call__")


def _has(cls: type[Any], method: str) -> bool:
    return any(method in vars(base) for base in cls.__mro__)


def told(annotation: Any) -> str:
    """An annotation as it is written."""
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)


def types_in(annotation: Any) -> Iterator[Any]:
    """An annotation and the types that it is made of, without metadata."""
    annotation, _ = flattened(annotation)
    yield annotation
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from types_in(part)


def metadata_in_unions(annotation: Any) -> Iterator[Any]:
    """The metadata of each member of a union."""
    if is_union(annotation):
        for part in get_args(annotation):
            member, metadata = flattened(part)
            yield from metadata
            yield from metadata_in_unions(member)


def metadata_in(annotation: Any, seen: set[int]) -> Iterator[Any]:
    """The metadata and defaults of all that an annotation is made of, with the fields and validators of its models."""
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    annotation, metadata = flattened(annotation)
    yield from metadata
    if isinstance(annotation, list):  # the parameters of a Callable
        parts = annotation
    elif isinstance(annotation, NewType):
        parts = [annotation.__supertype__]
    elif isinstance(annotation, TypeVar):
        parts = [annotation.__bound__, *annotation.__constraints__]
    elif get_origin(annotation) is Literal:
        parts = []
    else:
        yield from _metadata_of_fields(get_origin(annotation) or annotation, seen)
        parts = list(get_args(annotation))
    for part in parts:
        yield from metadata_in(part, seen)


def _metadata_of_fields(cls: Any, seen: set[int]) -> Iterator[Any]:
    decorators = getattr(cls, "__pydantic_decorators__", None)
    for kind in ("field_validators", "model_validators", "validators", "root_validators"):
        yield from getattr(decorators, kind, {}).values()
    if inspect.isclass(cls) and issubclass(cls, BaseModel):
        yield from _metadata_of_hints(cls)
        for info in cls.model_fields.values():
            yield info  # pydantic keeps a marker that is the default
            yield info.default
            yield from info.metadata
            yield from metadata_in(info.annotation, seen)
        yield from (attribute.default for attribute in cls.__private_attributes__.values())
    elif inspect.isclass(cls) and (is_dataclass(cls) or is_typeddict(cls) or hasattr(cls, "_fields")):
        for name, hint in _hints(cls).items():
            yield getattr(cls, name, None)
            yield getattr(cls, "__dataclass_fields__", {}).get(name)
            yield from metadata_in(hint, seen)


def _metadata_of_hints(model: type[BaseModel]) -> Iterator[Any]:
    """The metadata of the fields of a model, also the markers, which pydantic drops."""
    for hint in _hints(model).values():
        yield from flattened(hint)[1]


def _hints(cls: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:  # pydantic tells whether it needs them
        return {}
