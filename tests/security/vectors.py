"""Every way known to us by which a page can make a browser talk to an address, as scripts with `URL` to fill in.

Each runs by itself in the page's world. The first group works over plain HTTP, so that it can be proven alive against
the page's own application; the second needs what no page has here.
"""

HTTP = {
    "fetch": "fetch(URL, {mode: 'no-cors'})",
    "fetch with a body": "fetch(URL, {mode: 'no-cors', method: 'POST', body: 'x'})",
    "fetch that outlives the page": "fetch(URL, {mode: 'no-cors', keepalive: true})",
    "XMLHttpRequest": "const x = new XMLHttpRequest(); x.open('GET', URL); x.send()",
    "beacon": "navigator.sendBeacon(URL, 'x')",
    "image": "new Image().src = URL",
    "image set": "add('img', {srcset: URL + ' 1x'})",
    "picture": "add('picture', {}).append(make('source', {srcset: URL}), make('img', {}))",
    "svg image": "add('div', {innerHTML: `<svg width=9 height=9><image href='${URL}' width=9 height=9 /></svg>`})",
    "input image": "add('input', {type: 'image', src: URL})",
    "video": "add('video', {src: URL, preload: 'auto'})",
    "video poster": "add('video', {poster: URL, preload: 'none'})",
    "audio": "add('audio', {src: URL, preload: 'auto'})",
    "embed": "add('embed', {src: URL})",
    "object": "add('object', {data: URL})",
    "script": "add('script', {src: URL})",
    "module": "import(URL).catch(() => {})",
    "style sheet": "add('link', {rel: 'stylesheet', href: URL})",
    "css import": "add('style', {textContent: `@import url('${URL}')`})",
    "css background": "add('p', {textContent: 'x'}).style.backgroundImage = `url('${URL}')`",
    "css cursor": "add('style', {textContent: `p { cursor: url('${URL}'), auto; list-style-image: url('${URL}') }`})",
    "font": "new FontFace('other', `url('${URL}')`).load().catch(() => {})",
    "preload": "add('link', {rel: 'preload', as: 'fetch', href: URL, crossOrigin: 'anonymous'})",
    "module preload": "add('link', {rel: 'modulepreload', href: URL})",
    "frame": "add('iframe', {src: URL})",
    "frame script": "add('iframe', {srcdoc: `<script>fetch('${URL}', {mode: 'no-cors'})<\\/script>`})",
    "frame refresh": "add('iframe', {srcdoc: `<meta http-equiv=refresh content='0;url=${URL}'>`})",
    "form in a frame": "add('iframe', {name: 'sink'}); form('GET', URL, 'sink')",
    "posted form in a frame": "add('iframe', {name: 'sunk'}); form('POST', URL, 'sunk')",
    "event source": "new EventSource(URL)",
    "worker": "new Worker(URL)",
    "shared worker": "new SharedWorker(URL)",
    "worker fetch": "worker(`fetch('${URL}', {mode: 'no-cors'})`)",
    "worker import": "worker(`importScripts('${URL}')`)",
    "worker in a worker": "worker(`new Worker('${URL}')`)",
}

OTHER = {
    "link ping": "const a = add('a', {href: '#x', ping: URL}); a.click()",
    "download": "add('iframe', {name: 'hold'}); add('a', {href: URL, download: 'x', target: 'hold'}).click()",
    "icon": "document.head.append(make('link', {rel: 'icon', href: URL}))",
    "manifest": "document.head.append(make('link', {rel: 'manifest', href: URL}))",
    "prefetch": "add('link', {rel: 'prefetch', href: URL})",
    "preconnect": "add('link', {rel: 'preconnect', href: URL}); add('link', {rel: 'dns-prefetch', href: URL})",
    "prerender": "add('link', {rel: 'prerender', href: URL})",
    "speculation rules": (
        "add('script', {type: 'speculationrules', textContent: JSON.stringify("
        "{prefetch: [{urls: [URL], eagerness: 'immediate'}], prerender: [{urls: [URL], eagerness: 'immediate'}]})})"
    ),
    "attribution": "add('img', {attributionSrc: URL})",
    "web socket": "new WebSocket(URL.replace('http', 'ws'))",
    "worker web socket": "worker(`new WebSocket('${URL.replace('http', 'ws')}')`)",
    "web transport": "new WebTransport(URL.replace('http:', 'https:')).ready.catch(() => {})",
    "https": "fetch(URL.replace('http:', 'https:'), {mode: 'no-cors'})",
    "service worker": "ServiceWorkerContainer.prototype.register.call(navigator.serviceWorker, URL).catch(() => {})",
    "webrtc by stun": "peer({urls: 'stun:' + HOST})",
    "webrtc by turn": "peer({urls: 'turn:' + HOST + '?transport=udp', username: 'u', credential: 'c'})",
    "webrtc by turn over tcp": "peer({urls: 'turn:' + HOST + '?transport=tcp', username: 'u', credential: 'c'})",
    "webrtc by turns": "peer({urls: 'turns:' + HOST + '?transport=tcp', username: 'u', credential: 'c'})",
    "webrtc candidate": (
        "const p = peer({urls: []}); p.then(pc => pc.setRemoteDescription({type: 'answer', sdp:"
        "pc.localDescription.sdp.replace('a=setup:actpass', 'a=setup:active')}).then(() => pc.addIceCandidate("
        "{candidate: `candidate:1 1 udp 2122260223 ${HOST.replace(/:(\\d+)$/, ' $1').replace(/[[\\]]/g, '')} typ host`,"
        "sdpMid: '0'})))"
    ),
    "federated login": "navigator.credentials.get({identity: {providers: [{configURL: URL, clientId: '1'}]}})",
    "payment": (
        "new PaymentRequest([{supportedMethods: URL}], "
        "{total: {label: 'x', amount: {currency: 'EUR', value: '1'}}}).show()"
    ),
    "popup": "open(URL)",
}

PRELUDE = """
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
const add = (tag, properties) => { const e = make(tag, properties); document.body.append(e); return e };
const form = (method, action, target) => { const f = add('form', {method, action, target}); f.submit() };
const whole = (address) => [new URL(address, location.href).href, new URL(address, location.href).host];
const worker = (source) => new Worker(window.URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
const peer = async (server) => {
  const pc = new RTCPeerConnection({iceServers: server.urls.length ? [server] : []});
  pc.createDataChannel('x');
  await pc.setLocalDescription(await pc.createOffer());
  return pc;
};
"""


def script(code: str, url: str) -> str:
    """Return one vector as a function call that swallows what the page is refused."""
    return f"(async (URL, HOST) => {{ {code} }})(...whole({url!r})).catch(() => 0);"


def page(codes: dict[str, str], url_of: dict[str, str]) -> str:
    """Return the body of a page that tries each of `codes` on its address when it has loaded."""
    calls = "\n".join(script(code, url_of[name]) for name, code in codes.items())
    return f"<title>Home</title><p>x</p><script>{PRELUDE} onload = () => {{ {calls} }}</script>"


__all__ = ["HTTP", "OTHER", "page"]
