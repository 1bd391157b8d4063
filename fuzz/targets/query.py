"""A query string against Starlette's `QueryParams`: all values, and the last ones."""

from starlette.datastructures import QueryParams

from fastroute.dependencies import parsing

WORDS = ["a=1", "&", "=", "+", "%", "%41", "%26", "%e2%82%ac", "%ff", "%zz", ";", "&&", "a", "\ufffd"]


def check(data: bytes) -> None:
    expected = QueryParams(data)
    assert parsing.query_values(data) == dict(expected), data
    lists = parsing.query_lists(data)
    assert lists == {key: expected.getlist(key) for key in expected}, data
    assert list(lists) == list(expected), data
