"""`python -m aiohttp_steps`: the command line."""

from aiohttp_steps.cli import main

main()
