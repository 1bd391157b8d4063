"""A subclass in the place of an object's class: the object does more, and still looks like one of its own class."""

from typing import Any, SupportsIndex

__all__ = ["Substitute", "substitute_class"]


class Substitute:
    """Base of the mix-ins for `substitute_class`: copies and pickles of the object are like the object."""

    _fastroute_original: type[Any]

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        # Nobody finds the class that `substitute_class` made by its name: that is the name of the original.
        reduced = super().__reduce_ex__(protocol)
        cls = type(self)
        original = vars(cls).get("_fastroute_original")
        if original is None or isinstance(reduced, str):
            return reduced
        mixin = cls.__bases__[0]
        make, arguments, *state = reduced
        items = [original if item is cls else item for item in (make, *arguments)]
        return _make, (original, mixin, *items), *state


def substitute_class(original: type[Any], mixin: type[Substitute]) -> type[Any]:
    """The class that has the methods of `mixin` before those of `original`; one for each pair.

    Its name, module and docstring are those of `original`, and its attribute `_fastroute_original` is `original`.
    """
    subclass: type[Any]
    for subclass in original.__subclasses__():
        if vars(subclass).get("_fastroute_original") is original and subclass.__bases__[0] is mixin:
            return subclass
    names = {"__module__": original.__module__, "__qualname__": original.__qualname__, "__doc__": original.__doc__}
    made = type(original.__name__, (mixin, original), names)
    # Not before: a class may be among the subclasses although its own `__init_subclass__` raised.
    type.__setattr__(made, "_fastroute_original", original)
    return made


def _make(original: type[Any], mixin: type[Substitute], *items: Any) -> Any:
    """Do as pickle or copy was told to, with the substitute in the place of the original."""
    made = substitute_class(original, mixin)
    make, *arguments = (made if item is original else item for item in items)
    return make(*arguments)
