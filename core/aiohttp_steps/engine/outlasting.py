"""Waits for tasks to the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


async def outlast(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait for the end of tasks, however often the calling one is cancelled meanwhile.

    Raises:
        asyncio.CancelledError: it was; the tasks have ended all the same.
    """
    running = {task for task in tasks if not task.done()}
    interruption: BaseException | None = None
    while running:
        try:
            _, running = await asyncio.wait(running)
        except asyncio.CancelledError as error:
            interruption = error
    if interruption is not None:
        raise interruption
