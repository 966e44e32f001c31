"""A site that is allowed by name, here a second server of this machine."""

import http.server
import threading

import pytest

from milepost.envs.places import places_of
from milepost.errors import AppServerError


class Site(http.server.BaseHTTPRequestHandler):
    """Shows where it is, whatever it is asked; counts nothing, keeps nothing."""

    def do_GET(self):
        host = self.headers["Host"]
        other = self.server.other  # type: ignore[attr-defined]
        pages = {
            "/": ("text/html", f'<a href="http://{host}/next">next</a> <img src="//{host}/x.png"> http://{host}.evil/'),
            "/beside": ("text/html", f'<a href="http://{other}/there">there</a>'),
            "/data": ("application/json", f'{{"self": "http:\\/\\/{host}\\/x"}}'),
            "/raw": ("application/octet-stream", f"http://{host}/"),
            "/headers": ("application/octet-stream", "\n".join(f"{k.lower()}: {v}" for k, v in self.headers.items())),
        }
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", f"http://{host}/next")
            self.send_header("Set-Cookie", f"s=1; Domain={host.partition(':')[0]}; Path=/; HttpOnly")
            self.send_header("Strict-Transport-Security", "max-age=1")
            self.send_header("Content-Security-Policy", f"default-src http://{host}")
            self.end_headers()
            return
        kind, text = pages.get(self.path, ("text/html", "nothing"))
        self.send_response(200 if self.path in pages else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Set-Cookie", "seen=1")
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(b"got " + body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def sites():
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) for _ in range(2)]
    hosts = [f"127.0.0.1:{server.server_address[1]}" for server in servers]
    for server, other in zip(servers, reversed(hosts), strict=True):
        server.other = other  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [f"http://{host}" for host in hosts]
    for server in servers:
        server.shutdown()
        server.server_close()


def test_its_addresses_are_the_episode_s_on_the_way_in_and_its_own_on_the_way_out(serve, sites):
    (place, _) = places_of(None, None, tuple(sites))
    episode = serve(place.app)
    origin, host = episode.instance.origin, episode.instance.host
    assert episode.ask("/").text == f'<a href="{origin}/next">next</a> <img src="//{host}/x.png"> {sites[0]}.evil/'
    assert episode.ask("/data").json() == {"self": f"{origin}/x"}
    assert episode.ask("/raw").content.decode() == f"{sites[0]}/"
    told = episode.ask("/headers", headers={"referer": f"{origin}/page", "x-own": "1", "cookie": "a=b"}).text
    assert f"host: {sites[0][7:]}" in told
    assert f"referer: {sites[0]}/page" in told
    assert "x-own: 1" in told
    assert "cookie: a=b" in told
    assert "apps.localhost" not in told


def test_redirects_cookies_and_rules_are_bound_to_the_episode(serve, sites):
    (place, _) = places_of(None, None, tuple(sites))
    episode = serve(place.app)
    moved = episode.ask("/moved")
    assert (moved.status_code, moved.headers["location"]) == (302, f"{episode.instance.origin}/next")
    assert moved.headers["set-cookie"] == "s=1; Path=/; HttpOnly"
    assert "strict-transport-security" not in moved.headers
    assert sites[0] not in moved.headers["content-security-policy"]
    assert "cookie:" not in episode.ask("/headers").text, "what a site sets, the browser keeps, and nobody else"


def test_two_hosts_of_one_episode_know_each_other(serve, sites):
    first, second = (place.app for place in places_of(None, None, tuple(sites)))
    one = serve(first)
    other = serve(second, beside=one)
    assert one.ask("/beside").text == f'<a href="{other.instance.origin}/there">there</a>'
    alone = serve(first)
    assert alone.ask("/beside").text == f'<a href="{sites[1]}/there">there</a>'


def test_what_is_sent_arrives(serve, sites):
    (place, _) = places_of(None, None, tuple(sites))
    answer = serve(place.app).ask("/form", "POST", content=b"a=1+2")
    assert (answer.status_code, answer.text) == (201, "got a=1+2")


def test_a_site_that_is_not_there_is_a_typed_failure(serve):
    (place,) = places_of(None, None, ("http://127.0.0.1:9",))
    episode = serve(place.app)
    assert episode.ask("/").status_code == 500
    with pytest.raises(AppServerError, match=r"the site http://127.0.0.1:9 could not be asked for GET /"):
        episode.state()


def test_it_is_shown_by_its_own_name():
    places = places_of(None, None, ("https://example.org", "http://127.0.0.1:8000"))
    assert [place.origin for place in places] == ["https://example.org", "http://127.0.0.1:8000"]
