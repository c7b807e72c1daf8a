"""`explain`: why each step stands where it stands, as a tree, JSON or a flowchart; and its real times."""

from __future__ import annotations

import asyncio
import json
import re
from types import SimpleNamespace

import looptime
import pytest
from aiohttp_steps import StepRegistry, step
from aiohttp_steps.cli.analyzing import Analysis
from aiohttp_steps.cli.explaining import print_tree

SHOP = """
    from aiohttp_steps import Input, hookimpl, step

    @hookimpl
    def step_inputs():
        return [
            Input("count", int, default=3, source="query", help="Most things."),
            Input("label", str),
            Input("folder", str, default_factory=str),
            Input("note", str),
        ]

    @step(concurrency="gate", views=["shop"])
    async def user(): return "me"

    @step(concurrency="parallel", views=["shop", "read"])
    async def stock(*, count): return count

    @step(views=["shop"])
    async def order(*, stock): return stock

    @step(views=["shop"], after=["order"])
    async def bill(): return None

    @step(concurrency="parallel", views=["shop", "read"])
    async def summary(*, stock, note=None): return f"{stock} things"

    @step(concurrency="parallel", views=["labels"])
    async def labels(*, label, folder): return label

    @step(concurrency="parallel", views=["alone"])
    async def alone(): return 1
"""


@pytest.fixture(autouse=True)
def shop(shelf):
    shelf.add("shop", SHOP)


def squeeze(text):
    """Return the lines of a tree without its branches."""
    return [re.sub(r"[│├└─]", " ", line).strip() for line in text.splitlines()]


def test_the_tree_says_where_each_step_stands_and_why(command):
    """This is the command's answer to: why is my page slow, why does my step wait?"""
    ended = command("explain", "shop")
    lines = squeeze(ended.out)
    assert (ended.code, ended.err) == (0, "")
    assert lines[0] == "view shop 5 steps in 5 tiers"
    assert [line for line in lines if line[:1].isdigit()] == [
        "1 gate",
        "2 parallel",
        "3 sequential",
        "4 sequential",
        "5 parallel",
    ]
    at = lines.index("3 sequential")
    assert lines[at + 1].startswith("order shop · loop · required · ")
    assert lines[at + 1].endswith("made_shop.py:19")
    assert lines[at + 2 : at + 4] == ["sequential: overlaps no other step", "takes the result of stock"]


@pytest.mark.parametrize(
    ("view", "lines"),
    [
        pytest.param("read", ["count int · default 3 · for stock · Most things"], id="with default and help"),
        pytest.param("labels", ["label str · required · for labels"], id="without either"),
        pytest.param("labels", ["folder str · for labels"], id="with a factory of defaults"),
        pytest.param("read", ["note str · for summary"], id="taken if it is there"),
    ],
)
def test_the_tree_says_what_inputs_there_are(command, view, lines):
    """Who runs a view has to know what `--input` takes; the source of the plugin is no manual."""
    assert set(lines) <= set(squeeze(command("explain", view).out))


def test_a_view_without_inputs_shows_none(command):
    """An empty heading would be a riddle."""
    lines = squeeze(command("explain", "alone").out)
    assert lines[:2] == ["view alone 1 step in 1 tier", "1 parallel"]


def test_a_place_below_the_working_directory_is_shown_from_there(command, shelf, monkeypatch):
    """Short paths are read; long ones are for what is installed elsewhere."""
    monkeypatch.chdir(shelf.folder)
    assert "· made_shop.py:" in command("explain", "alone").out


def test_json_says_the_same_for_programs(command):
    """A test of an app can pin the plan of a view with it."""
    ended = command("explain", "shop", "--format", "json")
    document = json.loads(ended.out)
    assert ended.code == 0
    assert [(tier["kind"], [step["name"] for step in tier["steps"]]) for tier in document["tiers"]] == [
        ("gate", ["user"]),
        ("parallel", ["stock"]),
        ("sequential", ["order"]),
        ("sequential", ["bill"]),
        ("parallel", ["summary"]),
    ]
    bill = document["tiers"][3]["steps"][0]
    assert bill.pop("location").endswith("made_shop.py:22")
    assert bill == {
        "name": "bill",
        "plugin": "shop",
        "concurrency": "sequential",
        "runner": "loop",
        "required": True,
        "waits_for": {"order": "after"},
        "why": ["sequential: overlaps no other step", "says that it is after order"],
    }
    assert document["inputs"] == [{"name": "count", "required": True}, {"name": "note", "required": False}]
    assert document["ambiguous"] == []
    assert "timing" not in document


