"""Attacks on the labelling server; each is answered with a refusal, and nothing is written down."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from milepost.sandbox.errors import RunError
from milepost.trainers.local_page.server import LocalServer

from .choices import record_seeds
from .served import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    run = record_seeds(tmp_path_factory.mktemp("gate") / "run", range(4))
    (run / "secret.png").write_bytes(b"not for the page")
    with serving(run) as found:
        yield found


@pytest.fixture(autouse=True)
def _nothing_is_written(served: Served) -> Iterator[None]:
    before = served.out.read_bytes() if served.out.exists() else b""
    yield
    assert (served.out.read_bytes() if served.out.exists() else b"") == before


def chosen(served: Served) -> dict[str, object]:
    return {"slot": served.session.ahead(1)[0].id, "choice": "left"}


def test_the_page_itself_is_answered_and_bound(served: Served):
    page = served.ask("GET", "/")
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"
    for name, kind in [("page.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")]:
        file = served.ask("GET", f"/{name}")
        assert (file.status, file.headers["content-type"].partition(";")[0]) == (200, kind)


def test_nothing_is_loaded_from_elsewhere(served: Served):
    for name in ("", "page.js", "page.css"):
        assert b"http" not in served.ask("GET", f"/{name}").body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost", "127.0.0.1.nip.io:{port}"]
)
def test_another_name_for_this_machine_is_refused(served: Served, host: str):
    assert served.ask("GET", "/pair", host=host.format(port=served.server.port)).status == 421


def test_a_second_or_missing_host_is_refused(served: Served):
    for hosts in ("", f"host: {served.host}\r\nhost: evil.example\r\n"):
        with socket.create_connection(("127.0.0.1", served.server.port), timeout=10) as raw:
            raw.sendall(f"GET {served.root}/pair HTTP/1.1\r\n{hosts}connection: close\r\n\r\n".encode())
            answer = b""
            while part := raw.recv(65536):
                answer += part
            assert answer.split()[1] in (b"400", b"421")
            assert b"frames" not in answer


def test_localhost_will_do(served: Served):
    assert served.ask("GET", "/pair", host=f"localhost:{served.server.port}").status == 200


@pytest.mark.parametrize("path", ["/", "/pair", "/page.js", "/wrong/pair", "//pair", "/favicon.ico", "/%2e%2e/pair"])
def test_without_the_token_there_is_nothing(served: Served, path: str):
    assert served.ask("GET", path, bare=True).status == 404


def test_a_token_that_is_nearly_right_is_wrong(served: Served):
    for token in (served.server.token[:-1], served.server.token + "x", served.server.token.swapcase(), ""):
        assert served.ask("GET", f"/{token}/pair", bare=True).status == 404


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "http://localhost:1", "https://127.0.0.1:{port}", "http://127.0.0.1"],
)
def test_a_choice_from_another_origin_is_refused(served: Served, origin: str | None):
    sent = None if origin is None else origin.format(port=served.server.port)
    assert served.post("/choice", chosen(served), origin=sent).status == 403
    assert served.post("/undo", {}, origin=sent).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_asks_for_is_refused(served: Served, site: str):
    assert served.ask("GET", "/", sec_fetch_site=site).status == 403
    assert served.ask("GET", "/pair", sec_fetch_site=site).status == 403
    assert served.ask("GET", "/pair", origin="http://evil.example").status == 403


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_can_send_is_refused(served: Served, kind: str | None):
    assert served.post("/choice", chosen(served), content_type=kind).status == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(served: Served, method: str):
    assert served.ask(method, "/choice", b"{}").status == 405


def test_a_read_changes_nothing(served: Served):
    for path in ("/choice", "/undo"):
        assert served.ask("GET", path).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/picture/{slot}/left/../../../secret.png",
        "/picture/{slot}/left/%2e%2e%2f%2e%2e%2fsecret.png",
        "/picture/{slot}/..%2f..%2fsecret.png/0",
        "/picture/..%2f..%2f/left/0",
        "/picture/{slot}/middle/0",
        "/picture/{slot}/left/-1",
        "/picture/{slot}/left/999999999999999999999",
        "/picture/{slot}/left/" + 5000 * "9",
        "/picture/{slot}/left/%D9%A3",
        "/picture/{slot}/left/0",
        "/picture/nothing/left/0",
        "/pictures/nothing",
        "/../secret.png",
        "/%2e%2e/secret.png",
        "/page.html",
        "/plan.py",
        "/page.css/../plan.py",
        "/labels.jsonl",
    ],
)
def test_paths_lead_to_no_file(served: Served, path: str):
    reply = served.ask("GET", path.format(slot=served.session.ahead(1)[0].id))
    assert reply.status == 404
    assert b"not for the page" not in reply.body
    assert b"import" not in reply.body


@pytest.mark.parametrize(
    "changed",
    [
        {"choice": "undo"},
        {"choice": "up"},
        {"slot": "x" * 65},
        {"seconds": -1},
        {"seconds": "NaN"},
        {"reason": "x" * 9999},
        {"annotator": "someone else"},
    ],
)
def test_what_is_no_choice_is_refused(served: Served, changed: dict[str, object]):
    assert served.post("/choice", chosen(served) | changed).status == 422


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"slot": NaN}'])
def test_what_is_no_json_is_refused(served: Served, body: bytes):
    assert served.ask("POST", "/choice", body).status == 422


def test_a_choice_for_another_pair_is_refused(served: Served):
    assert served.post("/choice", {"slot": "elsewhere", "choice": "left"}).status == 409
    later = served.session.ahead(2)[1].id
    assert served.post("/choice", {"slot": later, "choice": "left"}).status == 409


def test_too_much_is_refused(served: Served):
    assert served.ask("POST", "/choice", b" " * 20_000).status == 413


def test_no_websockets(served: Served):
    reply = served.ask(
        "GET",
        "/pair",
        connection="Upgrade",
        upgrade="websocket",
        sec_websocket_key="AAAAAAAAAAAAAAAAAAAAAA==",
        sec_websocket_version="13",
    )
    assert reply.status != 101


def test_the_pair_gives_nothing_away(served: Served):
    """Neither what rules said, nor which pairs are checks, nor which run and iteration an episode comes from."""
    text = served.ask("GET", "/pair").body.decode()
    state = json.loads(text)
    assert set(state) == {"annotator", "done", "total", "pair"}
    assert set(state["pair"]) == {"slot", "task", "goal", "left", "right"}
    for side in ("left", "right"):
        assert set(state["pair"][side]) == {"frames", "cut"}
        assert all(set(frame) == {"action", "target", "page", "error"} for frame in state["pair"][side]["frames"])
    for word in ("reward", "milestone", "success", "stop_reason", "calibration", "purpose", "expected", "iteration"):
        assert word not in text
    assert str(served.out.parent) not in text


def test_it_listens_on_this_machine_only(served: Served):
    assert served.server._socket.getsockname()[0] == "127.0.0.1"


def test_a_port_in_use_is_named(served: Served):
    with pytest.raises(RunError, match=rf"127\.0\.0\.1:{served.server.port}.*--port"):
        LocalServer(lambda *_: None, port=served.server.port)  # type: ignore[arg-type]
