"""The console application: settings by section with a guard for unsaved changes, members, access keys, devices."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..desk import Desk, fields, found, number_of, say, see_other, sheet_of
from ..website import database
from . import store
from .content import GROUPS, ROLES, ROWS_PER_PAGE, SCOPES, TERMS, draw_devices, draw_keys, draw_members, wanted_of
from .preferences import SECTIONS, Choice, Line, Number

_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+[.][A-Za-z]{2,}")


class ConsoleApp(Desk):
    """Four sections of settings, two hundred members, access keys and devices; every name is unique.

    Pages: `/`, `/settings/<section>` (leaving it with unsaved changes asks first), `/members` (query `q`, `sort`,
    `way`, `page`), `/members/<number>` (`act=remove`), `/members/invite`, `/keys`, `/keys/<number>` (`act=revoke`),
    `/keys/new`, `/devices`.
    Task parameters, none needed: `member` with `member_role`; `key` with `key_used`; `device`; none of the settings.
    State: `settings`, those that are not as they were, by key; `saves`; `members`, those that are not as they were,
    `{name, role, active}`; `removed`, `revoked` and `signed_out`, names; `invitations`, `{email, role, teams,
    message}`; `keys`, those that were made, `{name, scopes, term, secret}`; `wanted`, when the task's key was last
    `used`.
    """

    name = "console"
    brand: ClassVar[str] = "Harbor Console"
    folder: ClassVar[Path] = Path(__file__).parent
    schema: ClassVar[str] = store.SCHEMA
    menu: ClassVar[tuple[tuple[str, str], ...]] = (
        ("/", "Overview"),
        *((f"/settings/{section}", section) for section in SECTIONS),
        ("/members", "Members"),
        ("/keys", "Access keys"),
        ("/devices", "Devices"),
    )
    columns: ClassVar[tuple[str, ...]] = ("E-mail", "Role", "Status")
    wordings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "save": ("Save", "Save changes"),
        "make": ("Create key", "Create key now"),
        "invite": ("Send invitation", "Send invitation now"),
    }

    def fill(self, db: sqlite3.Connection, rng: np.random.Generator, parameters: Mapping[str, Any]) -> None:
        """Draw the settings, the members, the keys and the devices."""
        wanted = wanted_of(parameters)
        settings = {}
        for section in SECTIONS.values():
            for key, setting in section.items():
                if isinstance(setting, Choice):
                    settings[key] = setting.options[0]
                else:
                    settings[key] = str(setting.first) if isinstance(setting, Line | Number) else ""
        store.fill(
            db,
            settings,
            draw_members(rng, wanted),
            draw_keys(rng, wanted),
            draw_devices(rng, wanted),
            wanted,
            int(rng.integers(1, 2**31 - 2)),
        )

    def state(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return what was changed, made and removed."""
        return store.state(db)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the pages, and what their forms post to."""
        return [
            Route("/", self._overview),
            Route("/settings/{section}", self._section, methods=["GET"]),
            Route("/settings/{section}", self._save, methods=["POST"]),
            Route("/members", self._members),
            Route("/members/invite", self._invite, methods=["GET"]),
            Route("/members/invite", self._invited, methods=["POST"]),
            Route("/members/{number}", self._member, methods=["GET"]),
            Route("/members/{number}", self._change, methods=["POST"]),
            Route("/members/{number}/remove", self._remove, methods=["POST"]),
            Route("/keys", self._keys),
            Route("/keys/new", self._new_key, methods=["GET"]),
            Route("/keys/new", self._make_key, methods=["POST"]),
            Route("/keys/{number}", self._key),
            Route("/keys/{number}/revoke", self._revoke, methods=["POST"]),
            Route("/devices", self._devices),
            Route("/devices/sign-out", self._sign_out, methods=["POST"]),
        ]

    # ---------------------------------------------------------------- settings

    async def _overview(self, request: Request) -> Response:
        db = database(request)
        now = store.settings(db)
        counts = {
            "Members": len(store.members(db, "", "Name", down=False)),
            "Access keys": len(store.keys(db)),
            "Devices": len(store.devices(db, "")),
        }
        return self.view(request, "overview.html", here="Overview", workspace=now["workspace"], counts=counts)

    async def _section(self, request: Request) -> Response:
        return self._section_page(request, _section(request), store.settings(database(request)), {})

    def _section_page(
        self, request: Request, section: str, values: Mapping[str, str], errors: Mapping[str, str]
    ) -> Response:
        return self.view(
            request,
            "section.html",
            here=section,
            status_code=422 if errors else 200,
            section=section,
            settings=[(key, type(setting).__name__, setting) for key, setting in SECTIONS[section].items()],
            values=values,
            errors=errors,
        )

    async def _save(self, request: Request) -> Response:
        section = _section(request)
        given = await fields(request, list(SECTIONS[section]))
        errors = {key: problem for key, value in given.items() if (problem := SECTIONS[section][key].problem(value))}
        if errors:
            return self._section_page(request, section, given, errors)
        is_new = store.save(database(request), given)
        say(database(request), "Changes saved" if is_new else "Nothing to save")
        return see_other(f"/settings/{section}")

    # ---------------------------------------------------------------- members

    async def _members(self, request: Request) -> Response:
        query = " ".join(request.query_params.get("q", "").split())[:80]
        order = request.query_params.get("sort", "")
        down = request.query_params.get("way") == "down"
        order, down = (order, down) if order in store.ORDERS else ("Name", False)
        rows = store.members(database(request), query, order, down=down)
        sheet = sheet_of(rows, request, size=ROWS_PER_PAGE, keep=("q",))
        members = [_shown(row) for row in sheet.rows]
        return self.view(request, "members.html", here="Members", query=query, sheet=sheet, members=members)

    async def _member(self, request: Request) -> Response:
        row = _member(request)
        given = {"role": row["role"], "active": "yes" * row["active"]}
        return self._member_page(request, row, given, {}, modal=request.query_params.get("act", ""))

    def _member_page(
        self,
        request: Request,
        row: sqlite3.Row,
        given: Mapping[str, str],
        errors: Mapping[str, str],
        *,
        modal: str = "",
    ) -> Response:
        return self.view(
            request,
            "member.html",
            here="Members",
            status_code=422 if errors else 200,
            member=row,
            address=f"/members/{row['number']}",
            roles=ROLES,
            given=given,
            errors=errors,
            modal=modal,
        )

    async def _change(self, request: Request) -> Response:
        row = _member(request)
        given = await fields(request, ["role", "active"])
        if given["role"] not in ROLES:
            return self._member_page(request, row, given, {"role": "Choose a role"})
        store.change_member(database(request), row["number"], given["role"], active=bool(given["active"]))
        say(database(request), "Changes saved")
        return see_other(f"/members/{row['number']}")

    async def _remove(self, request: Request) -> Response:
        row = _member(request)
        given = await fields(request, ["confirm"])
        if given["confirm"] != row["name"]:
            shown = {"role": row["role"], "active": "yes" * row["active"]}
            errors = {"confirm": "This is not the member's name"}
            return self._member_page(request, row, shown, errors, modal="remove")
        store.remove_member(database(request), row["number"])
        say(database(request), f"{row['name']} removed")
        return see_other("/members")

    async def _invite(self, request: Request) -> Response:
        return self._invite_page(request, {"email": "", "role": "", "message": ""}, [], {})

    def _invite_page(
        self, request: Request, given: Mapping[str, str], teams: Sequence[str], errors: Mapping[str, str]
    ) -> Response:
        return self.view(
            request,
            "invite.html",
            here="Members",
            status_code=422 if errors else 200,
            given=given,
            chosen=teams,
            roles=ROLES,
            groups=GROUPS,
            errors=errors,
        )

    async def _invited(self, request: Request) -> Response:
        given = await fields(request, ["email", "role", "message"])
        async with request.form(max_files=0) as form:
            teams = [group for group in GROUPS if group in form.getlist("teams")]
        errors = {}
        if not _ADDRESS.fullmatch(given["email"]):
            errors["email"] = "E-mail is not an address"
        if given["role"] not in ROLES:
            errors["role"] = "Choose a role"
        if len(given["message"]) > 200:
            errors["message"] = "Message is too long"
        if errors:
            return self._invite_page(request, given, teams, errors)
        store.invite(database(request), given["email"].lower(), given["role"], teams, given["message"])
        say(database(request), f"Invitation sent to {given['email'].lower()}")
        return see_other("/members")

    # ---------------------------------------------------------------- keys and devices

    async def _keys(self, request: Request) -> Response:
        sheet = sheet_of(store.keys(database(request)), request, size=ROWS_PER_PAGE)
        return self.view(request, "keys.html", here="Access keys", sheet=sheet, keys=sheet.rows)

    async def _key(self, request: Request) -> Response:
        return self._key_page(request, _key(request), request.query_params.get("act", ""), {})

    def _key_page(self, request: Request, row: sqlite3.Row, modal: str, errors: Mapping[str, str]) -> Response:
        return self.view(
            request,
            "key.html",
            here="Access keys",
            status_code=422 if errors else 200,
            key=row,
            secret=store.show_secret(database(request), row),
            address=f"/keys/{row['number']}",
            modal=modal,
            errors=errors,
        )

    async def _revoke(self, request: Request) -> Response:
        row = _key(request)
        given = await fields(request, ["confirm"])
        if given["confirm"] != row["name"]:
            return self._key_page(request, row, "revoke", {"confirm": "This is not the key's name"})
        store.revoke(database(request), row["number"])
        say(database(request), f"{row['name']} revoked")
        return see_other("/keys")

    async def _new_key(self, request: Request) -> Response:
        return self._new_key_page(request, {"name": "", "term": ""}, [], {})

    def _new_key_page(
        self, request: Request, given: Mapping[str, str], scopes: Sequence[str], errors: Mapping[str, str]
    ) -> Response:
        return self.view(
            request,
            "newkey.html",
            here="Access keys",
            status_code=422 if errors else 200,
            given=given,
            chosen=scopes,
            scopes=SCOPES,
            terms=TERMS,
            errors=errors,
        )

    async def _make_key(self, request: Request) -> Response:
        db = database(request)
        given = await fields(request, ["name", "term"])
        async with request.form(max_files=0) as form:
            scopes = [scope for scope in SCOPES if scope in form.getlist("scopes")]
        errors = {}
        if not given["name"] or len(given["name"]) > 40:
            errors["name"] = "Name is missing" if not given["name"] else "Name is too long"
        elif db.execute("SELECT 1 FROM access_key WHERE name = ?", (given["name"],)).fetchone():
            errors["name"] = "There is a key of this name"
        if given["term"] not in TERMS:
            errors["term"] = "Choose how long it is valid"
        if not scopes:
            errors["scopes"] = "Choose what it may do"
        if errors:
            return self._new_key_page(request, given, scopes, errors)
        number = store.add_key(db, given["name"], scopes, given["term"])
        say(db, "Key created")
        return see_other(f"/keys/{number}")

    async def _devices(self, request: Request) -> Response:
        query = " ".join(request.query_params.get("q", "").split())[:80]
        sheet = sheet_of(store.devices(database(request), query), request, size=ROWS_PER_PAGE, keep=("q",))
        return self.view(request, "devices.html", here="Devices", query=query, sheet=sheet, devices=sheet.rows)

    async def _sign_out(self, request: Request) -> Response:
        given = await fields(request, ["device"])
        name = store.sign_out(database(request), number_of(given["device"]))
        if name is None:
            raise HTTPException(404)
        say(database(request), f"{name} is signed out")
        return see_other("/devices")


def _section(request: Request) -> str:
    name = str(request.path_params["section"])
    if name not in SECTIONS:
        raise HTTPException(404)
    return name


def _member(request: Request) -> sqlite3.Row:
    return found(store.member(database(request), number_of(request.path_params["number"])))


def _key(request: Request) -> sqlite3.Row:
    return found(store.key(database(request), number_of(request.path_params["number"])))


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    """Return what the list shows of a member; the drawn columns stand under their headings."""
    return {
        "name": row["name"],
        "href": f"/members/{row['number']}",
        "E-mail": row["email"],
        "Role": row["role"],
        "Status": "Active" if row["active"] else "Paused",
    }


__all__ = ["ConsoleApp"]
