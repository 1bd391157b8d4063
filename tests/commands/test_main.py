"""The command line: which commands there are, and what each says when it cannot run."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

import fastroute
from fastroute import __main__ as command_line
from fastroute.commands import info

pytestmark = pytest.mark.install


@pytest.mark.slow
@pytest.mark.twins
def test_info_says_what_runs_and_why(implementation: str) -> None:
    command = [sys.executable, "-P", "-m", "fastroute", "info"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"implementation  {implementation} (" in told
    assert f"fastroute       {version('fastroute')} in " in told
    assert f"starlette       {version('starlette')}\n" in told
    assert f"pydantic        {version('pydantic')}\n" in told


def test_info_says_when_there_is_no_gil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert info.facts()["GIL"] == "disabled"


def test_the_version_is_that_of_the_distribution() -> None:
    assert fastroute.__version__ == version("fastroute")


@pytest.mark.parametrize("name", command_line.COMMANDS)
def test_the_help_of_each_command_shows_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_line.main([name, "--help"])
    assert end.value.code == 0
    assert f"python -m fastroute {name}" in capsys.readouterr().out.partition("example")[2]


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_line.main(["--help"])
    assert end.value.code == 0
    listed = capsys.readouterr().out
    assert all(command.summary in " ".join(listed.split()) for command in command_line.COMMANDS.values())


@pytest.mark.parametrize("argv", [["dance"], ["--loud"], ["info", "--loud"], ["info", "more"]])
def test_anything_else_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_line.main(argv)
    assert end.value.code == 2
    assert "usage: python -m fastroute" in capsys.readouterr().err


def test_a_missing_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "fastroute.commands.demo", raising=False)
    assert command_line.main(["demo"]) == 2
    assert capsys.readouterr().err == "fastroute demo: needs uvicorn: pip install 'fastroute[demo]'\n"


def test_a_command_that_is_missing_itself_is_not_blamed_on_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastroute.commands.demo", None)
    with pytest.raises(ModuleNotFoundError, match=r"fastroute\.commands\.demo"):
        command_line.main(["demo"])


@pytest.mark.slow
def test_a_command_that_is_not_asked_for_is_not_imported() -> None:
    program = "import sys; from fastroute.__main__ import main; main(['info']); print('uvicorn' in sys.modules)"
    fresh = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60)
    assert fresh.stdout.endswith("False\n"), fresh.stderr


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main([]) == 0
    told = capsys.readouterr().out
    assert "Inspect, check and measure the routes of a Starlette or FastAPI application." in told
    assert "check" in told


def test_a_command_that_is_spelt_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    for word, told in (("chek", "there is no command 'chek'; did you mean check?"), ("x", "there is no command 'x'")):
        with pytest.raises(SystemExit) as end:
            command_line.main([word, "main:app"])
        assert end.value.code == 2
        assert capsys.readouterr().err.endswith(f": error: {told}\n")


def test_an_interrupt_ends_a_command_with_130_and_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "facts", interrupted)
    assert command_line.main(["info"]) == 130
    assert capsys.readouterr() == ("", "")


def test_info_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert command_line.main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == info.facts()
    assert (told["uvicorn"], told["fastapi"]) == (version("uvicorn"), version("fastapi"))
    assert told["websockets"] == version("websockets")
    assert info._version("no-such-distribution") == "not installed"
