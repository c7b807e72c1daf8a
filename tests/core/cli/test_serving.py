"""`serve`: as a process of its own, which starts, answers, and ends as a service has to."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

STEPS = '''
    """Steps that say when they have begun, and end when they are told, by two pipes beside this file."""

    import asyncio
    import threading
    from pathlib import Path
    from aiohttp_steps import Input, hookimpl, step

    HERE = Path(__file__).parent

    def begin():
        (HERE / "begun").write_text("begun")

    @hookimpl
    def step_inputs():
        return [Input("count", int, default=1, source="query")]

    @step(concurrency="parallel", views=["home"])
    async def hello(*, count): return "hello " * count

    @step(concurrency="parallel", views=["fails"], required=True)
    async def fails(): raise ValueError("a secret")

    @step(views=["write"])
    async def write(): return "written"

    @step(concurrency="parallel", views=["waits"])
    def waits():
        begin()
        return (HERE / "go").read_text()

    @step(concurrency="parallel", views=["never"])
    async def never():
        begin()
        try:
            await asyncio.Event().wait()
        finally:
            (HERE / "cleaned up").write_text("yes")

    @step(concurrency="parallel", views=["hangs"])
    def hangs():
        begin()
        threading.Event().wait()

    @step(concurrency="parallel", views=["hangs_on"], timeout=0.01)
    def hangs_on():
        threading.Event().wait()
'''


class Service:
    """A running `aiohttp-steps serve`, and what it says."""

    def __init__(self, process, folder) -> None:
        self.process = process
        self.folder = folder
        self.announced = []
        for line in process.stdout:
            self.announced.append(line.rstrip())
            if line.startswith("Stop with"):
                break
        self.url, port = re.fullmatch(r"Serving on (http://\S+:(\d+))", self.announced[0]).groups()
        self.port = int(port)
        self.said = []

    def ask(self, path, *, method="GET", headers=()):
        """Return status and body; None if the connection was cut."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return None
        finally:
            connection.close()

    def wait_begun(self):
        """Wait until the step that was asked for has begun."""
        assert (self.folder / "begun").read_text() == "begun"

    def let_go(self):
        """Let the step that waits give this value."""
        (self.folder / "go").write_text("done")

    def stop(self, number=signal.SIGTERM):
        """Send a signal, and wait until it has been taken for one."""
        self.process.send_signal(number)
        for line in self.process.stderr:
            self.said.append(line.rstrip())
            if line.startswith("stopping;"):
                return

    def wait_closed(self):
        """Wait until nobody can connect any more."""
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=60).close()
            except ConnectionError:
                return

    def wait_end(self):
        """Return the exit code, and standard error to its end."""
        self.said += self.process.stderr.read().splitlines()
        return self.process.wait(60)

    @property
    def warnings(self):
        return [line for line in self.said if line.startswith("warning:")]


