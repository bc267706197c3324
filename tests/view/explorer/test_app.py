"""Every key and the mouse, on a screen that nobody sees."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from threading import Event
from typing import Any

import pytest
from textual.binding import Binding
from textual.events import MouseScrollDown
from textual.geometry import Size
from textual.pilot import Pilot
from textual.widgets import Input

from sim.analysis.noticing import Noticing
from sim.catalog.schedules import shipped
from sim.engine.run.replay import follow_schedule
from sim.engine.run.schedule import parse
from sim.engine.run.world import Run
from sim.scenarios.library import recipe_named
from sim.search.exploration import Counting
from sim.view.explorer import panels
from sim.view.explorer.app import ExplorerApp, Setting
from sim.view.explorer.choices import choices
from sim.view.explorer.choices_panel import ChoicesPanel
from sim.view.explorer.dialogs import HELP, Help, NotSaved
from sim.view.explorer.keys import BINDINGS
from sim.view.explorer.lanes_panel import LanesPanel
from sim.view.explorer.line import LONGEST_WALK, Line
from sim.view.explorer.odds import Odds
from sim.view.explorer.rows import Rows
from tests.engine.mini import Block, scenario

SCHEDULES = shipped()
ROW_2 = "np-to-leaf-exclusive.7.2+1.5.01.KVM_BUG_ON.handle_changed_spte.zero-step.toml"
LIVELOCK = "np-to-leaf-shared.7.2+1.5.01.own.livelock.v1.toml"
ABBA: tuple[Block, ...] = ((("lock", 0), ("lock", 1)), (("lock", 1), ("lock", 0)))
SPIN: tuple[Block, ...] = (
    (("repeat", 1, (("try", 0), ("load", 0))),),
    (("repeat", 1, (("load", 0),)),),
)

Script = Callable[[Pilot[None]], Awaitable[None]]


def unsaved(_name: str, _run: Run) -> str:
    raise NotSaved("the disk is full")


def recorded(name: str = ROW_2) -> Line:
    schedule = parse(SCHEDULES[name].read_bytes())
    asked = recipe_named(schedule.scenario).scenario(schedule.params, schedule.without)
    return Line(asked, follow_schedule(schedule, asked))


def drive(
    explorer: Line, script: Script, *, size: tuple[int, int] = (120, 40), **setting: Any
) -> ExplorerApp:
    app = ExplorerApp(
        explorer, Setting(**{"name": "a name", "file": "a.toml", "save": unsaved, **setting})
    )

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await script(pilot)

    asyncio.run(run())
    return app


def screen(app: Any) -> str:
    """What can be seen."""
    return "\n".join(
        strip.text.rstrip() for strip in app.screen._compositor.render_strips(Size(*app.size))
    )


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait for what the thread that counts will say."""
    for _ in range(600):
        if holds():
            return
        await pilot.pause(0.1)
    raise AssertionError(screen(pilot.app))


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        ("down", 1),
        ("j j right", 3),
        ("j j k", 1),
        ("j up", 0),
        ("up", 0),
        ("left", 0),
        ("pagedown", 10),
        ("pagedown pagedown pageup", 10),
        ("end", 24),
        ("G", 24),
        ("end down", 24),
        ("end home", 0),
        ("end g", 0),
        ("n", 24),
        ("n N", 24),
        ("c", 21),
        ("end C", 21),
        ("end c", 24),
        ("1", 1),
        ("enter", 1),
        ("9", 0),
    ],
)
def test_a_key_goes_there(keys: str, at: int) -> None:
    explorer = recorded()

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press(*keys.split())

    drive(explorer, script)
    assert (explorer.at, explorer.is_recorded or "1" in keys) == (at, True)


