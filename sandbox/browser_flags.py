"""The command line of every Chromium: what it may reach, and what it must not do on its own account."""

from __future__ import annotations

from .app_server import SITE

DISABLED_FEATURES = (
    # After a click, timers would wait for the next frame, which is due in real time: no two runs would be alike.
    "DeferRendererTasksAfterInput",
    # A frame of its own for every document, with the processes' talk that it takes: a third of what a load costs. What
    # it would reset besides, where the mouse is, `Tab.clear` does.
    "RenderDocument",
    # The rest switches off what needs the network, or draws late; Chromium heeds only the last such list, so
    # Playwright's own choices are repeated here.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
    "Translate",
)
UNWANTED_DEFAULTS = ("--disable-ipc-flooding-protection",)
"""What Playwright adds and must not: without the protection a page that floods its history keeps the whole browser busy
for half a minute, other episodes' pages included."""
PAGE_HEAP_MB = 1_024
"""Most memory, in MiB, that the scripts of one page can hold in objects (array buffers and pictures come on top)."""
RESOLVER_RULES = "MAP *.{site} 127.0.0.1:{port}, MAP * ~NOTFOUND"
"""Names of the episodes' site lead to the application server whatever port they carry; all else, addresses by number
included, fails before a connection is tried. The rules are Chromium's own and cost a request nothing."""


def browser_arguments(app_port: int) -> tuple[str, ...]:
    """Return the arguments to launch Chromium with.

    Args:
        app_port: the application server's port, 1 to 65535: all that this browser will be able to reach.
    """
    return (
        "--host-resolver-rules=" + RESOLVER_RULES.format(site=SITE, port=app_port),
        "--disable-features=" + ",".join(DISABLED_FEATURES),
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-domain-reliability",
        "--disable-sync",
        "--no-pings",
        "--no-first-run",
        "--block-new-web-contents",
        "--mute-audio",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
        "--font-render-hinting=none",
        "--disable-lcd-text",
        "--disable-gpu",
        # Where our own connection finds the browser: see devtools.py. Pages do not reach it, by the rules above.
        "--enable-automation",
        "--remote-debugging-port=0",
        # Frames are drawn on request: see frames.py.
        "--run-all-compositor-stages-before-draw",
        "--disable-new-content-rendering-timeout",
        # One process a page, frames of other origins included, so that one clock and one connection serve it.
        "--disable-site-isolation-trials",
        # A page that hoards objects loses its process, and with it its own episode, long before the machine suffers.
        f"--js-flags=--max-old-space-size={PAGE_HEAP_MB}",
        # WebRTC opens sockets of its own, past the resolver.
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    )


__all__ = ["UNWANTED_DEFAULTS", "browser_arguments"]
