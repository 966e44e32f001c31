"""Every frame can report for itself: its own document, in its own coordinates, with references of its own."""

import json

import pytest

from milepost.sandbox.page_frames import WORLD

pytestmark = pytest.mark.browser

OUTER = """<h1>Top</h1><style>
#f { position: absolute; left: 100px; top: 200px; width: 300px; height: 150px; border: 5px solid }
dialog { position: fixed; left: 90px; top: 190px; width: 400px; height: 300px; margin: 0 }</style>
<iframe id=f src=/inner title=Form></iframe>
<iframe src=/inner style='display:none'></iframe><iframe src=/inner aria-hidden=true></iframe>
<iframe title=Elsewhere sandbox=allow-scripts srcdoc='<button>Foreign</button>' style='position:absolute;top:5000px'>
</iframe><p>after</p>"""
INNER = """<body style='margin:0'><label>Name <input></label><button>Send</button>
<iframe srcdoc='<a href=/x>Deep</a>'></iframe>"""


class Frames:
    """Asks a world of each frame."""

    def __init__(self, it, world):
        self._it, self._world = it, world

    def _send(self, method, **parameters):
        return self._it.run(self._it.page._channel.send(method, **parameters))

    def ids(self):
        def flat(tree):
            yield tree["frame"]["id"]
            for child in tree.get("childFrames", ()):
                yield from flat(child)

        return list(flat(self._send("Page.getFrameTree")["frameTree"]))

    def ask(self, frame_id, expression):
        made = self._send("Page.createIsolatedWorld", frameId=frame_id, worldName=self._world)
        answer = self._send(
            "Runtime.evaluate",
            expression=f"JSON.stringify(milepostPage.{expression})",
            contextId=made["executionContextId"],
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return json.loads(answer["result"].get("value") or "null")


@pytest.fixture
def framed(computer):
    return computer(OUTER, {"/inner": INNER})


def own(frames, frame_id):
    seen = frames.ask(frame_id, "look(100)")
    return [(row[1], row[2]) for row in seen["elements"]], seen


def test_each_frame_reports_only_its_own_document(framed):
    frames = Frames(framed, WORLD)
    main, inner, *_ = frames.ids()
    said, seen = own(frames, main)
    assert said == [("heading", "Top"), ("iframe", "Form"), ("iframe", "Elsewhere"), ("text", "after")]
    form, elsewhere = seen["frames"]
    assert form == [seen["elements"][1][0], 105, 205, True]  # its content begins within the border
    assert elsewhere[3] is False
    assert all(row[10] == 0 for row in seen["elements"])
    said, seen = own(frames, inner)
    assert said == [("textbox", "Name"), ("button", "Send"), ("iframe", "")]
    assert seen["url"].endswith("/inner")
    assert [row[0] for row in seen["elements"]] == [1, 2, 3]
    assert seen["elements"][1][7][1] == 0  # in its own viewport


def test_frames_are_put_together_behind_their_elements(framed):
    assert [(e.role, e.name, e.frame, e.depth) for e in framed.look().elements] == [
        ("heading", "Top", 0, 0), ("iframe", "Form", 0, 0), ("textbox", "Name", 1, 1), ("button", "Send", 1, 1),
        ("iframe", "", 1, 1), ("link", "Deep", 5, 2), ("iframe", "Elsewhere", 0, 0), ("button", "Foreign", 4, 1),
        ("text", "after", 0, 0),
    ]  # fmt: skip


def test_a_frame_of_another_origin_reports_for_itself(framed):
    frames = Frames(framed, WORLD)
    foreign = [frame_id for frame_id in frames.ids()[1:] if own(frames, frame_id)[0] == [("button", "Foreign")]]
    assert len(foreign) == 1
    (ref,) = (row[0] for row in own(frames, foreign[0])[1]["elements"])
    spot = frames.ask(foreign[0], f"aim({ref}, 'click')")
    assert 0 < spot["x"] < 100
    assert spot["moved"] is False


def test_where_a_frame_lies_and_what_covers_it(framed):
    frames = Frames(framed, WORLD)
    main, inner, *_ = frames.ids()
    ref = own(frames, main)[1]["frames"][0][0]
    assert frames.ask(main, f"frameBox({ref})") == {"x": 105, "y": 205, "width": 300, "height": 150}
    assert frames.ask(main, f"covered({ref}, 110, 210)") == {}
    framed.script("document.body.insertAdjacentHTML('beforeend', '<dialog open aria-label=Over>Over it</dialog>')")
    assert frames.ask(main, f"covered({ref}, 110, 210)") == {"error": 'it is covered by dialog "Over"'}
    framed.script("document.querySelector('iframe').focus()")
    framed.script("document.querySelector('iframe').contentDocument.querySelector('input').focus()")
    assert own(frames, main)[1]["focused"] == ref
    assert own(frames, inner)[1]["focused"] == 1


def test_every_frame_journals_its_own_events(framed):
    heard = []
    framed.page._channel.on("Runtime.bindingCalled", lambda event: heard.append(json.loads(event["payload"])))
    framed.act("click", framed.ref("Send"))
    clicks = [(e["name"], e["url"].rpartition("/")[2]) for e in heard if e["kind"] == "click"]
    assert clicks == [("Send", "inner")]
