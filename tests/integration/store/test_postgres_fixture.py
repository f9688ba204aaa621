"""The session's PostgreSQL is a real server."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


async def test_the_database_answers_and_can_be_written_to(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TEMPORARY TABLE seen (name text)"))
            await connection.execute(text("INSERT INTO seen VALUES ('southbound')"))
            seen = await connection.scalar(text("SELECT name FROM seen"))
    finally:
        await engine.dispose()
    assert seen == "southbound"
