"""The public conformance suite of kernels, `jupyter_kernel_test`, against a guarded `python3`, at both levels."""

import os
import tempfile

import jupyter_kernel_test
import pytest
from jupyter_client.manager import start_new_kernel
from jupyter_client.provisioning import KernelProvisionerFactory
from traitlets.config import Config

from tests.attacks.confined import unavailable

pytestmark = pytest.mark.slow
PATIENCE = 30  # seconds for a message; the suite's own tenth of a second is for an idle computer


class Conformance(jupyter_kernel_test.KernelTests):
    """What IPython's kernel can do, told to the suite."""

    __test__ = False  # the two below are collected
    launcher_only = False
    kernel_name = "python3"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('wrong', file=sys.stderr)"
    completion_samples = ({"text": "enumera", "matches": {"enumerate"}},)
    complete_code_samples = ("1", "total = 2", "def double(x):\n  return 2 * x\n\n\n")
    incomplete_code_samples = ("total = '''long", "for x in range(3):\n  print(x)")
    invalid_code_samples = ("import 7up", "3 = x")
    code_page_something = "len?"
    code_generate_error = "1 / 0"
    code_execute_result = (
        {"code": "40 + 2", "result": "42"},
        {"code": "[n * n for n in range(3)]", "result": "[0, 1, 4]"},
    )
    code_display_data = (
        {"code": "from IPython.display import HTML, display; display(HTML('<i>shown</i>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('x^2'))", "mime": "text/latex"},
    )
    code_history_pattern = "4?*2*"
    supported_history_operations = ("tail", "search")  # IPython calls the running session 0, the suite by its number
    code_inspect_sample = "print"
    code_clear_output = "from IPython.display import clear_output; clear_output()"
    support_iopub_welcome = True

    @classmethod
    def setUpClass(cls):
        """Start the kernel as any program does that uses jupyter_client, but for the provisioner."""
        cls.work = tempfile.TemporaryDirectory()
        config = Config({"GuardProvisioner": {"launcher_only": cls.launcher_only}})
        factory = KernelProvisionerFactory.instance()
        before, factory.default_provisioner_name = factory.default_provisioner_name, "jupyter-secure"
        try:
            cls.km, cls.kc = start_new_kernel(kernel_name=cls.kernel_name, config=config, cwd=cls.work.name)
        finally:
            factory.default_provisioner_name = before
        cls.quick, channel = cls.kc.iopub_channel.get_msg, cls.kc.iopub_channel
        channel.get_msg = lambda timeout=None: cls.quick(timeout=max(timeout or 0, PATIENCE))

    @classmethod
    def tearDownClass(cls):
        """End it."""
        super().tearDownClass()
        cls.work.cleanup()

    def flush_channels(self):
        """Take what still comes, with the channel's own patience."""
        patient, self.kc.iopub_channel.get_msg = self.kc.iopub_channel.get_msg, self.quick
        try:
            super().flush_channels()
        finally:
            self.kc.iopub_channel.get_msg = patient

    def test_it_is_guarded(self):
        """The kernel under test is the one that this project starts."""
        assert type(self.km.provisioner).__name__ == "GuardProvisioner"
        self.flush_channels()
        _, output = self.execute_helper("print(open('/proc/self/status').read().split('NoNewPrivs:')[1].split()[0])")
        assert output[0]["content"]["text"] == "1\n"


@pytest.mark.skipif(bool(unavailable("G3", "self")) and not os.environ.get("CI"), reason="no bubblewrap here")
class TestG3(Conformance):
    """With namespaces."""

    __test__ = True


@pytest.mark.skipif(bool(unavailable("G2", "self")) and not os.environ.get("CI"), reason="no Landlock here")
class TestG2(Conformance):
    """With the launcher alone."""

    __test__ = True
    launcher_only = True
