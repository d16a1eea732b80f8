"""What the page of a generator costs a visitor, in headless Chromium on this machine.

    python benchmarks/page.py avatars64

Needs Playwright and Chromium (`apt-get install chromium`).
"""

import argparse
import functools
import gzip
import os
import shutil
import statistics
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from tfanime.generator import open_generator
from tfanime.page import runtime
from tfanime.page.build import page_model, site, write_folder

AVATARS = 100
LOOK = """
window.long = []; window.told = {};
const noted = (list) => long.push(...list.getEntries().map(({ duration }) => duration));
new PerformanceObserver(noted).observe({ type: "longtask" });
const look = () => {
  told.gallery ??= document.querySelector(".cell.drawn") ? performance.now() : undefined;
  told.computed ??= globalThis.tfanime?.state.image ? performance.now() : undefined;
  requestAnimationFrame(look);
};
look();
"""
SEEDS = """async (count) => {
  const plain = { look: null, wanted: {}, psi: 1, fine: null, edits: {}, way: null };
  const rows = [];
  for (let seed = 0; seed < count; seed++) {
    const { data } = await tfanime.queue.image({ ...plain, at: String(seed) });
    rows.push(Array.from(data));
  }
  return rows;
}"""
TIMES = """async (count) => {
  const plain = { look: null, wanted: {}, psi: 1, fine: null, edits: {}, way: null };
  long.length = 0;
  tfanime.queue.times.length = 0;
  for (let seed = 0; seed < count; seed++) await tfanime.queue.image({ ...plain, at: String(1e6 + seed) });
  return [tfanime.queue.times, long];
}"""


class Handler(SimpleHTTPRequestHandler):
    """Counts what it sends."""

    sent = 0

    def copyfile(self, source, outputfile):
        """One file."""
        content = source.read()
        Handler.sent += len(content)
        outputfile.write(content)

    def log_message(self, *arguments):
        """Nothing."""


def until(page, expression):
    """Waits until JavaScript is true."""
    while not page.evaluate(expression):
        time.sleep(0.02)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    model = parser.parse_args().model
    generator = open_generator(model)
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        files = site([page_model(generator, "model", model)])
        write_folder(files, folder)
        code = [
            name for name in files if name.startswith("code-") and Path(name).name not in (runtime.SCRIPT, runtime.VIEW)
        ]
        rows.append(("own JS + CSS, gzip", f"{sum(len(gzip.compress(files[name])) for name in code) / 1e3:.1f} kB"))
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_init_script(LOOK)
        page = context.new_page()
        page.goto(address)
        until(page, "Boolean(told.computed && told.gallery)")
        told = page.evaluate("told")
        rows.append(("gallery visible", f"{told['gallery'] / 1e3:.2f} s"))
        rows.append(("first computed avatar", f"{told['computed'] / 1e3:.2f} s"))
        until(page, "Boolean(navigator.serviceWorker.controller && !tfanime.queue.jobs.length && !tfanime.queue.busy)")
        time.sleep(1)
        rows.append(("first visit", f"{Handler.sent / 1e6:.2f} MB"))
        times, long = page.evaluate(TIMES, AVATARS)
        quickest = f"{min(times):.0f}"
        rows.append(
            (
                "ms an avatar: quickest, median, 9 of 10",
                f"{quickest}, {statistics.median(times):.0f}, {np.quantile(times, 0.9):.0f}",
            )
        )
        rows.append(("main-thread tasks above 50 ms while it draws", f"{len(long)}"))
        found = np.array(page.evaluate(SEEDS, 64)).reshape(64, *generator.images([0]).shape[1:3], 4)[..., :3]
        rows.append(
            (
                "largest difference, seeds 0-63",
                f"{np.abs(found - generator.images(range(64)).astype(int)).max()} grey levels",
            )
        )
        page.close()
        Handler.sent = 0
        page = context.new_page()
        page.goto(address)
        until(page, "Boolean(told.computed && told.gallery)")
        rows.append(
            (
                "second visit",
                f"{Handler.sent / 1e3:.1f} kB; first computed avatar {page.evaluate('told.computed') / 1e3:.2f} s",
            )
        )
        server.shutdown()
        server.server_close()
        page.goto(address)
        until(page, "Boolean(told.computed && told.gallery)")
        rows.append(("with the server stopped", f"first computed avatar {page.evaluate('told.computed') / 1e3:.2f} s"))
        browser.close()
    print("\n".join(f"{name:<48}{value}" for name, value in rows))


if __name__ == "__main__":
    main()
