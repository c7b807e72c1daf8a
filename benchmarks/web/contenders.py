"""Who takes part: each contender's application, path and event loop, and whom it is compared with."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

HAND, BARE, AWAITS, INJECT, UNMARKED = (
    "by hand",
    "by hand, no header",
    "by hand, awaits",
    "inject",
    "unmarked",
)
DOCUMENT, VIEW, VIEWS = "by hand, document", "view", "/views/NAME"
FASTAPI, LITESTAR = "FastAPI", "Litestar"
FAST_LOOP = ", uvloop"
"""How the names of those end that run on uvloop instead of asyncio's own loop."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One server of the comparison.

    Attributes:
        name: in tables, and on the command line of its server.
        maker: `module:function` that makes its application, imported in the server's process alone.
        path: where the work is that `{work}` stands for.
        base: name of the contender by hand that does the same on the same loop.
        needs: packages that have to be installed.
        is_asgi: whether uvicorn serves it; aiohttp otherwise.
        on_uvloop: whether it runs on uvloop.
    """

    name: str
    maker: str
    path: str = "/{work}"
    base: str = HAND
    needs: tuple[str, ...] = ()
    is_asgi: bool = False
    on_uvloop: bool = False

    @property
    def is_document(self) -> bool:
        """Whether it answers with the whole document of a view, and not with the values alone."""
        return self.base.startswith(DOCUMENT)

    @property
    def missing(self) -> list[str]:
        """Packages that it needs and that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    def make_app(self) -> Any:
        """Import and make its application."""
        module, _, function = self.maker.partition(":")
        return getattr(importlib.import_module(f"benchmarks.web.{module}"), function)()


_ASYNCIO = (
    Contender(HAND, "by_hand:gather"),
    Contender(BARE, "by_hand:gather_without_header"),
    Contender(AWAITS, "by_hand:await_each"),
    Contender(INJECT, "ours:make_app", "/inject/{work}"),
    Contender(UNMARKED, "ours:make_app", "/unmarked/{work}", BARE),
    Contender(DOCUMENT, "by_hand:gather_document", base=DOCUMENT),
    Contender(VIEW, "ours:make_app", "/view/{work}", DOCUMENT),
    Contender(VIEWS, "ours:make_app", "/views/{work}", DOCUMENT),
    Contender(FASTAPI, "with_fastapi:make_app", needs=("fastapi", "uvicorn", "httptools"), is_asgi=True),
    Contender(LITESTAR, "with_litestar:make_app", needs=("litestar", "uvicorn", "httptools"), is_asgi=True),
)
_ON_UVLOOP = tuple(
    Contender(
        one.name + FAST_LOOP,
        one.maker,
        one.path,
        one.base + FAST_LOOP,
        (*one.needs, "uvloop"),
        one.is_asgi,
        on_uvloop=True,
    )
    for one in _ASYNCIO
)

CONTENDERS = {one.name: one for one in (*_ASYNCIO, *_ON_UVLOOP)}
