"""A small server with one or two guarded kernels, in a process of its own: what the attacks are aimed at.

It has what a real server has: a token in its environment, a runtime folder, a vault to hide. Reads one JSON object a
line (`op` and arguments), answers one a line. Run by `confined.py`, as root or as an ordinary person.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from traitlets.config import Config

from jupyter_secure.server.kernels import GuardedKernelSpecManager, GuardedMappingKernelManager


class Host:
    def __init__(self, root, hidden):
        self.root, self.hidden = root, [hidden]
        self.attached, self.detached = [], []

    def attach(self, kernel_id, end, report, notebook):
        self.attached.append([kernel_id, notebook])
        self.end = end

    def detach(self, kernel_id):
        self.detached.append(kernel_id)


class Driver:
    def __init__(self, work, vault, level):
        config = Config({"GuardProvisioner": {"launcher_only": level == "G2", "minimum": level}})
        self.kernels = GuardedMappingKernelManager(
            config=config, root_dir=work, kernel_spec_manager=GuardedKernelSpecManager()
        )
        self.host = self.kernels.secure_host = Host(work, vault)
        self.clients = {}

    async def start(self, name="python3"):
        kernel_id = await self.kernels.start_kernel(kernel_name=name, path="", env=dict(os.environ))
        manager = self.kernels.get_kernel(kernel_id)
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        self.clients[kernel_id] = client
        return {"kernel": kernel_id, "folder": str(Path(manager.connection_file).parents[1])}

    async def start_many(self, count):
        return {"started": await asyncio.gather(*(self.start() for _ in range(count)))}

    async def die(self, kernel):
        """Kill the kernel and wait until Jupyter has started it again."""
        manager = self.kernels.get_kernel(kernel)
        before = manager.provisioner._kernel.pid
        os.kill(before, 9)
        for _ in range(200):
            running = manager.provisioner and manager.provisioner._kernel
            if running and running.pid not in (0, before):
                break
            await asyncio.sleep(0.1)
        await self.clients[kernel].wait_for_ready(timeout=60)
        return {"attached": self.host.attached}

    async def run(self, kernel, code, timeout=60, heard=None):  # noqa: ASYNC109 - the test's own patience
        said = []

        def hear(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                said.append(content["text"])
                if heard:
                    heard.set()
            elif message["msg_type"] == "error":
                said.append(f"{content['ename']}: {content['evalue']}")

        client = self.clients[kernel]
        # After an error a kernel would drop what comes next: the cell of another test that shares it.
        reply = await client.execute_interactive(code, output_hook=hear, timeout=timeout, stop_on_error=False)
        return {"status": reply["content"]["status"], "text": "".join(said)}

    async def complete(self, kernel, code):
        reply = await self.clients[kernel].complete(code, reply=True, timeout=30)
        return {"matches": reply["content"]["matches"]}

    async def interrupt(self, kernel, code, after=1.0):
        begun = asyncio.Event()
        running = asyncio.ensure_future(self.run(kernel, f"print('begun')\n{code}", heard=begun))
        try:
            await asyncio.wait_for(begun.wait(), 60)  # an interrupt that comes before the cell is nobody's
        except TimeoutError:
            raise TimeoutError("the cell did not begin") from None
        await asyncio.sleep(after)
        await self.kernels.get_kernel(kernel).interrupt_kernel()
        return await running

    async def restart(self, kernel):
        await self.kernels.restart_kernel(kernel)
        await self.clients[kernel].wait_for_ready(timeout=60)
        return {"attached": self.host.attached}

    async def info(self, kernel):
        return (await self.clients[kernel].kernel_info(reply=True, timeout=30))["content"]

    async def subshell(self, kernel, code):
        """Run code in a subshell while a cell of the main shell sleeps."""
        client = self.clients[kernel]
        made = await self._control(client, "create_subshell_request", {})
        busy = client.execute("print('begun')\nimport time; time.sleep(30)", stop_on_error=False)
        while (await self._said(client))[0] != busy:
            pass  # an interrupt that comes before the cell is nobody's
        message = client.session.msg("execute_request", {"code": code, "silent": False, "store_history": False})
        message["header"]["subshell_id"] = made["subshell_id"]
        client.shell_channel.send(message)
        while (said := await self._said(client))[0] != message["header"]["msg_id"]:
            pass
        await self.kernels.get_kernel(kernel).interrupt_kernel()
        await self._control(client, "delete_subshell_request", {"subshell_id": made["subshell_id"]})
        while (await client.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != busy:
            pass
        return {"text": said[1]}

    async def _said(self, client):
        """Wait for output; return who printed it, and what."""
        while True:
            heard = await client.get_iopub_msg(timeout=60)
            if heard["msg_type"] == "stream":
                return heard["parent_header"].get("msg_id"), heard["content"]["text"]

    async def _control(self, client, kind, content):
        message = client.session.msg(kind, content)
        client.control_channel.send(message)
        while True:
            reply = await client.get_control_msg(timeout=60)
            if reply["parent_header"]["msg_id"] == message["header"]["msg_id"]:
                return reply["content"]

    async def debug(self, kernel, command, arguments):
        """Ask the kernel's debugger."""
        asked = {"type": "request", "seq": 1, "command": command, "arguments": arguments}
        return await self._control(self.clients[kernel], "debug_request", asked)

    async def shown(self, kernel, code):
        """Run code; return what it shows: a list of the content types of each display."""
        kinds = []

        def hear(message):
            if message["msg_type"] in ("display_data", "execute_result"):
                kinds.append(sorted(message["content"]["data"]))

        await self.clients[kernel].execute_interactive(code, output_hook=hear, timeout=60, stop_on_error=False)
        return {"shown": kinds}

    async def report(self, kernel):
        report = await self.kernels.get_kernel(kernel).provisioner.measure()
        return {
            "level": str(report.level),
            "canaries": report.canaries,
            "outside": report.outside,
            "layers": report.layers,
            "missing": report.missing,
            "pid": self.kernels.get_kernel(kernel).provisioner._kernel.pid,
        }

    async def stop(self, kernel):
        self.clients.pop(kernel).stop_channels()
        await self.kernels.shutdown_kernel(kernel)
        return {"detached": self.host.detached}


async def main():
    driver = Driver(*sys.argv[1:4])
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        try:
            answer = await getattr(driver, order.pop("op"))(**order)
        except Exception as error:  # noqa: BLE001 - goes to the test, whatever it is
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer to the test
    for kernel in list(driver.clients):
        await driver.stop(kernel)


if __name__ == "__main__":
    asyncio.run(main())
