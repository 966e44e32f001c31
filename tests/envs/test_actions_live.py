"""Every action on a real page, through the environment: it does what its description says."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from milepost.envs import MilepostEnv, Task
from milepost.envs.actions import ACTION_TYPES, GROUPS
from milepost.sandbox.app_server import App
from milepost.sandbox.events import Click, Process

pytestmark = pytest.mark.browser

_names = itertools.count()


class Desk(App):
    """Serves the pages it is made with; /upload answers with what it was sent."""

    def __init__(self, pages: dict[str, str]) -> None:
        self.name = f"desk{next(_names)}"
        self.pages = pages

    def create_schema(self, db: Any) -> None:
        """No tables."""

    def seed(self, db: Any, rng: Any, parameters: Any) -> None:
        """Nothing to fill in."""

    def asgi(self) -> Starlette:
        async def upload(request: Request) -> Response:
            async with request.form() as form:
                files = [(file.filename, await file.read()) for file in form.getlist("file")]  # type: ignore[union-attr]
            return HTMLResponse(f"<!doctype html><title>Sent</title><h1>{files}</h1>")

        async def page(request: Request) -> Response:
            html = self.pages.get(request.url.path)
            return PlainTextResponse("nothing here", 404) if html is None else HTMLResponse("<!doctype html>" + html)

        return Starlette(routes=[Route("/upload", upload, methods=["POST"]), Route("/{path:path}", page)])

    def state(self, db: Any) -> dict[str, Any]:
        return {}


class Desktop:
    """An environment whose every action is allowed, on given pages."""

    def __init__(self, env: MilepostEnv) -> None:
        self.env = env
        self.observation, _ = env.reset(seed=1)

    def do(self, action: str) -> str:
        """Do an action that must work; return what it changed or gave."""
        result, error = self.attempt(action)
        assert error == "", f"{action}: {error}"
        return result

    def fail(self, action: str) -> str:
        """Do an action that must not work; return the error."""
        _, error = self.attempt(action)
        assert error != "", f"{action} worked"
        return error

    def attempt(self, action: str) -> tuple[str, str]:
        self.observation, _, terminated, truncated, info = self.env.step(action)
        assert info["failure"] is None, info["failure_message"]
        assert not truncated
        assert terminated is action.startswith("done(")
        return self.observation["last_action_result"], self.observation["last_action_error"]

    @property
    def page(self) -> str:
        return str(self.observation["page"])

    @property
    def log(self) -> str:
        """What the page's scripts wrote into its status line."""
        return next((line for line in self.page.splitlines() if line.startswith("status ")), "")

    def events(self, kind: type) -> list[Any]:
        episode = self.env._episode
        assert episode is not None
        return [event for event in episode.events if isinstance(event, kind)]


Open = Callable[..., Desktop]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    made: list[MilepostEnv] = []

    def open_desk(
        html: str, others: dict[str, str] | None = None, *, actions: tuple[str, ...] = tuple(GROUPS)
    ) -> Desktop:
        app = Desk({"/": html, **(others or {})})
        monkeypatch.setattr("milepost.envs.places.get_app", lambda name: app)
        task = Task.model_validate(
            {
                "name": "desk",
                "family": "test",
                "description": "Try things.",
                "app": "desk",
                "goal": "Try.",
                "max_steps": 100,
                "actions": actions,
                "milestones": [{"id": "never", "catalogue": "url_loaded", "path": "/never"}],
                "oracle": ["noop()"],
            }
        )
        made.append(MilepostEnv(task, observations=("text", "tabs", "clipboard", "html")))
        return Desktop(made[-1])

    yield open_desk
    for env in made:
        env.close()


LOG = "<output id=log></output><script>const say = t => log.textContent += t + ' '</script>"


def test_clicks_of_every_kind(desk: Open):
    it = desk(
        f"{LOG}<button onclick='say(1)' ondblclick='say(2)' oncontextmenu='say(\"menu\")'>Target</button>"
        "<button onmouseenter='say(\"over\")'>Menu</button>"
    )
    it.do('click("Target")')
    assert it.log == 'status "1"'
    assert [event.name for event in it.events(Click)] == ["Target"]
    it.do('double_click("Target")')
    assert it.log == 'status "1 1 1 2"'
    it.do('right_click("target")')
    assert it.log == 'status "1 1 1 2 menu"'
    it.do('hover("Menu")')
    assert it.log == 'status "1 1 1 2 menu over"'
    assert it.fail('hover("Mneu")').startswith('no element named "Mneu"; did you mean "Menu"')
    assert it.fail("double_click(99999)").startswith("no element [99999]")


