"""PathMatcher against Starlette's own compile_path, on paths and templates that matchers get wrong."""

import copy
import gc
import inspect
import itertools
import linecache
import pickle
import re
import sys
import sysconfig
import textwrap
import threading
import traceback
import weakref
from collections.abc import Iterator
from enum import StrEnum
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from starlette.convertors import CONVERTOR_TYPES, Convertor, IntegerConvertor, StringConvertor
from starlette.routing import compile_path

import fastroute
from fastroute.commands.fuzz import starlette_match
from fastroute.matching import matcher_py
from fastroute.matching import template as templates

pytestmark = pytest.mark.twins

FREE_THREADED = sysconfig.get_config_var("Py_GIL_DISABLED") == 1
TEXT = "12345678-9abc-DEF0-1234-56789abcdef0"


@pytest.fixture
def registry() -> Iterator[dict[str, Convertor[Any]]]:
    """Starlette's registry of convertors, put back afterwards: without the names that a test has added."""
    before = dict(CONVERTOR_TYPES)
    yield CONVERTOR_TYPES
    CONVERTOR_TYPES.clear()
    CONVERTOR_TYPES.update(before)


@pytest.fixture
def digits() -> Iterator[None]:
    """Python's limit on digits, put back afterwards."""
    limit = sys.get_int_max_str_digits()
    yield
    sys.set_int_max_str_digits(limit)


class Upper(Convertor[str]):
    regex = "[A-Z]+"

    def convert(self, value: str) -> str:
        if value == "BAD":
            raise ValueError("bad")
        return value.lower()

    def to_string(self, value: str) -> str:
        return value.upper()


