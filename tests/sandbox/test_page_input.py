"""Every further way to act on a page: pointer, keys, clipboard, files, history, time, held dialogs, inner frames."""

import pytest

from milepost.sandbox.errors import ActionError
from milepost.sandbox.events import Click, Dialog, Input

pytestmark = pytest.mark.browser

TITLE = "document.title"


def test_hover_shows_what_only_a_pointer_shows(computer):
    it = computer(
        "<style>#tip{display:none} #b:hover + #tip{display:block}</style><button id=b>Help</button><p id=tip>Tip</p>"
    )
    assert "Tip" not in [e.name for e in it.look().elements]
    it.act("hover", "Help")
    assert "Tip" in [e.name for e in it.look().elements]


@pytest.mark.parametrize(("options", "seen"), [({"count": 2}, "dblclick"), ({"button": "right"}, "contextmenu")])
def test_double_and_right_click(computer, options, seen):
    it = computer(f"<button on{seen}='{TITLE}=event.type'>B</button>")
    it.act("click", "B", **options)
    assert it.look().title == seen


def test_check_brings_a_box_into_a_state_and_leaves_one_that_is_there(computer):
    it = computer(
        "<label><input type=checkbox onclick='window.n=(window.n||0)+1'>Agree</label>"
        "<label><input type=radio name=r checked>One</label>"
    )
    for wanted, clicks in ((True, 1), (True, 1), (False, 2)):
        it.act("check", "Agree", wanted)
        assert it.script("document.querySelector('input').checked") is wanted
        assert it.script("window.n") == clicks
    with pytest.raises(ActionError, match="still on"):
        it.act("check", "One", False)


def test_check_refuses_what_has_no_state(computer):
    it = computer("<button>Plain</button>")
    with pytest.raises(ActionError, match="cannot be checked"):
        it.act("check", "Plain", True)


def test_dragging_moves_what_follows_the_mouse(computer):
    it = computer(
        "<div role=button aria-label=Knob style='width:50px;height:50px'></div><div role=button aria-label=Goal "
        "style='position:absolute;left:600px;top:300px;width:50px;height:50px'></div>"
        "<script>let held=false,n=0;addEventListener('mousedown',()=>held=true);"
        "addEventListener('mousemove',e=>{if(held)document.title=[++n,e.clientX>600,e.buttons]});"
        "addEventListener('mouseup',()=>held=false)</script>"
    )
    it.act("drag", "Knob", "Goal")
    assert it.look().title == "4,true,1"


def test_drag_and_drop_of_html(computer):
    it = computer(
        "<div draggable=true role=button aria-label=Card style='width:80px;height:40px' "
        'ondragstart=\'event.dataTransfer.setData("text", "card 7")\'></div>'
        "<div role=button aria-label=Board style='margin-top:100px;width:200px;height:100px' "
        "ondragover='event.preventDefault()' "
        "ondrop='document.title=event.dataTransfer.getData(\"text\") + event.isTrusted'></div>"
    )
    it.act("drag", "Card", "Board")
    assert it.look().title == "card 7true"


def test_typing_goes_key_by_key_to_the_focus(computer):
    it = computer("<input aria-label=F autofocus onkeydown='document.title+=event.key'>")
    it.act("type", "Abc")
    assert it.look().title == "Abc"
    assert it.element("F").value == "Abc"
    assert [e.value for e in it.of(Input)] == ["A", "Ab", "Abc"]


def test_the_mouse_goes_where_it_is_told(computer):
    it = computer(
        "<style>*{margin:0}</style><button style='width:100px;height:50px'>B</button>"
        "<script>addEventListener('mousemove', e => document.title = e.clientX + ',' + e.clientY)</script>"
    )
    it.act("mouse_click", 30, 20)
    assert [e.name for e in it.of(Click)] == ["B"]
    it.act("mouse_move", 700, 333)
    assert it.look().title == "700,333"
    it.act("mouse_drag", 10, 10, 90, 40)
    assert it.look().title == "90,40"
    with pytest.raises(ActionError, match=r"\(1280, 0\) lies outside the viewport of 1280 x 720"):
        it.act("mouse_click", 1280, 0)


def test_files_are_uploaded(computer):
    it = computer(
        "<label>File <input type=file onchange='const file = this.files[0]; "
        "file.text().then(t => document.title = file.name + t)'></label>"
    )
    it.act("upload", "File", [("a.txt", b"hello")])
    it.settle()
    assert it.look().title == "a.txthello"
    with pytest.raises(ActionError, match="takes one file"):
        it.act("upload", "File", [("a", b""), ("b", b"")])


def test_a_field_that_is_no_file_field_takes_no_files(computer):
    it = computer("<input aria-label=Name>")
    with pytest.raises(ActionError, match="does not take files"):
        it.act("upload", "Name", [("a", b"")])


def test_forward_and_reload(computer):
    it = computer("<title>A</title><a href=/b>Go</a>", {"/b": "<title>B</title>"})
    it.act("click", "Go")
    it.act("back")
    it.act("forward")
    assert it.look().title == "B"
    with pytest.raises(ActionError, match="no page to go forward to"):
        it.act("forward")
    it.script("document.title = 'changed'")
    it.act("reload")
    assert it.look().title == "B"


