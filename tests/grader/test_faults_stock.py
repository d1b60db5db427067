"""The corpus through stock nbgrader: what the table in docs/faults.md says of it is measured."""

import os

import nbgrader
import pytest

from faults import FAULTS, STOCK_VERSION
from stock_nbgrader import Stock

ASKED = "STOCK_NBGRADER"


@pytest.fixture(scope="module", name="stock")
def _stock(tmp_path_factory):
    if not os.environ.get(ASKED):
        pytest.skip(f"opt-in, {ASKED}=1: three seconds a submission")
    assert nbgrader.__version__ == STOCK_VERSION
    stock = Stock(tmp_path_factory.mktemp("stock"))
    yield stock
    stock.close()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_stock_nbgrader_does_what_was_recorded(stock, fault):
    assert stock.outcome(fault.content) == fault.stock
