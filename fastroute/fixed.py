"""Attributes that are read when their object is made: to assign them later would have no effect, so it raises."""

from typing import Any, Generic, TypeVar, overload

__all__ = ["Fixed", "FixedList"]

ValueT = TypeVar("ValueT")


class Fixed(Generic[ValueT]):
    """An attribute that can be assigned once.

    Args:
        unset: the value before that, which the copy of an object sees while it is made.
    """

    def __init__(self, unset: ValueT) -> None:
        self.unset = unset

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, thing: None, cls: type[Any]) -> "Fixed[ValueT]": ...

    @overload
    def __get__(self, thing: object, cls: type[Any]) -> ValueT: ...

    def __get__(self, thing: object, cls: type[Any]) -> "Fixed[ValueT] | ValueT":
        if thing is None:
            return self
        value: ValueT = vars(thing).get(self.name, self.unset)
        return value

    def __set__(self, thing: object, value: ValueT) -> None:
        if self.name in vars(thing):
            raise AttributeError(_told(f"{type(thing).__name__}.{self.name}", self.name))
        vars(thing)[self.name] = value


def _told(what: str, name: str) -> str:
    return f"{what} is read when the object is made, and nobody would read a change; give {name}= to the constructor"


def _raise(fixed: list[Any], *arguments: Any, **keywords: Any) -> Any:
    raise TypeError(_told("this list", "dependencies"))


_raises: Any = _raise


class FixedList(list[Any]):
    """The list `dependencies` of a route or of its `dependant`; FastAPI's are lists, too."""

    append = extend = insert = remove = pop = clear = sort = reverse = _raises
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _raises

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)
