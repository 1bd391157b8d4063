"""The fuzz command: it finds a planted bug in either twin, makes it small, and says how to repeat it."""

import itertools
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.routing import compile_path

from fastroute.__main__ import main
from fastroute.commands import fuzz
from fastroute.commands.fuzz import Difference, compare
from fastroute.matching import matcher_py

APPLICATION = """
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

async def endpoint(request): ...

app = Starlette(routes=[
    Route("/items/{item:int}", endpoint),
    Mount("/tenants/{tenant}", routes=[WebSocketRoute("/{name}-{version}", endpoint)]),
])
empty = Starlette()
"""


class Bug:
    """A twin with a mistake: `wrong(template, path, answer)` is its answer."""

    def __init__(self, wrong: Any) -> None:
        self.wrong = wrong

    def __call__(self, template: str) -> Any:
        real = matcher_py.PathMatcher(template)
        outer = self

        class Matcher:
            @staticmethod
            def match(path: str) -> Any:
                return outer.wrong(template, path, real.match(path))

        return Matcher


def no_final_newline(template: str, path: str, answer: Any) -> Any:
    return None if path.endswith("\n") else answer


def newline_ends_a_str(template: str, path: str, answer: Any) -> Any:
    return None if answer and any("\n" in value for value in answer.values() if isinstance(value, str)) else answer


def shortest_first(template: str, path: str, answer: Any) -> Any:
    lazy = compile_path(template)[0].pattern.replace("[^/]+", "[^/]+?")
    found = re.match(lazy, path)
    return found.groupdict() if found and answer and all(type(value) is str for value in answer.values()) else answer


def int_as_text(template: str, path: str, answer: Any) -> Any:
    return answer and {name: str(value) if type(value) is int else value for name, value in answer.items()}


def names_sorted(template: str, path: str, answer: Any) -> Any:
    return answer and dict(sorted(answer.items(), reverse=True))


def raises(template: str, path: str, answer: Any) -> Any:
    if "\ud800" in path:
        raise UnicodeEncodeError("utf-8", "", 0, 1, "surrogates not allowed")
    return answer


BUGS = [no_final_newline, newline_ends_a_str, shortest_first, int_as_text, names_sorted, raises]


@pytest.fixture(params=BUGS, ids=lambda bug: bug.__name__)
def planted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    bug = Bug(request.param)
    monkeypatch.setattr(fuzz, "twins", lambda: {"planted": bug})
    return request.param


@pytest.mark.slow
@pytest.mark.usefixtures("planted")
def test_a_planted_bug_is_found_made_small_and_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--seconds", "60", "--seed", "1"]) == 1
    report = capsys.readouterr().out
    template, path = (re.search(rf"^{word}: +'(.*)'$", report, re.MULTILINE) for word in ("template", "path"))
    assert template is not None
    assert len(template[1]) <= len("/{p0:int}")
    assert path is not None
    assert len(path[1]) <= len(r"/1\ud800")
    seed = re.search(r"repeat it with: python -m fastroute fuzz --seed (\d+)$", report, re.MULTILINE)
    assert seed is not None
    assert main(["fuzz", "--seed", seed[1]]) == 1
    repeated = capsys.readouterr().out
    assert template[0] in repeated
    assert path[0] in repeated


@pytest.mark.slow
def test_without_a_difference_it_says_how_much_it_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--seconds", "1"]) == 0
    report = capsys.readouterr().out
    assert "Starlette against" in report
    count = re.search(r"^(\d+) cases, (\d+) templates, no difference$", report, re.MULTILINE)
    assert count is not None
    assert int(count[1]) > int(count[2]) > 1


@pytest.mark.slow
def test_something_is_compared_however_short_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--seconds", "0"]) == 0
    assert re.search(r"^[1-9]\d* cases, 1 templates, no difference$", capsys.readouterr().out, re.MULTILINE)


