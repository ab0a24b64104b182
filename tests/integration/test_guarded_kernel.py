"""What people do in notebooks works behind the walls: run, complete, interrupt, restart, and the usual packages."""

import json
import sys
import time
from pathlib import Path

import pytest

from tests.attacks.confined import Ground, unavailable

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grounds():
    made = {}
    yield made
    for ground in made.values():
        ground.close()


@pytest.fixture(params=["G3", "G2"])
def ground(request, grounds):
    if why := unavailable(request.param, "self"):
        pytest.skip(why)
    if request.param not in grounds:
        grounds[request.param] = Ground(request.param, "self")
    return grounds[request.param]


@pytest.fixture
def private(grounds):
    """The kernel with namespaces of its own; some things need its network or its `connect`."""
    if why := unavailable("G3", "self"):
        pytest.skip(why)
    if "G3" not in grounds:
        grounds["G3"] = Ground("G3", "self")
    return grounds["G3"]


WORKS = {
    "numpy, pandas and Parquet in the work folder": """
import numpy, pandas
frame = pandas.DataFrame({"a": numpy.arange(1000)})
frame.to_parquet("frame.parquet")
print(pandas.read_parquet("frame.parquet").a.sum())
""",
    "pyarrow threads": "import pyarrow.compute as c, pyarrow as p; print(c.sum(p.array(range(10))).as_py())",
    "polars": "import polars; print(polars.DataFrame({'a': [1, 2]}).sum().item())",
    "widgets": "import ipywidgets; print(type(ipywidgets.IntProgress(value=3)).__name__)",
    "the shell": "out = !echo shell\nprint(out[0])",
    "a subprocess": "import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', 'print(1)']))",
    "temporary files": "import tempfile\nwith tempfile.NamedTemporaryFile() as f: f.write(b'x'); print(f.name)",
    "multiprocessing by fork": """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(abs, [-1, -2]))
""",
    "multiprocessing by spawn": """
import multiprocessing
with multiprocessing.get_context("spawn").Pool(1) as pool: print(pool.map(abs, [-1, -2]))
""",
    "scikit-learn in two processes": """
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
print(cross_val_score(RandomForestClassifier(5), *make_classification(100), cv=2, n_jobs=2).shape)
""",
    "joblib with processes of its own": """
import joblib
print(joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(abs)(n) for n in (-1, -2)))
""",
    # What a loader of training data does: worker processes that hand arrays over in shared memory.
    "workers that fill shared arrays": """
import multiprocessing, numpy
from multiprocessing import shared_memory
def fill(name):
    block = shared_memory.SharedMemory(name)
    numpy.ndarray(100, buffer=block.buf)[:] = 7
    block.close()
block = shared_memory.SharedMemory(create=True, size=800)
worker = multiprocessing.get_context("fork").Process(target=fill, args=(block.name,))
worker.start(); worker.join(); print(numpy.ndarray(100, buffer=block.buf).sum()); block.close(); block.unlink()
""",
    # What torch's loader sends through a pipe of two processes: the descriptor of memory that has no name.
    "a descriptor handed to a worker": """
import mmap, multiprocessing, os
from multiprocessing import reduction
here, there = multiprocessing.get_context("fork").Pipe()
def work(end):
    fd = reduction.recv_handle(end)
    mmap.mmap(fd, 4096)[:5] = b"seven"
    end.send(True)
worker = multiprocessing.get_context("fork").Process(target=work, args=(there,))
worker.start()
fd = os.memfd_create("batch"); os.ftruncate(fd, 4096)
reduction.send_handle(here, fd, worker.pid); here.recv(); worker.join()
print(mmap.mmap(fd, 4096)[:5])
""",
    "a wheel from the work folder": """
import zipfile
with zipfile.ZipFile("mine-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("mine.py", "value = 41")
    wheel.writestr("mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n")
    wheel.writestr("mine-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("mine-1.0.dist-info/RECORD", "")
%pip install ./mine-1.0-py3-none-any.whl
import mine
print(mine.value)
""",
    "threads": "import concurrent.futures as f\nwith f.ThreadPoolExecutor(4) as p: print(sum(p.map(abs, [-1])))",
    "shared memory": """
from multiprocessing import shared_memory
block = shared_memory.SharedMemory(create=True, size=64); print(block.size >= 64); block.close(); block.unlink()
""",
    "asyncio in a cell": "import asyncio\nawait asyncio.sleep(0.01)\nprint('slept')",
    "copying with metadata": "import shutil; print(shutil.copy2('data.csv', 'copy.csv'))",
    "who am I": "import getpass, os; print(getpass.getuser() or os.getuid())",
    "processor count": "import os; print(os.cpu_count() > 0)",
    "psutil on itself": "import psutil; print(psutil.Process().memory_info().rss > 0)",
    "history": "%history -n 1",
    "our own package": "import jupyter_secure; print(jupyter_secure.__version__)",
}