def test_scroll_moves_the_part_that_is_named(computer):
    it = computer(
        "<div style='height:100px;overflow:auto'><button>In</button><div style='height:900px'></div></div>"
        "<div style='height:3000px;width:3000px'></div>"
    )
    it.act("scroll", "down", it.ref("In"))
    assert it.script("[document.querySelector('div').scrollTop > 0, scrollY].join()") == "true,0"
    it.act("scroll", "right")
    assert it.script("scrollX") > 0


def test_waiting_gives_the_page_time(computer):
    it = computer("<script>setTimeout(() => document.title = 'late', 3000)</script>")
    it.settle()
    assert it.look().title == ""
    it.act("wait", 3000.0)
    assert it.look().title == "late"


def test_copy_and_paste_stay_within_the_episode(computer):
    html = "<input aria-label=From value='the text'><input aria-label=To onpaste='document.title=event.isTrusted'>"
    it, other = computer(html), computer(html)
    it.act("click", "From")
    it.act("press", "Control+A")
    it.act("press", "Control+C")
    assert it.page.clipboard == "the text"
    other.act("click", "To")
    other.act("press", "Control+V")
    assert other.element("To").value == ""
    it.act("click", "To")
    it.act("press", "Control+V")
    assert it.element("To").value == "the text"
    assert it.look().title == "true"
    it.close()
    again = computer(html)
    again.act("click", "To")
    again.act("press", "Control+V")
    assert (again.page.clipboard, again.element("To").value) == ("", "")


def test_a_held_dialog_waits_for_its_answer(computer):
    it = computer("<button onclick='document.title=confirm(\"sure?\")'>C</button>"
                  "<button onclick='document.title=prompt(\"who?\",\"me\")'>P</button>", dialogs="ask")  # fmt: skip
    it.act("click", "C")
    dialog = it.look().dialog
    assert (dialog.dialog_type, dialog.message) == ("confirm", "sure?")
    assert [e.name for e in it.look().elements] == ["C", "P"]
    assert it.of(Dialog) == []
    with pytest.raises(ActionError, match=r'a dialog is open .confirm "sure\?".; accept or dismiss it first'):
        it.act("press", "Enter")
    it.act("answer_dialog", False)
    assert (it.look().title, it.look().dialog) == ("false", None)
    assert [(e.message, e.accepted) for e in it.of(Dialog)] == [("sure?", False)]
    it.act("click", "P")
    it.act("answer_dialog", True, "you")
    assert it.look().title == "you"
    assert [(e.name, e.value, e.origin) for e in it.of(Input)] == [("who?", "you", "agent")]
    with pytest.raises(ActionError, match="no dialog is open"):
        it.act("answer_dialog", True)


def test_a_dialog_that_is_still_open_does_not_outlive_its_episode(computer):
    it = computer("<button onclick='confirm(1)'>C</button>", dialogs="ask")
    it.act("click", "C")
    it.close()
    again = computer("<title>Next</title><button onclick='document.title=confirm(1)'>C</button>")
    again.act("click", "C")
    assert again.look().title == "true"


FRAME = (
    "<style>*{margin:0}</style><h3>Inside</h3><button onclick='this.textContent=\"Pressed\"'>Inner</button>"
    "<input aria-label=Field>"
)


@pytest.mark.parametrize("origin", ["", "other"])
def test_frames_of_any_origin_are_seen_and_used(computer, origin):
    other = computer("", {"/inner": FRAME})
    source = other.instance.origin + "/inner" if origin else "/inner"
    frame = f"<iframe title=Part src='{source}' style='display:block;margin:200px;border:7px solid'></iframe>"
    it = computer(f"<button>Outer</button>{frame}<p>After</p>", {"/inner": FRAME}, beside=other.instance)
    names = [e.name for e in it.look().elements]
    assert names == ["Outer", "Part", "Inside", "Inner", "Field", "After"]
    assert it.element("Inner").frame == 1
    assert it.element("Inner").box[0] == pytest.approx(215)
    it.act("click", "Inner")
    assert [e.name for e in it.of(Click)] == ["Inner"]
    assert it.of(Click)[0].ref == it.ref("Pressed")
    it.act("fill", "Field", "typed within")
    assert it.element("Field").value == "typed within"
    assert it.look().focused == it.ref("Field")


def test_an_element_of_a_frame_that_is_covered_is_not_clicked(computer):
    it = computer(
        "<iframe src=/inner></iframe><div role=dialog aria-label=Wall style='position:fixed;inset:0'></div>",
        {"/inner": FRAME},
    )
    with pytest.raises(ActionError, match='covered by dialog "Wall"'):
        it.act("click", "Inner")


def test_animation_frames_come_in_the_same_number_and_at_the_pages_time(computer):
    html = (
        "<script>const seen = []; (function t(ts = -1) { seen.push(ts); document.title = seen.join(); "
        "requestAnimationFrame(t) })()</script>"
    )

    def episode():
        it = computer(html)
        it.settle()
        it.settle(500)
        title = it.look().title
        it.close()
        return title

    titles = {episode() for _ in range(4)}
    assert len(titles) == 1
    assert all(float(x) == int(float(x)) for x in titles.pop().split(","))


def test_the_mouse_stays_where_it_is_while_another_page_loads(computer):
    style = "<style>html{height:100%}a{display:block;height:60px}</style>"
    it = computer(f"{style}<a href=/two>Two</a>", {"/two": f"{style}<a href=/>One</a>"})
    it.act("click", "Two")
    it.run(it.page.screenshot())
    assert it.script("document.querySelector('a:hover').textContent") == "One"
