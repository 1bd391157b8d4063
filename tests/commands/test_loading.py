"""`module:app` on the command line: the application that is found, and the message if there is none."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Router

from fastroute import __main__ as command_line
from fastroute.commands._loading import application

Write = Callable[[str, str], Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the current folder, and forgets it afterwards."""
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)

    def write(name: str, source: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        return file

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_found_in_the_current_folder(write: Write) -> None:
    write("shop_1.py", "from starlette.applications import Starlette\nclass api:\n    app = Starlette()\n")
    assert isinstance(application("shop_1:api.app"), Starlette)


def test_found_in_a_package(write: Write) -> None:
    write("shop_2/__init__.py", "")
    write("shop_2/main.py", "from starlette.routing import Router\napp = Router()\n")
    assert isinstance(application("shop_2.main:app"), Router)


def _refusal(target: str) -> str:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        application(target)
    return str(refused.value)


@pytest.mark.parametrize(
    ("target", "example"),
    [
        ("shop.py", "shop:app"),
        ("./pkg/shop.py", "pkg.shop:app"),
        ("src/pkg/shop.py:web", "pkg.shop:web"),
        ("shop.py:web", "shop:web"),
        ("shop:", "shop:app"),
        (":app", "main:app"),
    ],
)
def test_not_a_target(target: str, example: str) -> None:
    assert _refusal(target) == f"{target!r} does not name an application; write module:app, as {example}"


def test_no_such_module(write: Write, tmp_path: Path) -> None:
    expected = (
        f"there is no module 'shop_3' in {tmp_path} nor elsewhere on the import path; --app-dir names another folder"
    )
    write("other.py", "")
    assert _refusal("shop_3:app") == expected
    assert _refusal("shop_3.main:app") == expected


def test_a_module_that_misses_another(write: Write) -> None:
    file = write("shop_4.py", "import json\nimport not_installed\n")
    assert _refusal("shop_4:app") == (
        f"importing 'shop_4' failed: {file.name}:2: ModuleNotFoundError: No module named 'not_installed'"
    )


def test_a_module_that_fails(write: Write) -> None:
    file = write("shop_5.py", "def f():\n    raise ValueError('no DATABASE_URL')\nf()\n")
    assert _refusal("shop_5:app") == f"importing 'shop_5' failed: {file.name}:2: ValueError: no DATABASE_URL"


def test_a_module_that_does_not_parse(write: Write) -> None:
    file = write("shop_6.py", "x = 1\ny = = 2\n")
    assert _refusal("shop_6:app") == f"importing 'shop_6' failed: {file.name}:2: invalid syntax"


def test_no_such_attribute(write: Write) -> None:
    file = write("shop_7.py", "from starlette.applications import Starlette\nweb = Starlette()\n")
    assert _refusal("shop_7:app") == f"shop_7 ({file}) was imported and has no 'app'; did you mean shop_7:web?"


def test_not_an_application(write: Write) -> None:
    file = write("shop_8.py", "def app(): ...\nversion = 1\nclass Shop:\n    routes = []\n")
    assert _refusal("shop_8:app") == (
        f"'app' in shop_8 ({file}) is a function, and has no routes; if it makes the application, add --factory"
    )
    assert "'version' in shop_8" in _refusal("shop_8:version")
    assert "is of type int, and has no routes; there is no application in it" in _refusal("shop_8:version")
    assert "is a class, and has no routes; there is no application in it" in _refusal("shop_8:Shop")


def test_the_last_line_of_the_user_is_named_and_not_that_of_a_library(write: Write, capsys: Capture) -> None:
    write("shop_9.py", "import json\n\ndef settings():\n    return json.loads('{')\nsettings()\n")
    assert _refusal("shop_9:app").startswith("importing 'shop_9' failed: shop_9.py:4: JSONDecodeError: ")
    assert capsys.readouterr().err == ""
    with pytest.raises(argparse.ArgumentTypeError):
        application("shop_9:app", show_traceback=True)
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last):")
    assert "json" in told.partition("shop_9.py")[2]


def test_an_exit_of_the_module_is_a_failure(write: Write) -> None:
    write("shop_10.py", "import sys\nsys.exit(0)\n")
    assert _refusal("shop_10:app") == "importing 'shop_10' failed: shop_10.py:2: SystemExit: 0"


def test_the_routes_cannot_be_read(write: Write) -> None:
    """FastAPI puts the prefix before the paths of an included router when they are read."""
    write(
        "shop_11.py",
        "from fastapi import APIRouter, FastAPI\nrouter = APIRouter()\n@router.get('/{name}')\ndef page(): ...\n"
        "app = FastAPI()\napp.include_router(router, prefix='/{name}')\n",
    )
    assert "Duplicated param name" in _refusal("shop_11:app")


FACTORY = """
from starlette.applications import Starlette
def make():
    return Starlette()
def fails():
    raise ValueError("no secret")
def nothing(): ...
def takes(settings): ...
async def waits(): ...
app = Starlette()
"""


