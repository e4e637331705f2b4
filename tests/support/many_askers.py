"""Many who ask the models at once."""

import asyncio

import httpx

from tests.support.coroutines import result_of


def fifty_answers(url: str, patience_s: float) -> list[httpx.Response]:
    """The answers of an API to fifty clients, each of which has a text encoded at the same time."""

    async def ask_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(timeout=patience_s, limits=limits) as client:
            return await asyncio.gather(
                *(
                    client.post(
                        f"{url}/api/encode",
                        json={"text": f"asker {number}"},
                        headers={"X-Forwarded-For": f"10.0.2.{number}"},
                    )
                    for number in range(50)
                )
            )

    return result_of(ask_all())
