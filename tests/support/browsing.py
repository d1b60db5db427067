"""JupyterLab on a folder, and a headless browser that looks at it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Cells outside the window are drawn too, so that a test can look at all of them.
SETTINGS = {
    "notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false"},
}

# JupyterLab's own promises say when the kernel is there and when a cell has run.
OPEN_AND_RUN = """
async ([path, cells, seconds]) => {
  const late = new Promise((_, fail) =>
    setTimeout(() => fail(new Error(`${path} still runs after ${seconds} s`)), 1000 * seconds));
  const run = async () => {
    const { commands, shell } = window.jupyterapp;
    const shown = await commands.execute('docmanager:open', { path, factory: 'Notebook' });
    await Promise.all([shown.revealed, shown.sessionContext.ready]);
    await shown.sessionContext.session.kernel.info;
    shell.activateById(shown.id);
    await commands.execute('notebook:clear-all-cell-outputs');  // the stored ones prove nothing
    if (!cells) return commands.execute('notebook:run-all-cells');
    for (const index of cells) {
      shown.content.activeCellIndex = index;
      await commands.execute('notebook:run-cell');
    }
  };
  await Promise.race([run(), late]);
}
"""
CLOSE = """
async () => {
  const open = [...window.jupyterapp.shell.widgets('main')].filter(it => it.sessionContext);
  for (const shown of open) {
    await shown.sessionContext.shutdown();
    shown.dispose();
  }
}
"""


def find_browser() -> str | None:
    """Return the path of a Chromium or Chrome on this machine, if there is one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextlib.contextmanager
def jupyter_lab(folder: Path, scratch: Path, *arguments: str) -> Iterator[str]:
    """Serve a folder with JupyterLab and yield its address; everything it writes is in scratch."""
    settings = scratch / "settings"
    for name, values in SETTINGS.items():
        path = settings / "@jupyterlab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(scratch / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "JUPYTER_CONFIG_DIR": str(scratch / "config"),
        "IPYTHONDIR": str(scratch / "ipython"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    port = _free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", "--allow-root"]
    command += ["--expose-app-in-browser", f"--ServerApp.root_dir={folder}", *arguments]
    log = (scratch / "jupyterlab.log").open("w")
    server = subprocess.Popen(
        command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, server, Path(log.name))
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


@contextlib.contextmanager
def browser_page(width: int = 1400, height: int = 1000) -> Iterator[Page]:
    """Open a page in a headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(60_000)
        try:
            yield page
        finally:
            browser.close()


@contextlib.contextmanager
def lab_page(folder: Path, scratch: Path, **window: int) -> Iterator[Page]:
    """Serve a folder with JupyterLab and open it in a headless browser."""
    with jupyter_lab(folder, scratch) as address, browser_page(**window) as page:
        page.goto(f"{address}/lab")
        page.wait_for_function("() => window.jupyterapp?.restored")
        page.evaluate("() => window.jupyterapp.restored")
        yield page


@contextlib.contextmanager
def run_notebook(
    page: Page, notebook: str, cells: Sequence[int] | None = None, seconds: float = 180
) -> Iterator[None]:
    """Open a notebook in a `lab_page`, run these cells or all, and close it after."""
    try:
        page.evaluate(OPEN_AND_RUN, [notebook, cells, seconds])
        yield
    finally:
        page.evaluate(CLOSE)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/api", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start at {address}:\n{log.read_text()[-2000:]}")