def test_mermaid_draws_tiers_as_boxes_and_waiting_as_arrows(command):
    """GitHub and mkdocs-material render it as it is."""
    ended = command("explain", "shop", "--format", "mermaid")
    assert ended.code == 0
    assert ended.out == (
        "flowchart LR\n"
        '    subgraph tier1["1 gate"]\n'
        '        s0["user"]\n'
        "    end\n"
        '    subgraph tier2["2 parallel"]\n'
        '        s1["stock"]\n'
        "    end\n"
        '    subgraph tier3["3 sequential"]\n'
        '        s2["order"]\n'
        "    end\n"
        '    subgraph tier4["4 sequential"]\n'
        '        s3["bill"]\n'
        "    end\n"
        '    subgraph tier5["5 parallel"]\n'
        '        s4["summary"]\n'
        "    end\n"
        "    s1 --> s2\n"
        "    s2 -. after .-> s3\n"
        "    s1 --> s4\n"
        "    tier1 ~~~ tier2\n"
        "    tier2 ~~~ tier3\n"
        "    tier3 ~~~ tier4\n"
        "    tier4 ~~~ tier5\n"
    )


def test_analyze_adds_times_and_the_critical_path(command):
    """What to make faster is on the critical path; the rest is free."""
    ended = command("explain", "read", "--analyze", "--input", "count=7")
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    heads = next(line for line in lines if line.startswith("step "))
    assert re.match("step +status .*queue .*run ms .*timeline", heads)
    assert re.search(r"(?m)^   ├─ stock +succeeded( +\d+\.\d){2,} ", ended.out)
    spread = r"\(median of 10 runs; p95 \d+\.\d ms\)"
    assert re.search(rf"(?m)^wall \d+\.\d ms {spread}; one after another \d+\.\d ms$", ended.out)
    often = r"\(the same in 10 of 10 runs\)"
    assert re.search(rf"(?m)^critical path stock → summary: \d+\.\d ms {often}$", ended.out)


@pytest.fixture
def measure():
    """Return what runs steps on a virtual clock, and gives the plan and the analysis."""

    def run(*functions):
        async def run_all():
            return await registry.run("timed")

        registry = StepRegistry()
        registry.register(SimpleNamespace(**{function.__name__: function for function in functions}), "timed")
        loop = looptime.new_event_loop(noop_cycles=0)
        try:
            report = loop.run_until_complete(run_all())
        finally:
            loop.close()
        return report.plan, Analysis([report])

    return run


def test_times_are_drawn_to_scale_with_what_parallel_running_saved(measure, capsys):
    """This table is what the command is for: the longest chain in red, and what the others cost on top."""

    @step(concurrency="parallel", views=["timed"])
    async def long():
        await asyncio.sleep(3)

    @step(concurrency="parallel", views=["timed"])
    async def short():
        await asyncio.sleep(1)

    @step(concurrency="parallel", views=["timed"])
    async def last(*, short):
        await asyncio.sleep(1)

    print_tree(*measure(long, short, last), {})
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[lines.index(next(line for line in lines if line.startswith("step "))) :] == [
        "step           status     queue  run ms  what if        timeline",
        "└─ 1 parallel",
        f"   ├─ long     succeeded    0.0  3000.0  brings 2000.0  {'━' * 40}",
        f"   ├─ short    succeeded    0.0  1000.0  brings 1000.0  {'━' * 13}",
        f"   └─ last     succeeded    0.0  1000.0  brings 2000.0  {' ' * 13}{'━' * 14}",
        "wall 3000.0 ms; one after another 5000.0 ms",
        "critical path long: 3000.0 ms",
        "saved by running in parallel: 2000.0 ms",
    ]


def test_several_runs_give_the_median_and_what_19_in_20_do_not_exceed(capsys):
    """One run says little on a busy machine; and a step that fails now and then must be seen."""
    seconds = iter([9.0, 2.0, 4.0])

    @step(concurrency="parallel", views=["timed"], required=False)
    async def swings():
        await asyncio.sleep(pause := next(seconds))
        if pause == 9:
            raise ValueError("too long")

    @step(views=["timed"], required=False)
    async def still():
        await asyncio.sleep(1)

    async def run_all():
        return [await registry.run("timed") for _ in range(3)]

    registry = StepRegistry()
    registry.register(SimpleNamespace(swings=swings, still=still), "timed")
    loop = looptime.new_event_loop(noop_cycles=0)
    try:
        analysis = Analysis(loop.run_until_complete(run_all()))
    finally:
        loop.close()
    analysis.print()
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "step             status           idle  queue  run ms     p95  what if             timeline",
        "├─ 1 sequential",
        f"│  └─ still      succeeded         0.0    0.0  1000.0  1000.0  would bring 1000.0  {'━' * 8}",
        "└─ 2 parallel",
        f"   └─ swings     succeeded 2/3  1000.0    0.0  4000.0  8500.0{' ' * 30}{'━' * 32}",
        "wall 5000.0 ms (median of 3 runs; p95 9500.0 ms); one after another 5000.0 ms",
        "critical path still → swings: 5000.0 ms (the same in 3 of 3 runs)",
    ]


def test_where_nothing_overlaps_nothing_is_said_to_be_saved(measure, capsys):
    """A saving of 0.0 ms is noise."""

    @step(concurrency="parallel", views=["timed"])
    async def only():
        await asyncio.sleep(1)

    print_tree(*measure(only), {})
    assert "saved" not in capsys.readouterr().out


