"""Who is let in by the server, and how much is read of them. Nothing here starts a browser."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from milepost.envs.serving.messages import MAX_MESSAGE_BYTES
from milepost.envs.serving.server import EnvServer
from milepost.sandbox.errors import RunError

from .served import dialled, serving


@pytest.fixture(scope="module")
def server() -> Iterator[EnvServer]:
    with serving("expense-form", hosts=["box.example"]) as found:
        yield found


def get(server: EnvServer, path: str = "/state", **headers: str) -> httpx.Response:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        return client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def refused_handshake(server: EnvServer, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(InvalidStatus) as caught, dialled(server, additional_headers=named):
        pass
    return int(caught.value.response.status_code)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.nip.io:{port}", "localhost.evil.example", ""]
)
def test_a_name_that_was_pointed_here_is_refused(server: EnvServer, host: str):
    assert get(server, Host=host.format(port=server.port)).status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "10.0.0.7", "box.example:80"])
def test_numbers_and_allowed_names_are_served(server: EnvServer, host: str):
    assert get(server, Host=host.format(port=server.port)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_websites_are_refused(server: EnvServer, headers: dict[str, str]):
    assert get(server, **headers).status_code == 403
    assert refused_handshake(server, **headers) == 403
    assert server.sessions.count == 0


def test_a_page_of_the_servers_own_would_be_let_in(server: EnvServer):
    assert get(server, Origin=server.url).status_code == 200
    with dialled(server, origin=server.url):
        pass


def test_a_form_cannot_send_anything(server: EnvServer):
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            assert client.post("/reset", content=b"{}", headers={"Content-Type": kind}).status_code == 415
        assert client.post("/reset", content=b"{}").status_code == 415
        for method in ("PUT", "OPTIONS", "PATCH"):
            assert client.request(method, "/reset").status_code == 405
    assert server.sessions.count == 0


def test_bodies_and_messages_are_bounded(server: EnvServer):
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        body = json.dumps({"pad": "x" * MAX_MESSAGE_BYTES}).encode()
        kind = {"Content-Type": "application/json"}
        assert client.post("/reset", content=body, headers=kind).status_code == 413
        chunks = iter([b"x" * 1000] * 200)
        assert client.post("/reset", content=chunks, headers=kind).status_code == 413
    from websockets.exceptions import ConnectionClosed

    with dialled(server) as client_socket:
        client_socket.send("x" * (MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed) as caught:
            client_socket.recv(timeout=10)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
    gone(server)


def test_a_token_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    with serving("expense-form", token="s3cret") as server:
        assert get(server, "/health").status_code == 200
        for given in ({}, {"Authorization": "Bearer other"}, {"Authorization": "s3cret"}):
            assert get(server, **given).status_code == 401
            assert refused_handshake(server, **given) == 401
        right = {"Authorization": "Bearer s3cret"}
        assert get(server, **right).status_code == 200
        with dialled(server, additional_headers=right):
            pass


def test_half_a_request_holds_nothing(server: EnvServer, monkeypatch: pytest.MonkeyPatch):
    from milepost.envs.serving import gate
    from milepost.sandbox import http_deadline

    monkeypatch.setattr(gate, "BODY_DEADLINE_S", 0.5)
    monkeypatch.setattr(http_deadline, "HEAD_DEADLINE_S", 0.5)
    head = f"POST /reset HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
    for sent, answered in [(head + "Content-Length: 10\r\n\r\n{", b"408"), (head, b""), ("", b"")]:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            raw.sendall(sent.encode())
            assert answered in raw.recv(1000)


def test_a_session_outlives_the_deadline_for_heads(server: EnvServer, monkeypatch: pytest.MonkeyPatch):
    from milepost.sandbox import http_deadline

    monkeypatch.setattr(http_deadline, "HEAD_DEADLINE_S", 0.3)
    with dialled(server) as client_socket:
        time.sleep(0.8)
        client_socket.send('{"type": "state"}')
        assert json.loads(client_socket.recv(timeout=10))["type"] == "state"
    gone(server)


def test_a_taken_port_is_said(server: EnvServer):
    with pytest.raises(RunError, match="Choose another --host or --port"), serving("expense-form", port=server.port):
        pass


def gone(server: EnvServer) -> None:
    """Wait until no session is left."""
    deadline = time.monotonic() + 10
    while server.sessions.count:
        assert time.monotonic() < deadline, f"{server.sessions.count} sessions are left"
        time.sleep(0.02)
