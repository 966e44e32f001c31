import re

import pytest

from milepost.envs.apps.settings.app import DEVICES, SECTIONS, SWITCHES, SWITCHES_PER_SECTION
from milepost.errors import TaskError

from .site import Site, heading, links

TARGET = {"section": "Privacy", "switch": "Photos", "decoy_switch": "Trips", "device": "Tablet"}
PAGE = "/sections/Privacy"


@pytest.fixture
def site():
    return Site("settings", TARGET, seed=3)


def switches(response):
    """Return what the page shows: name -> whether it is on."""
    found = re.findall(r'value="(\w+)" type="checkbox" role="switch"( checked)?>', response.text)
    return {name: bool(state) for name, state in found}


def device(response):
    (name,) = re.findall(r"<option selected>(.*?)</option>", response.text)
    return name


def notices(response):
    return re.findall(r'class="toast" role="status">(.*?)</p>', response.text)


def save(site, on, device, page=PAGE):
    return site.client.post(page, data={"on": sorted(on), "device": device})


def section(site, name="Privacy"):
    (found,) = [s for s in site.state["sections"] if s["name"] == name]
    return found


def test_the_way_to_a_section(site):
    start = site.get("/")
    assert heading(start) == "Settings"
    assert list(dict(links(start))) == list(SECTIONS)
    page = site.get(dict(links(start))["Privacy"])
    assert page.url.path == PAGE
    assert "<title>Privacy settings</title>" in page.text
    assert '<button type="submit">Save changes</button>' in page.text
    assert len(switches(page)) == SWITCHES_PER_SECTION
    assert [name for name, is_on in switches(page).items() if is_on] == section(site)["on"]
    assert device(page) == section(site)["device"]


def test_every_switch_has_a_label_of_its_own(site):
    page = site.get(PAGE)
    labels = dict(re.findall(r'<label for="(.*?)">(.*?)</label>', page.text))
    fields = dict(re.findall(r'<input id="(.*?)" name="on" value="(.*?)"', page.text))
    assert {**fields, "device": "Device"} == labels


def test_saving_is_confirmed_once_and_kept(site):
    before = switches(site.get(PAGE))
    wanted = {name for name, is_on in before.items() if is_on} | {"Photos"}
    after = save(site, wanted, "Tablet")
    assert (after.url.path, notices(after)) == (PAGE, ["Changes saved"])
    assert {name for name, is_on in switches(after).items() if is_on} == wanted
    assert device(after) == "Tablet"
    assert notices(site.get(PAGE)) == []
    assert set(section(site)["on"]) == wanted
    assert site.state["changed_switches"] == ["Photos"]
    assert site.state["changed_devices"] == ["Privacy"]
    assert site.state["saves"] == 1


def test_saving_again_saves_nothing(site):
    now = section(site)
    after = save(site, now["on"], now["device"])
    assert notices(after) == ["Nothing to save"]
    wanted = {*now["on"], "Photos"}
    save(site, wanted, now["device"])
    assert notices(save(site, wanted, now["device"])) == ["Nothing to save"]
    assert site.state["saves"] == 1


def test_what_is_changed_back_is_not_changed(site):
    now = section(site)
    save(site, [], "Laptop" if now["device"] != "Laptop" else "Phone")
    assert "Trips" in site.state["changed_switches"]
    save(site, now["on"], now["device"])
    assert site.state["changed_switches"] == site.state["changed_devices"] == []
    assert site.state["saves"] == 2


def test_another_switch_is_told_from_the_right_one(site):
    now = section(site)
    save(site, set(now["on"]) - {"Trips"}, now["device"])
    assert site.state["changed_switches"] == ["Trips"]


def test_other_sections_stay_as_they_are(site):
    before = [s for s in site.state["sections"] if s["name"] != "Privacy"]
    save(site, SWITCHES, "Tablet")
    assert [s for s in site.state["sections"] if s["name"] != "Privacy"] == before
    assert set(section(site)["on"]) == set(switches(site.get(PAGE))), "names of other sections' switches do nothing"


@pytest.mark.parametrize("data", [{}, {"device": "Fridge"}, {"on": ["Photos"], "device": ""}])
def test_an_unknown_device_is_refused_and_the_switches_are_kept(site, data):
    before = site.state
    response = site.client.post(PAGE, data=data)
    assert response.status_code == 422
    assert re.findall(r'role="alert">(.*?)</p>', response.text) == ["Choose one of the devices"]
    assert switches(response)["Photos"] is bool(data.get("on"))
    assert device(response) == section(site)["device"]
    assert site.state == before


def test_unsaved_changes_have_a_notice_that_is_hidden_at_first(site):
    page = site.get(PAGE).text
    assert '<p class="unsaved" id="unsaved" role="status" hidden>Unsaved changes</p>' in page
    assert '<button type="reset" class="quiet">Undo</button>' in page


def test_uploads_are_refused(site):
    before = site.state
    response = site.client.post(PAGE, data={"device": "Phone"}, files={"on": ("a.txt", b"x")})
    assert (response.status_code, heading(response)) == (400, "Request refused")
    assert site.state == before


def test_whatever_the_seed_the_target_is_off_the_decoy_on_and_the_device_another():
    for seed in range(60):
        site = Site("settings", TARGET, seed)
        shown = switches(site.get(PAGE))
        assert (shown["Photos"], shown["Trips"]) == (False, True)
        assert section(site)["device"] != "Tablet"


def test_every_switch_is_in_one_section():
    for seed in range(10):
        site = Site("settings", TARGET, seed)
        shown = [name for address in dict(links(site.get("/"))).values() for name in switches(site.get(address))]
        assert sorted(shown) == sorted(SWITCHES)


def test_the_targets_place_varies_with_the_seed():
    places = {list(switches(Site("settings", TARGET, seed).get(PAGE))).index("Photos") for seed in range(40)}
    assert places == set(range(SWITCHES_PER_SECTION))
    devices = {section(Site("settings", TARGET, seed))["device"] for seed in range(40)}
    assert devices == set(DEVICES) - {"Tablet"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"section": "Secret"}, "'Secret'.*Notifications, Privacy"),
        ({"switch": "Lasers"}, "'Lasers'.*Birthdays"),
        ({"decoy_switch": "Lasers"}, "'Lasers'.*Birthdays"),
        ({"device": "Fridge"}, "'Fridge'.*All devices, Phone"),
        ({"decoy_switch": "Photos"}, "another switch than switch"),
    ],
)
def test_a_parameter_that_the_application_does_not_have_is_named(changes, words):
    with pytest.raises(TaskError, match=words):
        Site("settings", {**TARGET, **changes})