def test_a_factory(write: Write) -> None:
    file = write("shop_12.py", FACTORY)
    assert isinstance(application("shop_12:make", factory=True), Starlette)
    assert "if it makes the application, add --factory" in _refusal("shop_12:make")
    refusals = {
        "fails": "the factory 'fails' failed: shop_12.py:6: ValueError: no secret",
        "app": f"'app' in shop_12 ({file}) is no factory; leave out --factory",
        "takes": "the factory 'takes' failed: TypeError: takes() missing 1 required positional argument: 'settings'",
        "waits": f"the factory 'waits' in shop_12 ({file}) is async; name one that is not",
        "nothing": f"'nothing' in shop_12 ({file}) is of type NoneType, and has no routes; did you mean shop_12:app?",
    }
    for name, text in refusals.items():
        with pytest.raises(argparse.ArgumentTypeError) as refused:
            application(f"shop_12:{name}", factory=True)
        assert str(refused.value) == text


APP = "from starlette.applications import Starlette\napp = Starlette()\n"


def test_found_in_src_and_in_another_folder(write: Write, tmp_path: Path) -> None:
    write("src/shop_13/main.py", APP)
    assert isinstance(application("shop_13.main:app"), Starlette)
    write("back end/shop_14.py", APP)
    assert "--app-dir" in _refusal("shop_14:app")
    assert isinstance(application("shop_14:app", app_dir=Path("back end")), Starlette)
    write("src/shop_15.py", "")
    write("shop_15.py", APP)
    assert isinstance(application("shop_15:app"), Starlette)


# --- on the command line -----------------------------------------------------------------------------------------

ROUTES = """
from starlette.applications import Starlette
from starlette.routing import Route
print("connecting ...")
async def page(request): ...
app = Starlette(routes=[Route("/a/{n:int}", page)])
def make():
    return app
empty = Starlette()
"""


def refused(*argv: str, capsys: Capture) -> str:
    with pytest.raises(SystemExit) as end:
        command_line.main(list(argv))
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()[-1].partition(": error: ")[2]


def test_the_application_of_pyproject(write: Write, capsys: Capture) -> None:
    write("shop_16.py", ROUTES)
    missing = refused("routes", capsys=capsys)
    assert "[tool.fastroute] in pyproject.toml" in missing
    write("pyproject.toml", "[project]\nname = 'x'\n")
    assert refused("match", "/a/1", capsys=capsys) == missing
    write("pyproject.toml", "[tool.fastroute]\napp = 'shop_16:app'\n")
    assert command_line.main(["match", "/a/1"]) == 0
    assert command_line.main(["match", "--json", "/a/x"]) == 1
    assert command_line.main(["check"]) == 0
    assert command_line.main(["check", "shop_16:empty"]) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool.fastroute]\napp = 3\n", "3 is not a text as module:app"),
        ("[tool.fastroute]\napp = 'shop'\n", "'shop' does not name an application"),
        ("[tool.fastroute]\napp = 'no_such_module:app'\n", "there is no module 'no_such_module'"),
        ("[tool]\nfastroute = 'shop:app'\n", "pyproject.toml: [tool.fastroute] is no table"),
        ("[tool.fastroute\n", "cannot be read"),
    ],
)
def test_a_bad_value_in_pyproject(text: str, told: str, write: Write, capsys: Capture) -> None:
    write("pyproject.toml", text)
    error = refused("match", "/a/1", capsys=capsys)
    assert error.startswith("pyproject.toml")
    assert told in error


@pytest.mark.parametrize(
    "argv",
    [
        ["match", "shop_17:app", "/a/1", "--json"],
        ["match", "shop_17:app", "--json", "/a/1"],
        ["match", "--json", "shop_17:app", "/a/1"],
        ["match", "--factory", "shop_17:make", "--json", "/a/1"],
    ],
)
def test_prints_of_the_module_and_options_in_any_order(argv: list[str], write: Write, capsys: Capture) -> None:
    write("shop_17.py", ROUTES)
    assert command_line.main(argv) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["path_params"] == {"n": 1}
    assert err == "connecting ...\n"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["match", "shop_18:app"], "the following arguments are required: path"),
        (["match", "shop_18:app", "a/1"], "'a/1' must start with a slash, or be a URL as ws://localhost/rooms/7"),
        (["match", "shop_18:app", "/a/1", "/a/2"], "unrecognized arguments: /a/2"),
        (["routes", "shop_18:app", "other:app"], "unrecognized arguments: other:app"),
        (["routes", "shop_18:app", "--jsn"], "unrecognized arguments: --jsn"),
        (["routes", "shop_18:app", "--app-dir", "no"], "argument --app-dir: there is no folder 'no'"),
    ],
)
def test_arguments_that_are_no_use(argv: list[str], told: str, write: Write, capsys: Capture) -> None:
    write("shop_18.py", ROUTES)
    assert refused(*argv, capsys=capsys) == told


def test_an_application_without_routes_says_so(write: Write, capsys: Capture) -> None:
    write("shop_19.py", ROUTES)
    assert command_line.main(["routes", "shop_19:empty"]) == 0
    assert capsys.readouterr().out == "no routes\n"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows tells of a closed pipe by another error")
def test_a_closed_pipe_shows_no_traceback(write: Write, tmp_path: Path) -> None:
    write("shop_20.py", ROUTES.replace('[Route("/a/{n:int}", page)]', '[Route(f"/{n}", page) for n in range(5000)]'))
    command = [sys.executable, "-P", "-m", "fastroute", "routes", "shop_20:app"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
        assert "connecting ..." in told
        assert "Traceback" not in told
        assert "BrokenPipe" not in told
        assert process.wait(timeout=60) == 141
