"""How tests are spread over the processes of pytest-xdist, and in which order.

What shares something that takes long to start stays together: the tests of a file, and those of the Hub. Files that
need servers, browsers or builds come first, so that at the end every process has short ones to take.
"""

from xdist.scheduler.loadscope import LoadScopeScheduling

HUB = "tests/integration/hub"


class Together(LoadScopeScheduling):
    """One process for the tests of a file, and one for those of the Hub; in the order of the collection."""

    def __init__(self, config, log=None):
        config.option.loadscopereorder = False  # which would begin with the files of many tests
        super().__init__(config, log)

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return HUB if file.startswith(f"{HUB}/") else file
