"""No device, no sensor, no lasting worker: what a page asks for is refused, and asking hangs nothing."""

import pytest

pytestmark = pytest.mark.browser

ASK = {
    "geolocation": "new Promise((y, n) => navigator.geolocation.getCurrentPosition(y, n))",
    "camera": "navigator.mediaDevices.getUserMedia({video: true})",
    "microphone": "navigator.mediaDevices.getUserMedia({audio: true})",
    "screen": "navigator.mediaDevices.getDisplayMedia({video: true})",
    "notifications": "Notification.requestPermission().then(p => { if (p !== 'granted') throw p })",
    "clipboard read": "navigator.clipboard.readText()",
    "midi": "navigator.requestMIDIAccess({sysex: true})",
    "usb": "navigator.usb.requestDevice({filters: []})",
    "bluetooth": "navigator.bluetooth.requestDevice({acceptAllDevices: true})",
    "hid": "navigator.hid.requestDevice({filters: []}).then(d => { if (!d.length) throw 'none' })",
    "serial": "navigator.serial.requestPort()",
    "persistent storage": "navigator.storage.persist().then(p => { if (!p) throw 'no' })",
    "wake lock": "navigator.wakeLock.request('screen')",
    "local fonts": "queryLocalFonts().then(f => { if (!f.length) throw 'none' })",
    "idle detection": "IdleDetector.requestPermission().then(p => { if (p !== 'granted') throw p })",
    "windows": "getScreenDetails()",
    "file picker": "showOpenFilePicker()",
    "folder picker": "showDirectoryPicker()",
    "save picker": "showSaveFilePicker()",
    "credentials": "navigator.credentials.get({publicKey: {challenge: new Uint8Array(16)}})",
    "storage access": "document.requestStorageAccessFor('http://elsewhere.example')",
    "share": "navigator.share({text: 'x'})",
    "eye dropper": "new EyeDropper().open()",
    "fullscreen": "document.documentElement.requestFullscreen()",
    "service worker": "navigator.serviceWorker.register('/hit/worker').then(r => { if (!r) throw 'none' })",
    "service worker, natively": "ServiceWorkerContainer.prototype.register.call(navigator.serviceWorker, '/hit/worker')"
    ".then(r => { if (!r) throw 'none' })",
    "web socket": (
        "new Promise((y, n) => { const s = new WebSocket('ws://' + location.host); s.onopen = y; s.onerror = n })"
    ),
    "payment": (
        "new PaymentRequest([{supportedMethods: 'https://x.example'}], "
        "{total: {label: 'x', amount: {currency: 'EUR', value: '1'}}}).show()"
    ),
}
PAGE = """<title>Home</title><button onclick="ask()">Ask</button><script>
const answers = {};
const ask = () => { for (const [name, how] of Object.entries(WAYS)) {
  answers[name] = 'no answer';
  try { how().then(() => answers[name] = 'granted', () => answers[name] = 'refused') }
  catch (e) { answers[name] = 'refused' }
} };
const WAYS = {%s};
</script>"""
NEVER_ANSWERED = {
    "camera",
    "microphone",
    "screen",
    "bluetooth",
    "usb",
    "eye dropper",
    "file picker",
    "folder picker",
    "save picker",
}
"""For these a person would have to choose; nobody does, and nothing waits for it."""


def test_nothing_is_granted(hostile):
    it = hostile(PAGE % ",".join(f"{name!r}: () => {how}" for name, how in ASK.items()))
    it.act("click", "Ask")
    for _ in range(4):
        it.settle(1000)
    answers = it.script("answers")
    assert set(answers) == set(ASK)
    assert [name for name, answer in answers.items() if answer == "granted"] == []
    assert {name for name, answer in answers.items() if answer == "no answer"} <= NEVER_ANSWERED
    assert it.instance.state() == {"hits": []}
    assert it.script("[innerWidth, innerHeight, document.fullscreenElement].join()") == "1280,720,"


def test_pointer_and_keyboard_stay_the_agent_s(hostile):
    it = hostile(
        "<title>Home</title><button onclick='document.body.requestPointerLock(); navigator.keyboard?.lock?.()'>Lock"
        "</button><button onclick='document.title = `clicked`'>Other</button>"
    )
    it.act("click", "Lock")
    it.act("click", "Other")
    assert it.look().title == "clicked"


def test_printing_opens_nothing_and_holds_nobody(hostile):
    it = hostile("<title>Home</title><button onclick='print(); document.title = `printed`'>Print</button>")
    it.act("click", "Print")
    assert it.look().title == "printed"