TEMPLATES = [
    "/",
    "//",
    "/a",
    "/{a}",
    "/{a:str}/{b:path}",
    "/{a:int}/x/{b:float}.json",
    "/{a:uuid}{b:uuid}",
    "/{a}{b}{c:path}{d:path}",
    "/v{major:int}.{minor:int}",
    "/a.b+c*(d)[e]^$|\\?",
    "/{/}/{}/{1a}/{a",
    "/{{a}}",
    "/{a }",
    "/{a:}",
    "/\n/\0/\xe9/\ud800/\U0001f600",
    "/{_}/{__}/{A9}",
    "",
    "a/{b}",
    "{sub}.example.org",
    "{sub}.Example.org:80",
    "example.org:8000",
    "[::1]",
    "[::1]:80",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_attributes_are_those_of_compile_path(template: str) -> None:
    path_regex, path_format, param_convertors = compile_path(template)
    matcher = fastroute.PathMatcher(template)
    assert matcher.path == template
    assert matcher.path_format == path_format
    assert matcher.param_convertors == param_convertors
    assert list(matcher.param_convertors) == list(param_convertors)
    assert matcher.path_regex == path_regex
    assert matcher.path_regex is matcher.path_regex


def test_the_regex_is_built_when_it_is_first_asked_for(implementation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def spy(elements: Any) -> re.Pattern[str]:
        built.append(elements)
        return templates.compile_elements(elements)

    kernel = import_module("fastroute.matching.matcher" + {"cython": "_c", "python": "_py"}[implementation])
    monkeypatch.setattr(kernel, "compile_elements", spy)
    matcher = fastroute.PathMatcher("/a/{b:int}")
    matcher.match("/a/1")
    assert not built
    assert matcher.path_regex.pattern == "^/a/(?P<b>[0-9]+)$"
    assert len(built) == 1


MATCHES = [
    # `$` stands before a final newline.
    ("/a", ["/a", "/a\n", "/a\n\n", "/b", "/ab", "a", "", "/", "/A"]),
    ("/a\n", ["/a\n", "/a\n\n", "/a"]),
    ("/{a}", ["/x", "/x\n", "/\n", "/x\ny", "/", "/x/", "/\0", "/\ud800", "/\U0001f600", "x"]),
    ("/{a}/", ["/x/", "/x/\n", "/\n/", "//"]),
    ("/{a:path}", ["/", "/\n", "/x\n", "/x\ny", "/x\n\n", "/x/y/", "//", "/\r", "/\x85\u2028"]),
    ("/{a:path}/x", ["//x", "/x", "/x/x", "/x/x/x\n", "/\n/x", "/a\n/x"]),
    ("/{a:int}", ["/1", "/1\n", "/007", "/-1", "/+1", "/1_0", "/ 1", "/\u0661", "/\xb2", "/\uff11", "/", "/1.0"]),
    ("/{a:int}", [f"/{2**63 - 1}", f"/{2**63}", f"/{10**17}", f"/{10**18}", f"/{10**19}", "/" + "0" * 30 + "1"]),
    ("/{a:float}", ["/1", "/1.5", "/1.", "/.5", "/1.5\n", "/1e5", "/inf", "/nan", "/1.5.5", "/\u0661.5", "/1,5"]),
    ("/{a}?{b}", ["/x?y", "/x\xe9y", "/x\u0661y", "/??", "/?", "/x?y?z"]),
    ("/{a}\u0661{b}", ["/x\u0661y", "/x?y", "/x\0y", "/\u0661\u0661\u0661", "/x\u0662y", "/x\u0661y\u0661z"]),
    ("/{a}\U0001f600\u0661{b}", ["/x\U0001f600\u0661y", "/x\u0661\U0001f600y", "/x??y"]),
    ("/{a:float}", ["/0.1", "/1." + "0" * 100 + "1", "/" + "9" * 70, "/" + "9" * 400, "/0." + "0" * 400 + "1"]),
    ("/{a:float}{b}", ["/1.5", "/1.", "/1..", "/12", "/1.2.3", "/1"]),
    ("/{a:float}.{b}", ["/1.5", "/1.5.5", "/1..5", "/1.5.", "/1.", "/12.34.56.78"]),
    ("/{a:float}.5", ["/1.5", "/1.5.5", "/1..5", "/1.55", "/5.5.5\n"]),
    ("/{a:float}{b:float}", ["/1.5", "/15", "/1.55", "/1.5.5", "/1..5", "/1"]),
    ("/{a:int}{b:int}", ["/1", "/12", "/123", "/1a"]),
    ("/{a:uuid}", [f"/{TEXT}", f"/{TEXT.upper()}", f"/{TEXT.replace('-', '')}", f"/{TEXT}\n", f"/{TEXT}0"]),
    ("/{a:uuid}", [f"/{TEXT[:8]}{TEXT[9:]}", f"/{TEXT[:-1]}", f"/-{TEXT}", f"/{TEXT.replace('-', '--')}", "/x"]),
    ("/{a:uuid}", [f"/{TEXT[:-1]}g", f"/{TEXT[:-1]}\uff11", f"/{TEXT[0:7]}-{TEXT[7:]}", f"/{{{TEXT}}}", f"/{TEXT}-"]),
    ("/{a:uuid}{b:uuid}", [f"/{TEXT}{TEXT}", f"/{TEXT}-{TEXT}", "/" + "a" * 64, "/" + "a" * 63]),
    # The first parameter takes as much as it can, then the second.
    ("/{a}-{b}", ["/1-2", "/1-2-3", "/1-", "/-1", "/--", "/---", "/1-2\n", "/1-\n", "/-", "/1-2/", "/1\n-2"]),
    ("/{a}{b}", ["/x", "/xy", "/xyz", "/xy\n", "/x\n", "/\n\n"]),
    ("/{a}.{b}.{c}", ["/1.2.3", "/1.2.3.4", "/1.2", "/...", "/.....", "/1..2"]),
    ("/{a}--{b}", ["/1--2", "/1---2", "/1----2", "/1-2", "/1--", "/--1--2"]),
    ("/v{a:int}.{b:int}", ["/v1.2", "/v1.2\n", "/v1.", "/v.2", "/v1.2.3", "/v10.20"]),
    ("/{a:path}{b:path}", ["/", "/x/y", "/x\ny", "/x\n"]),
    ("/{a:path}/x/{b}", ["/1/x/2", "/x/x/x", "/x/x/x/x", "//x/2", "/1/x/", "/1/x/2/x/3/4"]),
    ("/{a:path}/x/{b:path}/y/{c:path}", ["/1/x/2/y/3", "/x/x/y/y/x/y/", "//x//y/", "/x/y/x/y/x/y", "/1/y/2/x/3"]),
    ("/{a:path}\n{b:path}", ["/x\ny", "/\n", "/x\n\n", "/x\ny\n", "/x\ny\nz"]),
    ("/{a:path}{b:int}", ["/1", "/12", "/a1", "/a", "/1\n", "/1a"]),
    ("/{a}{b:int}{c}", ["/111", "/a1b", "/11", "/a11b22c", "/a1"]),
    # Literals of every width against paths of every width.
    ("/\xe9{a}", ["/\xe9x", "/\xe9\u0661", "/\xe9\U0001f600", "/ex", "/x"]),
    ("/\u0661{a}", ["/\u0661x", "/ax", "/\u0661\U0001f600", "/ax\u0661"]),
    ("/\U0001f600{a}-{b}", ["/\U0001f600x-y", "/ax-y", "/\U0001f600--\U0001f600-", "/\u0661x-y"]),
    ("/{a}?{b}", ["/x?y", "/?y", "/x?", "/x\u0661y", "/\u0661?\u0661", "/x?\u0661?"]),
    ("/{a}\0{b}", ["/x\0y", "/x y", "/\0\0\0", "/\x01\0\x01", "/\u0661\0\u0661"]),
    ("/{a}\u0661{b}", ["/x\u0661y", "/x?y", "/\u0661\u0661\u0661", "/\0\u0661\0", "/x\uff11y"]),
    ("/{a}\ud800{b}", ["/x\ud800y", "/x\udfffy", "/\ud800\ud800\ud800"]),
    ("{sub}.example.org", ["a.example.org", "A.EXAMPLE.ORG", "a.example.org:80", "a.b.example.org", ".example.org"]),
    ("", ["", "\n", "/"]),
]


@pytest.mark.parametrize(("template", "paths"), MATCHES, ids=[ascii(template) for template, _ in MATCHES])
def test_matches_as_starlette(template: str, paths: list[str]) -> None:
    expected = starlette_match(template)
    matcher = fastroute.PathMatcher(template)
    for path in paths:
        found = matcher.match(path)
        assert repr(found) == repr(expected(path)), path
        assert list(map(type, found or {})) == list(map(type, expected(path) or {}))


PASSED = [
    *[(template, paths) for template, paths in MATCHES if "{" in template and template.startswith("/")],
    ("/{a}{b:uuid}-", [f"/x{TEXT}-", f"/x{TEXT}-\n", f"/{TEXT}-", f"/x{TEXT.replace('-', '')}-", "/x-"]),
]


@pytest.mark.parametrize(("template", "paths"), PASSED, ids=[ascii(template) for template, _ in PASSED])
def test_the_two_passes_match_as_starlette(template: str, paths: list[str]) -> None:
    """The pure twin lets `re` match short paths: here it may not, so that the passes match all that is not forced."""
    elements = templates.read_template(template).elements
    match, expected = matcher_py.element_match(elements, steps=0), starlette_match(template)
    for path in paths:
        assert repr(match(path)) == repr(expected(path)), path


@pytest.mark.parametrize("first", ["{a:float}", "{a:int}", "{a}", "{a:path}", "{a:uuid}"])
@pytest.mark.parametrize("between", ["", ".", "1", ".1", "/", "\n"])
@pytest.mark.parametrize("second", ["", "{b:float}", "{b}", "{b:path}", "{b:uuid}"])
def test_the_two_passes_match_every_small_path(first: str, between: str, second: str) -> None:
    template = f"/{first}{between}{second}"
    match = matcher_py.element_match(templates.read_template(template).elements, steps=0)
    expected = starlette_match(template)
    pieces = ["1", ".", "a", "/", "\n"] if "uuid" not in template else [TEXT, TEXT.replace("-", ""), *"1.-\n"]
    for size in range(5):
        for drawn in itertools.product(pieces, repeat=size):
            path = "/" + "".join(drawn)
            assert repr(match(path)) == repr(expected(path)), path


@pytest.mark.parametrize("first", ["{a:float}", "{a:int}", "{a}", "{a:path}", "{a:uuid}"])
def test_the_two_passes_know_the_class_of_every_character(first: str) -> None:
    template = f"/{first}1{{b}}"
    match = matcher_py.element_match(templates.read_template(template).elements, steps=0)
    expected = starlette_match(template)
    for character in map(chr, range(0x120)):
        for path in (f"/{character}1x", f"/1{character}1x", f"/{TEXT[:-1]}{character}1x", f"/1.1{character}1x"):
            assert repr(match(path)) == repr(expected(path)), path


def test_the_two_passes_find_every_character_of_a_literal() -> None:
    for character in map(chr, range(0x120)):
        template = f"/{{a}}{character}{{b}}"
        match = matcher_py.element_match(templates.read_template(template).elements, steps=0)
        for path in (f"/x{character}y", f"/{character * 3}", "/x\0?y", "/x\u0661y", f"/{character}\u0661{character}"):
            assert repr(match(path)) == repr(starlette_match(template)(path)), ascii(path)


def test_the_table_above_matches_and_misses() -> None:
    found = {starlette_match(template)(path) is None for template, paths in MATCHES for path in paths}
    assert found == {True, False}


# More parameters than the compiled twin keeps on its stack, and paths that still match.
@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("separator", ["/", "-", "\xe9"])
def test_many_parameters(count: int, separator: str) -> None:
    template = "/" + separator.join(f"{{p{number}}}" for number in range(count))
    values = [f"v{number}" for number in range(count)]
    names = [f"p{number}" for number in range(count)]
    assert fastroute.PathMatcher(template).match("/" + separator.join(values)) == dict(zip(names, values, strict=True))
    assert fastroute.PathMatcher(template).match("/" + separator.join(values) + "/") is None


SIZE = 65_536
LONG = [
    ("/{a}", "/" + "x" * SIZE, {"a": "x" * SIZE}),
    ("/{a}", "/" + "\U0001f600" * SIZE, {"a": "\U0001f600" * SIZE}),
    ("/{a}/", "/" + "x" * SIZE, None),
    ("/{a:path}", "/" + "x/" * SIZE, {"a": "x/" * SIZE}),
    ("/{a:path}", "/" + "x/" * SIZE + "\n\n", None),
    ("/{a}-{b}", "/" + "-" * SIZE, {"a": "-" * (SIZE - 2), "b": "-"}),
    ("/{a}-{b}", "/" + "-" * SIZE + "/", None),
    ("/{a}-{b}", "/" + "\u0661-" * SIZE + "?", {"a": "\u0661-" * (SIZE - 1) + "\u0661", "b": "?"}),
    ("/{a}?{b}", "/" + "?\u0661" * SIZE, {"a": "?\u0661" * (SIZE - 1), "b": "\u0661"}),
    ("/{a}\u0661?{b}", "/" + "\0\u0661?" * SIZE, {"a": "\0\u0661?" * (SIZE - 2) + "\0", "b": "\0\u0661?"}),
    ("/{a}\u0661{b}", "/" + "\0\u0662" * SIZE, None),
    ("/{a:int}{b:int}{c:int}x", "/" + "1" * 3_000 + "x", {"a": int("1" * 2_998), "b": 1, "c": 1}),
    ("/{a:int}{b:int}{c:int}x", "/" + "1" * SIZE, None),
    ("/{a:float}{b:float}{c:float}x", "/" + "1.1" * SIZE, None),
    ("/{a:uuid}{b:path}{c:uuid}{d:path}/", "/" + "a" * SIZE, None),
    ("/{a:path}/x/{b:path}/y/{c:path}/z", "/" + "/x/y" * (SIZE // 4), None),
]


@pytest.mark.parametrize(("template", "path", "expected"), LONG, ids=[ascii(template) for template, *_ in LONG])
def test_long_paths_that_a_regex_would_take_years_for(template: str, path: str, expected: Any) -> None:
    assert fastroute.PathMatcher(template).match(path) == expected


@pytest.mark.parametrize("blocks", [5, 10, 1_000, 16_384])
def test_the_first_parameter_is_longest_in_long_paths_too(blocks: int) -> None:
    template, path = "/{a:path}/x/{b:path}/y/{c:path}/z", "/" + "/x/y" * blocks + "/z"
    expected = {"a": "/x/y" * (blocks - 3), "b": "y/x", "c": "x/y"}
    if blocks <= 10:
        assert starlette_match(template)(path) == expected
    assert fastroute.PathMatcher(template).match(path) == expected


@pytest.mark.parametrize("template", ["/a/{b}", "/a/{b}-{c}", "/a", "/{a:upper}"])
def test_every_answer_is_a_new_dict(template: str, registry: dict[str, Convertor[Any]]) -> None:
    registry["upper"] = Upper()
    matcher = fastroute.PathMatcher(template)
    path = re.sub("{.*?}", "A", template)
    first, second = matcher.match(path), matcher.match(path)
    assert first == second
    assert first is not None
    assert first is not second
    first["stray"] = 1
    assert matcher.match(path) == second


@pytest.mark.parametrize("template", ["/a", "/a/{b}", "/{a}-{b}", "/{a:upper}", "host"])
@pytest.mark.parametrize("wrong", [None, b"/a", 1, ["/a"]])
def test_only_a_str_can_be_matched(template: str, wrong: Any, registry: dict[str, Convertor[Any]]) -> None:
    registry["upper"] = Upper()
    told = f"route_path must be a str, not {type(wrong).__name__}" if template == "/a" else None
    with pytest.raises(TypeError, match=told):
        fastroute.PathMatcher(template).match(wrong)


class Paths(StrEnum):
    USER = "/users/{user:int}"
    COMPOUND = "/{a}-{b}"
    STATIC = "/users"


@pytest.mark.parametrize("template", list(Paths))
def test_a_template_may_be_of_a_subclass_of_str(template: Paths) -> None:
    matcher = fastroute.PathMatcher(template)
    for path in ("/users/1", "/a-b", "/users", "/users\n"):
        assert matcher.match(path) == starlette_match(template)(path)
    assert matcher.path is template
    assert type(matcher.path_format) is str
    assert matcher.path_regex == compile_path(template)[0]


def test_a_subclass_of_str_is_matched_as_a_str() -> None:
    class Path(str):
        __slots__ = ()

    for template in ("/a/{b}", "/{a}/{b}", "/a/b", "/{a:path}"):
        found = fastroute.PathMatcher(template).match(Path("/a/b"))
        assert found == starlette_match(template)("/a/b")
        assert all(type(value) is str for value in found.values())


class TestUUID:
    """A parsed UUID is in every way like `UUID(text)`."""

    @pytest.fixture(params=[TEXT, TEXT.upper(), TEXT.replace("-", ""), "0" * 32, "f" * 32])
    def pair(self, request: pytest.FixtureRequest) -> tuple[UUID, UUID]:
        params = fastroute.PathMatcher("/{value:uuid}").match(f"/{request.param}")
        assert params is not None
        return params["value"], UUID(request.param)

    def test_type_and_value(self, pair: tuple[UUID, UUID]) -> None:
        made, expected = pair
        assert type(made) is UUID
        assert made == expected
        assert hash(made) == hash(expected)
        assert repr(made) == repr(expected)
        assert made.int == expected.int
        assert type(made.int) is int

    def test_is_safe(self, pair: tuple[UUID, UUID]) -> None:
        assert pair[0].is_safe is pair[1].is_safe

    def test_copies(self, pair: tuple[UUID, UUID]) -> None:
        made, expected = pair
        assert pickle.dumps(made) == pickle.dumps(expected)
        assert copy.deepcopy(made) == expected
        assert pickle.loads(pickle.dumps(made)).is_safe is expected.is_safe

    def test_it_cannot_be_changed(self, pair: tuple[UUID, UUID]) -> None:
        with pytest.raises(TypeError):
            pair[0].int = 1  # type: ignore[misc]

    def test_it_can_be_referred_to_weakly(self, pair: tuple[UUID, UUID]) -> None:
        assert weakref.ref(pair[0])() is pair[0]


@pytest.mark.usefixtures("digits")
class TestLongInts:
    """The one deliberate difference: no match; Starlette raises, which becomes a 500."""

    @pytest.mark.parametrize("template", ["/{a:int}", "/{a:int}{b:int}", "/{a:int}/{b:upper}", "/{b:upper}/{a:int}"])
    def test_more_digits_than_python_converts(self, template: str, registry: dict[str, Convertor[Any]]) -> None:
        registry["upper"] = Upper()
        sys.set_int_max_str_digits(1_000)
        matcher = fastroute.PathMatcher(template)
        fits, too_long = (
            template.replace("{a:int}", "1" * size).replace("{b:upper}", "B").replace("{b:int}", "1")
            for size in (1_000, 1_001)
        )
        found = matcher.match(fits)
        assert found is not None
        assert found["a"] == int("1" * 1_000)
        assert matcher.match(too_long) is None
        with pytest.raises(ValueError, match="Exceeds the limit"):
            compile_path_match(template, too_long)

    def test_the_limit_is_read_when_a_path_is_matched(self) -> None:
        matcher = fastroute.PathMatcher("/{a:int}")
        path = "/" + "7" * 5_000
        sys.set_int_max_str_digits(4_300)
        assert matcher.match(path) is None
        sys.set_int_max_str_digits(5_000)
        assert matcher.match(path) is not None
        sys.set_int_max_str_digits(0)
        assert matcher.match(path + path[1:]) is not None

    def test_leading_zeros_count_as_they_do_for_int(self) -> None:
        sys.set_int_max_str_digits(640)
        assert fastroute.PathMatcher("/{a:int}").match("/" + "0" * 640 + "1") is None
        assert fastroute.PathMatcher("/{a:int}").match("/" + "0" * 639 + "1") == {"a": 1}

    def test_no_other_number_is_limited(self) -> None:
        sys.set_int_max_str_digits(640)
        assert fastroute.PathMatcher("/{a:float}").match("/" + "9" * 5_000) == {"a": float("inf")}


def compile_path_match(template: str, path: str) -> dict[str, Any] | None:
    """The answer of a Starlette route, without the difference that `starlette_match` makes."""
    path_regex, _, convertors = compile_path(template)
    found = path_regex.match(path)
    return found and {name: convertors[name].convert(value) for name, value in found.groupdict().items()}


class TestConvertors:
    """Starlette's registry counts, as it is when the matcher is made."""

    def test_a_custom_convertor(self, registry: dict[str, Convertor[Any]]) -> None:
        registry["upper"] = Upper()
        matcher = fastroute.PathMatcher("/{a:upper}-{b:int}")
        assert matcher.match("/ABC-12") == {"a": "abc", "b": 12}
        assert matcher.match("/abc-12") is None
        assert matcher.param_convertors["a"] is registry["upper"]
        assert matcher.path_regex == compile_path("/{a:upper}-{b:int}")[0]

    def test_its_error_is_not_a_miss(self, registry: dict[str, Convertor[Any]]) -> None:
        registry["upper"] = Upper()
        with pytest.raises(ValueError, match="bad"):
            fastroute.PathMatcher("/{a:upper}/{b:int}").match("/BAD/1")

    def test_an_own_convertor_under_another_name(self, registry: dict[str, Convertor[Any]]) -> None:
        registry["pk"] = IntegerConvertor()
        matcher = fastroute.PathMatcher("/{a:pk}")
        assert matcher.match("/12") == {"a": 12}
        assert matcher.param_convertors["a"] is registry["pk"]

    def test_a_name_that_was_taken_over(self, registry: dict[str, Convertor[Any]]) -> None:
        before = fastroute.PathMatcher("/{a:int}")
        registry["int"] = Upper()
        assert fastroute.PathMatcher("/{a:int}").match("/ABC") == {"a": "abc"}
        assert before.match("/12") == {"a": 12}
        assert before.path_regex.pattern == "^/(?P<a>[0-9]+)$"

    def test_a_subclass(self, registry: dict[str, Convertor[Any]]) -> None:
        class Signed(IntegerConvertor):
            regex = "-?[0-9]+"

        class Doubled(IntegerConvertor):
            def convert(self, value: str) -> int:
                return 2 * int(value)

        registry["signed"], registry["doubled"] = Signed(), Doubled()
        assert fastroute.PathMatcher("/{a:signed}/{b:doubled}").match("/-1/2") == {"a": -1, "b": 4}

    def test_a_regex_patched_on_the_instance(self, registry: dict[str, Convertor[Any]]) -> None:
        registry["short"] = StringConvertor()
        registry["short"].regex = "[^/]{1,3}"  # type: ignore[misc]
        matcher = fastroute.PathMatcher("/{a:short}")
        assert [matcher.match("/abc"), matcher.match("/abcd")] == [{"a": "abc"}, None]

    def test_a_regex_patched_on_the_class(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(IntegerConvertor, "regex", "-?[0-9]+")
        assert fastroute.PathMatcher("/{a:int}").match("/-5") == {"a": -5}

    def test_convert_patched(self, monkeypatch: pytest.MonkeyPatch, registry: dict[str, Convertor[Any]]) -> None:
        registry["louder"] = StringConvertor()
        registry["louder"].convert = lambda value: value + "!"  # type: ignore[method-assign]
        assert fastroute.PathMatcher("/{a:louder}").match("/x") == {"a": "x!"}
        monkeypatch.setattr(StringConvertor, "convert", lambda self, value: value.upper())
        assert fastroute.PathMatcher("/{a}").match("/x") == {"a": "X"}

    def test_a_group_inside_its_regex(self, registry: dict[str, Convertor[Any]]) -> None:
        registry["upper"] = Upper()
        registry["upper"].regex = "(?P<inner>[A-Z])+"  # type: ignore[misc]
        with pytest.raises(KeyError, match="inner"):
            fastroute.PathMatcher("/{a:upper}").match("/ABC")

    def test_a_regex_that_is_none(self, registry: dict[str, Convertor[Any]]) -> None:
        registry["upper"] = Upper()
        registry["upper"].regex = "("  # type: ignore[misc]
        with pytest.raises(re.error):
            fastroute.PathMatcher("/{a:upper}")


def test_an_unknown_convertor_is_an_error_that_says_what_there_is() -> None:
    with pytest.raises(ValueError, match="nope") as raised:
        fastroute.PathMatcher("/{a}/{b:nope}")
    assert str(raised.value) == (
        "Unknown convertor 'nope' of parameter 'b' in path '/{a}/{b:nope}': known are str, path, int, float, uuid; "
        "starlette.convertors.register_url_convertor adds one"
    )


@pytest.mark.parametrize("template", ["/{a}/{a}", "/{a:int}{b}{a}{b:path}", "{a}.{a}"])
def test_a_name_twice_is_the_error_of_starlette(template: str) -> None:
    with pytest.raises(ValueError, match="Duplicated param") as expected:
        compile_path(template)
    with pytest.raises(ValueError, match=f"^{re.escape(str(expected.value))}$"):
        fastroute.PathMatcher(template)


@pytest.mark.parametrize("wrong", [None, b"/a", 1])
def test_only_a_str_can_be_a_template(wrong: Any) -> None:
    with pytest.raises(TypeError):
        fastroute.PathMatcher(wrong)


@pytest.mark.parametrize("template", ["/a/{b:int}", "/{a}-{b}", "/a", "host"])
def test_copies_match_the_same(template: str) -> None:
    matcher = fastroute.PathMatcher(template)
    for other in (copy.copy(matcher), copy.deepcopy(matcher), pickle.loads(pickle.dumps(matcher))):
        assert other.path == template
        assert [other.match(path) for path in ("/a/1", "/1-2", "/a", "host")] == [
            matcher.match(path) for path in ("/a/1", "/1-2", "/a", "host")
        ]


def test_repr_is_how_to_make_it() -> None:
    assert repr(fastroute.PathMatcher("/a/{b:int}")) == "PathMatcher('/a/{b:int}')"


def test_threads_share_a_matcher() -> None:
    matcher = fastroute.PathMatcher("/{a:path}/x/{b}-{c:int}")
    expected = {number: {"a": f"n{number}", "b": "y", "c": number} for number in range(200)}
    wrong: list[Any] = []

    def work() -> None:
        for number, params in expected.items():
            if matcher.match(f"/n{number}/x/y-{number}") != params or matcher.path_regex.groups != 3:
                wrong.append(number)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_pure_twin_shows_its_generated_function() -> None:
    """The example in the docstring is the function that is made, and a traceback shows its lines."""
    match = matcher_py.PathMatcher("/items/{id:int}/{file}-{version}").match
    assert match.__doc__ == matcher_py.PathMatcher.match.__doc__
    filename = match.__code__.co_filename
    assert re.fullmatch(r"<fastroute match \d+ of /items/\{id:int\}/\{file:str\}-\{version:str\}>", filename)
    source = "".join(linecache.getlines(filename))
    told = inspect.getdoc(matcher_py.element_match)
    assert told is not None
    assert textwrap.indent(source, "    ") in told
    assert f"    {match.__globals__['find'].__self__.pattern}\n" in told
    with pytest.raises(TypeError) as error:
        match(None)  # type: ignore[arg-type]
    assert "found = find(route_path)" in "".join(traceback.format_exception(error.value))
    linecache.checkcache()
    assert linecache.getlines(filename)


@pytest.mark.skipif(
    FREE_THREADED and sys.version_info < (3, 14),
    reason="the free-threaded 3.13 keeps every function for ever once there is a second thread",
)
def test_the_generated_function_is_freed_with_its_matcher() -> None:
    matcher = matcher_py.PathMatcher("/items/{id:int}/\0\ud800")
    filename = matcher.match.__code__.co_filename
    assert filename in linecache.cache
    gc.disable()
    try:
        del matcher
        if FREE_THREADED or sys.implementation.name != "cpython":
            gc.collect()  # these free no function by counting alone
        assert filename not in linecache.cache
    finally:
        gc.enable()


def test_the_worked_examples_of_sets_as_ints() -> None:
    assert matcher_py._Masks("a11b").of_class("int") == 0b0110
    assert matcher_py._any_number(0b0110, 0b00010) == 0b01110
    assert matcher_py._largest_end(0b01110, size=4, longest=4) == 3
    assert matcher_py._largest_end(0b01110, size=4, longest=2) == 2


@pytest.mark.parametrize("path", [None, 5, b"/a", ["/a"]])
def test_what_is_no_text_is_an_error_that_names_its_type(path: Any) -> None:
    with pytest.raises(TypeError) as raised:
        fastroute.PathMatcher("/a").match(path)
    assert str(raised.value) == f"route_path must be a str, not {type(path).__name__}"


@pytest.mark.parametrize("template", ["/a", "/{x}", "/{x:int}"])
def test_the_match_of_each_template_is_documented(template: str) -> None:
    matcher = fastroute.PathMatcher(template)
    assert inspect.getdoc(matcher.match) == inspect.getdoc(type(matcher).match)
    assert inspect.getdoc(matcher.match)
