"""What a look at the page reports: roles, names, values and states, each thing once."""

import pytest

pytestmark = pytest.mark.browser


def lines(computer, html, others=None):
    view = computer(html, others).look()
    return [
        "  " * e.depth + " ".join([e.role, repr(e.name), *([repr(e.value)] if e.value is not None else []), *e.states])
        for e in view.elements
    ]


def test_a_form(computer):
    html = """
      <h1>New expense</h1><p>All <b>fields</b> are needed.</p>
      <label for=a>Amount</label> <input id=a type=number value=12 required>
      <label>Note <textarea>lunch</textarea></label>
      <label>Kind <select><option>Meals<option selected>Travel</select></label>
      <fieldset><legend>Paid by</legend><label><input type=radio name=p checked>Card</label>
      <label><input type=radio name=p disabled>Cash</label></fieldset>
      <input type=password aria-label=PIN value=1234><input placeholder="Search reports"><input type=hidden value=x>
      <input type=submit><button type=button title=Help></button>
    """
    assert lines(computer, html) == [
        "heading 'New expense'",
        "text 'All fields are needed.'",
        "spinbutton 'Amount' '12' required",
        "textbox 'Note' 'lunch'",
        "combobox 'Kind' 'Travel'",
        "group 'Paid by'",
        "  radio 'Card' checked",
        "  radio 'Cash' disabled",
        "textbox 'PIN' '••••'",
        "textbox 'Search reports' ''",
        "button 'Submit'",
        "button 'Help'",
    ]


def test_a_table(computer):
    html = """<table><caption>Reports</caption><thead><tr><th>Name<th>Region<th>Format</thead>
      <tr><td>Q3 Sales<td>North<td><a href=/x>CSV</a></tr><tr><td>Q3 Costs<td>South<td></tr></table>"""
    assert lines(computer, html) == [
        "table 'Reports'",
        "  text 'Reports'",
        "  row 'Name · Region · Format'",
        "    columnheader 'Name'",
        "    columnheader 'Region'",
        "    columnheader 'Format'",
        "  row 'Q3 Sales · North · CSV'",
        "    link 'CSV'",
        "  row 'Q3 Costs · South'",
    ]


def test_what_is_hidden_is_not_there(computer):
    html = """<p hidden>a</p><p style="display:none">b</p>
      <p style="visibility:hidden">c<b style="visibility:visible">D</b></p>
      <p aria-hidden=true>e</p><details><summary>More</summary>f</details><script>1</script><template>g</template>
      <noscript>h</noscript><button style="display:none">i</button><p>seen</p>"""
    assert lines(computer, html) == ["text 'D'", "button 'More' collapsed", "text 'seen'"]


def test_names_follow_aria_labelledby_label_alt_and_content(computer):
    html = """<b id=x>Total</b> <b id=y>cost</b> <button aria-labelledby="x y">no</button>
      <button aria-label=Close>X</button>
      <a href=/><img alt=Logo src=data:,> Home</a><img alt="A chart" src=data:,><img alt="" src=data:,>
      <div role=button tabindex=0><i>Fancy</i> one</div><div role=checkbox aria-checked=mixed tabindex=0>Half</div>
      <div contenteditable aria-label=Body>Dear all</div><div onclick="1">Card</div>"""
    assert lines(computer, html) == [
        "text 'Total cost'",
        "button 'Total cost'",
        "button 'Close'",
        "link 'Logo Home'",
        "img 'A chart'",
        "button 'Fancy one'",
        "checkbox 'Half' mixed",
        "textbox 'Body' 'Dear all'",
        "clickable 'Card'",
    ]


def test_messages_are_reported_once_and_only_when_they_say_something(computer):
    html = """<div role=status>Saved <button>Undo</button></div><div role=alert></div><output></output>
      <div role=alert><p>Amount is missing</p></div>"""
    assert lines(computer, html) == ["status 'Saved Undo'", "  button 'Undo'", "alert 'Amount is missing'"]


def test_an_open_modal_dialog_hides_the_rest(computer):
    html = """<button>Behind</button><dialog><h2>Sure?</h2><p>It cannot be undone.</p><button>Yes</button></dialog>
      <script>document.querySelector("dialog").showModal()</script>"""
    assert lines(computer, html) == [
        "dialog 'Sure?'",
        "  heading 'Sure?'",
        "  text 'It cannot be undone.'",
        "  button 'Yes'",
    ]


def test_shadow_roots_slots_and_frames_are_walked_in_order(computer):
    html = """<p>before</p><x-card><span>slotted</span></x-card><iframe src=/inner></iframe><p>after</p>
      <script>customElements.define("x-card", class extends HTMLElement { connectedCallback() {
        this.attachShadow({mode: "open"}).innerHTML = 
          "<h2>Card</h2><p><slot></slot></p><button>Go</button>" } })</script>"""
    assert lines(computer, html, {"/inner": "<h3>Inside</h3><script>parent.x = 1</script>"}) == [
        "text 'before'",
        "heading 'Card'",
        "text 'slotted'",
        "button 'Go'",
        "iframe ''",
        "  heading 'Inside'",
        "text 'after'",
    ]


def test_refs_are_small_stable_and_in_document_order(computer):
    it = computer(
        "<p id=top>x</p><button>A</button><button>B</button>"
        "<script>function add() { top_.before(document.createElement('hr')) } "
        "const top_ = document.getElementById('top');"
        "function insert() { const b = document.createElement('button'); b.textContent = 'New'; "
        "top_.before(b) }</script>"
    )
    before = {e.name: e.ref for e in it.look().elements}
    assert before == {"x": 1, "A": 2, "B": 3}
    it.script("insert(); document.body.append(document.querySelectorAll('button')[1])")
    after = {e.name: e.ref for e in it.look().elements}
    assert after == {**before, "New": 4}
    it.act("goto", "/")
    assert {e.name: e.ref for e in it.look().elements} == before


def test_boxes_and_focus(computer):
    it = computer(
        "<button style='position:absolute;left:10px;top:20px;width:100px;height:30px'>A</button>"
        "<input aria-label=F style='position:absolute;top:2000px'>"
        "<script>document.querySelector('input').focus({preventScroll: true})</script>"
    )
    button, field = it.look().elements
    assert button.box == (10, 20, 100, 30)
    assert (button.in_viewport, button.interactive) == (True, True)
    assert not field.in_viewport
    assert it.look().focused == field.ref


def test_very_long_pages_are_capped_and_say_so(computer):
    it = computer("<body><script>document.body.innerHTML = '<button>b</button>'.repeat(1234)</script>")
    view = it.look()
    assert (len(view.elements), view.elements_omitted) == (1000, 234)
    assert len(it.look().elements[0].name) == 1


def test_long_texts_are_cut(computer):
    (text,) = computer(f"<p>{'word ' * 1000}").look().elements
    assert len(text.name) == 600
    assert text.name.endswith("…")


def test_a_look_changes_nothing_in_the_page(computer):
    it = computer(
        "<p>x</p><input><script>new MutationObserver(m => window.mutated = (window.mutated || 0) + m.length)"
        ".observe(document, {subtree: true, childList: true, attributes: true, characterData: true})</script>"
    )
    html = it.script("document.documentElement.outerHTML")
    for _ in range(3):
        it.look()
    it.settle()
    assert it.script("document.documentElement.outerHTML") == html
    assert it.script("typeof mutated") == "undefined"
