"""From measurements to levels."""

import pytest

from jupyter_secure.guard.level import assess
from jupyter_secure.protocol.grant import GuardLevel

CANARIES = {"tcp": True, "secret_read": True, "signal": True}
OUTSIDE = {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0000000000000000"}
OWN = {f"ns_{name}": "own" for name in ("user", "mnt", "pid", "net", "ipc", "uts")}
SHARED = dict.fromkeys(OWN, "shared")


def level(abi=7, canaries=CANARIES, outside=OUTSIDE, namespaces=OWN):
    return assess(abi, canaries, {**outside, **namespaces}).level


def test_namespaces_and_all_the_rest_are_g3():
    assert level() is GuardLevel.G3
    assert level(abi=0) is GuardLevel.G3


@pytest.mark.parametrize("name", ["user", "mnt", "pid", "net", "ipc"])
def test_one_shared_namespace_is_not_g3(name):
    assert level(namespaces={**OWN, f"ns_{name}": "shared"}) is GuardLevel.G2


def test_without_namespaces_landlock_makes_g2_and_its_absence_g1():
    assert level(namespaces=SHARED) is GuardLevel.G2
    assert level(namespaces=SHARED, abi=0) is GuardLevel.G1


@pytest.mark.parametrize("name", ["tcp", "secret_read"])
def test_a_canary_that_got_out_is_at_most_g1(name):
    assert level(canaries={**CANARIES, name: False}) is GuardLevel.G1
    assert level(canaries={**CANARIES, name: False}, namespaces=SHARED) is GuardLevel.G1


def test_a_signal_that_got_out_is_tolerated_at_g2_and_said():
    report = assess(4, {**CANARIES, "signal": False}, {**OUTSIDE, **SHARED})
    assert report.level is GuardLevel.G2
    assert any("ending your other processes" in sentence for sentence in report.missing)


@pytest.mark.parametrize(
    ("abi", "lacks"), [(1, [2, 3, 5]), (2, [3, 5]), (3, [5]), (4, [5]), (5, []), (6, []), (7, []), (8, []), (9, [])]
)
def test_what_an_older_landlock_lacks_is_in_the_evidence_where_it_is_the_wall(abi, lacks):
    said = assess(abi, CANARIES, {**OUTSIDE, **SHARED}).missing
    assert [sentence[:21] for sentence in said if "before ABI" in sentence] == [
        f"Landlock before ABI {since}" for since in lacks
    ]
    assert not any("before ABI" in sentence for sentence in assess(abi, CANARIES, {**OUTSIDE, **OWN}).missing)


@pytest.mark.parametrize(
    "worse", [{"NoNewPrivs": "0"}, {"Seccomp": "0"}, {"CapEff": "000001ffffffffff"}, {"CapEff": "0000000000000002"}]
)
def test_what_the_operating_system_shows_counts_whatever_the_canaries_say(worse):
    assert not level(outside={**OUTSIDE, **worse}).reaches(GuardLevel.G2)


def test_nothing_measured_is_nothing():
    assert assess(7, {}, {}).level is GuardLevel.G0
    assert not level(canaries={}).reaches(GuardLevel.G2)


def test_no_level_says_that_it_is_a_machine_of_its_own():
    assert level() is not GuardLevel.G4


def test_the_report_names_what_is_in_force_and_what_is_missing():
    report = assess(7, CANARIES, {**OUTSIDE, **SHARED}, ["x can be changed by the kernel"])
    assert report.layers == ("landlock-7", "seccomp", "no-new-privileges")
    assert "x can be changed by the kernel" in report.missing
    assert any("namespace" in sentence for sentence in report.missing)
