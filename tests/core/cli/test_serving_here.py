"""`serve` in this process: the same ways through it, where faults can be looked into."""

from __future__ import annotations

import asyncio
import http.client
import io
import os
import re
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp_steps.cli import main, serving

STEPS = """
    import asyncio
    import threading
    from aiohttp_steps import step

    begun, go = threading.Event(), threading.Event()

    @step(concurrency="parallel", views=["home"])
    async def hello(): return "hello"

    @step(concurrency="parallel", views=["waits"])
    def waits():
        begun.set()
        go.wait()
        return "done"

    @step(concurrency="parallel", views=["fails"], required=True)
    async def fails(): raise ValueError("a secret")

    running = []

    async def count():
        running.append(1)
        await asyncio.sleep(0)
        seen = len(running)
        running.pop()
        return seen

    @step(concurrency="parallel", views=["pair"])
    async def left(): return await count()

    @step(concurrency="parallel", views=["pair"])
    async def right(): return await count()

    @step(concurrency="parallel", views=["late"], timeout=0.01)
    def late(): go.wait()

    @step(concurrency="parallel", views=["never"])
    async def never():
        begun.set()
        await asyncio.Event().wait()
"""


class Announced(io.StringIO):
    """Standard output that tells when the service says that it serves."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()

    def write(self, text):
        written = super().write(text)
        if "Stop with" in text:
            self.event.set()
        return written


def ask(port, path):
    """Return status and body; None if the connection was cut."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return None
    finally:
        connection.close()


@pytest.fixture
def kept():
    """Put back what a service takes for its process: the main thread's event loop and two signals."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:  # a test before this one has left none
            loop = None
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    asyncio.set_event_loop(loop)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def serve_here(shelf, kept, monkeypatch, capsys):
    """Return what serves in the main thread while another asks, and sends the signal when that is done."""

    def run(client, *options):
        announced = Announced()
        monkeypatch.setattr(sys, "argv", ["aiohttp-steps", "serve", "--port", "0", *options])
        monkeypatch.setattr(sys, "stdout", announced)
        serves = True

        def act():
            announced.event.wait()
            if not serves:
                return None
            port = int(re.search(r":(\d+)", announced.getvalue())[1])
            try:
                return client(port)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(act)
            try:
                main()
            except SystemExit as ended:
                code = ended.code
            finally:
                serves = False
                announced.event.set()
        return code, answer.result(), announced.getvalue(), capsys.readouterr().err

    return run


@pytest.fixture
def steps(shelf):
    """Return the module of the steps above, once it is loaded."""
    shelf.add("steps", STEPS)
    yield lambda: sys.modules["made_steps"]
    if "made_steps" in sys.modules:
        sys.modules["made_steps"].go.set()


def test_it_serves_until_the_signal(serve_here, steps):
    """Then it ends by itself, with 0."""
    code, answer, out, err = serve_here(lambda port: ask(port, "/views/home"))
    assert code == 0
    assert answer[0] == 200
    assert '"data":{"hello":"hello"}' in answer[1]
    assert re.search(r"(?m)^  GET  http://127\.0\.0\.1:\d+/views/home$", out)
    assert err == "stopping; requests have 10 s to finish\n"


def test_in_debug_mode_clients_are_told_messages_and_times(serve_here, steps):
    """On one's own machine the log is in another window."""
    _, (status, body), _, _ = serve_here(lambda port: ask(port, "/views/fails"), "--debug")
    assert status == 500
    assert '"detail":"ValueError: a secret"' in body


def test_steps_run_one_after_another_if_asked(serve_here, steps):
    """The flag to go back with, for a service that misbehaves."""
    _, (_, body), _, _ = serve_here(lambda port: ask(port, "/views/pair"), "--sequential")
    assert '"data":{"left":1,"right":1}' in body


def test_without_views_it_says_what_is_missing(serve_here):
    """A service that answers nothing would be a riddle."""
    code, answer, out, _ = serve_here(lambda port: ask(port, "/views"))
    assert (code, answer) == (0, (200, '{"views":[]}'))
    assert "There are no views: install step plugins, say pip install aiohttp-steps-git\n" in out


def test_a_terminal_gets_colours(serve_here, steps, monkeypatch):
    """The address stands out, to be clicked on."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    _, _, out, _ = serve_here(lambda port: None)
    assert re.match(r"Serving on \x1b\[1mhttp://127\.0\.0\.1:\d+\x1b\[0m\n", out)


def test_what_does_not_finish_in_time_is_cut(serve_here, steps):
    """Without a wait beyond the time that was given."""
    with ThreadPoolExecutor(1) as pool:

        def leave_unanswered(port):
            answer = pool.submit(ask, port, "/views/never")
            steps().begun.wait()
            return answer

        code, answer, _, err = serve_here(leave_unanswered, "--shutdown-timeout", "0")
        assert (code, answer.result()) == (0, None)
    assert "warning: cut what did not finish in 0 s\n" in err


def test_it_leaves_by_the_back_door_if_a_thread_cannot_be_stopped(serve_here, steps, monkeypatch):
    """Closing the event loop would wait for that thread for ever."""
    monkeypatch.setattr(serving, "CUT_S", 0.0)
    # The real one ends this process; the steps' thread ends here, or the loop would wait for it.
    monkeypatch.setattr(serving, "leave", lambda: (left.append(True), steps().go.set()))
    left = []
    with ThreadPoolExecutor(1) as pool:

        def leave_unanswered(port):
            answer = pool.submit(ask, port, "/views/waits")
            steps().begun.wait()
            return answer

        code, answer, _, err = serve_here(leave_unanswered, "--shutdown-timeout", "0")
        answer.result()
    assert (code, left) == (0, [True])
    assert "warning: left a step that runs in a thread and cannot be stopped\n" in err


def test_a_thread_that_outlived_its_timeout_is_named(serve_here, steps):
    """Its step is the one to look at."""
    _, answer, _, err = serve_here(lambda port: ask(port, "/views/late"))
    assert "ran longer than 0.01 s" in answer[1]
    assert "warning: a thread of step late outlived its timeout, and ends with the process\n" in err
