"""Parameters and dependencies that many routes have in common: analysed faster, and with the same result."""

import inspect
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from fastroute.dependencies.fields import declaration, param_field, plain_field

EMPTY = inspect.Parameter.empty


def parameter(annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter("name_of", kind, annotation=annotation, default=default)


def facts(field: Any) -> dict[str, Any]:
    found = {name: getattr(field, name) for name in type(field).__slots__}
    info, adapter = found.pop("info"), found.pop("adapter")
    slots = {name: getattr(info, name, "unset") for name in FieldInfo.__slots__}
    return {**found, **slots, "schema": adapter.core_schema}


@pytest.mark.parametrize("path_names", [frozenset(), frozenset({"name_of"})], ids=["query", "path"])
@pytest.mark.parametrize("default", [EMPTY, None, "text", "", 7, 0, 1.5, True], ids=repr)
@pytest.mark.parametrize("annotation", [str, int, float, bool])
def test_a_plain_parameter_is_as_by_the_whole_analysis(annotation: Any, default: Any, path_names: Any) -> None:
    one = parameter(annotation, default)
    found = plain_field(one, path_names)
    assert found is not None
    assert facts(found) == facts(param_field("name_of", declaration(one), path_names))


class Int(int):
    pass


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (EMPTY, 1),
        (Int, 1),
        (int | None, 1),
        (list[int], EMPTY),
        (int, Int(1)),
        (str, []),
        (Any, "x"),
        ("int", 1),
        (bytes, b""),
    ],
)
def test_every_other_parameter_is_left_to_the_whole_analysis(annotation: Any, default: Any) -> None:
    assert plain_field(parameter(annotation, default), frozenset()) is None


def test_no_two_fields_share_what_a_tool_may_change() -> None:
    one, other = (plain_field(parameter(int, 1), frozenset()) for _ in range(2))
    assert one is not None
    assert other is not None
    one.info.default = 2
    assert other.info.default == 1
    assert one.adapter is other.adapter
