"""The same work in FastAPI: each step a dependency, as its documentation writes them.

https://fastapi.tiangolo.com/tutorial/dependencies/. The return type lets it write JSON by Pydantic's own
encoder: https://fastapi.tiangolo.com/advanced/custom-response/.
"""

from typing import Annotated, Any

from fastapi import Depends, FastAPI

from benchmarks.web.work import WORKS, Work, make_functions


def make_app() -> FastAPI:
    """Return an application with one route for each work."""
    app = FastAPI()
    for work in WORKS:
        app.get(f"/{work.name}")(_write_handler(work))
    return app


def _write_handler(work: Work) -> Any:
    functions = make_functions(work)
    parameters = ", ".join(f"{name}: Annotated[int, Depends({name})]" for name in functions)
    values = ", ".join(f"{name!r}: {name}" for name in functions)
    source = f"async def handler({parameters}) -> dict[str, int]:\n    return {{{values}}}\n"
    namespace: dict[str, Any] = {"Annotated": Annotated, "Depends": Depends, **functions}
    exec(compile(source, __file__, "exec"), namespace)  # the source is ours
    return namespace["handler"]
