"""Every way a connection can end, on every server: `python tests/servers/matrix.py`, or `nox -s servers`.

Each server runs `application.py`. What the documents say of an ending is what must come, unless the server is known to
do otherwise: then that is written down here, and must come. `--write docs/servers.md` puts the table into the page.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from client import Answer, Client

HERE = Path(__file__).parent
ORIGIN = "https://app.example.org"

#: The command of each server, but for the port.
SERVERS = {
    "uvicorn sansio": ["uvicorn", "application:app", "--ws", "websockets-sansio", "--log-level", "warning", "--port"],
    "uvicorn websockets": ["uvicorn", "application:app", "--ws", "websockets", "--log-level", "warning", "--port"],
    "uvicorn wsproto": ["uvicorn", "application:app", "--ws", "wsproto", "--log-level", "warning", "--port"],
    "hypercorn": ["hypercorn", "application:app", "--bind"],
    "granian": ["granian", "--interface", "asgi", "--log-level", "warning", "application:app", "--port"],
    "daphne": ["daphne", "application:app", "--verbosity", "0", "--port"],
    "h2corn": ["h2corn", "application:app", "--port"],
}


@dataclass(frozen=True)
class Ending:
    """One way to end.

    Attributes:
        name: for the table.
        path: what the client asks for.
        expected: as `str(Answer)`.
        headers: of the handshake.
        known: the expected answer of servers that do otherwise, by the beginning of their names.
    """

    name: str
    path: str
    expected: str
    headers: tuple[tuple[str, str], ...] = ()
    known: dict[str, str] | None = None

    def expected_of(self, server: str) -> str:
        for beginning, expected in (self.known or {}).items():
            if server.startswith(beginning):
                return expected
        return self.expected


def denied(name: str, path: str, expected: str, *headers: tuple[str, str], **known: str) -> Ending:
    """A denial response, which daphne cannot send: its client sees a bare 403."""
    return Ending(name, path, expected, headers, {"daphne": "403", **known})


def closed(code: int, reason: str = "why", sent: int | None = None) -> Ending:
    """A close after the accept. daphne cuts reasons, and refuses codes between 1001 and 2999: 3000 more goes out."""
    sent = code if sent is None else sent
    said = reason.encode()[:123].decode("utf-8", "ignore")
    on_daphne = sent if sent == 1000 or sent >= 3000 else sent + 3000
    name = f"close {code}" + (f", {len(reason.encode())} bytes" if len(reason) > 3 else "")
    path = f"/close/1?code={code}&reason={''.join(f'%{byte:02x}' for byte in reason.encode())}"
    return Ending(name, path, f"{sent} {said}".strip(), (), {"daphne": f"{on_daphne}"})


def after(name: str, path: str, code: int, reason: str = "") -> Ending:
    on_daphne = code if code == 1000 or code >= 3000 else code + 3000
    return Ending(name, path, f"{code} {reason}".strip(), (), {"daphne": f"{on_daphne}"})


BAD_QUERY = "query.n: Input should be a valid integer, unable to parse string as an integer"
ENDINGS = [
    denied("HTTPException(401)", "/raise/0/http401", "401 who"),
    denied("HTTPException(503)", "/raise/0/http503", "503 later"),
    denied("HTTPException(204)", "/raise/0/http204", "204"),
    Ending("WebSocketException before the accept", "/raise/0/websocket", "403", (), {"daphne": "403"}),
    Ending("the same in a group", "/raise/0/group", "403", (), {"daphne": "403"}),
    Ending("WebSocketException(1006) before the accept", "/raise/0/bad", "403", (), {"daphne": "403"}),
    Ending("a wrong parameter", "/validate/0?n=x", "403", (), {"daphne": "403"}),
    Ending("close(1008) before the accept", "/close/0?code=1008", "403", (), {"daphne": "403"}),
    Ending("close(999) before the accept", "/close/0?code=999", "403", (), {"daphne": "403"}),
    Ending("a return before the accept", "/return/0", "403", (), {"daphne": "403"}),
    Ending("an exception before the accept", "/raise/0/error", "500", (), {"granian": "403"}),
    denied("a denial response", "/deny/plain", "418 in one", daphne="500"),
    denied("a denial response in parts", "/deny/parts", "418 in parts", daphne="500"),
    denied("another origin", "/origin", "403 Origin not allowed", ("Origin", "https://evil.example")),
    denied("origin null", "/origin", "403 Origin not allowed", ("Origin", "null")),
    denied("accept_timeout", "/slow", "408 not accepted in time"),
    denied("Deadline before the accept", "/expired?accepts=0", "401 session expired"),
    Ending("a subprotocol that was not offered", "/subprotocol/chat", "500", (), {"granian": "403"}),
    Ending("no route", "/nowhere", "403", (), {"daphne": "403"}),
    *(closed(code) for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)),
    *(closed(code) for code in (3000, 4001, 4999)),
    *(closed(code, sent=1008) for code in (0, 999 - 600, 1006)),
    *(closed(code, sent=1011) for code in (999, 1004, 1005, 1015, 2999, 5000, 65536)),
    closed(4001, ""),
    closed(4001, "x" * 123),
    closed(4001, "x" * 124),
    closed(4001, "x" * 2000),
    closed(4001, "\u20ac" * 99),
    closed(4001, "\U0001f600" * 31),
    after("a return", "/return/1", 1000),
    after("HTTPException(401) after the accept", "/raise/1/http401", 1008, "who"),
    after("HTTPException(503) after the accept", "/raise/1/http503", 1011, "later"),
    after("WebSocketException(4001)", "/raise/1/websocket", 4001, "why"),
    after("the same in a group, after the accept", "/raise/1/group", 4001, "why"),
    after("WebSocketException(1006)", "/raise/1/bad", 1008, "why"),
    after("an exception", "/raise/1/error", 1011, "Internal Server Error"),
    after("a wrong parameter after the accept", "/validate/1?n=x", 1008, BAD_QUERY),
    after("an exception in a clean-up", "/clean-up-raises", 1011, "Internal Server Error"),
    after("idle_timeout", "/idle", 1001, "idle timeout"),
    after("idle_timeout of an endpoint that waits", "/idle-push", 1001, "idle timeout"),
    after("max_lifetime", "/lifetime", 1001, "maximum lifetime reached"),
    after("Deadline", "/expired?accepts=1", 1008, "session expired"),
    after("messages of each kind", "/messages", 4000, "sent"),
    Ending(
        "an offered subprotocol",
        "/subprotocol/chat",
        "4000 chat",
        (("Sec-WebSocket-Protocol", "chat, other"),),
        {"daphne": "4000"},
    ),
]

#: How a client leaves, from where, and whether it says something before.
LEAVING = [
    (path, manner)
    for path in ("/echo", "/push", "/wait/1", "/wait/0", "/idle-push")
    for manner in ("close", "close 4002", "vanish", "reset")
    # Before the accept there is nothing to send a frame in.
    if path != "/wait/0" or not manner.startswith("close")
]
#: These do not tell of a client that leaves before the accept. `accept_timeout` ends such a handshake.
UNTOLD = {("granian", "/wait/0"), ("h2corn", "/wait/0")}


class Server:
    """A server process, with the events of its application."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.port = free_port()
        self._numbers = iter(range(1_000_000))
        self.events_file = folder / "events"
        self.log = (folder / "log").open("wb")
        command = SERVERS[name]
        place = f"127.0.0.1:{self.port}" if command[-1] == "--bind" else str(self.port)
        self.process = subprocess.Popen(
            [str(Path(sys.executable).parent / command[0]), *command[1:], place],
            cwd=HERE,
            env={**os.environ, "FASTROUTE_EVENTS": str(self.events_file), "PYTHONPATH": str(HERE)},
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        self.wait_until(self._answers, 20)

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"{self.name} does not start"
        try:
            return str(self.ask("/return/0")).startswith("403")
        except OSError:
            return False

    def target(self, path: str) -> tuple[str, str]:
        """The number of a new connection, and its path."""
        number = str(next(self._numbers))
        path, _, query = path.partition("?")
        return number, f"{path}?id={number}{query and '&'}{query}"

    def ask(self, path: str, *headers: tuple[str, str]) -> Answer:
        return Client(self.port, self.target(path)[1], *headers).answer()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.events_file.read_text().splitlines()]

    def wait_until(self, condition: Callable[[], Any], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not (found := condition()) and time.monotonic() < end:
            time.sleep(0.02)
        return bool(found)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)
        self.log.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def running(name: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(name, Path(folder))
        try:
            yield server
        finally:
            server.stop()


def endings(server: Server, failures: list[str]) -> dict[str, str]:
    """The answer to each ending."""
    found = {}
    for ending in ENDINGS:
        expected = ending.expected_of(server.name)
        said = str(server.ask(ending.path, *ending.headers))
        # Servers have texts of their own for a close before the accept and for an error.
        short = said if len(expected) > 3 else said[:3]
        if short != expected:
            failures.append(f"{server.name}: {ending.name}: {said[:60]!r} instead of {expected[:60]!r}")
        found[ending.name] = short if len(short) < 30 else f"{short[:27]}..."
    return found


def leaving(server: Server, failures: list[str]) -> dict[str, str]:
    """Whether each clean-up runs once, within a second, however a client leaves."""
    found = {}
    for path, manner in LEAVING:
        number, target = server.target(path)
        client = Client(server.port, target)
        if "/wait/0" not in path:
            client.head()
        server.wait_until(lambda: mine(server, number, "opened"), 3)  # noqa: B023  # it runs here
        time.sleep(0.05)
        client.leave(manner)
        left = time.time()
        server.wait_until(lambda: mine(server, number, "end"), 4)  # noqa: B023
        cleaned, ends = mine(server, number, "cleaned"), mine(server, number, "end")
        late = cleaned[0]["at"] - left if cleaned else float("inf")
        name = f"{manner} from {path}"
        found[name] = cleaned[0]["saw"].removeprefix("WebSocketDisconnect ") if cleaned else "leaks"
        once = (len(cleaned), len(ends)) == (1, 1) and late < 1.2
        if once == ((server.name, path) in UNTOLD):
            failures.append(f"{server.name}: {name}: {len(cleaned)} clean-ups, {len(ends)} ends, {late:.1f} s")
    number, target = server.target("/later")
    client = Client(server.port, target)
    answer = client.head()
    for message in range(10):
        client.send(1, str(message).encode())
    client.read_frames(answer)
    said = str(answer)
    found["messages that are read late"] = said
    if said not in ("4000 0,1,2,3,4,5,6,7,8,9", "4000"):
        failures.append(f"{server.name}: messages that are read late: {said}")
    return found


def mine(server: Server, number: str, event: str) -> list[dict[str, Any]]:
    return [each for each in server.events() if each.get("id") == number and each["event"] == event]


def resets(server: Server, failures: list[str], count: int) -> str:
    """Clients of an endpoint that only sends, each reset; every clean-up must run once, and within a second."""
    left: dict[str, float] = {}
    for begun in range(0, count, 100):
        clients = {}
        for _ in range(min(100, count - begun)):
            number, target = server.target("/wait/1")
            clients[number] = Client(server.port, target)
        for client in clients.values():
            client.head()
        for number, client in clients.items():
            left[number] = time.time()
            client.leave("reset")
        server.wait_until(lambda: len(cleaned_of(server, left)) == len(left), 5)
    cleaned = cleaned_of(server, left)
    times = Counter(each["id"] for each in server.events() if each["event"] == "cleaned" and each["id"] in left)
    latest = max((cleaned[number] - left[number] for number in cleaned), default=0.0)
    text = f"{sum(times[number] == 1 for number in left)} of {count}, latest {latest:.2f} s"
    if len(cleaned) != count or max(times.values()) > 1 or latest > 1.0:
        failures.append(f"{server.name}: resets: {text}")
    return text


def cleaned_of(server: Server, left: dict[str, float]) -> dict[str, float]:
    return {each["id"]: each["at"] for each in server.events() if each["event"] == "cleaned" and each["id"] in left}


#: daphne has no lifespan, and granian has dropped its connections when the lifespan ends.
CLEANS_UP_AT_SIGTERM = [name for name in SERVERS if name != "daphne"]
SAYS_WHY_AT_SIGTERM = [name for name in CLEANS_UP_AT_SIGTERM if name != "granian"]


def shutdown(name: str, failures: list[str], count: int) -> str:
    """SIGTERM with open sockets: each clean-up once and before the lifespan's own, and a code that says why."""
    panics, most = 0, count
    while True:
        with running(name) as server:
            text, problems = _shut_down(server, most)
            # granian does so with plain Starlette as well, and then its process is gone: the more sockets, the oftener.
            panicked = b"panicked" in (server.folder / "log").read_bytes()
        if not panicked or panics == 20:
            failures += problems
            return text + (f", after {panics} panics of the server with up to {count} sockets" if panics else "")
        panics += 1
        if panics % 3 == 0:
            most = max(1, most // 2)


def _shut_down(server: Server, count: int) -> tuple[str, list[str]]:
    clients = {}
    for index in range(count):
        number, target = server.target("/wait/1" if index % 2 else "/echo")
        clients[number] = Client(server.port, target)
    for client in clients.values():
        client.head()
    server.wait_until(lambda: sum(each["event"] == "opened" for each in server.events()) >= count, 10)
    server.process.terminate()
    began = time.monotonic()
    codes: Counter[str] = Counter()
    for client in clients.values():
        answer = Answer(101)
        client.read_frames(answer)
        codes[str(answer).partition(" ")[0]] += 1
        client.vanish()
    server.stop()
    took = time.monotonic() - began
    events = server.events()
    times = Counter(each["id"] for each in events if each["event"] == "cleaned" and each["id"] in clients)
    stopped = [index for index, each in enumerate(events) if each["event"] == "stopped"]
    last = max((index for index, each in enumerate(events) if each["event"] == "cleaned"), default=0)
    once = sum(times[number] == 1 for number in clients)
    code = ", ".join(f"{number} x {code}" for code, number in codes.items())
    text = f"{once} of {count} cleaned up, {code}, {took:.1f} s"
    problems = []
    if server.name in CLEANS_UP_AT_SIGTERM and (once != count or not stopped or stopped[0] < last):
        problems.append(f"{server.name}: SIGTERM: {text}, lifespan {'ended too early' if stopped else 'did not end'}")
    if server.name in SAYS_WHY_AT_SIGTERM and "1006" in codes:
        problems.append(f"{server.name}: SIGTERM: {text}")
    return text, problems


def packages() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "hypercorn", "granian", "daphne", "h2corn"))


