"""What becomes of a stall: the log, and the hook for other plugins."""

# ruff: noqa: ASYNC251 - what holds the loop is what is tested

from __future__ import annotations

import logging
import time
from types import SimpleNamespace

import pytest
from aiohttp_steps import StepRegistry, hookimpl, step
from aiohttp_steps.engine import check_registry
from aiohttp_steps_stalls import Stall, StallMonitor
from aiohttp_steps_stalls.telling import StallLog


@pytest.fixture
def clock():
    return SimpleNamespace(at=1_000.0)


@pytest.fixture
def log(clock):
    return StallLog(lambda: clock.at)


@pytest.fixture
def steps(registry, add):
    """Two steps."""
    add("git", git_status=lambda: None, git_log=lambda: None)
    return registry.steps


def stall_of(*steps, how="gil", lasted_s=0.0412, where="app.py:12", inside=""):
    return Stall(
        1.0, lasted_s, how, tuple(s.name for s in steps), where, tuple(s.plugin for s in steps), inside
    )


def test_log_says_who_how_long_and_what_to_do(log, steps, caplog) -> None:
    """Somebody who has never heard of the GIL finds the line and the way out."""
    log.write(stall_of(steps[0], inside="status at repository.py:5"), steps[:1])
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("aiohttp_steps", logging.WARNING)
    assert record.getMessage() == (
        f"step 'git_status' of plugin 'git' ({steps[0].location}) held the GIL from a thread for 41 ms, "
        "near status at repository.py:5: it is parallel in name only; use calls that release the GIL, or "
        "runner='process' for what cannot"
    )


def test_log_of_a_blocked_loop_has_the_line(log, steps, caplog) -> None:
    """The remedy is another one."""
    log.write(stall_of(steps[0], how="blocked"), steps[:1])
    assert "blocked the event loop for 41 ms, at app.py:12: " in caplog.text
    assert "await instead, or make it a plain def, which runs in a thread" in caplog.text


def test_step_is_logged_once_a_minute(log, steps, clock, caplog) -> None:
    """A step that stalls in each request must not fill the disk; how often it did is told later."""
    for _ in range(5):
        log.write(stall_of(steps[0]), steps[:1])
        clock.at += 10
    assert len(caplog.records) == 1
    clock.at += 10
    log.write(stall_of(steps[0]), steps[:1])
    assert len(caplog.records) == 2
    assert caplog.records[1].getMessage().endswith("(and 4 times since this was last logged)")


def test_other_steps_are_logged_meanwhile(log, steps, caplog) -> None:
    """The loudest must not hide the others."""
    log.write(stall_of(steps[0]), steps[:1])
    log.write(stall_of(steps[1]), steps[1:])
    assert [word for word in ("git_status", "git_log") if word in caplog.text] == ["git_status", "git_log"]


def test_suspects_are_called_suspects(log, steps, caplog) -> None:
    """An innocent step must not be told that it is guilty."""
    log.write(stall_of(*steps), steps)
    assert len(caplog.records) == 2
    assert caplog.text.count("one of these, which cannot be told apart: 'git_status', 'git_log'") == 2


@pytest.mark.parametrize("how", ["gil", "blocked"])
def test_code_that_is_no_steps_is_logged_by_place(log, caplog, how) -> None:
    """A handler may hold the loop as well; each line of code once a minute."""
    for where in ("app.py:12", "app.py:12", "app.py:13"):
        log.write(stall_of(how=how, where=where), ())
    assert len(caplog.records) == 2
    assert "at app.py:12: no step's code" in caplog.records[0].getMessage()


class Listener:
    """A plugin that listens, as metrics and pages do."""

    def __init__(self):
        self.stalls = []

    @hookimpl(optionalhook=True)
    def step_stalled(self, stall):
        self.stalls.append(stall)


class Broken:
    """A plugin that listens badly."""

    @hookimpl(optionalhook=True)
    def step_stalled(self):
        message = "no disk"
        raise OSError(message)


async def test_plugins_are_told_whenever_they_were_registered(registry, add, caplog) -> None:
    """The hook is declared by this plugin, and entry points load in the order of their names."""

    async def blocks():
        time.sleep(0.4)

    early, late = Listener(), Listener()
    add(blocks=blocks)
    registry.register(early, "early")
    registry.register(Broken(), "broken")
    async with StallMonitor(registry, threshold_s=0.05) as monitor:
        registry.register(late, "late")
        await registry.run("v")
        stalls = monitor.stalls
    assert [stall.steps for stall in stalls] == [("blocks",)]
    assert early.stalls == late.stalls == [*stalls]
    assert "plugin 'broken': its step_stalled failed" in caplog.text
    assert "no disk" in caplog.text


def test_listeners_are_no_fault_without_the_monitor() -> None:
    """`aiohttp-steps check` is for CI, where this plugin may be missing."""
    registry = StepRegistry()
    registry.register(Listener())
    assert check_registry(registry) == []
    registry.check_pending()


def test_hook_is_declared_once(registry) -> None:
    """Several monitors, and applications, may share a registry."""
    for _ in range(2):
        StallMonitor(registry)
    registry.register(Listener())
    registry.check_pending()


def test_implementation_that_does_not_fit_is_refused(registry) -> None:
    """A slip in an argument's name is found when the plugin is registered."""

    class Wrong:
        @hookimpl(optionalhook=True)
        def step_stalled(self, stal):
            return stal

    StallMonitor(registry)
    with pytest.raises(Exception, match="stal"):
        registry.register(Wrong())


def test_a_step_is_no_listener(registry) -> None:
    """The hook's name is not the name of a step."""

    @step(concurrency="parallel", views=["v"], name="step_stalled")
    def one():
        return None

    registry.register(SimpleNamespace(one=one), "p")
    StallMonitor(registry)
    assert [each.name for each in registry.steps] == ["step_stalled"]
