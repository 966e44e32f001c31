"""The labelling page of a run, served in this process."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milepost.trainers.labelling.plan import PlanSettings, make_plan
from milepost.trainers.labelling.server import LabelPage
from milepost.trainers.labelling.session import LabelSession
from milepost.trainers.local_page.server import LocalServer
from milepost.trainers.pictures import PictureMaker, picture_folder
from milepost.trainers.recorded import RecordedEpisodes


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class ServedPage:
    """A page's server, and what asks it."""

    server: LocalServer

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def root(self) -> str:
        return f"/{self.server.token}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, bare: bool = False, **headers: str | None
    ) -> Reply:
        """Send a request as the page would; headers replace the page's own, None leaves one out.

        Args:
            method: GET, POST, ...
            path: beneath the token, unless `bare`.
            body: sent with its length.
            bare: the path is sent as it is.
            headers: names with underscores for hyphens.
        """
        own: dict[str, str | None] = {"host": self.host}
        if method == "POST":
            own |= {"origin": f"http://{self.host}", "content-type": "application/json"}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.putrequest(method, path if bare else self.root + path, skip_host=True, skip_accept_encoding=True)
            for name, value in own.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, path: str, data: Any, **headers: str | None) -> Reply:
        return self.ask("POST", path, json.dumps(data).encode(), bare=False, **headers)


@dataclass(slots=True)
class Served(ServedPage):
    """The labelling page's server, with what stands behind it."""

    session: LabelSession
    out: Path


@contextmanager
def serving(run: Path, annotator: str = "kim", **settings: Any) -> Iterator[Served]:
    plan = make_plan([run], annotator, PlanSettings(**settings))
    session = LabelSession(plan, run / "labels.jsonl")
    episodes = RecordedEpisodes()
    folder = picture_folder(run, run)
    maker = PictureMaker(episodes.trajectory, lambda ref: folder)
    try:
        with LocalServer(LabelPage(session, maker, episodes.trajectory).app()) as server:
            server.start()
            yield Served(server, session, run / "labels.jsonl")
    finally:
        maker.close()