DEBUGS = {"clientID": "test", "adapterID": "", "pathFormat": "path", "linesStartAt1": True}
# An interrupt that no thread takes in time is raised at the sleep's own end.
SLEEPS = """
import time
began = time.monotonic()
try:
    time.sleep(30)
finally:
    whole = time.monotonic() - began >= 30
"""


@pytest.mark.parametrize("what", WORKS)
def test_it_works(ground, what):
    answer = ground.ask("run", kernel=ground.kernel, code=WORKS[what], timeout=60)
    assert answer["status"] == "ok", answer["text"]
    assert answer["text"].strip()


WORKS_PRIVATE = {
    "a server of one's own on loopback": """
import http.server, threading, urllib.request
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
threading.Thread(target=server.handle_request, daemon=True).start()
try:
    urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/")
except urllib.error.HTTPError as error:
    print(error.code)
""",
    "multiprocessing by forkserver": """
import multiprocessing
with multiprocessing.get_context("forkserver").Pool(1) as pool: print(pool.map(abs, [-1, -2]))
""",
    # How a spawned worker of torch's loader gives its memory back: the parent connects to the worker's own socket.
    "descriptors fetched from a spawned worker": """
with open("loader.py", "w") as module:
    module.write('''
import os
from multiprocessing import reduction
def batch(queue, done):
    fd = os.memfd_create("batch")
    os.write(fd, b"seven")
    queue.put(reduction.DupFd(fd))
    done.wait(60)
''')
import multiprocessing, os, loader
spawn = multiprocessing.get_context("spawn")
queue, done = spawn.Queue(), spawn.Event()
worker = spawn.Process(target=loader.batch, args=(queue, done))
worker.start()
print(os.pread(queue.get(timeout=60).detach(), 5, 0))
done.set(); worker.join()
""",
    "a notebook run from a notebook": """
import nbformat, nbclient
page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")])
await nbclient.NotebookClient(page, kernel_name="python3").async_execute()
print(page.cells[0].outputs[0].text)
""",
    "papermill": """
import nbformat
page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")])
page.metadata.kernelspec = {"name": "python3", "display_name": "Python", "language": "python"}
nbformat.write(page, "page.ipynb")
import sys
out = !{sys.prefix}/bin/papermill page.ipynb done.ipynb 2>&1
print(nbformat.read("done.ipynb", 4).cells[0].outputs[0].text)
""",
    "jupyter execute": """
import nbformat
nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(6 * 7)")]), "page.ipynb")
import sys
out = !{sys.prefix}/bin/jupyter-execute page.ipynb --inplace 2>&1
print(nbformat.read("page.ipynb", 4).cells[0].outputs[0].text)
""",
    "a private temporary folder": "open('/tmp/mine', 'w').write('x'); import os; print(os.listdir('/tmp'))",
}


@pytest.mark.parametrize("what", WORKS_PRIVATE)
def test_it_works_with_namespaces_of_its_own(private, what):
    answer = private.ask("run", kernel=private.kernel, code=WORKS_PRIVATE[what], timeout=60)
    assert answer["status"] == "ok", answer["text"]