def table(results: dict[str, dict[str, str]]) -> str:
    """The rows in which servers differ, and a line for the others."""
    names = list(results)
    rows = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    alike = on_daphne = 0
    for row in next(iter(results.values())):
        cells = {name: results[name][row].replace("|", "\\|") for name in names}
        others = {cell for name, cell in cells.items() if name != "daphne"}
        if len({*cells.values()}) == 1:
            alike += 1
        elif len(others) == 1 and _is_daphnes_way(others.pop(), cells.get("daphne", "")):
            on_daphne += 1
        else:
            rows.append(f"| {row} | {' | '.join(cells.values())} |")
    summary = f"{alike} endings are alike on all servers, and {on_daphne} on all but daphne, which drops reasons, "
    summary += "adds 3000 to the codes that it refuses, and sends 403 for each denial. The others:"
    return f"{summary}\n\n" + "\n".join(rows)


def _is_daphnes_way(others: str, daphne: str) -> bool:
    code = others.partition(" ")[0]
    return daphne in (code, "403") or (code.isdigit() and daphne == str(int(code) + 3000))


BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"


def write(page: Path, results: dict[str, dict[str, str]]) -> None:
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after_it = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{packages()}.\n\n{table(results)}\n{END}{after_it}", encoding="utf-8")


PARTS = ("endings", "leaving", "resets", "sigterm")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", nargs="*", help=f"only these: {', '.join(SERVERS)} (default: all)")
    parser.add_argument("--resets", type=int, default=1000, help="clients that reset (default: 1000)")
    parser.add_argument("--open", type=int, default=500, help="sockets that are open at SIGTERM (default: 500)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this, and others that are named so")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    arguments = parser.parse_args()
    parts = arguments.part or PARTS
    failures: list[str] = []
    results: dict[str, dict[str, str]] = {}
    for name in [name for name in SERVERS if not arguments.server or name in arguments.server]:
        began, known = time.monotonic(), len(failures)
        found = results[name] = {}
        with running(name) as server:
            if "endings" in parts:
                found |= endings(server, failures)
            if "leaving" in parts:
                found |= leaving(server, failures)
            if "resets" in parts:
                found["resets of clients, cleaned up"] = resets(server, failures, arguments.resets)
        if "sigterm" in parts:
            found["SIGTERM with open sockets"] = shutdown(name, failures, arguments.open)
        print(f"{name}: {len(failures) - known} failures, {time.monotonic() - began:.0f} s", flush=True)
        for row in ("resets of clients, cleaned up", "SIGTERM with open sockets"):
            if row in found:
                print(f"  {row}: {found[row]}", flush=True)
    print("\n".join(failures))
    if arguments.write:
        write(arguments.write, results)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