def test_dragging_onto_another_element(desk: Open):
    it = desk(
        f"{LOG}<div draggable=true role=button id=card>Card</div>"
        "<div role=button id=done style='margin-top:100px;height:60px'>Done</div><script>"
        "card.ondragstart = e => e.dataTransfer.setData('text', 'c'); done.ondragover = e => e.preventDefault();"
        "done.ondrop = e => say('dropped ' + e.dataTransfer.getData('text'))</script>"
    )
    it.do('drag("Card", "Done")')
    assert it.log == 'status "dropped c"'
    assert it.fail('drag("Card", "Dnoe")').startswith('no element named "Dnoe"; did you mean "Done"')


def test_fields_are_filled_typed_selected_and_checked(desk: Open):
    it = desk(
        "<label>Name <input></label><label>Country <select><option>Brazil<option>France</select></label>"
        "<label><input type=checkbox> Agree</label><label><input type=radio name=r> Post</label><button>Save</button>"
    )
    assert it.do('fill("Name", "Ada")') == '"Name" is now "Ada"'
    assert it.do('type(" Byron")') == '"Name" is now "Ada Byron"'
    it.do('press("Control+A")')
    assert it.do('press("Backspace")') == '"Name" is now ""'
    assert it.do('select("Country", "France")') == '"Country" is now "France"'
    assert it.do('check("Agree")') == '"Agree" is now checked'
    assert it.do('check("Agree")') == "nothing changed"
    assert it.do('uncheck("Agree")') == '"Agree" is now plain'
    assert it.do('check("Post")') == '"Post" is now checked'
    assert it.fail('uncheck("Post")') == 'uncheck needs a checkbox, but "Post" is a radio; choose another of its group'
    assert it.fail('fill("Agree", "x")') == 'fill needs a text field, but "Agree" is a checkbox; use check("Agree")'
    assert it.fail('check("Save")') == 'check needs a checkbox, but "Save" is a button; use click("Save")'
    assert it.fail('select("Country", "Frnace")').startswith("combobox")


def test_scrolling_the_page_and_parts_of_it(desk: Open):
    it = desk(
        f"{LOG}<button>Top</button>"
        "<div tabindex=0 role=button aria-label=Inner id=inner style='height:100px;width:200px;overflow:auto'>"
        "<div style='height:900px;width:900px'>long</div></div><script>inner.onscroll = () => say('in')</script>"
        "<div style='height:4000px;width:4000px'></div><script>onscroll = () => say(`${scrollX},${scrollY}`)</script>"
    )
    it.do("scroll()")
    assert it.log == 'status "0,576"'
    it.do('scroll("right")')
    assert it.log == 'status "0,576 1024,576"'
    it.do('scroll("left")')
    it.do('scroll("up")')
    assert it.log.endswith('0,576 0,0"')
    it.do('scroll("down", target="Inner")')
    assert it.log.endswith('0,0 in"')
    assert it.fail('scroll("up")') == "nothing left to scroll up"


def test_a_file_of_the_workspace_is_uploaded(desk: Open):
    it = desk(
        "<form action=/upload method=post enctype=multipart/form-data>"
        "<label>Attachment <input type=file name=file></label><button>Send</button></form>"
    )
    it.do('write_file("out/report.csv", "a,b\\n1,2")')
    assert "report.csv" in it.do('upload("Attachment", "out/report.csv")')
    it.do('click("Send")')
    assert r"[('report.csv', b'a,b\\n1,2')]" in it.page  # the backslash as an action would write it
    it.do("back()")
    assert "does not exist" in it.fail('upload("Attachment", "missing.csv")')
    assert "leads out" in it.fail('upload("Attachment", "../x")')
    assert it.fail('upload("Send", "out/report.csv")').startswith('upload needs a file field, but "Send" is a button')


def test_addresses_and_history(desk: Open):
    it = desk("<title>One</title>", {"/two": f"<title>Two</title>{LOG}<button onclick='say(1)'>B</button>"})
    it.do('goto("/two")')
    assert it.observation["title"] == "Two"
    it.do("back()")
    assert it.observation["title"] == "One"
    it.do("forward()")
    assert it.observation["title"] == "Two"
    it.do('click("B")')
    assert it.log == 'status "1"'
    it.do("reload()")
    assert it.log == ""
    assert it.fail("forward()") == "there is no page to go forward to"
    assert "refused" in it.fail('goto("http://example.com/")')


