"""The same work in Litestar: each step a dependency, which it resolves side by side.

https://docs.litestar.dev/2/usage/dependency-injection.html
"""

from typing import Any

from litestar import Litestar, get
from litestar.di import Provide

from benchmarks.web.work import WORKS, Work, make_functions


def make_app() -> Litestar:
    """Return an application with one route for each work."""
    return Litestar([_write_handler(work) for work in WORKS])


def _write_handler(work: Work) -> Any:
    functions = make_functions(work)
    parameters = ", ".join(f"{name}: int" for name in functions)
    values = ", ".join(f"{name!r}: {name}" for name in functions)
    source = f"async def handler({parameters}) -> dict[str, int]:\n    return {{{values}}}\n"
    namespace: dict[str, Any] = {"__name__": __name__}  # where annotations are looked up
    exec(compile(source, __file__, "exec"), namespace)  # the source is ours
    provided = {name: Provide(function) for name, function in functions.items()}
    return get(f"/{work.name}", dependencies=provided)(namespace["handler"])
