"""`python -m fastroute asyncapi`."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fastroute.__main__ import main
from fastroute.asyncapi import document

SOURCE = """
from fastroute import APIWebSocketRoute
from starlette.applications import Starlette
from starlette.websockets import WebSocket


async def room(websocket: WebSocket, room_id: int) -> None: ...


app = Starlette(routes=[APIWebSocketRoute("/rooms/{room_id}", room)])
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    name = f"described_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    request.node.target = f"{name}:app"


@pytest.fixture
def target(request: pytest.FixtureRequest) -> str:
    return str(request.node.target)


def app_of(target: str) -> Any:
    return __import__(target.partition(":")[0]).app


def test_the_document_is_printed_as_json(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asyncapi", target]) == 0
    assert json.loads(capsys.readouterr().out) == document(app_of(target))


def test_title_and_version_can_be_given(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asyncapi", target, "--title", "Rooms", "--api-version", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["info"] == {"title": "Rooms", "version": "3"}


@pytest.mark.parametrize("name", ["described.json", "described.yaml", "described.yml", "described"])
def test_a_file_is_written_and_is_up_to_date(target: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asyncapi", target, "--out", name]) == 0
    assert capsys.readouterr().out == ""
    text = Path(name).read_text(encoding="utf-8")
    assert yaml.safe_load(text) == document(app_of(target))
    assert text.startswith("{") == (not name.endswith(("yaml", "yml")))
    assert main(["asyncapi", target, "--check", name]) == 0
    assert capsys.readouterr().out == f"{name} is up to date\n"


def test_drift_is_an_error_with_a_diff(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["asyncapi", target, "--out", "described.yaml"])
    file = Path("described.yaml")
    file.write_text(file.read_text(encoding="utf-8").replace("integer", "string"), encoding="utf-8")
    assert main(["asyncapi", target, "--check", "described.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["--- described.yaml", "+++ described.yaml as the application is now"]
    assert "-          type: string" in lines
    assert "+          type: integer" in lines
    assert lines[-1] == "described.yaml is not what the application does now; write it with --out described.yaml"


def test_a_file_that_is_not_there(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asyncapi", target, "--check", "missing.json"]) == 2
    told = capsys.readouterr().err
    assert told == (
        "fastroute asyncapi: missing.json cannot be read: No such file or directory; write it with --out missing.json\n"
    )


def test_a_file_that_is_no_text(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("described.json").write_bytes(b"\xff\xfe")
    assert main(["asyncapi", target, "--check", "described.json"]) == 2
    assert "described.json cannot be read: it is not UTF-8; write it with --out" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "told"), [(".", ". is a folder"), ("no/x.json", "there is no folder no")])
def test_a_file_that_cannot_be_written(target: str, name: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["asyncapi", target, "--out", name])
    assert end.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full is Linux's")
def test_a_full_disk(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asyncapi", target, "--out", "/dev/full"]) == 2
    assert capsys.readouterr().err == "fastroute asyncapi: /dev/full cannot be written: No space left on device\n"


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_an_output_that_cannot_show_everything_gets_escapes(
    target: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["asyncapi", target, "--format", kind, "--title", "部屋 😀"]) == 0
    output.seek(0)
    read: Any = {"json": json.loads, "yaml": yaml.safe_load}[kind]
    assert read(output.read())["info"]["title"] == "部屋 😀"


def test_the_format_can_be_chosen(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asyncapi", target, "--format", "yaml"]) == 0
    printed = capsys.readouterr().out
    assert not printed.startswith("{")
    assert yaml.safe_load(printed) == document(app_of(target))


def test_without_the_extra_yaml_says_what_to_install(
    target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert main(["asyncapi", target, "--format", "yaml"]) == 2
    assert capsys.readouterr().err == "fastroute asyncapi: YAML needs PyYAML: pip install 'fastroute[yaml]'\n"
