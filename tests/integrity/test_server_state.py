"""Server-side state, from the browser: other episodes, the evaluator's addresses, ports, and texts that mean harm."""

import pytest

from milepost.sandbox.app_server import AppServer
from milepost.sandbox.browser_process import user_data_folder
from milepost.sandbox.browser_thread import BrowserThread
from milepost.sandbox.fleet import Fleet

from .attacks import Family
from .stage import NOTHING, Stage, play_on

pytestmark = pytest.mark.browser

server = Family("Server-side state", __name__)

REACH = """
const reach = async (url) => {
  const said = [], body = new URLSearchParams({name: "Ada", amount: "5"});
  const tries = {
    read: () => fetch(url).then((r) => r.text()),
    post: () => fetch(url, {method: "POST", body}).then((r) => "status " + r.status),
    blind: () => fetch(url, {method: "POST", mode: "no-cors", credentials: "include", body}).then((r) => r.type),
    beacon: () => Promise.resolve("queued " + navigator.sendBeacon(url, body)),
    socket: () => new Promise((done, fail) => {
      const socket = new WebSocket(url.replace("http", "ws"));
      socket.onopen = () => done("open"); socket.onerror = () => fail(new Error("closed"));
    }),
  };
  for (const [name, attempt] of Object.entries(tries)) {
    said.push(name + ": " + await attempt().catch((error) => error.name));
  }
  new Image().src = url;
  out.textContent = "tried " + said.join(", ");
};
const send = (url) => {
  const form = document.createElement("form");
  Object.assign(form, {action: url, method: "POST", target: "sink"});
  for (const [name, value] of [["name", "Ada"], ["amount", "5"]]) {
    form.append(Object.assign(document.createElement("input"), {name, value}));
  }
  document.body.append(form);
  form.submit();
};"""

ORDERS = Stage(
    name="orders",
    actions=("basic", "time"),
    milestones=[
        {
            "id": "ordered",
            "catalogue": "message_sent",
            "detector": "server_state",
            "query": "length(orders[?name == 'Ada'])",
            "equals": 1,
        }
    ],
    honest=['fill("Name", "Ada")', 'fill("Amount", "5")', 'click("Place order")'],
    pages={
        "/": f"""<title>Shop</title><form action=/orders method=post><label>Name <input name=name></label>
<label>Amount <input name=amount></label><button>Place order</button></form>
<label>Address <input id=at></label><button onclick="reach(at.value)">Reach</button>
<button onclick="send(at.value)">Send</button><p id=out></p>
<iframe name=sink title=Sink></iframe><script>{REACH}</script>"""
    },
)


def reached(play, address):
    """Have the page's script try an address in every way it has."""
    return play(ORDERS, f'fill("Address", "{address}")', 'click("Reach")', "wait(2000)", 'click("Send")', "noop()")


def test_the_honest_way_pays_on_the_same_page(play):
    assert play.honest(ORDERS).earned == (1.0, {"ordered"})


def test_the_script_is_alive_at_its_own_application(play):
    """What pages send to their own server is theirs to send: there the same script does place orders."""
    placed = reached(play, "/orders").snapshot.app_state["orders"]
    assert len(placed) == 4


@server.attack(
    "evaluator-paths", tries="opens the addresses under which an evaluator might answer on the page's own origin",
    defence="state, milestones and ledgers have no address; detectors read the state within the process",
)  # fmt: skip
def test_evaluator_paths(play):
    names = ("state", "api/state", "_state", ".milepost/state", "milestones.json", "reward", "ledger.jsonl", "rescore")
    lie = play(ORDERS, *(f'goto("/{name}")' for name in names))
    assert all(observation["page"] == "nothing here" for observation in lie.observations[1:])
    assert lie.earned == NOTHING


