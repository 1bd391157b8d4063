"""Constraints that cannot apply to their type, so that pydantic itself fails, and only when a client sends a value.

Nobody knows that better than pydantic. So it gets texts as clients send them, some for each type that it knows. If
pydantic itself fails for all of them, it fails for every client's value. At declaration, and if overrides are planned.
"""

import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, NewType, TypeVar, get_args, get_origin

from annotated_types import BaseMetadata, GroupedMetadata, Not, Predicate
from pydantic import Field, TypeAdapter, ValidationError

from ..exceptions import Problem
from .annotations import told

__all__ = ["check_constraints"]

#: Each type that pydantic knows reads one of these, but for `Json`, which counts as code.
_TEXTS = (
    *("1", "2020-01-01", "2020-01-01T00:00:00Z", "00:00:00", "00:00:00Z", "192.0.2.1", "::1"),
    *("00000000-0000-4000-8000-000000000000", "https://example.org/"),
)

#: The names of the constraints, as they are written.
_CONSTRAINTS = (
    *("gt", "ge", "lt", "le", "multiple_of"),
    *("min_length", "max_length", "pattern", "max_digits", "decimal_places"),
)


def check_constraints(
    adapter: TypeAdapter[Any], annotation: Any, metadata: Sequence[Any], *, is_sequence: bool
) -> None:
    """Check that no constraint fails for each value of a type with an error that is not the client's.

    Args:
        adapter: validates the values.
        annotation: the type of the values.
        metadata: the constraints, and validators of the user.
        is_sequence: a client sends several texts.

    Raises:
        Problem: a constraint cannot apply to the type.
    """
    found = [(name, bound) for item in metadata for name in _CONSTRAINTS if (bound := _bound(item, name)) is not None]
    if not found or any(map(_is_code, metadata)) or any(map(_runs_code, _parts(annotation))):
        return
    texts = (*_TEXTS, *_texts_of(annotation))
    values = [[], *([text] for text in texts)] if is_sequence else texts
    if not _applies(adapter, values):
        name, bound = _culprit(annotation, found, values)
        raise Problem(
            f"{name}={bound!r} cannot apply to {told(annotation)}, so every value would fail; remove it, or write a "
            "type that has it"
        )


def _bound(item: Any, name: str) -> Any:
    return getattr(item, name, None) if isinstance(item, BaseMetadata | GroupedMetadata) else None


def _is_code(item: Any) -> bool:
    """Whether it is a validator: code of the user, which may give a value of another type."""
    return isinstance(item, Predicate | Not) or hasattr(item, "__get_pydantic_core_schema__")


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation, and all that it is made of."""
    yield annotation
    if isinstance(annotation, NewType):
        yield from _parts(annotation.__supertype__)
    elif isinstance(annotation, TypeVar):
        for part in (annotation.__bound__, *annotation.__constraints__):
            yield from _parts(part)
    elif get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _parts(part)


def _runs_code(part: Any) -> bool:
    """Whether the validation of a part of an annotation may run code of the user."""
    if isinstance(part, type) and not issubclass(part, Enum):
        return part.__module__.partition(".")[0] not in (*sys.stdlib_module_names, "pydantic", "pydantic_core")
    return _is_code(part)


def _texts_of(annotation: Any) -> Iterator[str]:
    """The values of enums and literals, as a client sends them."""
    for part in _parts(annotation):
        if get_origin(part) is Literal:
            yield from map(str, get_args(part))
        elif isinstance(part, type) and issubclass(part, Enum):
            yield from (str(member.value) for member in part)


def _applies(adapter: TypeAdapter[Any], values: Sequence[Any]) -> bool:
    """Whether a value has come as far as the constraint, or none has shown that it cannot."""
    fails = False
    for value in values:
        try:
            adapter.validator.validate_python(value)
        except ValidationError as error:
            # The context of an error holds the constraint that is not met.
            if any(name in each.get("ctx", ()) for each in error.errors() for name in _CONSTRAINTS):
                return True
        except Exception:
            fails = True
        else:
            return True
    return not fails


def _culprit(annotation: Any, found: list[tuple[str, Any]], values: Sequence[Any]) -> tuple[str, Any]:
    """The first constraint that fails alone."""
    for name, bound in found:
        constrained: Any = Annotated[annotation, Field(**{name: bound})]
        if not _applies(TypeAdapter(constrained), values):
            return name, bound
    return found[0]
