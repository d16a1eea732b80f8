"""Sites of generators that learned nothing, and a browser that looks at them."""

import contextlib
import os
import shutil
import threading
import time

import pytest

from tfanime.page import runtime

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None)
FLAGS = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
SECONDS = 30
WATCH = """
window.seen = [];
document.addEventListener("securitypolicyviolation", (event) => seen.push(event.violatedDirective + event.blockedURI));
"""


@contextlib.contextmanager
def chromium():
    """Chromium without a window; skips the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install 'tfanime[test]' brings Playwright")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def running(server):
    """A server that answers until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def until(page, expression):
    """Waits until JavaScript is true. (Playwright's own waiting evaluates strings, which the page's policy forbids.)"""
    end = time.monotonic() + SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never came: {expression}; the page says {page.inner_text('body')[:400]!r}"
        time.sleep(0.02)


def drawn(page):
    """Waits until everything that was asked for is drawn."""
    until(page, "Boolean(globalThis.tfanime?.state.image && !tfanime.queue.busy && !tfanime.queue.jobs.length)")


def write(folder, name, vocabulary=None, distribution="normal", seed=0):
    """Writes a generator's folder, a DCGAN of 16 px that learned nothing but is not grey; returns its path."""
    import keras

    from tfanime.generator import write_generator
    from tfanime.inputs import Inputs
    from tfanime.latents import Latents
    from tfanime.models import dcgan

    keras.utils.set_random_seed(seed)
    tags = len(vocabulary) if vocabulary else 0
    network = dcgan.generator(image_size=16, latent_size=12, channels=8, norm="none", tag_count=tags)
    for weight in network.weights:
        weight.assign(weight * 8)
    write_generator(folder / name, network, Inputs(Latents(12, distribution), vocabulary), {"recipe": "dcgan"})
    return folder / name


def write_two_directions(folder):
    """Writes the directions `smile` and `pca1`, which are none, into a generator's folder."""
    import numpy as np

    from tfanime.generator import open_generator
    from tfanime.latent_space.directions import FILE, Direction, write_directions
    from tfanime.latent_space.space import LatentSpace

    space = LatentSpace(open_generator(folder))
    steps = np.random.default_rng(0).normal(size=(2, space.size)).astype(np.float32)
    directions = [Direction(name, step, 0.5) for name, step in zip(("smile", "pca1"), steps, strict=True)]
    write_directions(folder / FILE, space, directions)


def write_styles(folder, name, vocabulary):
    """Likewise a StyleGAN2 with w and noise, of 16 px; returns its path."""
    import keras

    from tfanime.generator import write_generator
    from tfanime.inputs import Inputs
    from tfanime.latents import Latents
    from tfanime.models import stylegan2

    keras.utils.set_random_seed(0)
    sizes = {"image_size": 16, "z_size": 12, "w_size": 16, "channel_base": 256, "channel_max": 16, "mapping_layers": 2}
    network = stylegan2.generator(**sizes, tag_count=len(vocabulary), embedding_noise=0.5)
    for weight in network.weights:
        if "noise_strength" in weight.path:
            weight.assign(0.1)  # 0 at first: the noise would not be seen
    inputs = Inputs.of_network(network, Latents(12), vocabulary)
    write_generator(folder / name, network, inputs, {"recipe": "stylegan2"})
    return folder / name


def npm_file(package):
    """The file of a package that the lock file pins for tests, as text; skips the test where npm cannot fetch it."""
    import json

    from tfanime.files import in_cache

    entry = json.loads(runtime.LOCK.read_text())["tests"][package]

    def fill(target):
        for name, content in runtime.fetch_from_npm(package, entry, target).items():
            (target / name).write_bytes(content)

    try:
        (name,) = entry["files"]
        return (in_cache(f"{package}-{entry['version']}", fill) / name).read_text()
    except OSError as error:
        pytest.skip(f"{package} cannot be fetched: {error}")
