"""Many threads ask one accelerated FastAPI application, while another adds routes to it.

    python -X gil=0 proof/threads.py [--seconds N] [--threads N]

Each thread has an event loop of its own and knows each answer beforehand. The exit code is 1 if one is wrong.
"""

import argparse
import asyncio
import json
import random
import sys
import threading
import time
from typing import Any

from fastapi import APIRouter, FastAPI

import fastroute
from fastroute import accelerate

ROUTES = 100


def application() -> FastAPI:
    app = FastAPI()
    router = APIRouter(prefix="/inner")

    def page(number: int) -> Any:
        async def answer(item: int, q: int) -> dict[str, int]:
            return {"route": number, "item": item, "q": q}

        return answer

    for number in range(ROUTES):
        app.add_api_route(f"/r{number}/{{item}}", page(number))
        router.add_api_route(f"/r{number}/{{item}}", page(number + ROUTES))
    app.include_router(router)
    accelerate(app)
    return app


async def asked(app: FastAPI, path: str, query: str) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [],
        "scheme": "http",
        "server": ("localhost", 80),
        "client": ("localhost", 1),
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="how long (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=8, help="how many ask (default: %(default)s)")
    arguments = parser.parse_args()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"fastroute {fastroute.IMPLEMENTATION}, Python {sys.version.split()[0]}, GIL {'on' if gil else 'off'}")
    sys.setswitchinterval(1e-5)
    app, wrong, counts = application(), [], [0] * arguments.threads
    end = time.monotonic() + arguments.seconds

    async def ask(seat: int) -> None:
        chance = random.Random(seat)
        while time.monotonic() < end and not wrong:
            number, item, q = chance.randrange(2 * ROUTES), chance.randrange(10**6), chance.randrange(10**6)
            path = f"{'/inner' if number >= ROUTES else ''}/r{number % ROUTES}/{item}"
            status, body = await asked(app, path, f"q={q}")
            if status != 200 or json.loads(body) != {"route": number, "item": item, "q": q}:
                wrong.append((path, q, status, body))
            status, body = await asked(app, f"/none/{item}", "")
            if status != 404:
                wrong.append((f"/none/{item}", status, body))
            counts[seat] += 2

    def thread(seat: int) -> None:
        try:
            asyncio.run(ask(seat))
        except BaseException as error:
            wrong.append(error)
            raise

    def change() -> None:
        async def late() -> str:
            return "late"

        number = 0
        while time.monotonic() < end and not wrong:
            app.add_api_route(f"/late{number}", late)
            status, _ = asyncio.run(asked(app, f"/late{number}", ""))
            if status != 200:
                wrong.append((f"/late{number}", status))
            number += 1
            time.sleep(0.05)
        counts.append(number)

    threads = [threading.Thread(target=thread, args=(seat,)) for seat in range(arguments.threads)]
    threads.append(threading.Thread(target=change))
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for one in wrong[:3]:
        print(f"WRONG {one!r:.500}")
    print(f"{sum(counts[: arguments.threads]):,} requests, {counts[-1]} routes added, {len(wrong)} wrong answers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