def test_a_package_that_cannot_be_fetched_is_said_at_once(ground):
    answer = ground.ask("run", kernel=ground.kernel, code="%pip install a-package-of-nobody", timeout=60)
    assert answer["status"] == "error"
    assert "This kernel has no way to a package index" in answer["text"]
    assert "Retrying" not in answer["text"]
    assert ground.ask("run", kernel=ground.kernel, code="%pip list -q", timeout=60)["status"] == "ok"


def test_a_debugger_is_offered_only_where_it_can_answer(ground):
    features = ground.ask("info", kernel=ground.kernel)["supported_features"]
    assert ("debugger" in features) == (ground.level == "G3")
    assert "kernel subshells" in features


def test_the_default_of_multiprocessing_works_also_where_it_is_a_fork_server(ground):
    # As Python 3.14 begins; the extension then runs once more.
    code = """
import multiprocessing
from multiprocessing import context
context._default_context._default_context = context._concrete_contexts["forkserver"]
from jupyter_secure.kernel import workers
workers.fork_if_cut_off()
with multiprocessing.Pool(1) as pool: print(pool.map(abs, [-1, -2]))
print(multiprocessing.get_start_method())
multiprocessing.set_start_method("spawn", force=True)
"""
    kernel = ground.ask("start")["kernel"]
    said = ground.ask("run", kernel=kernel, code=code)["text"].split("\n")
    assert said[:2] == ["[1, 2]", "forkserver" if ground.level == "G3" else "fork"]
    ground.ask("stop", kernel=kernel)


def test_the_debugger_answers_where_it_is_offered(private):
    answer = private.ask("debug", kernel=private.kernel, command="initialize", arguments=DEBUGS)
    assert answer["success"], answer
    assert private.ask("run", kernel=private.kernel, code="print(6 * 7)")["text"] == "42\n"


def test_what_is_drawn_and_widgets_are_shown_in_the_notebook(ground):
    drawn = "%matplotlib inline\nimport matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"
    assert any("image/png" in kinds for kinds in ground.ask("shown", kernel=ground.kernel, code=drawn)["shown"])
    widget = "import ipywidgets; display(ipywidgets.IntSlider())"
    shown = ground.ask("shown", kernel=ground.kernel, code=widget)["shown"]
    assert any("application/vnd.jupyter.widget-view+json" in kinds for kinds in shown)


def test_a_subshell_answers_while_a_cell_runs(ground):
    assert ground.ask("subshell", kernel=ground.kernel, code="print('beside')")["text"].strip() == "beside"


def test_long_output_arrives_whole(ground):
    lines = 200_000  # 20 MB
    answer = ground.ask("run", kernel=ground.kernel, code=f"for n in range({lines}): print('x' * 99)", timeout=300)
    assert answer["text"] == ("x" * 99 + "\n") * lines


def test_matplotlib_draws(ground):
    pytest.importorskip("matplotlib")
    code = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.savefig('plot.png'); print('drawn')"
    assert "drawn" in ground.inside(code)
    assert (ground.work / "plot.png").stat().st_size > 1000


def test_a_name_is_completed(ground):
    ground.inside("a_long_name_of_mine = 1")
    assert "a_long_name_of_mine" in ground.ask("complete", kernel=ground.kernel, code="a_long_na")["matches"]


def test_a_cell_is_interrupted_and_the_kernel_keeps_its_state(ground):
    ground.inside("kept = 42")
    answer = ground.ask("interrupt", kernel=ground.kernel, code=SLEEPS)
    assert (answer["status"], answer["text"].strip()) == ("error", "begun\nKeyboardInterrupt:")
    assert ground.inside("print(kept, whole)").strip() == "42 False"


def test_a_cell_is_interrupted_while_workers_and_a_debugger_stand_by(private):
    """The end of the idle workers, which get the signal too, wakes a thread that must not take the kernel's own."""
    for _ in range(4):
        kernel = private.ask("start")["kernel"]
        private.ask("run", kernel=kernel, code=WORKS["joblib with processes of its own"])
        assert private.ask("debug", kernel=kernel, command="initialize", arguments=DEBUGS)["success"]
        answer = private.ask("interrupt", kernel=kernel, code=SLEEPS)
        assert (answer["status"], answer["text"].strip()) == ("error", "begun\nKeyboardInterrupt:")
        assert private.ask("run", kernel=kernel, code="print(whole)")["text"].strip() == "False"
        private.ask("stop", kernel=kernel)


