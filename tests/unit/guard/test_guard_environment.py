"""The kernel's environment is an allow-list."""

from jupyter_secure.guard.environment import kernel_environment
from jupyter_secure.guard.plan import Runtime

RUNTIME = Runtime(folder="/tmp/jsec-abc")
SERVER = {
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C",
    "HOME": "/home/ann",
    "JUPYTER_TOKEN": "t",
    "JUPYTERHUB_API_TOKEN": "t",
    "SSH_AUTH_SOCK": "/run/agent",
    "DBUS_SESSION_BUS_ADDRESS": "unix:",
    "AWS_SECRET_ACCESS_KEY": "s",
    "LD_PRELOAD": "/tmp/evil.so",
    "PYTHONPATH": "/tmp/evil",
    "PYTHONSTARTUP": "/tmp/evil.py",
    "JPY_SESSION_NAME": "/srv/project/a.ipynb",
    "JPY_PARENT_PID": "12",
}


def test_only_what_is_named_is_passed_on():
    made = kernel_environment(SERVER, {}, RUNTIME, 7)
    passed = {name for name in SERVER if made.get(name) == SERVER[name]}
    assert passed == {"PATH", "LANG", "LC_ALL", "JPY_SESSION_NAME"}


def test_home_and_temporary_folder_are_the_kernels_own():
    made = kernel_environment(SERVER, {"HOME": "/home/ann"}, RUNTIME, 7)
    assert made["HOME"] == "/tmp/jsec-abc/home"
    assert made["TMPDIR"] == "/tmp/jsec-abc/tmp"
    assert made["PYTHONNOUSERSITE"] == "1"


def test_a_kernelspec_sets_variables_but_cannot_name_secrets_of_the_server():
    made = kernel_environment(
        SERVER, {"R_LIBS": "/opt/r", "STOLEN": "x${JUPYTER_TOKEN}y", "P": "${PATH}"}, RUNTIME, None
    )
    assert (made["R_LIBS"], made["STOLEN"], made["P"]) == ("/opt/r", "xy", "/usr/bin")


def test_the_channels_number_is_there_only_with_a_channel():
    assert kernel_environment({}, {}, RUNTIME, 9)["JUPYTER_SECURE_CHANNEL"] == "9"
    assert "JUPYTER_SECURE_CHANNEL" not in kernel_environment({}, {}, RUNTIME, None)


def test_a_package_installed_by_reference_comes_first_on_the_path():
    made = kernel_environment({}, {"PYTHONPATH": "/opt/r"}, RUNTIME, None, "/tmp/jsec-abc/c/packages")
    assert made["PYTHONPATH"] == "/tmp/jsec-abc/c/packages:/opt/r:/tmp/jsec-abc/home/packages"


def test_what_a_notebook_installs_goes_into_the_kernels_own_folder():
    made = kernel_environment({"PIP_TARGET": "/opt", "PIP_INDEX_URL": "http://x"}, {}, RUNTIME, None)
    assert made["PIP_TARGET"] == made["PYTHONPATH"] == "/tmp/jsec-abc/home/packages"
    assert made["PIP_NO_INDEX"] == "1"
    assert "PIP_INDEX_URL" not in made
