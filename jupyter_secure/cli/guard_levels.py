"""What each guard level means, in words for whoever decides about it."""

from __future__ import annotations

from jupyter_secure.protocol.grant import GuardLevel

MEANINGS = {
    GuardLevel.G4: "kernels run in containers or machines of their own",
    GuardLevel.G3: "kernels get files, processes and a network of their own, and a filter on system calls",
    GuardLevel.G2: "kernels are held back from files, network and other processes by Landlock and a filter",
    GuardLevel.G1: "kernels are held back only in part",
    GuardLevel.G0: "kernels are not confined",
}
