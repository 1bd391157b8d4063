"""Constraints that cannot apply to a type: pydantic tries them only when a client sends a value. Startup only."""

import operator
from collections import deque
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, get_origin
from uuid import UUID

from annotated_types import BaseMetadata, GroupedMetadata

from ..exceptions import Problem

__all__ = ["check_constraints"]

_NUMBERS = (1, 1.0, True, Decimal(1))
_TIMES = (date.min, datetime.min, time.min, timedelta())
_COLLECTIONS: tuple[Any, ...] = ("", b"", [], (), set(), frozenset(), deque(), {})

#: A value of each type that pydantic makes from texts and lists of texts.
_SAMPLES: dict[Any, Any] = {type(value): value for value in (*_NUMBERS, *_TIMES, *_COLLECTIONS, UUID(int=0))}

#: Each fails for a value that does not have the property of the constraint.
_TRIALS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "multiple_of": operator.mod,
    "min_length": lambda value, _: len(value),
    "max_length": lambda value, _: len(value),
    "pattern": lambda value, _: value.title(),
    "max_digits": lambda value, _: value.as_tuple(),
    "decimal_places": lambda value, _: value.as_tuple(),
}


def check_constraints(types: Sequence[Any], metadata: Sequence[Any]) -> None:
    """Refuse constraints that fail for each value of a type.

    Args:
        types: the alternatives of an annotation.
        metadata: the constraints, and validators of the user.

    Raises:
        Problem: a constraint cannot apply to any of the types.
    """
    samples = [_SAMPLES.get(get_origin(cls) or cls) for cls in types]
    if any(sample is None for sample in samples):
        return
    for item in metadata:
        if not isinstance(item, BaseMetadata | GroupedMetadata):
            return  # a validator may give a value of another type
        for name, trial in _TRIALS.items():
            bound = getattr(item, name, None)
            if bound is not None and not any(_succeeds(trial, sample, bound) for sample in samples):
                names = " | ".join(str(getattr(cls, "__name__", cls)) for cls in types)
                raise Problem(
                    f"{name}={bound!r} cannot apply to {names}, so every value would fail; remove it, or write a type "
                    "that has it"
                )


def _succeeds(trial: Callable[[Any, Any], Any], sample: Any, bound: Any) -> bool:
    try:
        trial(sample, bound)
    except (TypeError, AttributeError):
        return False
    except ArithmeticError:  # % 0
        return True
    return True
