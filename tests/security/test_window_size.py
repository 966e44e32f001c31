"""A page cannot change its window: pictures have its size, and a warm page hands it on to the next episode."""

import pytest

from milepost.sandbox.errors import SandboxError
from milepost.sandbox.frames import _expect_size

pytestmark = pytest.mark.browser

ATTEMPTS = {
    "resizeTo": "resizeTo(1, 1)",
    "resizeBy": "resizeBy(-900, -500)",
    "moveTo": "moveTo(500, 500); moveBy(1, 1)",
    "an empty frame's own": "const f = document.body.appendChild(document.createElement('iframe'));"
    "f.contentWindow.resizeTo.call(window, 1, 1); f.contentWindow.resizeTo(1, 1)",
    "a frame's script": "const f = document.body.appendChild(document.createElement('iframe'));"
    "f.srcdoc = '<script>top.resizeTo(1, 1); resizeTo.call(top, 1, 1); parent.resizeBy(-9, -9)<\\/script>'",
    "a javascript address": "location = 'javascript:resizeTo(1,1)'",
    "after document.open": "document.open(); document.write('<p>new</p>'); resizeTo(1, 1); document.close()",
    "after deleting ours": "delete window.resizeTo; window.resizeTo?.(1, 1);"
    "Window.prototype.resizeTo?.call(window, 1, 1)",
    "fullscreen": "document.documentElement.requestFullscreen()",
    "fullscreen of a part": "document.body.firstElementChild.requestFullscreen({navigationUI: 'show'})",
    "a window of its own": "open('/', 'w', 'width=100,height=100').resizeTo(1, 1)",
    "a second document": "location = '/second'",
}


def size_of(png):
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=ATTEMPTS.keys())
def test_no_script_changes_the_size_of_the_picture(hostile, attempt):
    second = {"/second": "<script>resizeTo(1, 1); onload = () => resizeBy(-900, -500)</script>"}
    html = "<button onclick='go()'>Go</button><script>const go = () => {" + ATTEMPTS[attempt] + "}</script>"
    it = hostile(html, second)
    it.run(it.page.mouse_click(20.0, 20.0))
    for _ in range(3):
        it.settle(200)
        it.look()
    for _ in range(2):
        assert size_of(it.run(it.page.screenshot())) == (1280, 720)
    assert it.script("[innerWidth, innerHeight].join()") == "1280,720"


def test_a_picture_of_another_size_spends_the_page():
    with pytest.raises(SandboxError, match="100 x 100 pixels now, not 1280 x 720"):
        _expect_size(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (100).to_bytes(4, "big") * 2)
