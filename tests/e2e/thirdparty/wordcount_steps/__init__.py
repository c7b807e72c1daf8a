"""Steps that count words, for any application that runs the views `words` or `project`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from aiohttp_steps import Input, StepError, hookimpl, step


class NoTextError(StepError):
    """There is no text to count."""

    type = "no_text"
    status = 404


@dataclass
class WordCount:
    """How often a word occurs."""

    word: str
    count: int


@hookimpl
def step_inputs():
    return [
        Input("text_path", Path, help="The text to count."),
        Input("top", int, default=1, source=["query", "body"], help="How many of the most frequent words."),
    ]


@step(concurrency="parallel")
def words(*, text_path: Path) -> list[str]:
    """Read in a thread, and shown nowhere: other steps take it."""
    try:
        return text_path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        raise NoTextError("there is no text") from None


@step(concurrency="parallel", views=["words", "project"])
async def common_words(*, words: list[str], top: int) -> list[WordCount]:
    """Take a result of the plugin's own."""
    return [WordCount(*one) for one in Counter(words).most_common(top)]


@step(concurrency="parallel", views=["project"])
async def headline(*, common_words: list[WordCount], git_branch: object | None = None) -> str:
    """Take a result of another plugin's, if that is installed."""
    where = "nowhere" if git_branch is None else "a branch"
    return f"{common_words[0].word} on {where}"
