"""Plans from facts alone: what is given, what never, and what is covered."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.guard import bubblewrap, policy
from jupyter_secure.guard.plan import SHARED, Facts, Limits, Runtime, Stack, inside, make, work_folder
from jupyter_secure.protocol.errors import GuardError

FACTS = Facts(
    root="/srv/project",
    notebook="/srv/project/notebooks",
    home="/home/ann",
    temporary="/tmp",
    code=("/home/ann/.pyenv/versions/3.11", "/opt/venv"),
    hidden=("/home/ann/.ssh", "/home/ann/.local/share/jupyter", "/var/vault"),
    links={"/bin": "usr/bin"},
)
RUNTIME = Runtime(folder="/tmp/jsec-abc")


def plan(facts=FACTS, stack=Stack.BUBBLEWRAP):
    return make(stack, ("python", "-m", "ipykernel_launcher"), {"A": "1"}, facts, RUNTIME, Limits(processes=100))


def pairs(words, option):
    return [tuple(words[place + 1 : place + 3]) for place, word in enumerate(words) if word == option]


def test_the_root_folder_is_the_work_folder():
    made = plan()
    assert (made.work, made.folder) == ("/srv/project", "/srv/project/notebooks")
    assert made.read_write == ("/srv/project", "/tmp/jsec-abc/s", "/tmp/jsec-abc/home", "/tmp/jsec-abc/tmp")


def test_a_home_as_root_folder_narrows_to_the_notebooks_folder():
    facts = replace(FACTS, root="/home/ann", notebook="/home/ann/study")
    assert plan(facts).work == "/home/ann/study"


@pytest.mark.parametrize(
    ("root", "reason"),
    [
        ("/home/ann", "home folder"),
        ("/", "home folder"),
        ("/home", "home folder"),
        ("/usr/local/work", "operating system"),
        ("/etc", "operating system"),
        ("/opt/venv/share", "Python environment"),
        ("/home/ann/.ssh", "must not see"),
        ("/var/vault/notebooks", "must not see"),
        ("/tmp", "temporary files"),
    ],
)
def test_a_folder_that_cannot_be_given_is_refused_with_the_reason(root, reason):
    facts = replace(FACTS, root=root, notebook=root)
    with pytest.raises(GuardError, match=reason):
        plan(facts)


def test_what_lies_in_the_work_folder_and_must_not_be_written_is_covered():
    facts = replace(
        FACTS,
        root="/srv/project",
        code=("/srv/project/.venv",),
        hidden=("/srv/project/vault",),
        run_later=("/srv/project/.git",),
    )
    made = plan(facts)
    assert made.covered == ("/srv/project/.git", "/srv/project/.venv")
    assert made.masked == ("/srv/project/vault",)


def test_without_bubblewrap_a_folder_that_would_need_covering_is_refused():
    facts = replace(FACTS, root="/srv/project", notebook="/srv/project", code=("/srv/project/.venv",))
    with pytest.raises(GuardError, match="cannot be covered"):
        plan(facts, Stack.LAUNCHER)


def test_without_bubblewrap_the_gap_is_said():
    facts = replace(FACTS, run_later=("/srv/project/.git",))
    assert plan(facts, Stack.LAUNCHER).gaps == (*SHARED, "/srv/project/.git can be changed by the kernel.")
    assert plan(facts).gaps == ()


paths = st.lists(st.sampled_from(["srv", "home", "ann", "project", "vault", "venv", "tmp"]), max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@given(root=paths, below=paths, home=paths, hidden=st.lists(paths, max_size=3), code=st.lists(paths, max_size=3))
def test_whatever_the_machine_looks_like_nothing_private_is_written(root, below, home, hidden, code):
    facts = Facts(
        root=root,
        notebook=(root.rstrip("/") + below).rstrip("/") or "/",
        home=home,
        temporary="/tmp",
        code=tuple(code),
        hidden=tuple(hidden),
    )
    for stack in Stack:
        try:
            work = work_folder(facts, stack)
        except GuardError:
            continue
        assert inside(work, root)
        assert not inside(home, work)
        assert not any(inside(work, place) for place in (*hidden, *code))
        made = make(stack, ("x",), {}, facts, RUNTIME, Limits(processes=1))
        for place in (*hidden, *code):
            if inside(place, work):
                assert stack is Stack.BUBBLEWRAP
                assert place in (*made.covered, *made.masked)


def test_bubblewrap_gets_namespaces_before_mounts_and_the_root_is_read_only_in_the_end():
    words = bubblewrap.arguments(plan())
    assert words[0] == "--unshare-user"
    for option in ("--unshare-net", "--unshare-pid", "--unshare-ipc", "--disable-userns", "--die-with-parent"):
        assert words.index(option) < words.index("--ro-bind-try")
    assert words[-4:] == ["--remount-ro", "/", "--chdir", "/srv/project/notebooks"]


def test_bubblewrap_mounts_an_empty_temporary_folder_before_anything_in_it():
    words = bubblewrap.arguments(plan())
    empty = words.index("--tmpfs")
    assert words[empty + 1] == "/tmp"
    assert empty < words.index("/tmp/jsec-abc/c") < words.index("/srv/project")


def test_bubblewrap_covers_after_it_gave_and_masks_after_that():
    facts = replace(FACTS, hidden=("/srv/project/vault",), run_later=("/srv/project/.git",))
    words = bubblewrap.arguments(plan(facts))
    assert words.index("/srv/project") < words.index("/srv/project/.git") < words.index("/srv/project/vault")
    assert ("/srv/project/.git", "/srv/project/.git") in pairs(words, "--ro-bind")


def test_bubblewrap_is_given_nothing_hidden_and_nothing_of_the_home_but_the_environment():
    words = bubblewrap.arguments(plan())
    mounted = [source for option in ("--bind", "--ro-bind", "--ro-bind-try") for source, _ in pairs(words, option)]
    assert not set(mounted) & {"/", "/etc", "/home", "/home/ann", "/var/vault", "/home/ann/.ssh", "/proc", "/dev"}
    assert [path for path in mounted if path.startswith("/home/ann")] == ["/home/ann/.pyenv/versions/3.11"]


def test_links_of_the_system_stay_links():
    assert ("usr/bin", "/bin") in pairs(bubblewrap.arguments(plan()), "--symlink")


def test_landlock_alone_names_every_path_and_never_the_root():
    rules = dict(policy.files(plan(stack=Stack.LAUNCHER)))
    assert rules["/srv/project"] == "rw"
    assert rules["/tmp/jsec-abc/c"] == "ro"
    assert rules["/opt/venv"] == "ro"
    assert not set(rules) & {"/", "/etc", "/home", "/home/ann", "/tmp", "/dev", "/sys", "/var"}


def test_zero_is_no_limit_and_core_files_are_never_written():
    import resource

    limits = dict(policy.limits(plan()))
    assert limits[resource.RLIMIT_CORE] == 0
    assert limits[resource.RLIMIT_NPROC] == 100
    assert resource.RLIMIT_AS not in limits
