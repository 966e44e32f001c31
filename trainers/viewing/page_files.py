"""The page's own files, as the server gives them one by one and as an exported file holds them in one."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from string import Template
from typing import Any

import orjson

SCRIPTS = ("dom.js", "source.js", "list.js", "moment.js", "episode.js", "compare.js", "curves.js", "main.js")
"""In the order in which one may need what another before it defines."""

_LINKS = (
    '<link rel="icon" href="icon.svg">\n<link rel="stylesheet" href="view.css">\n'
    '<script type="module" src="main.js"></script>'
)
_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(async )?(function|class|const|let) )", re.MULTILINE)


def page_html() -> bytes:
    """Return the page that loads its style and scripts from beside it."""
    return _text("view.html").replace("<!-- files -->", _LINKS).encode()


def page_in_one(data: dict[str, Any]) -> bytes:
    """Return the page as one file that needs nothing else and may load nothing.

    Its scripts are put one after another, their imports and exports taken out; so no two of them give the same name to
    different things at their top. What it shows lies in it as JSON, in which no `<` is left, so that no text in it can
    end it.
    """
    style = _text("view.css")
    script = "\n".join(_EXPORT.sub("", _IMPORT.sub("", _text(name))) for name in SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    held = orjson.dumps(data).decode().replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    parts = Template(
        '<meta http-equiv="Content-Security-Policy" content="$policy">\n'
        '<meta name="referrer" content="no-referrer">\n<style>$style</style>\n'
        '<script type="application/json" id="held">$held</script>\n<script type="module">$script</script>'
    ).substitute(policy=policy, style=style, held=held, script=script)
    before, _, after = _text("view.html").partition("<!-- files -->")
    return (before + parts + after).encode()


def _text(name: str) -> str:
    return files(__package__).joinpath("page", name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


__all__ = ["SCRIPTS", "page_html", "page_in_one"]
