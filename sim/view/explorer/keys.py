"""The explorer's keys, and how its screen is laid out.

Colours are the terminal's own, and what has to be seen without any is also said by a mark or in
reverse.
"""

from __future__ import annotations

from textual.binding import Binding, BindingType

_PAGE = 10

BREAKPOINTS: list[tuple[int, str]] = [(0, "-narrow"), (110, "-wide")]
"""From how many columns on the panels stand beside the lanes, and not below."""

CSS = """
Screen { background: ansi_default; color: ansi_default; }
#title, #head { height: 1; }
#main { height: 1fr; }
#here { height: auto; max-height: 6; }
.-wide #main { layout: horizontal; }
.-wide #left { width: 60%; }
.-wide #right { width: 40%; }
.-narrow #left { height: 45%; }
.-narrow #below { layout: horizontal; }
#below { height: 1fr; }
LanesPanel { overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
ChoicesPanel, #state { height: 1fr; width: 1fr; border: none; border-top: solid ansi_default; padding: 0;
                  scrollbar-size-vertical: 1; background: ansi_default; }
ChoicesPanel > .option-list--option-highlighted { color: ansi_default; background: ansi_default; text-style: none; }
ChoicesPanel > .option-list--option-disabled { color: ansi_default; }
#said { height: auto; max-height: 3; }
ModalScreen { align: center middle; background: ansi_default; }
ModalScreen > * { width: 100%; max-width: 82; height: auto; max-height: 100%; border: solid ansi_default; }
Input { border: none; height: 1; padding: 0; background: ansi_default; color: ansi_default; text-style: underline; }
"""


def _key(keys: str, action: str, what: str, shown: str = "", *, first: bool = False) -> Binding:
    return Binding(keys, action, what, show=bool(shown), key_display=shown or None, priority=first)


BINDINGS: list[BindingType] = [
    _key("question_mark", "help", "help", "?"),
    _key("q", "quit", "quit", "q"),
    _key("down,j,right", "step(1)", "step", "\N{UPWARDS ARROW}\N{DOWNWARDS ARROW}"),
    _key("up,k,left", "step(-1)", "back"),
    _key("pagedown", f"step({_PAGE})", "ten steps on"),
    _key("pageup", f"step(-{_PAGE})", "ten steps back"),
    _key("home,g", "start", "start"),
    _key("end,G", "end", "end"),
    _key("tab", "highlight(1)", "another choice", first=True),
    _key("shift+tab", "highlight(-1)", "the choice before", first=True),
    _key("enter", "take_highlighted", "choose", "enter"),
    *(_key(str(number), f"take({number})", f"take choice {number}") for number in range(1, 10)),
    _key("n", "seek(1, False)", "find", "n"),
    _key("N", "seek(-1, False)", "the finding before"),
    _key("c", "seek(1, True)", "conflict", "c"),
    _key("C", "seek(-1, True)", "the conflict before"),
    _key("i", "no_return", "no return", "i"),
    _key("w", "walk", "walk", "w"),
    _key("s", "save", "save", "s"),
    _key("r", "restore", "recorded", "r"),
    _key("ctrl+c", "interrupt", "quit", first=True),
    _key("ctrl+z", "suspend_process", "suspend"),
]
