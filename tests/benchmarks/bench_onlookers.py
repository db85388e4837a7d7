"""People who look on: `python bench_onlookers.py PORT COUNT`, until their streams end.

Says `ready` once everybody has seen how things are.
"""

from __future__ import annotations

import asyncio
import sys


async def look_on(port: int, ready: asyncio.Semaphore) -> None:
    """Read a stream to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = b""
    while b"event: screen" not in got:
        piece = await reader.read(65536)
        assert piece, got
        got += piece
    ready.release()
    while await reader.read(1 << 20):
        pass
    writer.close()


async def main(port: int, count: int) -> None:
    """All of them."""
    ready = asyncio.Semaphore(0)

    async def tell() -> None:
        for _ in range(count):
            await ready.acquire()
        print("ready", flush=True)

    await asyncio.gather(tell(), *(look_on(port, ready) for _ in range(count)))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