def test_a_branch_is_taken_left_and_gone_back_to() -> None:
    explorer = recorded()

    async def script(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        await pilot.press(*["down"] * 13)
        follows = [one.pick for one in choices(explorer)].index(explorer.line[13].pick)
        assert re.findall(r" (\d+)>v", screen(app)) == [str(follows + 1)]
        await pilot.press("tab")
        assert (
            re.findall(r" (\d+)>v", screen(app))
            == [str(app.query_one(ChoicesPanel).highlighted + 1)]
            != [str(follows + 1)]
        )
        await pilot.press("shift+tab", "tab", "enter")
        assert (explorer.at, len(explorer.line), explorer.shared) == (14, 14, 13)
        assert "step 14 of 14, a branch after step 13 (r goes back)  a name" in screen(app)
        assert " 14> " in screen(app)
        await pilot.press("up")
        assert " 14+ " in screen(app)
        await pilot.press("r")
        assert (explorer.at, explorer.is_recorded) == (13, True)
        await pilot.press("w")
        assert "a random walk of" in screen(app)
        assert "seed 7" in screen(app)
        assert not choices(explorer)

    drive(explorer, script, seed=7)


def test_the_odds_and_the_point_of_no_return_come_once_they_are_counted() -> None:
    explorer = recorded()

    async def script(pilot: Pilot[None]) -> None:
        app: Any = pilot.app
        assert "odds: ..." in screen(app)
        await pilot.press("question_mark")
        await until(pilot, lambda: app._prospects._behind is not None)
        await pilot.press("escape")
        assert "a 0.0996  KVM_BUG_ON in handle_changed_spte" in screen(app)
        await pilot.press("home", "i")
        await until(pilot, lambda: explorer.at == 21)
        assert "cause: zero-step: inevitable after step 21" in screen(app)
        await until(pilot, lambda: "a 1  b 0" in screen(app))

    drive(explorer, script, counting=Counting())


def test_what_was_asked_about_a_line_that_is_no_more_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explorer, gone_on, answered = recorded(), Event(), Event()

    def late(*_args: object) -> int:
        gone_on.wait(60)
        answered.set()
        return 3

    monkeypatch.setattr(Odds, "inevitable_at", late)

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("i", *["down"] * 13, "tab", "enter")
        assert not explorer.is_recorded
        gone_on.set()
        await until(pilot, lambda: answered.is_set() and "a 0" in screen(pilot.app))
        assert explorer.at == 14

    drive(explorer, script, counting=Counting())


def test_why_there_are_no_odds_is_said() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "too many for odds" in " ".join(screen(pilot.app).split()))
        await pilot.press("i")
        assert "no point of no return: np-to-leaf-exclusive has more than 10 states" in screen(
            pilot.app
        )

    drive(recorded(), script, counting=Counting(states=10))


def test_what_can_be_seen_at_a_step() -> None:
    explorer = recorded()

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("c")
        assert str(panels.here(explorer)).split("\n") == [
            "v0 in lock_sept_entry(): sept.tree.try_shared -> busy: v1 TDH.VP.ENTER",
            "  because of step 13, v1 sept.tree.try_exclusive -> ok",
        ]
        for text in (
            " 13< ",
            "because of step 13",
            "mirror-is-sept holds",
            "no odds: not asked for",
        ):
            assert text in screen(pilot.app)
        assert re.search(r" sept\.tree +X v1 TDH\.VP\.ENTER$", screen(pilot.app), re.MULTILINE)
        await pilot.press("down")
        assert "op_state: S v0 TDH.MEM.PAGE.AUG, v1 TDH.VP.ENTER => S v1 TDH.VP.ENTER" in str(
            panels.here(explorer)
        )
        assert "*op_state" in screen(pilot.app)
        await pilot.press("end")
        assert "==> KVM_BUG_ON in handle_changed_spte, cause: zero-step" in screen(pilot.app)

    drive(explorer, script, size=(200, 50))


def test_a_deadlock_says_who_waits_for_what() -> None:
    explorer = Line(scenario(ABBA))

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("1", "2")
        text = screen(pilot.app)
        assert "p waits at m1.lock" in text
        assert "m1 is q, since step 2, q m1.lock" in text
        assert "==> deadlock in p@m1.lock,q@m0.lock" in text
        await pilot.press("enter", "1")
        assert "nobody can step here" in screen(pilot.app)
        await pilot.press("r")
        assert "nothing was recorded" in screen(pilot.app)
        await pilot.press("n")
        assert "no finding after this on the line" in screen(pilot.app)
        await pilot.press("home", "C")
        assert "no step that noticed another task's before this" in screen(pilot.app)

    drive(explorer, script)


def test_nothing_is_found_where_nothing_is() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("i")
        assert "nothing is found on the line" in screen(pilot.app)

    drive(Line(scenario(ABBA)), script)


def test_a_loop_says_that_it_can_go_on() -> None:
    async def script(pilot: Pilot[None]) -> None:
        assert "step 0 of 121, recorded; from step 95 on it can go on for ever: livelock" in screen(
            pilot.app
        )

    drive(recorded(LIVELOCK), script, size=(160, 40))


def test_the_mouse_goes_to_a_step_takes_a_choice_and_scrolls() -> None:
    explorer = recorded(LIVELOCK)

    async def script(pilot: Pilot[None]) -> None:
        lanes = pilot.app.query_one(LanesPanel)
        lines = screen(pilot.app).split("\n")
        y = next(i for i, line in enumerate(lines) if line.startswith("  5 "))
        assert (await pilot.click(offset=(10, y)), explorer.at) == (True, 5)
        await pilot._post_mouse_events([MouseScrollDown], widget=lanes, offset=(5, 5))
        await pilot.pause()
        assert lanes.scroll_offset.y > 0
        assert explorer.at == 5
        assert await pilot.click(ChoicesPanel, offset=(5, 1))
        assert (explorer.at, explorer.line[5].pick) == (6, choices_at(explorer, 5)[0])

    drive(explorer, script, size=(120, 24))