@server.attack(
    "another-episode", tries="has an episode's page place the order in another episode, whose address it was told",
    defence="the browser sends nothing there, and the server takes an episode's requests from its own pages only",
)  # fmt: skip
def test_another_episode(play):
    robbed = ORDERS.make()
    robbed.reset(seed=3)
    assert robbed._episode is not None
    thief = reached(play, robbed._episode._apps[0].origin + "/orders")
    assert "tried read: TypeError" in thief.page
    _, reward, *_ = robbed.step("noop()")
    assert reward == 0.0
    assert robbed._episode.snapshot.app_state["orders"] == []
    robbed.close()
    assert thief.earned == NOTHING


@server.attack(
    "warm-origin", tries="goes to the origin on which pages are kept warm", defence="no episode lives there, and it is "
    "none of the task's hosts"
)  # fmt: skip
def test_warm_origin(play):
    warm = AppServer.shared().warm_url
    lie = reached(play, warm + "orders")
    assert "tried read: TypeError" in lie.page
    refused = play(ORDERS, f'goto("{warm}orders")')
    assert "is refused" in refused.errors
    assert (lie.earned, refused.earned) == (NOTHING, NOTHING)


async def debugging_port():
    """Return the port on which the browser that plays listens for DevTools."""
    leader = next(shard.browser._leader for shard in Fleet.shared()._shards if shard.browser._leader is not None)
    folder = user_data_folder(leader.pid)
    assert folder is not None
    return int((folder / "DevToolsActivePort").read_text().split()[0])


@server.attack(
    "debugging-port", tries="talks to the browser's own debugging port, to be driven and read by it",
    defence="the browser resolves nothing but the applications' server, numbers included",
)  # fmt: skip
def test_debugging_port(play):
    play(ORDERS)
    port = BrowserThread.get().run(debugging_port(), 10)
    for address in (f"http://127.0.0.1:{port}/json/version", f"http://localhost:{port}/json/list"):
        lie = reached(play, address)
        assert "tried read: TypeError" in lie.page
        assert "socket: Error" in lie.page
        refused = play(ORDERS, f'goto("{address}")')
        assert "is refused" in refused.errors
        assert (lie.earned, refused.earned) == (NOTHING, NOTHING)


@server.attack(
    "server-by-number", tries="reaches the applications' server by its number instead of the episode's name",
    defence="the same; and the server knows an episode by its name",
)  # fmt: skip
def test_server_by_number(play):
    lie = reached(play, f"http://127.0.0.1:{AppServer.shared().port}/orders")
    assert "tried read: TypeError" in lie.page
    assert lie.snapshot.app_state["orders"] == []
    assert lie.earned == NOTHING


@server.attack(
    "query-injection", tries="orders under names that are pieces of the milestone's query, of SQL and of JSON",
    defence="what is in the state is data: queries are filled in before the episode, SQL takes values",
)  # fmt: skip
def test_query_injection(play):
    names = (
        "' || 'Ada",
        "`Ada`",
        "Ada'] | [?name == 'x",
        "x'); INSERT INTO placed VALUES (9, 'Ada', '5'); --",
        '\\"Ada\\"',
    )
    for name in names:
        lie = play(ORDERS, f'fill("Name", "{name}")', 'fill("Amount", "5")', 'click("Place order")')
        assert [order["name"] for order in lie.snapshot.app_state["orders"]] == [name.replace("\\", "")]
        assert lie.earned == NOTHING, name


@server.attack(
    "left-by-the-last-episode", tries="relies on what the last episode has left: order, storage, cookie, file",
    defence="every episode has a database, an origin and a workspace of its own",
)  # fmt: skip
def test_left_by_the_last_episode(play):
    env = play.env(ORDERS)
    done = play_on(env, ['write_file("a.txt", "x")', *ORDERS.honest])
    assert done.earned[1] == {"ordered"}
    lie = play_on(env, ["noop()", 'goto("/orders/1")', "list_files()"])
    assert "There is no such order." in lie.page
    assert lie.last["last_action_result"] == "no files"
    assert lie.earned == NOTHING