def test_analyze_in_json_gives_each_step_its_outcome(command):
    """For a record of times over many runs."""
    document = json.loads(command("explain", "read", "--analyze", "--format", "json").out)
    outcomes = {
        step["name"]: step["outcome"]["status"] for tier in document["tiers"] for step in tier["steps"]
    }
    assert outcomes == {"stock": "succeeded", "summary": "succeeded"}
    assert document["timing"]["critical_path"] == ["stock", "summary"]
    assert document["timing"]["idle_ms"] >= 0
    assert document["timing"]["runs"] == 10
    assert document["timing"]["wall"].keys() == {"median", "p95"}
    stock = document["tiers"][0]["steps"][0]
    assert stock["statuses"] == {"succeeded": 10}
    assert stock["times"].keys() == {"barrier_ms", "queue_ms", "lock_ms", "run_ms"}
    assert stock["what_if_ms"] >= 0


def test_analyze_shows_what_failed_and_what_never_ran(command, shelf):
    """A fast failure must not pass for a fast view."""
    shelf.add(
        "fails",
        """
        from aiohttp_steps import step

        @step(concurrency="gate", views=["fails"])
        async def broken(): raise ValueError("not [/] today")

        @step(concurrency="parallel", views=["fails"])
        async def later(): pass
        """,
    )
    out = command("explain", "fails", "--analyze").out
    assert re.search(r"(?m)^│  └─ broken +failed ", out)
    assert re.search(r"(?m)^   └─ later +not_started( +0\.0){2,} *$", out)
    assert "\nbroken: ValueError: not [/] today\n" in out


def test_analyze_shows_the_plan_that_ran(command, shelf):
    """A plugin may select fewer steps; outcomes of others must not be shown in their place."""
    shelf.add(
        "more",
        """
        from aiohttp_steps import step

        @step(concurrency="parallel", views=["alone"])
        async def aside(): pass
        """,
    )
    shelf.add(
        "drops",
        """
        from aiohttp_steps import hookimpl

        @hookimpl
        def steps_select(steps):
            return [step for step in steps if step.name != "aside"]
        """,
    )
    assert "2 steps" in command("explain", "alone").out
    document = json.loads(command("explain", "alone", "--analyze", "--format", "json").out)
    assert [step["name"] for tier in document["tiers"] for step in tier["steps"]] == ["alone"]


def test_analyze_refuses_a_view_that_may_write(command):
    """Looking at times must not place an order."""
    ended = command("explain", "shop", "--analyze")
    assert (ended.code, ended.out) == (1, "")
    assert "plugin 'shop', step 'order', view 'shop'" in ended.err
    assert "add --allow-writes if that is meant" in ended.err


def test_analyze_runs_a_view_that_may_write_if_that_is_meant(command):
    """On a test database it is exactly what one wants to measure."""
    ended = command("explain", "shop", "--analyze", "--allow-writes")
    assert ended.code == 0
    assert "critical path user → stock → order → bill → summary:" in ended.out
    assert " runs" not in ended.out


def test_analyze_asks_for_missing_inputs(command):
    """As `run` does."""
    ended = command("explain", "labels", "--analyze")
    assert ended.code == 1
    assert "add --input label=VALUE" in ended.err


def test_analyze_has_no_place_in_a_flowchart(command):
    """To run everything and then show none of it would be a waste, and a surprise."""
    ended = command("explain", "read", "--analyze", "--format", "mermaid")
    assert (ended.code, ended.out) == (2, "")
    assert "a Mermaid flowchart has no place for times; use --format tree or json" in ended.shown


def test_sequential_puts_every_step_in_a_tier_of_its_own(command):
    """What the flag to go back with does can be seen before it is used."""
    lines = squeeze(command("explain", "read", "--sequential").out)
    assert lines[0] == "view read 2 steps in 2 tiers"
    assert "parallel, but alone: this plan runs one step after another" in lines


@pytest.mark.parametrize("options", [[], ["--analyze", "--allow-writes"]], ids=["plan", "times"])
def test_an_order_that_nothing_declares_is_reported(command, shelf, options):
    """It depends on what is installed, and shows up as a bug on one machine only."""
    source = """
        from aiohttp_steps import step

        @step(views=["both"])
        async def {name}_writes(): pass
        """
    shelf.add("a", source.format(name="a"))
    shelf.add("b", source.format(name="b"))
    ended = command("explain", "both", *options)
    assert ended.code == 0
    assert (
        "\nambiguous: the order of a_writes (a) and b_writes (b) is ambiguous: nothing declares it; "
        "let one say after= or before= the other\n"
    ) in ended.out
    assert (
        "sequential: overlaps no other step; comes after a_writes by the order of registration" in ended.out
    )
    document = json.loads(command("explain", "both", "--format", "json").out)
    assert document["ambiguous"] == [["a_writes", "b_writes"]]


def test_an_unknown_format_is_refused_with_those_there_are(command):
    """The exit code 2 is that of a wrong command line."""
    ended = command("explain", "read", "--format", "svg")
    assert (ended.code, ended.out) == (2, "")
    assert "'svg' is not one of 'tree', 'json', 'mermaid'" in ended.shown
