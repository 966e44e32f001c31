"""A task whose page has a good button and one that never returns, to be had without a task file."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from milepost.envs import Task
from milepost.envs.apps import register_app
from milepost.sandbox.app_server import App

PAGE = """<!doctype html><title>Stubborn</title>
<button onclick="log.textContent = 'pressed ' + ++n">Fine</button>
<button onclick="for (;;);">Loop</button>
<p id=log>nothing yet</p><script>let n = 0</script>"""


class Stubborn(App):
    name = "stubborn"

    def create_schema(self, db):
        pass

    def seed(self, db, rng, parameters):
        pass

    def asgi(self):
        async def home(request):
            return HTMLResponse(PAGE)

        return Starlette(routes=[Route("/", home)])

    def state(self, db):
        return {}


def stubborn_task() -> Task:
    """Return the task; three presses of "Fine" solve it."""
    register_app(Stubborn())
    return Task.model_validate(
        {
            "name": "stubborn",
            "family": "test",
            "description": "Press the good button.",
            "app": "stubborn",
            "goal": 'Press "Fine" three times.',
            "max_steps": 10,
            "milestones": [
                {"id": "once", "detector": "element_present", "reward": 0.25, "text": "pressed 1"},
                {"id": "thrice", "detector": "element_present", "reward": 0.5, "text": "pressed 3"},
            ],
            "success": ["thrice"],
            "oracle": ['click("Fine")'] * 3,
        }
    )
