"""The README of the plugin, run."""

from __future__ import annotations

import re
from pathlib import Path


def test_example_prints_what_the_readme_says(run_child):
    """It is the first thing that people paste."""
    readme = Path(__file__).parents[3] / "plugins" / "chat" / "README.md"
    example, output = re.search(r"```python\n(.*?)```\n```\n(.*?)```", readme.read_text(), re.DOTALL).groups()

    assert run_child(example) == (0, output)