def choices_at(explorer: Line, at: int) -> list[tuple[str, int]]:
    explorer.goto(at)
    found = [one.pick for one in choices(explorer)]
    explorer.goto(at + 1)
    return found


def test_saving_asks_until_it_is_written_or_given_up() -> None:
    explorer = recorded()
    written: list[tuple[str, int]] = []

    def save(name: str, run: Run) -> str:
        if len(name) < 4:
            raise NotSaved(f"{name} is there already; another name keeps both")
        written.append((name, len(run.steps)))
        return f"tdpsim replay {name}"

    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("s")
        assert "save 24 steps (KVM_BUG_ON handle_changed_spte) as" in screen(pilot.app)
        pilot.app.screen.query_one(Input).value = ""
        await pilot.press("q", "enter")
        assert "q is there already; another name keeps both" in screen(pilot.app)
        await pilot.press("u", "i", "t", "enter")
        assert "saved; tdpsim replay quit" in screen(pilot.app)
        await pilot.press("s", "escape")
        assert "save 24 steps" not in screen(pilot.app)

    app = drive(explorer, script, save=save)
    assert (written, app.saved) == ([("quit", 24)], ["tdpsim replay quit"])


def test_what_cannot_be_written_is_said() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("s", "enter")
        assert "the disk is full" in screen(pilot.app)

    assert drive(recorded(), script).saved == []


def test_help_has_every_key() -> None:
    names = {
        "question_mark": "?",
        "pagedown": "PgDn",
        "pageup": "PgUp",
        "home": "Home",
        "end": "End",
    }
    unsaid = {"shift+tab", "ctrl+c", "ctrl+z", *"2345678"}
    keys = [
        key
        for binding in BINDINGS
        if isinstance(binding, Binding)
        for key in binding.key.split(",")
    ]
    said = re.findall(r"[^\s,;]+", HELP.partition("Click")[0])
    assert [key for key in keys if names.get(key, key) not in said] == sorted(
        unsaid, key=keys.index
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_help_comes_and_goes_away(width: int) -> None:
    async def script(pilot: Pilot[None]) -> None:
        def is_there() -> bool:
            return isinstance(pilot.app.screen, Help) and "the next step of the line" in screen(
                pilot.app
            )

        await pilot.press("question_mark")
        assert is_there()
        await pilot.press("q")
        assert not is_there()
        await pilot.press("question_mark")
        assert (await pilot.click(offset=(width // 2, 5)), is_there()) == (True, False)

    drive(recorded(), script, size=(width, 30))


@pytest.mark.parametrize("size", [(80, 24), (60, 18), (40, 12), (200, 60)])
def test_the_step_is_in_sight_on_any_terminal(size: tuple[int, int]) -> None:
    explorer = recorded(LIVELOCK)

    async def script(pilot: Pilot[None]) -> None:
        for keys in (["pagedown"], ["end"], ["up"], ["home", "down"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert re.search(rf"^ *{explorer.at}> ", screen(pilot.app), re.MULTILINE)
            assert max(map(len, screen(pilot.app).split("\n"))) <= size[0]

    drive(explorer, script, size=size)


def test_a_terminal_of_a_few_columns_is_no_trouble() -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press("end", "question_mark", "q", "s", "escape", "home")

    assert drive(recorded(), script, size=(6, 2)).error is None


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
def test_quitting_is_quitting(key: str) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await pilot.press(key)

    app = drive(recorded(), script)
    assert (app.signal, app.error, app.return_code) == (None, None, 0)


def test_ten_thousand_steps_cost_no_more_than_what_can_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explorer = Line(scenario(SPIN))
    assert explorer.walk_randomly(0) == LONGEST_WALK
    worked = {"draw": 0, "note_again": 0, "back": 0, "note_step": 0}

    def counted(cls: type[Any], name: str) -> None:
        plain = getattr(cls, name)

        def count(*args: Any) -> Any:
            worked[name] += 1
            return plain(*args)

        monkeypatch.setattr(cls, name, count)

    counted(Rows, "draw")
    for name in ("note_again", "back", "note_step"):
        counted(Noticing, name)

    async def script(pilot: Pilot[None]) -> None:
        height = pilot.app.size.height
        assert explorer.line[-1].ends > LONGEST_WALK
        for key, again, back in (("up", 0, 1), ("down", 1, 0), ("pageup", 0, 10)):
            worked.update(dict.fromkeys(worked, 0))
            await pilot.press(key)
            await pilot.pause()
            assert 0 < worked.pop("draw") <= 4 * height
            assert worked == {"note_again": again, "back": back, "note_step": 0}
            worked["draw"] = 0

    drive(explorer, script, size=(80, 24))
