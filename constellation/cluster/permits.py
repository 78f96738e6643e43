"""Devices that have come get work once what their credentials permit was read.

What orchestrators know of credentials may be a second old, and a device may come within that second
after it was allowed something else. So it is read again for whoever comes, once for all who do at
the same time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio

from .remote import RemoteDevice

READ_AGAIN_S = 0.2


class Permits:
    """Reads for those that have come.

    Args:
        read: reads what credentials permit; False if it cannot be read now.
        start: runs something beside what goes on.
        permitted: is told of devices for which it was read.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[bool]],
        start: Callable[..., None],
        permitted: Callable[[Sequence[RemoteDevice]], None],
    ) -> None:
        self._read = read
        self._start = start
        self._permitted = permitted
        self._come: list[RemoteDevice] = []
        self._is_reading = False

    def came(self, device: RemoteDevice) -> None:
        """A device has come, and is known as one that takes no work."""
        self._come.append(device)
        if not self._is_reading:
            self._is_reading = True
            self._start(self._run)

    async def _run(self) -> None:
        while self._come:
            # Those that come while it is read wait for the next time: it may be older than they.
            come, self._come = self._come, []
            if await self._read():
                self._permitted(come)
            else:
                self._come = come + self._come
                await anyio.sleep(READ_AGAIN_S)
        self._is_reading = False
