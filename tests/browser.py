"""A headless Chromium, and the page of a chat in it."""

import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as dial

TIMEOUT = 30  # seconds; only a hang gets near it


@contextmanager
def started(*command: str, says: str) -> Iterator[str]:
    """A process, once it has said where it listens; what is there is given."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            found = re.search(says, line)
            if found is not None:
                yield found[1]
                return
        pytest.fail(f"{command[0]} ended: {''.join(told)}")
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)


class Browser:
    """A page of a browser, driven by the Chrome DevTools Protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        session = {"sessionId": self._session} if hasattr(self, "_session") else {}
        self._connection.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        while True:
            answer = json.loads(self._connection.recv(timeout=TIMEOUT))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def run(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script: str, expected: Any) -> None:
        end = time.monotonic() + TIMEOUT
        while (found := self.run(script)) != expected:
            assert time.monotonic() < end, f"{script} is {found!r}"
            time.sleep(0.05)


@contextmanager
def opened_browser(profile: Path) -> Iterator[Browser]:
    """A browser; the test is skipped if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium is installed here: the page was not opened in a browser")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    with (
        started(found, *options, f"--user-data-dir={profile}", says=r"listening on (ws://\S+)") as devtools,
        dial(devtools, max_size=None, proxy=None) as connection,
    ):
        yield Browser(connection)


@contextmanager
def browsing(profile: Path, address: str) -> Iterator[Browser]:
    """The page of the chat, opened in a browser."""
    with opened_browser(profile) as browser:
        browser.call("Page.navigate", url=address)
        browser.wait_for("document.readyState + document.title", "completeChat")
        yield browser


#: What the page shows.
LOG = "Array.from(document.querySelectorAll('#log li'), line => line.textContent).join('|')"