def test_tabs_are_opened_switched_and_closed(desk: Open):
    it = desk("<title>One</title><a href=/two target=_blank>Link</a>", {"/two": "<title>Two</title>"})
    origin = it.observation["url"].rstrip("/")
    assert it.observation["tabs"] == f'1 "One" {origin}/ (shown)'
    assert "tab opened" in it.do('tab_new("/two")')
    assert it.observation["title"] == "Two"
    assert it.observation["tabs"].splitlines() == [f'1 "One" {origin}/', f'2 "Two" {origin}/two (shown)']
    it.do("tab_switch(1)")
    assert it.observation["title"] == "One"
    assert it.observation["tabs"].splitlines() == [f'1 "One" {origin}/ (shown)', f'2 "Two" {origin}/two']
    it.do('click("Link")')
    assert len(it.observation["tabs"].splitlines()) == 3
    assert it.observation["title"] == "Two"
    assert "tab closed" in it.do("tab_close()")
    it.do("tab_close(2)")
    assert it.observation["tabs"] == f'1 "One" {origin}/ (shown)'
    assert it.observation["title"] == "One"
    it.do("tab_new()")
    assert it.observation["page"] == ""
    it.do('goto("/two")')
    assert it.observation["title"] == "Two"
    assert it.fail("tab_switch(7)")
    assert "refused" in it.fail('tab_new("http://example.com/")')


ASKING = (
    f"{LOG}<button onclick='say(confirm(\"Sure?\"))'>Ask</button>"
    "<button onclick='say(prompt(\"Who?\", \"me\"))'>Prompt</button><button onclick='say(1)'>Other</button>"
)


def test_dialogs_wait_where_the_task_lets_the_agent_answer(desk: Open):
    it = desk(ASKING)
    assert it.do('click("Ask")') == 'dialog asks "Sure?"'
    assert it.page.splitlines()[0] == 'confirm dialog "Sure?": dialog_accept() or dialog_dismiss() answers it'
    assert "dialog" in it.fail('click("Other")')
    assert it.observation["html"], "the page is still there behind it"
    assert it.do("dialog_accept()").startswith("dialog accepted")
    assert it.log == 'status "true"'
    it.do('click("Ask")')
    assert it.do("dialog_dismiss()").startswith("dialog dismissed")
    assert it.log == 'status "true false"'
    it.do('click("Prompt")')
    assert it.page.splitlines()[0].startswith('prompt dialog "Who?" "me": ')
    it.do('dialog_accept("Ada")')
    assert it.log == 'status "true false Ada"'
    it.do('click("Prompt")')
    it.do("dialog_accept()")
    assert it.log == 'status "true false Ada me"'
    assert "no dialog" in it.fail("dialog_accept()")


def test_dialogs_are_accepted_where_the_task_does_not(desk: Open):
    it = desk(ASKING, actions=("basic",))
    assert it.do('click("Ask")').startswith('dialog said "Sure?"')
    assert it.log == 'status "true"'
    assert it.fail("dialog_accept()").startswith("dialog_accept is not among this task's actions; expected ")


def test_the_clipboard_carries_text(desk: Open):
    it = desk("<label>From <input></label><label>To <input></label>")
    assert it.observation["clipboard"] == ""
    it.do('clipboard_copy("EX-1042")')
    assert it.observation["clipboard"] == "EX-1042"
    it.do('click("To")')
    assert it.do("clipboard_paste()") == '"To" is now "EX-1042"'
    it.do('fill("From", "taken")')
    it.do('press("Control+A")')
    it.do("clipboard_copy()")
    assert it.observation["clipboard"] == "taken"
    it.do('click("To")')
    it.do('press("Control+A")')
    assert it.do("clipboard_paste()") == '"To" is now "taken"'
    it.do('fill("From", "")')
    assert it.fail("clipboard_copy()").startswith("nothing is selected")
    assert it.observation["clipboard"] == "taken"


