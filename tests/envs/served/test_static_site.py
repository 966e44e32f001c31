"""A folder as a site: what it shows, and all the ways in which it shows nothing else."""

import os

import pytest

from milepost.envs.served.static_site import StaticSite, content_type


@pytest.fixture
def folder(tmp_path):
    site = tmp_path / "site"
    (site / "docs" / "deep").mkdir(parents=True)
    (site / "empty").mkdir()
    (site / ".git").mkdir()
    for path, text in {
        "index.html": "<title>Home</title>Grüße",
        "docs/index.html": "<title>Docs</title>",
        "docs/deep/data.json": '{"a": 1}',
        "two words.html": "<title>Two</title>",
        "app.mjs": "export {}",
        "blob.weird": "x",
        ".env": "SECRET",
        ".git/config": "SECRET",
    }.items():
        (site / path).write_text(text, encoding="utf-8")
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "site-beside").mkdir()
    (tmp_path / "site-beside" / "index.html").write_text("SECRET")
    (site / "out.txt").symlink_to(tmp_path / "secret.txt")
    (site / "inside.html").symlink_to(site / "index.html")
    (site / "around").symlink_to(tmp_path)
    os.mkfifo(site / "pipe.html")
    return site


def test_pages_come_as_they_stand(serve, folder):
    site = serve(StaticSite(folder))
    home = site.ask("/")
    assert home.status_code == 200
    assert home.text == "<title>Home</title>Grüße"
    assert home.headers["content-type"] == "text/html; charset=utf-8"
    assert site.ask("/index.html").text == home.text
    assert site.ask("/docs/?a=1").text == "<title>Docs</title>"
    assert site.ask("/docs/deep/data.json").json() == {"a": 1}
    assert site.ask("/two%20words.html").text == "<title>Two</title>"
    assert site.ask("/app.mjs").headers["content-type"].startswith("text/javascript")
    assert site.ask("/blob.weird").headers["content-type"] == "application/octet-stream"
    assert site.state() == {}


def test_answers_depend_on_nothing_but_the_files(serve, folder):
    names = {name.lower() for name in serve(StaticSite(folder)).ask("/").headers}
    assert not names & {"last-modified", "etag", "expires", "set-cookie"}


def test_a_folder_is_led_to_with_its_slash_and_stays_on_the_site(serve, folder):
    site = serve(StaticSite(folder))
    answer = site.ask("/docs?x=/y")
    assert (answer.status_code, answer.headers["location"]) == (308, "/docs/?x=/y")
    assert "location" not in site.ask("//example.org/docs").headers


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/empty/",
        "/../secret.txt",
        "/docs/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%252e%252e/secret.txt",
        "/docs/..%2f..%2fsecret.txt",
        "/../site-beside/index.html",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/%2Fetc%2Fpasswd",
        "/file:///etc/passwd",
        "/index.html%00.txt",
        "/out.txt",
        "/inside.html",
        "/around/secret.txt",
        "/around/site/index.html",
        "/.env",
        "/.git/config",
        "/docs/./index.html",
        "/pipe.html",
        "/index.html/",
        "/index.html/x",
        "/" + "a" * 5000,
        "/%ff%fe",
        "/~root/",
    ],
)
def test_nothing_else_is_there(serve, folder, path):
    answer = serve(StaticSite(folder)).ask(path)
    assert answer.status_code == 404
    assert "SECRET" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_it_can_only_be_read(serve, folder, method):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.html") if path.is_file()}
    assert serve(StaticSite(folder)).ask("/index.html", method, content=b"x").status_code == 405
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.html") if path.is_file()}


def test_head_has_no_body(serve, folder):
    answer = serve(StaticSite(folder)).ask("/", "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_its_own_page_says_what_is_missing(serve, folder):
    (folder / "404.html").write_text("<title>Lost</title>")
    answer = serve(StaticSite(folder)).ask("/nowhere")
    assert (answer.status_code, answer.text) == (404, "<title>Lost</title>")


def test_two_episodes_have_two_origins(serve, folder):
    site = StaticSite(folder)
    one, other = serve(site), serve(site)
    assert one.instance.origin != other.instance.origin
    stranger = {"sec-fetch-site": "cross-site", "origin": other.instance.origin}
    assert one.ask("/", headers=stranger).status_code == 403


def test_a_site_may_be_reached_by_a_link_and_be_large(serve, folder, tmp_path):
    (folder / "large.bin").write_bytes(os.urandom(1_000_000))
    (tmp_path / "link").symlink_to(folder)
    answer = serve(StaticSite(tmp_path / "link")).ask("/large.bin")
    assert answer.content == (folder / "large.bin").read_bytes()


def test_it_knows_its_pages(folder):
    site = StaticSite(folder)
    assert all(map(site.has, ["/", "/docs", "/docs/", "/two words.html"]))
    assert not any(map(site.has, ["/nowhere", "/empty", "/empty/", "/../secret.txt", "/.env"]))


def test_content_types_are_python_s_own():
    assert content_type("a.html") == "text/html; charset=utf-8"
    assert content_type("a.svg") == "image/svg+xml; charset=utf-8"
    assert content_type("a.png") == "image/png"
    assert content_type("a.tar.gz") == content_type("noend") == "application/octet-stream"
