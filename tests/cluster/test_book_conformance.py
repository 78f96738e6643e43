"""What a book promises, whatever it is kept in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from cluster_kit import new_fabric

from constellation.cluster.book import Book, BucketBook, MemoryBook
from constellation.cluster.bus import connected, prepare
from constellation.cluster.names import Names

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "bucket"])
async def books(request: pytest.FixtureRequest, nats_url: str) -> AsyncIterator[tuple[Book, Book]]:
    """The same book in the hands of two."""
    if request.param == "memory":
        book = MemoryBook()
        yield book, book
        return
    names = Names(new_fabric("books"))
    async with connected([nats_url], "one") as one, connected([nats_url], "two") as two:
        await prepare(one.jetstream(), names, 1)
        yield BucketBook(one, names.resources, 2.0), BucketBook(two, names.resources, 2.0)


async def test_there_is_nothing_at_first(books: tuple[Book, Book]) -> None:
    assert await books[0].read() == (b"", 0)


async def test_what_one_writes_the_other_reads(books: tuple[Book, Book]) -> None:
    one, two = books
    assert await one.write(b"first", 0)
    data, revision = await two.read()
    assert data == b"first"
    assert await two.write(b"second", revision)
    data, later = await one.read()
    assert data == b"second"
    assert later > revision


async def test_what_was_changed_meanwhile_is_not_overwritten(books: tuple[Book, Book]) -> None:
    one, two = books
    assert await one.write(b"first", 0)
    assert not await two.write(b"other", 0)
    _, revision = await two.read()
    assert await one.write(b"second", revision)
    assert not await two.write(b"other", revision)
    assert (await two.read())[0] == b"second"


async def test_of_many_who_write_at_once_one_succeeds(books: tuple[Book, Book]) -> None:
    written: list[bytes] = []

    async def write(book: Book, data: bytes) -> None:
        if await book.write(data, 0):
            written.append(data)

    async with anyio.create_task_group() as tasks:
        for n in range(10):
            tasks.start_soon(write, books[n % 2], b"%d" % n)
    assert [(await books[0].read())[0]] == written


async def test_whoever_watches_is_told_and_reads_what_was_written(
    books: tuple[Book, Book],
) -> None:
    one, two = books
    told = anyio.Event()
    await two.watch(told.set)
    await two.read()  # the watch is known to the server by then
    assert await one.write(b"first", 0)
    with anyio.fail_after(100):
        await told.wait()
    assert (await two.read())[0] == b"first"
