"""The README does what it says: Python blocks run, shell blocks name commands, extras and files that exist."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from websocket_client import connect, websocket_scope

from fastroute import __main__ as command_line

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def with_output(language: str, text: str = README) -> list[tuple[str, str]]:
    """Blocks that a block of text follows, which is what they print."""
    lines = r"((?:(?!```).*\n)*)"
    return re.findall(rf"^```{language}\n{lines}```\n\n```text\n{lines}```$", text, flags=re.MULTILINE)


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, flags=re.DOTALL | re.MULTILINE)
    assert found is not None, f"there is no section {title!r}"
    return found[1]


PYTHON = blocks("python")
SHELL = [line for block in blocks("sh") for line in block.splitlines()]


def executed(number: int, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module, because that is where annotations are looked up."""
    module = ModuleType(f"readme_block_{number}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(PYTHON[number], f"README.md, Python block {number}", "exec"), vars(module))
    return module


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_a_python_block_runs_on_its_own(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so do the tests in it."""
    module = executed(number, monkeypatch)
    for name, test in vars(module).items():
        if name.startswith("test_"):
            test()


def test_the_application_of_the_quick_start_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    app = executed(0, monkeypatch).app
    ann = [("authorization", "Bearer ann-secret")]
    accepted = connect(app, websocket_scope("/rooms/7?nick=Annie", headers=ann))
    assert [message.get("text") for message in accepted] == [None, "Annie is in room 7", None]
    refused = connect(app, websocket_scope("/rooms/7"))
    assert refused[0]["status"] == 401


def test_every_block_says_its_language() -> None:
    assert set(re.findall(r"^```(\w*)\n.*?^```$", README, flags=re.DOTALL | re.MULTILINE)) <= {"python", "sh", "text"}


def test_quick_start_is_two_commands_that_a_variable_can_stand_before() -> None:
    """`NAME=1 a && b` would set it for `a` alone."""
    [block] = blocks("sh", section("Quick start"))
    lines = block.splitlines()
    assert len(lines) == 2
    for line in lines:
        shell, option, script = shlex.split(line)
        assert (shell, option) == ("sh", "-c")
        assert script.startswith("python3 -m venv --clear .venv")
    assert lines[0].endswith("fastroute demo'")
    assert lines[1].endswith("pytest'")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
@pytest.mark.parametrize("line", SHELL)
def test_a_shell_line_is_well_formed(line: str) -> None:
    subprocess.run(["sh", "-n", "-c", line], check=True)


def test_shell_lines_name_extras_that_exist() -> None:
    named = {extra for extras in re.findall(r"\[([a-z,]+)\]\"", "\n".join(SHELL)) for extra in extras.split(",")}
    assert {"demo", "test"} <= named <= PROJECT["optional-dependencies"].keys()


def test_shell_lines_name_files_that_exist() -> None:
    named = re.findall(r"(?<=\s)(?:tests|bench)/\S+", "\n".join(SHELL))
    assert [name for name in named if not (ROOT / name).exists()] == []


def fastroute_commands() -> list[list[str]]:
    """The arguments of each `python -m fastroute`, or of the script."""
    words = [shlex.split(line, comments=True) for line in SHELL]
    return [
        line[position:]
        for line in words
        for position in ([3] if line[:3] == ["python", "-m", "fastroute"] else [1] if line[:1] == ["fastroute"] else [])
    ]


@pytest.mark.parametrize("arguments", fastroute_commands(), ids=" ".join)
def test_a_command_is_one_that_the_command_line_has(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_line.main([arguments[0], "--help"])
    assert end.value.code == 0
    options = [argument for argument in arguments[1:] if argument.startswith("--")]
    told = capsys.readouterr().out
    assert all(option.partition("=")[0] in told for option in options)


def test_the_table_of_commands_is_that_of_the_command_line() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", section("Command line"), re.MULTILINE)) == command_line.COMMANDS.keys()


def test_what_the_command_line_says_of_the_shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command with an output behind it, on the module of the section."""
    shop = section("Command line")
    (tmp_path / "shop.py").write_text(*blocks("python", shop))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    told = [(block.removeprefix("python -m fastroute "), text) for block, text in with_output("sh", shop)]
    assert [shlex.split(command)[0] for command, _ in told] == ["check", "match", "routes"]
    for command, output in told:
        command_line.main(shlex.split(command))
        assert capsys.readouterr().out == output


def test_what_a_python_block_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    printed = dict(with_output("python"))
    assert printed
    for number, block in enumerate(PYTHON):
        executed(number, monkeypatch)
        assert capsys.readouterr().out == printed.get(block, "")
