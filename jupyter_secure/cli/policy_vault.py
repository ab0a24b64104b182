"""What the policy commands need of a vault, and the one place where they open it."""

from __future__ import annotations

import argparse
from typing import Protocol

from jupyter_secure.broker.policy.archive import PolicyArchive, Version
from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.errors import InstallationError
from jupyter_secure.protocol.principal import Principal


class FindsAccounts(Protocol):
    """The part of `authn.accounts.Accounts` that is used."""

    def get(self, name: str) -> Principal:
        """Return an active account."""


class FindsDatasets(Protocol):
    """The part of `sealed.catalog.Catalog` that is used."""

    def latest(self, name: str) -> DatasetVersion:
        """Return the newest version of a dataset."""


class PolicyVault(Protocol):
    """A vault as the policy commands see it; only `apply_policy` needs it to be unlocked."""

    accounts: FindsAccounts
    catalog: FindsDatasets
    policies: PolicyArchive

    def apply_policy(self, text: str) -> Version:
        """Put a policy in force, and into the log."""


def open_policy_vault(args: argparse.Namespace, *, unlock: bool) -> PolicyVault:
    """Open the vault that the command line names, unlocked if the command signs.

    Raises:
        SecureError: there is no vault, or the passphrase is wrong.
    """
    raise InstallationError(detail=f"{args.vault}: no opener is wired for unlock={unlock}")
