"""Detectors of what goes out: requests of the page, commands of the agent."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs

import jmespath
import orjson
from jmespath.exceptions import JMESPathError
from pydantic import Field, JsonValue, StringConstraints, WithJsonSchema, model_validator

from ..sandbox.events import Process, Request
from .needs import Needs
from .page_view import acted, path_matches, path_of, query_of
from .spec import Glob, Pattern, Query, Spec, Text, collapse, text_matches
from .state_detectors import same_value
from .types import Evidence, Moment

Status = Annotated[int, Field(ge=100, le=599)] | Annotated[str, StringConstraints(pattern=r"^[1-5](xx|\d\d)$")]

_TOLD_CHARS = 500
_BODY_FIELDS = ("body_contains", "body_pattern", "body_query", "form")


class RequestSent(Spec):
    """The page sent a request, and it ended, answered or not.

    The agent cannot write scripts, but a page can send whatever it likes whenever it likes, and what a request
    carries says only what was asked for. Where the server knows better, ask `server_state`. `after_input` at least ties
    the request to something that the agent did.

    Attributes:
        path: glob over the URL's decoded path.
        method: "GET", "POST", ...; any if absent.
        query: query parameters that must be there with these values.
        status: the answer's status, 201 or "2xx"; if absent, whatever came of it.
        form: fields that a form's body (URL-encoded) must hold with these values.
        body_contains: a part of the body, white space collapsed.
        body_pattern: a regular expression for the whole body; only its first 10 000 characters are looked at.
        body_query: JMESPath over a JSON body.
        equals: the answer that `body_query` must give; if absent, anything truthy will do.
        after_input: a trusted click, input or submission before it in the same step is required.
    """

    kind: Literal["request_sent"] = "request_sent"
    path: Glob
    method: Text | None = None
    query: dict[str, str] = Field(default_factory=dict)
    status: Status | None = None
    form: dict[str, str] = Field(default_factory=dict)
    body_contains: Text | None = None
    body_pattern: Pattern | None = None
    body_query: Query | None = None
    equals: Annotated[JsonValue, WithJsonSchema({})] = None
    after_input: bool = False

    @model_validator(mode="after")
    def _says_of_what(self) -> Self:
        if self.equals is not None and self.body_query is None:
            raise ValueError("expected body_query beside equals, got none; say what of the body must be equal to it")
        return self

    def needs(self) -> Needs:
        """Return that bodies are needed, if it asks about them."""
        return Needs(request_bodies=any(getattr(self, field) for field in _BODY_FIELDS))

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a request ended in this step."""
        for place, event in enumerate(moment.events):
            if (
                isinstance(event, Request)
                and self._goes_there(event)
                and self._carries(event.body)
                and (not self.after_input or acted(moment.events[:place]))
            ):
                answer = "without an answer" if event.status is None else f"answered {event.status}"
                body = (event.body or "")[:_TOLD_CHARS]
                facts = {"method": event.method, "url": event.url, "status": event.status, "body": body}
                return Evidence(summary=f"{event.method} {path_of(event.url)} {answer}", facts=facts)
        return None

    def _goes_there(self, event: Request) -> bool:
        given = query_of(event.url)
        return (
            path_matches(path_of(event.url), self.path)
            and (self.method is None or self.method.upper() == event.method.upper())
            and all(value in given.get(key, ()) for key, value in self.query.items())
            and self._was_answered(event.status)
        )

    def _was_answered(self, status: int | None) -> bool:
        if self.status is None:
            return True
        wanted, got = str(self.status), str(status)
        return got == wanted or (wanted.endswith("xx") and status is not None and got[0] == wanted[0])

    def _carries(self, body: str | None) -> bool:
        if not self.needs().request_bodies:
            return True
        if body is None:
            return False
        if self.body_contains is not None and collapse(self.body_contains) not in collapse(body):
            return False
        if not text_matches(body, None, None, self.body_pattern):
            return False
        fields = parse_qs(body, keep_blank_values=True) if self.form else {}
        if not all(value in fields.get(key, ()) for key, value in self.form.items()):
            return False
        return self.body_query is None or self._answers(self.body_query, body)

    def _answers(self, query: str, body: str) -> bool:
        """Tell whether a JSON body answers the query as expected; what is no JSON, or does not fit it, does not."""
        try:
            found: Any = jmespath.search(query, orjson.loads(body))
        except (orjson.JSONDecodeError, JMESPathError):
            return False
        return bool(found) if self.equals is None else same_value(found, self.equals)


class ProcessRan(Spec):
    """A command that the agent gave ran to its end, within its limits.

    The command's text is the agent's own: `true || make report` says `make report` too. So give the whole command, or
    a strict pattern, and let the files or the state say what it did.

    Attributes:
        command: the whole command, white space collapsed (`command_contains`, `command_pattern`).
        exit_code: what it must end with, or "any".
    """

    kind: Literal["process_ran"] = "process_ran"
    command: Text | None = None
    command_contains: Text | None = None
    command_pattern: Pattern | None = None
    exit_code: Annotated[int, Field(ge=0, le=255)] | Literal["any"] = 0

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not (self.command or self.command_contains or self.command_pattern):
            raise ValueError("expected one of command, command_contains, command_pattern, got none; say which command")
        return self

    def detect(self, moment: Moment) -> Evidence | None:
        """Return evidence if such a command ended in this step."""
        for event in moment.events:
            if (
                isinstance(event, Process)
                and not event.timed_out
                and event.exit_code is not None
                and self.exit_code in ("any", event.exit_code)
                and text_matches(event.command, self.command, self.command_contains, self.command_pattern)
            ):
                return Evidence(
                    summary=f'"{event.command}" ended with {event.exit_code}',
                    facts={
                        "command": event.command,
                        "exit_code": event.exit_code,
                        "output_sha256": event.output_sha256,
                    },
                )
        return None


__all__ = ["ProcessRan", "RequestSent"]
