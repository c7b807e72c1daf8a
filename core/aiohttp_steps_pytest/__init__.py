"""What aiohttp-steps adds to pytest: the fixture `check_race`.

A package of its own beside `aiohttp_steps`: pytest imports it in every session, before coverage begins to
measure. So it imports nothing of `aiohttp_steps` until a test asks for the fixture.
"""
