"""Real servers, real clients, and everything that can go wrong between them, drawn from a seed.

    python proof/chaos.py [--seconds N] [--seed S] [--clients N]

Each round starts uvicorn with one of its WebSocket implementations, or hypercorn, lets many clients come and go in
every manner, and ends it by SIGTERM, for half of the rounds in the middle. Then each dependency that was entered must
have been left exactly once; no value may have reached another connection; no task, thread or slot may be left; and the
log must have no traceback that nobody asked for. The exit code is 1 if a round fails.
"""

import argparse
import base64
import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

#: Those of uvicorn, and another server.
IMPLEMENTATIONS = ("websockets-sansio", "wsproto", "hypercorn")
TIMEOUT = 15  # seconds; only a hang gets near it
PATIENCE = 1  # seconds that a client waits for a message
ROUND = 8  # seconds

NAMES = ("loop", "thread", "short", "limited", "endpoint")
POINTS = ("before", "accepted", "after", "cleanup", "before.http", "before.close", "after.http", "cleanup.close")
DOES = ("echo", "returns", "sends", "sleeps", "group", "refuses")
GARBAGE = (
    b"\x81\x05hello",  # without a mask
    b"\xc1\x80" + bytes(4),  # a reserved bit
    b"\x83\x80" + bytes(4),  # a reserved opcode
    b"\x81\x81" + bytes(4) + b"\xff",  # text that is no UTF-8
    b"\x89\xfe\x01\x00" + bytes(260),  # a ping that is too long
    b"\x88\x81" + bytes(4) + b"x",  # a close frame with half a code
    b"\x88\x82" + bytes(4) + struct.pack("!H", 1006),  # a code that no frame may carry
    b"\x81\xff" + struct.pack("!Q", 2**63),  # a length that there cannot be
    b"\x00" * 64,
)
PATHS = ("/policy/a/%s", "/policy/b/%s", "/plain/%s")
WRONG_PATHS = ("/policy/%s", "/plain/", "/%%ff%s", "/plain/a/%s", "/policy/a/%s/", "/%s" + "/a" * 500, "//")


class Crossed(Exception):
    """A message that was meant for somebody else."""


