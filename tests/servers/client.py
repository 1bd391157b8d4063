"""A WebSocket client of raw bytes, which leaves in any way and sees every byte that comes back."""

import base64
import os
import socket
import struct
from dataclasses import dataclass, field

__all__ = ["Answer", "Client"]

TIMEOUT = 8.0  # seconds; a server that takes longer hangs


@dataclass
class Answer:
    """An answer of a server.

    Attributes:
        status: of the HTTP answer; 0 if none came, -1 after a timeout.
        headers: of the answer, in lower case.
        body: of a denial.
        code: of the close frame; None if none came, which a browser reports as 1006; 1005 if it has none.
        reason: of the close frame.
        messages: before that.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    code: int | None = None
    reason: str = ""
    messages: list[bytes] = field(default_factory=list)
    hung: bool = False

    def __str__(self) -> str:
        """`401 who`, `4001 why`, `1006`, `hangs`."""
        if self.hung:
            return "hangs"
        if self.status != 101:
            return f"{self.status} {self.body.decode('utf-8', 'replace')}".strip()
        return f"{self.code or 1006} {self.reason}".strip()


class Client:
    """One connection; the handshake is sent when it is made."""

    def __init__(self, port: int, target: str, *headers: tuple[str, str]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        self._incoming = self.socket.makefile("rb")

    def send(self, opcode: int, payload: bytes) -> None:
        assert len(payload) < 126
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload)

    def head(self) -> Answer:
        """The HTTP answer, without the body."""
        try:
            words = self._incoming.readline().split()
        except TimeoutError:
            return Answer(-1, hung=True)
        except OSError:
            return Answer(0)
        if len(words) < 2:
            return Answer(0)
        answer = Answer(int(words[1]))
        while line := self._incoming.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            answer.headers[name.lower()] = value.strip()
        return answer

    def frame(self) -> tuple[int, bytes] | None:
        """Opcode and payload of the next frame; None at the end of the connection."""
        start = self._incoming.read(2)
        if len(start) < 2:
            return None
        length = start[1] & 0x7F
        if length == 126:
            [length] = struct.unpack("!H", self._incoming.read(2))
        elif length == 127:
            [length] = struct.unpack("!Q", self._incoming.read(8))
        return start[0] & 0x0F, self._incoming.read(length)

    def answer(self) -> Answer:
        """Everything up to the end."""
        answer = self.head()
        if answer.status == 101:
            self.read_frames(answer)
        elif answer.status > 0:
            try:
                answer.body = self._body(answer.headers)
            except TimeoutError:
                answer.hung = True
        self.vanish()
        return answer

    def read_frames(self, answer: Answer) -> None:
        """Read up to the close frame, or the end of the connection."""
        try:
            while (frame := self.frame()) is not None:
                opcode, payload = frame
                if opcode == 8:
                    answer.code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                    answer.reason = payload[2:].decode()
                    return
                if opcode in (0, 1, 2):
                    answer.messages.append(payload)
        except TimeoutError:
            answer.hung = True
        except OSError:
            pass  # the server reset the connection

    def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return self._incoming.read(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return b""
        body = b""
        while size := int(self._incoming.readline() or b"0", 16):
            body += self._incoming.read(size)
            self._incoming.readline()
        return body

    def leave(self, manner: str) -> None:
        """With a close frame, without one, or with a reset of the connection."""
        if manner.startswith("close"):
            code = manner.removeprefix("close").strip()
            self.send(8, struct.pack("!H", int(code)) + b"bye" if code else b"")
        elif manner == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.vanish()

    def vanish(self) -> None:
        self._incoming.close()
        self.socket.close()
