"""A browser is needed here: without one these tests say so, and under CI they fail."""

import os

import pytest

from browsing import find_browser


@pytest.fixture(scope="session", autouse=True)
def _browser():
    if find_browser() is None:
        reason = "no Chromium or Chrome on this machine: install chromium to run the browser tests"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