class Client:
    """One connection, from its first byte; `random` decides everything."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._port = port
        self._chance = chance
        self._token = f"{chance.getrandbits(64):016x}"
        self.outcome = "nothing sent"

    def run(self) -> str:
        """One life; returns how it went."""
        with contextlib.suppress(OSError), socket.socket() as self._socket:
            if self._chance.random() < 0.1:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            self._socket.settimeout(TIMEOUT)
            self._socket.connect(("127.0.0.1", self._port))
            try:
                self._live()
            except TimeoutError:
                # After the answer the client is the one that waits for nothing.
                self.outcome = "impatient" if self.outcome.startswith("accepted") else "hang"
        return self.outcome

    def _live(self) -> None:
        chance = self._chance
        head = self._head()
        if chance.random() < 0.08:
            self._socket.sendall(head[: chance.randrange(len(head))])
            time.sleep(chance.choice((0, 0, 0.01, 0.3)))
            self.outcome = "left in the handshake"
            return self._leave()
        self._socket.sendall(head)
        if chance.random() < 0.08:
            time.sleep(chance.choice((0, 0.001, 0.01)))
            self.outcome = "left before the answer"
            return self._leave()
        self._incoming = self._socket.makefile("rb")
        status = self._status()
        if status != 101:
            self.outcome = f"status {status}"
            return None
        self.outcome = "accepted"
        self._socket.settimeout(PATIENCE)
        for _ in range(chance.randrange(6)):
            action = chance.random()
            if action < 0.06:
                self._socket.sendall(chance.choice(GARBAGE))
                self.outcome = "accepted, then garbage"
                break
            if action < 0.1:
                frame = self._frame(1, b"cut")
                self._socket.sendall(frame[: chance.randrange(1, len(frame))])
                break
            if action < 0.2:
                time.sleep(chance.random() * 0.1)
            else:
                self._socket.sendall(self._frame(1, b"hello"))
            if chance.random() < 0.7 and not self._receive():
                self.outcome = "closed by the server"
                return None
        if chance.random() < 0.3:
            while self._receive():
                if chance.random() < 0.1:
                    break
        return self._leave()

    def _head(self) -> bytes:
        chance, token = self._chance, self._token
        path = chance.choice(PATHS if chance.random() < 0.9 else WRONG_PATHS)
        path = path % token if "%s" in path else path
        query = [f"token={token}", f"does={chance.choice(DOES)}"]
        if chance.random() < 0.4:
            query.append(f"fail={chance.choice(NAMES)}.{chance.choice(POINTS)}")
        if chance.random() < 0.05:
            query.pop(0)
        chance.shuffle(query)
        lines = [
            f"GET {path}?{'&'.join(query)} HTTP/1.1",
            "Host: localhost",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(chance.randbytes(16)).decode()}",
            f"X-Token: {token}",
            f"Cookie: session={token}",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def _status(self) -> int:
        status = self._incoming.readline().split()
        while self._incoming.readline().strip():
            pass
        return int(status[1]) if len(status) > 1 else 0

    def _receive(self) -> bool:
        """Whether a message came, and not the end."""
        start = self._incoming.read(2)
        if len(start) < 2:
            return False
        length = start[1] & 0x7F
        if length > 125:
            length = int.from_bytes(self._incoming.read(2 if length == 126 else 8))
        payload = self._incoming.read(length)
        if start[0] & 0x0F == 1 and len(payload) == length and not payload.startswith(self._token.encode()):
            raise Crossed(f"{self._token} got {payload[:60]!r}")
        return start[0] & 0x0F != 8

    @staticmethod
    def _frame(opcode: int, payload: bytes) -> bytes:
        return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload

    def _leave(self) -> None:
        manner = self._chance.choice(("close", "vanish", "reset"))
        if manner == "close":
            self._socket.sendall(self._frame(8, struct.pack("!H", 1001)))
        elif manner == "reset":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def play(port: int, seed: int, clients: int, over: Callable[[], bool]) -> Counter[str]:
    """Clients one after the other in each of many threads, until it is over."""
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()

    def come_and_go(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        while not over():
            outcome = Client(port, chance).run()
            if outcome == "nothing sent":  # the server listens no more
                time.sleep(0.1)
                continue
            with lock:
                outcomes[outcome] += 1

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(come_and_go, range(clients)))
    return outcomes


def one_round(number: int, seed: int, clients: int) -> list[str]:
    """Plays one round, and returns its faults."""
    implementation, in_the_middle = IMPLEMENTATIONS[number % 3], number % 6 < 3
    command = [sys.executable, str(Path(__file__).with_name("chaos_server.py")), implementation]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        end = time.monotonic() + ROUND
        stop = threading.Timer(ROUND * 0.8, os.kill, (server.pid, signal.SIGTERM)) if in_the_middle else None
        if stop is not None:
            stop.start()
        outcomes = play(port, seed, clients, lambda: time.monotonic() > end or server.poll() is not None)
        if stop is None:
            server.send_signal(signal.SIGTERM)
        try:
            output, _ = server.communicate(timeout=4 * TIMEOUT)
        except subprocess.TimeoutExpired:
            server.kill()
            return ["the server did not end"]
    if server.returncode not in (0, -signal.SIGTERM) or not output.strip():
        return [f"the server ended with {server.returncode}"]
    report = json.loads(output)
    print(
        f"{implementation:18} {'SIGTERM in the middle' if in_the_middle else 'SIGTERM at the end':22} "
        f"{sum(outcomes.values()):6} clients, {report['entered']:6} entered, "
        f"{report['reached the endpoint']:5} endpoints, {report['on_end']:5} told of their end",
        flush=True,
    )
    faults = [
        f"{name}: {found}" for name in ("not once", "crossed", "left over", "complaints") for found in report[name][:3]
    ]
    if outcomes["hang"]:
        faults.append(f"{outcomes['hang']} clients waited for more than {TIMEOUT} s")
    if report["reached the endpoint"] < 10:
        faults.append("hardly a client reached an endpoint: this proves nothing")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--clients", type=int, default=24, help="at a time (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    end, number, failed = time.monotonic() + arguments.seconds, 0, 0
    while time.monotonic() < end or number < 6:
        faults = one_round(number, arguments.seed + number, arguments.clients)
        for fault in faults:
            print(f"FAULT {fault}")
        failed += bool(faults)
        number += 1
    print(f"{number} rounds, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
