"""A page talks to its own application and to nothing else: real sockets on this machine hear not one byte."""

import contextlib
import socket

import pytest

from milepost.sandbox.errors import ActionError

from .vectors import HTTP, OTHER, page

pytestmark = pytest.mark.browser

ADDRESSES = {
    "by number": "127.0.0.1",
    "another number": "127.0.0.2",
    "one number": "2130706433",
    "short": "127.1",
    "nothing": "0.0.0.0",
    "ipv6": "[::1]",
    "ipv6 nothing": "[::]",
    "mapped": "[::ffff:127.0.0.1]",
    "localhost": "localhost",
    "below localhost": "evil.localhost",
    "the episodes' site": "evil.hostile.apps.localhost",
    "a name that resolves to this machine": socket.gethostname(),
}
# Same-origin, these are fetched as the page's own resource and end at the gate or need what is not there.
ALIVE = [name for name in HTTP if name not in ("css cursor",)]


def own_address():
    """Return this machine's address on its network, or 127.0.0.1 if it is on none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a datagram socket's connect sends nothing
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


def settle(it):
    for _ in range(4):
        with contextlib.suppress(ActionError):  # a popup to elsewhere is refused in words
            it.settle(500)
    it.look()


def test_the_listener_hears_what_is_sent_to_it(listener):
    with socket.create_connection(("127.0.0.1", listener.port)) as tcp:
        tcp.sendall(b"by tcp")
        assert listener.wait_for("tcp", b"by tcp")
    with socket.create_connection(("::1", listener.port)) as tcp:
        tcp.sendall(b"by ipv6")
        assert listener.wait_for("tcp", b"by ipv6")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"by udp", ("127.0.0.1", listener.port))
        assert listener.wait_for("udp", b"by udp")


def test_the_vectors_are_alive(hostile):
    """Against the page's own application each of them is heard, so that silence elsewhere means something."""
    it = hostile(page({name: HTTP[name] for name in ALIVE}, {name: f"/hit/{name}" for name in ALIVE}))
    settle(it)
    assert sorted(set(ALIVE) - set(it.instance.state()["hits"])) == []


@pytest.mark.parametrize("host", [*ADDRESSES.values(), own_address()], ids=[*ADDRESSES, "own address"])
def test_no_byte_reaches_another_port_of_this_machine(hostile, listener, host):
    codes = {**HTTP, **OTHER}
    urls = {name: f"http://{host}:{listener.port}/{number}" for number, name in enumerate(codes)}
    it = hostile(page(codes, urls))
    settle(it)
    assert listener.heard == []
    assert it.look().title == "Home"
