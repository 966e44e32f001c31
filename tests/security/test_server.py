"""The application server against clients that mean ill: raw sockets, and requests that no page of its own sends."""

import contextlib
import socket
import time

import httpx
import numpy as np
import pytest

from milepost.envs.apps import get_app
from milepost.sandbox import app_server, http_deadline, request_gate
from milepost.sandbox.app_server import AppServer
from milepost.sandbox.errors import AppServerError


@pytest.fixture
def episode(hostile_app):
    opened = AppServer.shared().open(
        hostile_app, rng=np.random.default_rng(0), parameters={"pages": {"/": "<title>Home</title>"}}
    )
    yield opened
    opened.close()


def address(path="/"):
    return f"http://127.0.0.1:{AppServer.shared().port}{path}"


def ask(episode, path="/", method="GET", content=None, **headers):
    named = {"host": episode.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.request(method, address(path), headers=named, content=content, timeout=20)


def raw(data, timeout_s=20.0):
    """Send bytes and return what comes back until the server closes or the time is over."""
    answer = b""
    with socket.create_connection(("127.0.0.1", AppServer.shared().port)) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(data)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while data := connection.recv(65536):
                answer += data
    return answer


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_another_episode_s_page_is_turned_away_before_the_application(episode, site):
    stranger = "http://0123456789abcdef.hostile.apps.localhost"
    for sender in ({}, {"origin": stranger}, {"referer": stranger + "/"}, {"origin": "null"}, {"origin": "http://["}):
        assert ask(episode, "/hit/away", sec_fetch_site=site, **sender).status_code == 403
    assert episode.state() == {"hits": []}


@pytest.mark.parametrize(
    "sender", [{}, {"sec_fetch_site": "none"}, {"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "same-site"}]
)
def test_an_episode_s_own_pages_pass(episode, sender):
    if sender.get("sec_fetch_site") == "same-site":  # as from a sandboxed frame of its own
        sender = {**sender, "origin": "null", "referer": episode.origin + "/"}
    assert ask(episode, "/hit/own", **sender).status_code == 200
    assert episode.state() == {"hits": ["own"]}


def test_applications_of_one_episode_may_speak_to_each_other(episode, hostile_app):
    second = AppServer.shared().open(
        hostile_app, rng=np.random.default_rng(0), parameters={"pages": {}}, beside=episode
    )
    assert ask(second, "/hit/x", sec_fetch_site="same-site", origin=episode.origin).status_code == 200
    assert ask(episode, "/hit/y", sec_fetch_site="same-site", referer=second.origin + "/").status_code == 200
    assert episode.origin in ask(second, "/").headers["content-security-policy"]
    second.close()
    assert ask(episode, "/hit/z", sec_fetch_site="same-site", referer=second.origin + "/").status_code == 403
    assert second.origin not in ask(episode, "/").headers["content-security-policy"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (
            403,
            {"upgrade": "websocket", "connection": "upgrade", "sec_websocket_key": "x", "sec_websocket_version": "13"},
        ),
        (403, {"upgrade": "h2c", "connection": "upgrade"}),
        (403, {"service_worker": "script"}),
        (503, {"sec_purpose": "prefetch"}),
        (503, {"sec_purpose": "prefetch;prerender"}),
    ],
)
def test_what_would_act_behind_the_agent_s_back_is_turned_away(episode, status, headers):
    assert ask(episode, "/hit/x", **headers).status_code == status
    assert episode.state() == {"hits": []}


def test_every_answer_binds_its_page(episode, hostile_app):
    for path in ("/", "/missing", "/hit/x"):
        headers = ask(episode, path).headers
        assert "default-src 'self' http" not in headers["content-security-policy"].replace(episode.origin, "")
        assert "geolocation=()" in headers["permissions-policy"]
    hostile_app.features = frozenset({"fullscreen"})
    try:
        policy = ask(episode, "/").headers["permissions-policy"]
        assert "fullscreen=(self)" in policy
        assert "camera=()" in policy
    finally:
        del hostile_app.features


def test_a_large_body_is_refused_by_its_length_and_by_its_bytes(episode, monkeypatch):
    monkeypatch.setattr(request_gate, "MAX_BODY_BYTES", 1_000)
    assert ask(episode, "/echo", "POST", b"x" * 1_000).text == "1000 bytes came"
    assert ask(episode, "/echo", "POST", b"x" * 1_001).status_code == 413
    assert ask(episode, "/echo", "POST", (b"x" * 100 for _ in range(10))).text == "1000 bytes came"
    assert ask(episode, "/echo", "POST", (b"x" * 100 for _ in range(11))).status_code in (413, 500)
    answer = raw(b"POST /echo HTTP/1.1\r\nHost: " + episode.host.encode() + b"\r\nContent-Length: +5\r\n\r\nhello", 2)
    assert answer.startswith(b"HTTP/1.1 4")
    episode.check()  # whoever sends too much is not the application's failure


def test_an_endless_answer_ends_and_is_the_application_s_failure(episode, monkeypatch):
    monkeypatch.setattr(app_server, "MAX_ANSWER_BYTES", 1_000_000)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(episode, "/endless")
    with pytest.raises(AppServerError, match="more than 1000000 bytes"):
        episode.state()


def test_half_sent_requests_are_closed_and_keep_nobody_waiting(episode, monkeypatch):
    monkeypatch.setattr(http_deadline, "HEAD_DEADLINE_S", 0.5)
    monkeypatch.setattr(app_server, "REQUEST_DEADLINE_S", 1.5)
    host = episode.host.encode()
    starts = [
        b"",
        b"GE",
        b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nX: ",
        b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\nGET / HT",
    ]
    began = time.monotonic()
    slow = [socket.create_connection(("127.0.0.1", AppServer.shared().port)) for _ in range(100)]
    for number, connection in enumerate(slow):
        connection.sendall(starts[number % len(starts)])
    assert ask(episode).status_code == 200
    for connection in slow:
        connection.settimeout(15)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65536):
                pass
        connection.close()
    assert time.monotonic() - began < 15
    assert ask(episode).status_code == 200


def test_a_body_that_never_comes_ends_with_the_request_s_deadline(episode, hostile_app, monkeypatch):
    monkeypatch.setattr(app_server, "REQUEST_DEADLINE_S", 0.5)
    head = b"POST /echo HTTP/1.1\r\nHost: " + episode.host.encode() + b"\r\nContent-Length: 100\r\n\r\nonly this"
    assert raw(head, 10).startswith(b"HTTP/1.1 500")
    other = AppServer.shared().open(hostile_app, rng=np.random.default_rng(0), parameters={"pages": {"/": "fine"}})
    assert ask(other).text.endswith("fine")
    other.close()


TRAVERSALS = (
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2fetc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/....//....//etc/passwd",
    "/..\\..\\etc\\passwd",
    "//etc/passwd",
    "/static/../../../../etc/passwd",
    "/%00/etc/passwd",
    "file:///etc/passwd",
)
PARAMETERS = {
    "reports": {"section": "Sales", "area": "North", "topic": "Budget", "decoy_topic": "Costs"},
}


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_to_a_file_of_the_machine(episode, path):
    bundled = AppServer.shared().open(
        get_app("reports"), rng=np.random.default_rng(0), parameters=PARAMETERS["reports"]
    )
    for each in (episode, bundled):
        answer = raw(f"GET {path} HTTP/1.1\r\nHost: {each.host}\r\nConnection: close\r\n\r\n".encode())
        assert b"root:" not in answer
        assert not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 5")), answer[:200]
        each.check()
    bundled.close()


HOSTILE_TEXT = "x'); DROP TABLE report; -- \" <script>document.title='XSS'</script> %s ? :1 \u202e ' OR '1'='1"


def test_sql_and_markup_in_a_task_s_parameters_are_only_text():
    parameters = {**PARAMETERS["reports"], "area": HOSTILE_TEXT}
    instance = AppServer.shared().open(get_app("reports"), rng=np.random.default_rng(0), parameters=parameters)
    names = [report["name"] for report in instance.state()["reports"]]
    assert f"{HOSTILE_TEXT} Budget" in names
    assert len(names) == 20
    page = ask(instance, "/sections/Sales").text
    assert "<script>document.title" not in page
    assert "&lt;script&gt;" in page
    injected = "/reports/x'%20OR%20'1'='1"
    assert ask(instance, injected).status_code == 404
    assert instance.state()["viewed"] == []
    instance.close()


def test_only_this_machine_can_connect():
    with socket.socket() as probe:
        probe.settimeout(3)
        assert probe.connect_ex((own_address(), AppServer.shared().port)) != 0


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine is on no network")
        if probe.getsockname()[0].startswith("127."):
            pytest.skip("this machine is on no network")
        return str(probe.getsockname()[0])


def test_a_name_is_too_long_to_guess(hostile_app):
    names = set()
    for _ in range(50):
        each = AppServer.shared().open(hostile_app, rng=np.random.default_rng(0), parameters={"pages": {}})
        names.add(each.host.partition(".")[0])
        each.close()
    assert len(names) == 50
    assert min(len(bytes.fromhex(name)) for name in names) >= 8
