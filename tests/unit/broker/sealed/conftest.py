"""A sealed table in a temporary folder."""

import pyarrow as pa
import pytest

from jupyter_secure.testing.sealed_data import SealedData


@pytest.fixture
def table():
    return pa.table(
        {"name": [f"person {n}" for n in range(2500)], "age": list(range(2500)), "cost": [n / 7 for n in range(2500)]}
    )


@pytest.fixture
def data(tmp_path, store_url):
    data = SealedData(tmp_path, store_url)
    yield data
    data.close()
