"""Real sockets on this machine that must hear nothing from a page, and that would say so if they did."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading


class Listener:
    """Listens by TCP and UDP on one port, at 127.0.0.1, ::1 and (by the wildcard) the machine's own addresses.

    Attributes:
        port: the port, the same for all.
        heard: (protocol, bytes) in order; a TCP connection is heard as b"" before its first byte.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._selector = selectors.DefaultSelector()
        self._arrival = threading.Condition()
        self._sockets = self._bind()
        self.port: int = self._sockets[0].getsockname()[1]
        self._wake, stop = socket.socketpair()
        self._stop = stop
        self._selector.register(self._wake, selectors.EVENT_READ, "stop")
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()

    def _bind(self) -> list[socket.socket]:
        for _ in range(20):
            tcp = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
            udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            with contextlib.suppress(OSError):
                udp.bind(("::", tcp.getsockname()[1]))
                tcp.setblocking(False)
                self._selector.register(tcp, selectors.EVENT_READ, "accept")
                self._selector.register(udp, selectors.EVENT_READ, "udp")
                return [tcp, udp]
            tcp.close()
            udp.close()
        raise OSError("no port is free for TCP and UDP at once")

    def _main(self) -> None:
        while True:
            for key, _ in self._selector.select():
                heard = key.fileobj
                assert isinstance(heard, socket.socket)
                if key.data == "stop":
                    return
                if key.data == "accept":
                    connection, _ = heard.accept()
                    self._selector.register(connection, selectors.EVENT_READ, "tcp")
                    self._hear("tcp", b"")
                    continue
                with contextlib.suppress(OSError):
                    data = heard.recv(4096)
                    if key.data == "udp" or data:
                        self._hear(key.data, data)
                        continue
                self._selector.unregister(heard)
                heard.close()

    def _hear(self, protocol: str, data: bytes) -> None:
        with self._arrival:
            self.heard.append((protocol, data))
            self._arrival.notify_all()

    def wait_for(self, protocol: str, part: bytes, timeout_s: float = 10.0) -> bool:
        """Return whether something that holds `part` has been heard within the time."""
        with self._arrival:
            return self._arrival.wait_for(
                lambda: any(p == protocol and part in data for p, data in self.heard), timeout_s
            )

    def close(self) -> None:
        """Stop listening."""
        self._stop.send(b"x")
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._stop.close()
        self._selector.close()


__all__ = ["Listener"]