@pytest.fixture
def serve(shelf, python):
    """Return what starts a service with the steps above."""
    shelf.add("steps", STEPS)
    for name in ("begun", "go"):
        os.mkfifo(shelf.folder / name)
    started = []

    def start(*options):
        process = subprocess.Popen(
            [*python["args"], "-m", "aiohttp_steps", "serve", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=python["env"],
        )
        started.append(process)
        return Service(process, shelf.folder)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def aside():
    """Return a pool for requests that are not answered at once."""
    with ThreadPoolExecutor() as pool:
        yield pool


def test_it_prints_where_and_serves_the_views_of_the_plugins(serve):
    """The main job: no configuration, no line of an app."""
    service = serve()
    assert service.url.startswith("http://127.0.0.1:")
    assert f"  GET  {service.url}/views/home" in service.announced
    assert f"  POST {service.url}/views/write" in service.announced
    assert service.announced[-1] == "Stop with Ctrl+C"
    status, document = service.ask("/views/home?count=2")
    assert (status, document["data"]) == (200, {"hello": "hello hello "})
    assert service.ask("/views/write")[0] == 405
    assert service.ask("/views/write", method="POST")[1]["data"] == {"write": "written"}
    service.stop()
    assert service.wait_end() == 0


def test_sigterm_lets_a_request_under_way_finish(serve, aside):
    """A deployment loses no request."""
    service = serve()
    answer = aside.submit(service.ask, "/views/waits")
    service.wait_begun()
    service.stop()
    service.wait_closed()
    service.let_go()
    status, document = answer.result()
    assert (status, document["data"]) == (200, {"waits": "done"})
    assert service.wait_end() == 0
    assert service.warnings == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_either_signal_ends_an_idle_service_with_0(serve, number):
    """Ctrl+C is no failure."""
    service = serve()
    service.stop(number)
    assert service.wait_end() == 0
    assert "stopping; requests have 10 s to finish" in service.said
    assert not any("Traceback" in line for line in service.said)


def test_a_request_that_does_not_end_in_time_is_cut(serve, aside):
    """The one who stops the service decides how long it may take; the step still cleans up after itself."""
    service = serve("--shutdown-timeout", "0")
    answer = aside.submit(service.ask, "/views/never")
    service.wait_begun()
    service.stop()
    assert answer.result() is None
    assert service.wait_end() == 0
    assert service.warnings == ["warning: cut what did not finish in 0 s"]
    assert (service.folder / "cleaned up").read_text() == "yes"
    assert not any("Traceback" in line for line in service.said)


def test_a_body_in_a_thread_that_never_ends_does_not_hold_up_the_exit(serve, aside):
    """Python cannot stop a thread; a service that hangs on it would be killed, and reported as failed."""
    service = serve("--shutdown-timeout", "0")
    answer = aside.submit(service.ask, "/views/hangs")
    service.wait_begun()
    service.stop()
    assert service.wait_end() == 0
    assert answer.result() is None
    assert service.warnings == [
        "warning: cut what did not finish in 0 s",
        "warning: left a step that runs in a thread and cannot be stopped",
    ]


def test_a_thread_that_outlived_its_timeout_is_named_and_left(serve):
    """Its request was answered long ago; whoever reads the log learns which step to look at."""
    service = serve()
    status, document = service.ask("/views/hangs_on")
    assert (status, document["errors"]["hangs_on"]["type"]) == (200, "timeout")
    service.stop()
    assert service.wait_end() == 0
    assert service.warnings == [
        "warning: a thread of step hangs_on outlived its timeout, and ends with the process"
    ]


@pytest.mark.parametrize(
    ("view", "first", "second"),
    [
        pytest.param("never", signal.SIGINT, signal.SIGINT, id="SIGINT twice, a task"),
        pytest.param("hangs", signal.SIGINT, signal.SIGINT, id="SIGINT twice, a thread"),
        pytest.param("hangs", signal.SIGTERM, signal.SIGTERM, id="SIGTERM twice, a thread"),
        pytest.param("never", signal.SIGTERM, signal.SIGINT, id="SIGTERM, then SIGINT, a task"),
    ],
)
def test_a_second_signal_ends_it_at_once(serve, aside, view, first, second):
    """Whoever is in a hurry presses Ctrl+C again, and sees no traceback."""
    service = serve("--shutdown-timeout", "1000")
    answer = aside.submit(service.ask, f"/views/{view}")
    service.wait_begun()
    service.stop(first)
    service.process.send_signal(second)
    assert service.wait_end() == -second
    assert answer.result() is None
    assert not any("Traceback" in line for line in service.said)


def test_other_pages_in_the_users_browser_are_refused(serve):
    """They must not read a repository, nor write to it, by a form or by rebinding a name."""
    service = serve()
    foreign = [
        ({"Host": "evil.example"}, "does not answer as host 'evil.example'"),
        ({"Origin": "http://evil.example"}, "pages of 'http://evil.example' may not use this server"),
        ({"Origin": "null"}, "pages of 'null' may not use this server"),
    ]
    asked = [("GET", "/views/home"), ("POST", "/views/write"), ("GET", "/views")]
    for (headers, detail), (method, path) in itertools.product(foreign, asked):
        status, problem = service.ask(path, method=method, headers=headers)
        assert status == 403
        assert detail in problem["detail"]


def test_its_own_pages_and_names_that_are_allowed_are_served(serve):
    """Behind a proxy it has another name, which only the user can know."""
    service = serve("--allow-host", "steps.example", "--allow-host", "other.example:1")
    names = (
        f"localhost:{service.port}",
        f"127.0.0.1:{service.port}",
        f"steps.example:{service.port}",
        "other.example:1",
    )
    for name in names:
        assert service.ask("/views/home", headers={"Host": name, "Origin": f"http://{name}"})[0] == 200
    assert service.ask("/views/home", headers={"Host": "other.example"})[0] == 403


def test_on_all_addresses_it_answers_by_the_names_of_this_machine_as_well(serve):
    """Nobody opens http://0.0.0.0 in a browser; a foreign name is refused there too."""
    service = serve("--host", "0.0.0.0")
    assert service.url == f"http://0.0.0.0:{service.port}"
    for name, status in (("0.0.0.0", 200), ("127.0.0.1", 200), ("localhost", 200), ("evil.example", 403)):
        assert service.ask("/views/home", headers={"Host": f"{name}:{service.port}"})[0] == status


def test_a_plugin_that_fails_to_load_does_not_stop_the_others(serve, shelf):
    """One broken plugin must not take the page away."""
    shelf.add("broken", "raise RuntimeError('no [/] database')")
    service = serve()
    assert service.ask("/views/home")[0] == 200
    service.stop()
    assert service.wait_end() == 0
    assert service.warnings == [
        "warning: plugin 'broken' cannot be loaded: RuntimeError: no [/] database; see: aiohttp-steps plugins"
    ]


def test_inputs_of_the_command_line_are_pinned(serve):
    """What the user says when he starts it wins over what a request says."""
    service = serve("--input", "count=3")
    assert service.ask("/views/home")[1]["data"] == {"hello": "hello " * 3}


def test_messages_of_unexpected_errors_are_for_the_log(serve):
    """They may hold secrets; whoever runs the service reads them there."""
    service = serve()
    assert "a secret" not in service.ask("/views/fails")[1]["detail"]
    service.stop()
    service.wait_end()
    assert "ValueError: a secret" in service.said


def test_the_log_has_one_line_with_a_time_for_each_request(serve):
    """Whoever collects it needs no colours, and no lines cut to a width."""
    service = serve()
    service.ask("/views/home?count=7")
    service.stop()
    service.wait_end()
    (line,) = [line for line in service.said if "GET /views/home?count=7" in line]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO aiohttp\.access ", line)


def test_a_port_in_use_is_an_error_with_the_remedy(command):
    """It is the most common way for it not to start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = command("serve", "--port", port)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"error: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --port\n"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "host.invalid"])
def test_an_address_that_is_not_this_machines_is_an_error_with_the_remedy(command, host):
    """Another port would not help."""
    ended = command("serve", "--host", host)
    assert (ended.code, ended.out) == (1, "")
    assert re.fullmatch(
        rf"error: cannot listen on {re.escape(host)} port 8080: [^()]+; choose another with --host\n",
        ended.err,
    )


def test_a_plan_that_cannot_be_made_is_refused_before_anybody_can_connect(command, shelf):
    """Not at the first request, and not after it has said that it serves."""
    shelf.add(
        "wrong",
        """
        from aiohttp_steps import step

        @step(concurrency="parallel", views=["wrong"])
        async def wrong(*, nowhere): pass
        """,
    )
    ended = command("serve", "--port", "0")
    assert (ended.code, ended.out) == (1, "")
    assert "takes 'nowhere', which no step and no input provides" in ended.err


def test_a_bad_input_is_refused_before_it_serves(command, shelf):
    """As `run` does."""
    ended = command("serve", "--port", "0", "--input", "colour=red")
    assert (ended.code, ended.err) == (
        1,
        "error: input 'colour' is not known; the inputs are: none\n",
    )