def test_the_mouse_by_coordinates(desk: Open):
    it = desk(
        f"{LOG}<style>button{{position:absolute;left:100px;top:200px;width:100px;height:50px}}</style>"
        "<button onmouseenter='say(\"over\")' onclick='say(\"click\")' oncontextmenu='say(\"menu\")'"
        " ondblclick='say(\"double\")'>B</button>"
    )
    it.do("mouse_move(150, 225)")
    assert it.log == 'status "over"'
    it.do("mouse_click(150, 225)")
    assert it.log == 'status "over click"'
    it.do('mouse_click(199.5, 249, button="right")')
    assert it.log == 'status "over click menu"'
    it.do("mouse_click(150, 225, count=2)")
    assert it.log == 'status "over click menu click click double"'
    it.do("mouse_click(99, 225)")
    assert it.log == 'status "over click menu click click double"'
    assert it.fail("mouse_click(1280, 3)").startswith("mouse_click: x: input should be less than 1280")
    assert it.fail("mouse_click(-1, 3)").startswith("mouse_click: numbers are zero or more")


def test_the_mouse_drags_by_coordinates(desk: Open):
    it = desk(
        f"{LOG}<script>onmousedown = e => say(`down ${{e.x}} ${{e.y}}`); onmouseup = e => say(`up ${{e.x}} ${{e.y}}`);"
        "onmousemove = e => { if (e.buttons && e.x === 500) say(`at ${e.x}`) }</script>"
    )
    it.do("mouse_drag(300, 400, 500, 410)")
    assert it.log == 'status "down 300 400 at 500 up 500 410"'


def test_waiting_lets_the_pages_clock_run(desk: Open):
    it = desk(f"{LOG}<script>let n = 0; setInterval(() => say(++n), 1000)</script>")
    it.do("noop()")
    assert it.log == ""
    it.do("wait(2500)")
    assert it.log == 'status "1 2"'


def test_files_are_made_changed_found_and_removed(desk: Open):
    it = desk("")
    assert it.do("list_files()") == "no files"
    it.do('write_file("notes.txt", "one")')
    it.do('append_file("notes.txt", "\\ntwo")')
    assert it.do('read_file("notes.txt")') == "one\ntwo"
    it.do('make_folder("archive")')
    it.do('copy_file("notes.txt", "archive/copy.txt")')
    it.do('move_file("notes.txt", "archive/moved.txt")')
    assert it.do("list_files()") == "archive/copy.txt (7 B)\narchive/moved.txt (7 B)"
    assert it.do('find_files("*copy*")') == "archive/copy.txt"
    assert it.do('find_files("*.csv")') == 'no file fits "*.csv"'
    it.do('delete_file("archive/copy.txt")')
    assert it.do("list_files()") == "archive/moved.txt (7 B)"
    assert "archive" in it.fail('delete_file("archive")')
    for action in (
        'read_file("notes.txt")',
        'copy_file("notes.txt", "b")',
        'move_file("x", "y")',
        'append_file("../x", "y")',
    ):
        assert "\n" not in it.fail(action)


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_commands_run_in_the_workspace(desk: Open):
    it = desk("")
    it.do('write_file("a.txt", "b\\na\\n")')
    assert it.do('run("sort a.txt")') == "a\nb\n"
    assert [(event.command, event.exit_code) for event in it.events(Process)] == [("sort a.txt", 0)]
    assert it.do('run("sort a.txt > sorted.txt")')
    assert it.do('read_file("sorted.txt")') == "a\nb\n"
    assert "exit code 3" in it.do('run("exit 3")')
    long = it.do('run("seq 5000")')
    assert long.startswith("1\n2\n")
    assert long.rstrip().endswith("5000")
    assert "characters left out" in long
    assert len(long) <= 2000


def test_commands_are_refused_where_the_task_does_not_ask_for_them(desk: Open):
    it = desk("", actions=("basic", "files"))
    assert it.fail('run("ls")').startswith("run is not among this task's actions")


def test_the_episode_ends_with_done_and_goes_on_with_noop(desk: Open):
    it = desk("", actions=("tabs",))
    assert it.do("noop()") == "nothing changed"
    it.do('done("42")')


def test_html_is_pruned_and_hides_the_episodes_origin(desk: Open):
    it = desk(
        "<script>secret()</script><a href=/two>Two</a><p>Text</p><script>document.body.append(location.origin)</script>"
    )
    html = it.observation["html"]
    assert "Text" in html
    assert "secret" not in html
    assert "localhost" not in html


def test_every_action_is_tried_above():
    source = Path(__file__).read_text(encoding="utf-8")
    assert [verb for verb in ACTION_TYPES if not re.search(rf"(do|fail)\(['\"]{verb}\(", source)] == []
