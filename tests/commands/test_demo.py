"""The demo as a user runs it: a real server and real clients."""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from browser import LOG, browsing, started
from starlette.testclient import TestClient
from websockets.sync.client import connect

from fastroute.__main__ import main
from fastroute.commands import demo

pytestmark = pytest.mark.install

DEMO = [sys.executable, "-P", "-m", "fastroute", "demo"]


@pytest.mark.slow
@pytest.mark.twins
def test_every_client_gets_its_answer(implementation: str) -> None:
    done = subprocess.run(DEMO, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    # uvicorn's own, after a denial.
    assert set(done.stderr.splitlines()) <= {"ERROR:    ASGI callable returned without completing handshake."}
    assert re.match(rf"fastroute \S+ runs {implementation} \(", done.stdout)
    assert max(map(len, done.stdout.splitlines()[1:])) <= 79
    assert "Every answer is as expected." in done.stdout
    answers = " ".join(" ".join(line[36:] for line in done.stdout.splitlines()).split())
    for text in (
        "welcome Annie (teal, client 3) to room 7: 1 here, 0 database sessions open",
        "bob: hi ann let in by valid parameters, and by database, current_user, enter",
        "HTTP 403 Forbidden decided by a parameter of chat: query.nick: String should have at least 2 characters",
        "HTTP 401 Unauthorized www-authenticate: Bearer decided by current_user: unknown token",
        "HTTP 403 Forbidden decided by the path: `room_id`: expected digits at position 7, found 'seven'",
        "closed 1008 query.start: Input should be less than or equal to 3 decided by a parameter of countdown:",
    ):
        assert text in answers
    assert re.search(r"one of 1,000 routes:\n  FastAPI [\d.]+, Starlette [\d.]+, fastroute [\d.]+\n", done.stdout)


def test_without_fastapi_it_says_how_to_get_its_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    monkeypatch.setattr(demo, "lookup_costs", lambda classes, size: [1e-6] * len(classes))
    assert demo._next()[1] == "  Starlette 1.0, fastroute 1.0; `pip install fastapi` adds FastAPI"


def test_the_next_commands_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "lookup_costs", lambda classes, size: [1e-6] * len(classes))
    commands = [line.split("  ")[1] for line in demo._next() if line.startswith("  fastroute ")]
    assert [shlex.split(command)[1] for command in commands] == ["demo", "match", "check"]
    assert main(shlex.split(commands[1])[1:]) == 1
    assert "query.nick: String should have at least 2 characters" in capsys.readouterr().out


@pytest.mark.slow
def test_a_wrong_answer_ends_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = demo.Client("unknown path", "/nowhere", ["accepted"])
    monkeypatch.setattr(demo, "clients", lambda: [wrong])
    assert demo.run(argparse.Namespace(serve=False)) == 1
    told = capsys.readouterr().out
    assert "WRONG, expected:" in told
    assert "1 of 1 clients got a wrong answer." in told


def test_an_interrupt_during_the_visits_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(serve: bool) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "demonstrate", interrupted)
    assert demo.run(argparse.Namespace(serve=False)) == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a Ctrl-C is a signal elsewhere only")
def test_serve_keeps_serving_until_interrupted() -> None:
    with subprocess.Popen([*DEMO, "--serve"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout is not None
            address = next(line.split()[1] for line in server.stdout if line.startswith("Open "))
            header = {"authorization": "Bearer ann-secret"}
            room = f"{address.replace('http', 'ws')}rooms/7"
            with connect(room, additional_headers=header, proxy=None, open_timeout=10) as socket:
                assert str(socket.recv(timeout=10)).startswith("welcome ann ")
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=20) == 0
        finally:
            server.kill()


@pytest.mark.slow
def test_the_page_chats_in_a_browser(tmp_path: Path) -> None:
    served = [sys.executable, "-P", "-c", SERVED]
    with started(*served, says=r"Open (http://\S+)") as address, browsing(tmp_path, address) as browser:
        browser.run("join.requestSubmit()")
        browser.wait_for(LOG, f"{WELCOME.format('ann')} 1 here, 0 database sessions open")
        browser.run("say.text.value = 'hello'; say.requestSubmit()")
        browser.wait_for(f"{LOG}.endsWith('|ann: hello')", True)
        room = f"{address.replace('http', 'ws')}rooms/7"
        with connect(room, additional_headers={"authorization": "Bearer bob-secret"}, proxy=None) as bob:
            assert str(bob.recv(timeout=10)).startswith(f"{WELCOME.format('bob')} 2 here")
            bob.send("hi ann")
            browser.wait_for(f"{LOG}.endsWith('|bob: hi ann')", True)


WELCOME = "welcome {} (black, client 1) to room 7:"
#: Its output on the error output, which `started` reads.
SERVED = "import sys; from fastroute.__main__ import main; sys.stdout = sys.stderr; sys.exit(main(['demo', '--serve']))"


def test_the_page_is_served() -> None:
    answer = TestClient(demo.app).get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text == Path(demo.__file__).with_suffix(".html").read_text()


def test_the_page_is_that_of_the_example() -> None:
    example = Path(__file__).parents[2] / "examples" / "starlette_chat.html"
    assert Path(demo.__file__).with_suffix(".html").read_text() == example.read_text()