def test_a_program_started_by_a_cell_is_interrupted_with_it(ground):
    answer = ground.ask("interrupt", kernel=ground.kernel, code="import os; print('ended', os.system('sleep 60'))")
    assert "ended" in answer["text"]


def test_a_restart_gives_a_fresh_kernel_on_the_same_sockets_with_a_fresh_channel(ground):
    started = ground.ask("start")
    kernel = started["kernel"]
    ground.ask("run", kernel=kernel, code="gone = 1; import os; before = os.environ['JUPYTER_SECURE_CHANNEL']")
    attached = ground.ask("restart", kernel=kernel)["attached"]
    assert [entry[0] for entry in attached].count(kernel) == 2
    assert "NameError" in ground.ask("run", kernel=kernel, code="print(gone)")["text"]
    assert ground.ask("report", kernel=kernel)["level"] == ground.level
    assert kernel in ground.ask("stop", kernel=kernel)["detached"]


def until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def settled(ground):
    """Return how many descriptors the server has once that stays: old ones are closed, and new ones opened, late."""
    counts = []

    def stays():
        counts.append(len(list(Path(f"/proc/{ground.pid}/fd").iterdir())))
        return len(counts) >= 25 and len(set(counts[-25:])) == 1

    until(stays)
    return counts[-1]


def test_restarts_take_no_more_descriptors_of_the_server(ground):
    kernel = ground.ask("start")["kernel"]
    ground.ask("restart", kernel=kernel)
    before = settled(ground)
    for _ in range(3):
        ground.ask("restart", kernel=kernel)
    # The host of this test keeps the newest channel of each kernel, as a server does.
    assert settled(ground) <= before + 1
    ground.ask("stop", kernel=kernel)


def test_a_kernel_that_dies_is_started_again_behind_the_same_walls(ground):
    started = ground.ask("start")
    kernel, before = started["kernel"], ground.ask("report", kernel=started["kernel"])
    ground.ask("die", kernel=kernel)
    after = ground.ask("report", kernel=kernel)
    assert before["pid"] != after["pid"]
    assert after["level"] == ground.level
    assert ground.ask("run", kernel=kernel, code="print('back')")["text"].strip() == "back"
    ground.ask("stop", kernel=kernel)
    assert not Path(started["folder"]).exists()


def test_a_kernel_of_another_language_runs_guarded_and_without_magics(ground):
    folder = ground.home / ".local" / "share" / "jupyter" / "kernels" / "bash"
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Bash", "language": "bash"}))
    kernel = ground.ask("start", name="bash")["kernel"]
    assert ground.ask("report", kernel=kernel)["level"] == ground.level
    assert ground.ask("info", kernel=kernel)["language_info"]["name"] == "bash"
    code = (
        "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status | tr '\\n' ' '; env | grep -c TOKEN; echo $((6 * 7)) > answer"
    )
    assert ground.ask("run", kernel=kernel, code=code)["text"].split() == ["NoNewPrivs:", "1", "Seccomp:", "2", "0"]
    assert (ground.work / "answer").read_text() == "42\n"
    assert "no such job" in ground.ask("run", kernel=kernel, code="%secure_status")["text"]
    assert "denied" in ground.ask("run", kernel=kernel, code="cat /etc/shadow 2>&1 || echo denied")["text"]
    ground.ask("stop", kernel=kernel)


def test_several_kernels_at_once_have_folders_and_sockets_of_their_own(ground):
    started = ground.ask("start_many", count=3)["started"]
    assert len({one["folder"] for one in started}) == 3
    for number, one in enumerate(started):
        ground.ask("run", kernel=one["kernel"], code=f"mine = {number}")
    said = [ground.ask("run", kernel=one["kernel"], code="print(mine)")["text"].strip() for one in started]
    assert said == ["0", "1", "2"]
    for one in started:
        ground.ask("stop", kernel=one["kernel"])
        assert not Path(one["folder"]).exists()