class TestApplication:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "fuzzed.py").write_text(APPLICATION, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.delitem(sys.modules, "fuzzed", raising=False)

    @pytest.mark.slow
    def test_its_routes_are_compared(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["fuzz", "--seconds", "1", "fuzzed:app"]) == 0
        assert "3 templates of the application" in capsys.readouterr().out

    def test_a_difference_names_it(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fuzz, "twins", lambda: {"planted": Bug(int_as_text)})
        assert main(["fuzz", "--seconds", "60", "fuzzed:app"]) == 1
        report = capsys.readouterr().out
        assert "'/items/{item:int}'" in report
        assert re.search(r"fuzz --seed \d+ fuzzed:app$", report, re.MULTILINE)

    def test_without_routes_there_is_nothing_to_compare(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["fuzz", "fuzzed:empty"]) == 2
        assert "no route with a path" in capsys.readouterr().err


def test_a_difference_carries_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "twins", lambda: {"planted": Bug(int_as_text)})
    with pytest.raises(Difference) as error:
        compare("/{a:int}", ["/x", "/1"])
    assert error.value.template == "/{a:int}"
    assert error.value.path == "/1"
    assert error.value.answers == {"Starlette": {"a": 1}, "planted": {"a": "1"}}


def smallest(monkeypatch: pytest.MonkeyPatch, bug: Any, template: str, path: str, shorten: Any) -> tuple[str, str]:
    monkeypatch.setattr(fuzz, "twins", lambda: {"planted": Bug(bug)})
    with pytest.raises(Difference) as error:
        compare(template, [path])
    left = fuzz._smallest(error.value, shorten)
    return left.template, left.path


def test_template_and_path_are_made_smaller_together(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "/rooms/{a:uuid}/{b}-{c:int}{d:path}.{e:float}/x"
    path = "/rooms/9c5b94b1-35ad-49bb-b118-8e8fc24abf80/b-71\u00e9.2.5/x"
    assert smallest(monkeypatch, int_as_text, template, path, fuzz._shorter_cases) == ("/{c:int}", "/7")
    assert smallest(monkeypatch, raises, template, path + "\ud800", fuzz._shorter_cases) == ("/", "\ud800")
    assert smallest(monkeypatch, names_sorted, template, path, fuzz._shorter_cases) == ("/{d}{e}", "/7x")


def test_the_template_of_an_application_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    case = ("/rooms/{a:int}", "/rooms/123456")
    assert smallest(monkeypatch, int_as_text, *case, fuzz._shorter_paths) == ("/rooms/{a:int}", "/rooms/1")


def test_a_template_that_names_a_parameter_twice_is_no_difference() -> None:
    assert fuzz._difference("/{a}{a}", "/x") is None


def test_a_failure_after_a_difference_does_not_hide_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Difference("/{a}", "/x", {"Starlette": None, "planted": {}})
    monkeypatch.setattr(fuzz, "compare", Mock(side_effect=itertools.chain([first], itertools.repeat(LookupError))))
    assert main(["fuzz", "--seed", "1"]) == 1
    assert "'/{a}'" in capsys.readouterr().out
    with pytest.raises(LookupError):
        main(["fuzz", "--seed", "1"])


@pytest.fixture
def fussy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fussy(Convertor[str]):
        regex = "[a-z]+"

        def convert(self, value: str) -> str:
            raise ValueError(f"no {value}")

    monkeypatch.setitem(CONVERTOR_TYPES, "fussy", Fussy())


@pytest.mark.usefixtures("fussy")
def test_what_a_convertor_raises_is_compared() -> None:
    compare("/{a:fussy}", ["/x", "/1"])


@pytest.mark.usefixtures("fussy")
@pytest.mark.parametrize("other", [ValueError("no y"), KeyError("no x"), None])
def test_another_error_is_a_difference(other: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising_twin(template: str) -> Any:
        return SimpleNamespace(match=Mock(side_effect=other, return_value=None))

    monkeypatch.setattr(fuzz, "twins", lambda: {"planted": raising_twin})
    with pytest.raises(Difference):
        compare("/{a:fussy}", ["/x"])


def test_without_the_compiled_twin_the_pure_one_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastroute.matching.matcher_c", None)
    assert list(fuzz.twins.__wrapped__()) == ["pure"]


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [True, False])
def test_it_tells_how_far_it_is(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(step=5)
    monkeypatch.setattr(fuzz.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert main(["fuzz", "--seconds", "100"]) == 0
    told = re.findall(r"(\d+) s: \d+ cases" + ("\r" if terminal else "\n"), capsys.readouterr().err)
    assert [*map(int, told)] == sorted(map(int, told))
    assert len(told) >= 2


def test_a_path_that_starlette_takes_minutes_for_is_left_out() -> None:
    compare("/{a:path}/x/{b:path}/y/{c:path}/z", ["/x/y" * 16_384])


@pytest.mark.slow
def test_the_command_in_its_own_process() -> None:
    command = [sys.executable, "-P", "-m", "fastroute", "fuzz", "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "no difference" in done.stdout
