"""The page in Chromium: it draws what TensorFlow draws, asks nobody else, and says what is wrong."""

import functools
import gzip
import hashlib
import io
import json
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import page_sites
import pytest
from page_sites import drawn, running, until
from PIL import Image

from tfanime.generator import open_generator
from tfanime.latent_space.edits import edited_generator, own_directions
from tfanime.latents import Latents
from tfanime.page.build import page_model, single_file, site, write_folder
from tfanime.page.server import SiteServer
from tfanime.tag_sampling import TagSampler
from tfanime.tags import JIN34, KONACHAN26

pytestmark = pytest.mark.browser

SEEDS = (0, 1, 12, 2**32, 2**63 - 1)
MODES = ("all", "near", "tags", "faces", "each", "cross", "way", "kept")
PIXELS = """async (avatar) => Array.from((await tfanime.queue.image(avatar)).data)"""
PLAIN = {"look": None, "wanted": {}, "psi": 1, "fine": None, "edits": {}, "way": None}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generators")
    found = {
        "faces": page_sites.write(folder, "faces", JIN34, "uniform"),
        "other": page_sites.write(folder, "other", KONACHAN26, seed=1),
        "untagged": page_sites.write(folder, "untagged", seed=2),
        "styles": page_sites.write_styles(folder, "styles", KONACHAN26),
    }
    for name in ("faces", "styles"):
        page_sites.write_two_directions(found[name])
    return found


@pytest.fixture(scope="module")
def models(folders):
    obeyed = {"hat": 0.2, "smile": 0.9}
    found = []
    for name, path in folders.items():
        generator = open_generator(path)
        directions = own_directions(path, generator)
        found.append(
            page_model(generator, name, name, obeyed=obeyed if name == "faces" else None, directions=directions)
        )
    return found


@pytest.fixture(scope="module")
def chromium():
    with page_sites.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(models):
    with running(SiteServer(site(models))) as server:
        yield server


class Visit:
    """A page in a fresh profile; when it is closed, it must have asked nobody else and broken no rule."""

    def __init__(self, chromium, address, hash="", **settings):
        settings = {"viewport": {"width": 1280, "height": 800}, "locale": "en"} | settings
        self.context, self.address = chromium.new_context(**settings), address
        self.page = page = self.context.new_page()
        page.add_init_script(page_sites.WATCH)
        self.requests, self.errors = [], []
        self.context.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.goto(f"{address}{hash}")
        drawn(page)

    def close(self):
        strangers = [url for url in self.requests if not url.startswith((self.address, "blob:", "data:"))]
        assert (strangers, self.errors, self.page.evaluate("window.seen")) == ([], [], [])
        self.context.close()


@pytest.fixture
def visit(chromium, server):
    """Opens a `Visit` and returns its page."""
    visits = []

    def visit(hash="", address=None, **settings):
        visits.append(Visit(chromium, address or server.address, hash, **settings))
        return visits[-1].page

    yield visit
    for each in visits:
        each.close()


@pytest.fixture(scope="module")
def shared(chromium, server):
    """A page for tests that keep nothing in the browser."""
    visit = Visit(chromium, server.address)
    yield visit.page
    visit.close()


def follow(page, hash):
    """Follows a link on an open page."""
    page.evaluate(
        """(hash) => new Promise((done) => {
            addEventListener("hashchange", done, { once: true });
            location.hash = hash;
        }).then(() => 0)""",
        hash,
    )
    drawn(page)


def grid_is_drawn(page):
    until(page, "Boolean(document.querySelector('.cell.drawn') || document.querySelector('.empty'))")
    drawn(page)


def test_seeds_equal_tensorflow(shared):
    page = shared
    code = json.loads(page.evaluate("JSON.stringify(performance.getEntriesByType('resource').map(({name}) => name))"))
    (module,) = {name for name in code if name.endswith("seeds.js")}
    ask = f"""async (asked) => {{ const m = await import("{module}");
        return asked.map(([name, ...values]) => Array.from(m[name](...values))); }}"""
    wanted = np.zeros(len(JIN34), np.float32)
    wanted[[3, 14, 20]] = 1, -1, 1.3
    vocabulary = page.evaluate("tfanime.site.models[0].vocabulary")
    sampler, count = TagSampler(JIN34), len(SEEDS)
    expected = (
        Latents(100, "uniform").from_seeds(SEEDS),
        Latents(101).from_seeds(SEEDS),
        sampler.from_seeds(SEEDS),
        sampler.from_seeds(SEEDS, np.tile(wanted, (count, 1))),
    )
    for seed, uniform, normal, tags, asked_tags in zip(SEEDS, *map(np.asarray, expected), strict=True):
        asked = [
            ["latents", str(seed), 100, "uniform"],
            ["latents", str(seed), 101, "normal"],
            ["sampleTags", vocabulary, str(seed), [0] * len(wanted)],
            ["sampleTags", vocabulary, str(seed), wanted.tolist()],
        ]
        found = [np.array(row, np.float32) for row in page.evaluate(ask, asked)]
        np.testing.assert_array_equal(found[0], uniform)
        np.testing.assert_allclose(found[1], normal, rtol=0, atol=2.4e-7)
        np.testing.assert_array_equal(found[2], tags)
        np.testing.assert_array_equal(found[3], asked_tags)


@pytest.mark.parametrize("name", ["faces", "other", "untagged", "styles"])
def test_pictures_equal_tensorflow(shared, folders, name):
    page = shared
    follow(page, f"#m={name}&seed=1")
    generator = open_generator(folders[name])
    seeds = [*range(16), *SEEDS[3:]]
    tags = "" if name == "untagged" else "blonde hair, no red eyes"
    expected = generator.images(seeds, tags)
    assert expected.std() > 20  # not grey
    wanted = {"blonde_hair": 1, "red_eyes": -1} if tags else {}
    for seed, image in zip(seeds, expected, strict=True):
        found = np.array(page.evaluate(PIXELS, PLAIN | {"at": str(seed), "wanted": wanted})).reshape(16, 16, 4)
        assert np.abs(found[..., :3].astype(int) - image).max() <= 1
        assert (found[..., 3] == 255).all()


@pytest.mark.slow
def test_styles_are_truncated_and_mixed(shared, folders):
    page = shared
    follow(page, "#m=styles&seed=4&psi=0.5")
    generator = open_generator(folders["styles"])
    expected = generator.truncated(0.5).images([4])[0]
    found = np.array(page.evaluate("[...tfanime.state.image.data]")).reshape(16, 16, 4)[..., :3]
    assert np.abs(found - expected.astype(int)).max() <= 1
    assert np.abs(expected.astype(int) - generator.images([4])[0]).max() > 3
    coarse, fine, mixed = (
        np.array(page.evaluate(PIXELS, PLAIN | {"at": at, "look": "4", "fine": fine}))
        for at, fine in (("4", None), ("9", None), ("4", "9"))
    )
    assert (mixed != coarse).any() and (mixed != fine).any()
    same = page.evaluate(PIXELS, PLAIN | {"at": "4", "look": "4", "fine": "4"})
    np.testing.assert_array_equal(same, coarse)


@pytest.mark.parametrize(("name", "psi"), [("faces", 1), pytest.param("styles", 0.5, marks=pytest.mark.slow)])
def test_directions_equal_generate(shared, folders, name, psi):
    page = shared
    follow(page, f"#m={name}&seed=4&psi={psi}&edits=smile:2,pca1:-1.5")
    generator = open_generator(folders[name])
    edits = [("smile", None, 2.0), ("pca1", None, -1.5)]
    expected = edited_generator(folders[name], generator, edits, psi=psi).images([4])[0].astype(int)
    found = np.array(page.evaluate("[...tfanime.state.image.data]")).reshape(16, 16, 4)[..., :3]
    assert np.abs(found - expected).max() <= 1
    unmoved = generator if psi == 1 else generator.truncated(psi)
    assert np.abs(expected - unmoved.images([4])[0]).max() > 3


@pytest.mark.slow
def test_slider_moves_an_avatar_and_updates_the_link(visit):
    page = visit("#m=faces&seed=4&edits=smile:2")
    page.locator("summary", has_text="Directions").click()
    page.focus("[name=direction-pca1]")
    before = page.evaluate("[...tfanime.state.image.data]")
    page.keyboard.press("ArrowLeft")
    drawn(page)
    assert page.evaluate("location.hash") == "#m=faces&seed=4&edits=smile:2,pca1:-0.5"
    assert page.evaluate("[...tfanime.state.image.data]") != before
    page.click("text=Leave all to chance")
    assert page.evaluate("location.hash") == "#m=faces&seed=4"


@pytest.mark.slow
def test_undo_takes_back_a_whole_drag_of_a_slider(visit):
    page = visit("#m=faces&seed=4")
    page.locator("summary", has_text="Directions").click()
    drag = """values => { const slider = document.querySelector("[name=direction-smile]");
      for (const value of values) { slider.value = value; slider.dispatchEvent(new Event("input", { bubbles: true })); }
      slider.dispatchEvent(new Event("change", { bubbles: true })); slider.focus(); }"""
    page.evaluate(drag, [0.5, 1, 1.5])
    page.evaluate(drag, [2, 2.5])
    until(page, "location.hash === '#m=faces&seed=4&edits=smile:2.5'")  # the address follows a drag slowly
    page.keyboard.press("Control+z")
    assert page.evaluate("location.hash") == "#m=faces&seed=4&edits=smile:1.5"
    page.keyboard.press("Control+z")
    assert page.evaluate("[location.hash, tfanime.state.undo.length]") == ["#m=faces&seed=4", 0]


@pytest.mark.slow
def test_transition_goes_in_the_order_of_stars_and_ends_with_its_model(visit):
    page = visit()
    for seed, edits in (("5", "&edits=smile:1"), ("9", ""), ("2", "")):
        follow(page, f"#m=faces&seed={seed}{edits}")
        page.click("[aria-label=Favourite]")
    follow(page, "#m=faces&seed=5&edits=smile:1")
    page.wait_for_timeout(1200)  # looked at for a second: it becomes the newest of the history
    page.locator(".mode", has_text="Transition").click()
    drawn(page)
    stops = page.locator(".cell").evaluate_all("cells => cells.map(({ cell }) => cell.avatar.at)")
    assert list(dict.fromkeys(stops)) == ["5", "9", "2"]
    page.locator(".cell").nth(3).click()
    page.select_option("#model", "untagged")
    drawn(page)
    assert page.locator(".notice").count() == 0
    assert page.evaluate("location.hash") == "#m=untagged&seed=5&view=way"


def test_transition_equals_interpolate(shared, folders):
    page = shared
    follow(page, "#m=other&seed=2")
    generator = open_generator(folders["other"])
    inputs = generator.inputs
    ends = [inputs.from_seeds([seed]) for seed in (3, 4)]
    expected = generator.network(inputs.between(*ends, [0.3]), training=False).numpy()
    avatar = PLAIN | {"at": "3", "way": [PLAIN | {"at": "3"}, PLAIN | {"at": "4"}, 0.3]}
    found = np.array(page.evaluate(PIXELS, avatar)).reshape(16, 16, 4)[..., :3]
    assert np.abs(found - (expected[0] * 127.5 + 127.5)).max() <= 1.5


def test_views_draw_and_are_accessible(visit):
    axe = page_sites.npm_file("axe-core")
    page = visit(reduced_motion="reduce")  # what fades in has less contrast until then
    for seed in ("5", "9"):
        page.fill("#seed", seed)
        page.press("#seed", "Enter")
        page.click("[aria-label=Favourite]")
    page.fill("#seed", "2")
    page.press("#seed", "Enter")
    page.evaluate(f"{axe}; 0")
    for index, name in enumerate(MODES):
        page.locator(".mode").nth(index).click()
        grid_is_drawn(page)
        assert page.evaluate("tfanime.state.mode") == name
        assert page.locator(".cell.drawn").count() > 1
        for scheme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.emulate_media(color_scheme=scheme)
            ask = "async (o) => (await axe.run(o)).violations.map(({id, nodes}) => [id, nodes[0].html])"
            assert (name, scheme, page.evaluate(ask, options)) == (name, scheme, [])


def test_link_opens_its_avatar(visit, chromium, server):
    page = visit("#m=faces&seed=7&tags=blonde_hair,-hat,smile:1.3&psi=0.8")
    page.click("button[data-tag=glasses]")
    page.locator(".mode", has_text="Similar").click()
    grid_is_drawn(page)
    page.locator(".cell").nth(3).click()
    drawn(page)
    first = page.evaluate("[location.hash, ...tfanime.state.image.data]")
    assert "glasses" in first[0] and "smile:1.3" in first[0] and "~" in first[0]
    page.reload()
    drawn(page)
    again = visit(first[0])
    for each in (page, again):
        assert each.evaluate("[location.hash, ...tfanime.state.image.data]") == first
    page.keyboard.press("Control+z")  # nothing to undo after a reload
    assert page.evaluate("location.hash") == first[0]


@pytest.mark.slow
def test_undo_and_history_restore_avatars(visit):
    page = visit()
    page.click("button[data-tag=hat]")
    page.click("button[data-tag=blue_hair]")
    page.click("button[data-tag=red_hair]")  # of one group: blue hair goes
    assert page.evaluate("location.hash") == "#m=faces&seed=0&tags=hat,red_hair"
    page.click("[aria-label=Undo]")
    assert page.evaluate("location.hash") == "#m=faces&seed=0&tags=hat,blue_hair"
    page.click("[aria-label=Favourite]")
    page.wait_for_timeout(1200)
    page.reload()
    drawn(page)
    page.locator(".mode", has_text="Kept").click()
    grid_is_drawn(page)
    assert page.locator(".cell .caption").first.inner_text() == "★"
    page.click("text=Forget all")
    until(page, "Boolean(document.querySelector('.empty'))")


@pytest.mark.slow
def test_saved_pictures_open_again(visit, tmp_path):
    page = visit("#m=faces&seed=11&tags=hat,smile:0.5")

    def saved(text):
        page.click(".menu summary")
        with page.expect_download() as download:
            page.click(f"text={text}")
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        return path

    small = saved("16 px")
    image = Image.open(small)
    assert image.size == (16, 16) and image.text["tfanime"] == "#m=faces&seed=11&tags=hat,smile:0.5"
    np.testing.assert_array_equal(
        np.array(image.convert("RGBA")).ravel(), page.evaluate("[...tfanime.state.image.data]")
    )
    large = saved("128 px")
    assert Image.open(large).size == (128, 128)
    names = zipfile.ZipFile(saved("ZIP")).namelist()
    assert len(names) == 48 and names[:2] == ["seed-00000000.png", "seed-00000001.png"]
    assert Image.open(io.BytesIO(zipfile.ZipFile(tmp_path / "faces-11.zip").read(names[0]))).size == (16, 16)
    page.fill("#seed", "3")
    page.press("#seed", "Enter")
    page.set_input_files("#file", large)
    until(page, "location.hash === '#m=faces&seed=11&tags=hat,smile:0.5'")
    Image.new("RGB", (4, 4)).save(tmp_path / "stranger.png")
    page.set_input_files("#file", tmp_path / "stranger.png")
    until(page, "document.querySelector('.status').textContent.includes('does not say')")


@pytest.mark.slow
def test_transition_is_saved_as_gif_and_strip(visit, tmp_path):
    page = visit("#m=other&seed=1")
    for seed in ("1", "2", "3"):
        page.fill("#seed", seed)
        page.press("#seed", "Enter")
        page.click("[aria-label=Favourite]")
    page.locator(".mode", has_text="Transition").click()
    grid_is_drawn(page)
    assert page.locator(".cell").count() == 17
    page.locator("input[name=position]").fill("4")
    drawn(page)
    until(page, "location.hash.includes('share=0.5')")
    frame = page.evaluate("[...tfanime.state.image.data]")
    for name, size, frames in (("GIF", (16, 16), 32), ("PNG strip", (17 * 16, 16), 1)):
        with page.expect_download() as download:
            page.click(f"text={name}")
        download.value.save_as(tmp_path / "file")
        image = Image.open(tmp_path / "file")
        assert (image.size, getattr(image, "n_frames", 1)) == (size, frames)
        pixels = np.array(image.convert("RGB"))
        if name == "GIF":
            image.seek(4)
            pixels = np.array(image.convert("RGB"))
            difference = np.abs(pixels.astype(int) - np.array(frame).reshape(16, 16, 4)[..., :3])
            assert difference.mean() < 12  # of the noise that an untrained network draws, in 256 colours


def test_page_works_by_keyboard(visit):
    page = visit()
    focus = "document.activeElement.id || document.activeElement.className"
    seen = []
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(focus))
        if "cell" in seen[-1]:
            break
    assert {"model", "language", "seed"} <= set(seen) and any("chip" in each for each in seen)
    assert "cell" in seen[-1]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    drawn(page)
    assert page.evaluate("location.hash") == "#m=faces&seed=2"
    page.keyboard.press("Tab")
    assert page.evaluate("!document.activeElement.closest('.grid')")  # the endless grid is one stop


@pytest.mark.slow
def test_phone_layout_shows_tags_in_a_bottom_sheet(visit):
    page = visit(viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert not page.locator("#controls").is_visible()
    page.click("#open-tags")
    page.click("button[data-tag=hat]")
    page.keyboard.press("Escape")
    until(page, "getComputedStyle(document.getElementById('controls')).visibility === 'hidden'")
    assert page.evaluate("location.hash") == "#m=faces&seed=0&tags=hat"
    assert page.evaluate("document.activeElement.id") == "open-tags"


@pytest.mark.slow
def test_doubtful_tags_are_marked_in_every_language(visit):
    page = visit(locale="ja")
    assert page.evaluate("document.documentElement.lang") == "ja"
    assert "20 %" in page.get_attribute("button[data-tag=hat]", "aria-label")
    assert page.locator("button[data-tag=smile] .doubt").count() == 0
    for code, word in (("en", "Explore"), ("zh", "浏览"), ("ru", "Обзор")):
        page.select_option("#language", code)
        assert page.locator(".mode").first.inner_text() == word


def test_model_picker_switches_models(shared):
    page = shared
    follow(page, "#m=faces&seed=4&tags=hat")
    page.select_option("#model", "untagged")
    drawn(page)
    assert page.evaluate("location.hash") == "#m=untagged&seed=4"
    assert page.locator(".mode").count() == 5
    page.select_option("#model", "other")
    drawn(page)
    assert page.locator("button[data-tag=long_hair]").count() == 1


HOSTILE = {
    "#m=%3Cscript%3Ealert(1)%3C/script%3E": "names a model that is not here: <script>alert(1)</script>",
    "#seed=99999999999999999999999": "a seed that is none",
    "#seed=-1": "a seed that is none",
    "#seed=" + "(" * 5000: "a seed that is none",
    "#seed=(1~2~7)": "a seed that is none",
    "#tags=dragon,__proto__,constructor": "does not know: __proto__",
    "#tags=hat:9e99": "outside its range: hat:9e99",
    "#edits=dragon:1,__proto__:2": "does not have: __proto__",
    "#edits=smile:1e9": "outside its range: smile:1e9",
    "#psi=NaN": "outside its range: NaN",
    "#view=<img src=x onerror=alert(1)>": "a view that there is not: <img src=x onerror=alert(1)>",
    "#seed=1&to=seed%3D2&share=x": "outside its range: x",
    "#%%%&&==&seed": "a seed that is none",
}


@pytest.mark.parametrize("hash", HOSTILE)
def test_hostile_links_are_explained(shared, hash):
    page = shared
    dialogs = []
    page.once("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    follow(page, hash)
    assert HOSTILE[hash] in page.inner_text(".notice")
    assert page.evaluate("tfanime.state.image.width") == 16
    assert not dialogs  # no script of the link ran


@pytest.mark.slow
def test_hostile_link_on_the_first_visit_is_explained(visit):
    hash = "#m=<script>alert(1)</script>&seed=x&tags=dragon&view=%22"
    notice = visit(hash).inner_text(".notice")
    for sentence in (
        "a model that is not here",
        "a seed that is none",
        "does not know: dragon",
        "a view that there is",
    ):
        assert sentence in notice


def test_nested_blend_is_drawn(shared):
    page = shared
    text = functools.reduce(lambda inner, seed: f"({inner}~{seed}~0.2)", range(1, 31), "0")
    follow(page, f"#m=faces&seed={text}")
    assert page.locator(".notice").count() == 0
    assert page.evaluate("location.hash").count("~") in (0, 60)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda content: content[:-9] + b"damaged!!", "damaged or was changed"),
        pytest.param(
            lambda content: gzip.compress(b"no network at all"), "damaged or was changed", marks=pytest.mark.slow
        ),
        pytest.param(lambda content: None, "could not be fetched", marks=pytest.mark.slow),
    ],
)
def test_damaged_files_are_explained(chromium, models, damage, sentence):
    files = site(models[:1])
    (name,) = (name for name in files if ".onnx" in name)
    files[name] = damage(files[name])
    if files[name] is None:
        del files[name]
    with running(SiteServer(files)) as server:
        page = chromium.new_page(locale="en")
        page.goto(server.address)
        until(page, "Boolean(document.querySelector('.notice'))")
        assert sentence in page.inner_text(".notice")
        page.context.close()


@pytest.mark.slow
def test_file_that_is_not_a_network_is_explained(chromium, models):
    files = site(models[:1])
    (name,) = (name for name in files if ".onnx" in name)
    digest = models[0].networks["network"].sha256.encode()
    files[name] = gzip.compress(b"no network at all")
    files["index.html"] = files["index.html"].replace(digest, hashlib.sha256(b"no network at all").hexdigest().encode())
    with running(SiteServer(files)) as server:
        page = chromium.new_page(locale="en")
        page.goto(server.address)
        until(page, "Boolean(document.querySelector('.notice'))")
        assert "cannot be read" in page.inner_text(".notice")
        page.context.close()


def test_missing_webassembly_is_explained(chromium, server):
    page = chromium.new_page(locale="en")
    page.add_init_script("delete globalThis.WebAssembly")  # what a browser's hardened mode does
    page.goto(server.address)
    until(page, "Boolean(document.querySelector('.notice'))")
    assert "WebAssembly is switched off" in page.inner_text(".notice")
    page.context.close()


def test_missing_javascript_is_explained(chromium, server):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.address)
    assert "JavaScript, which is switched off" in page.inner_text("noscript")
    context.close()


@pytest.mark.slow
def test_second_visit_works_offline(chromium, models):
    context = chromium.new_context()
    with running(SiteServer(site(models))) as server:
        page = context.new_page()
        page.goto(server.address)
        drawn(page)
        first = page.evaluate("[...tfanime.state.image.data]")
        page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        until(page, "Boolean(navigator.serviceWorker.controller)")
        page.close()
    page = context.new_page()  # the server is gone
    page.goto(server.address)
    drawn(page)
    assert page.evaluate("[...tfanime.state.image.data]") == first
    context.close()


@pytest.mark.slow
def test_folder_works_below_any_path(visit, models, tmp_path):
    write_folder(site(models), tmp_path / "deep" / "path")
    write_folder(site(models[:1]), tmp_path / "deep" / "path")  # again, with fewer models
    assert len(list((tmp_path / "deep" / "path" / "files").glob("*.onnx.gz"))) == 1
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *_: None
    with running(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        page = visit(address=f"http://127.0.0.1:{server.server_address[1]}/deep/path/")
        assert page.evaluate("tfanime.state.image.width") == 16
        until(page, "navigator.serviceWorker.ready.then(({ scope }) => scope.endsWith('/deep/path/'))")


@pytest.mark.slow
def test_single_file_works_from_a_disk(visit, models, folders, tmp_path):
    path = tmp_path / "my avatars.html"
    path.write_text(single_file(models), encoding="utf-8")
    page = visit(address=path.as_uri(), hash="#m=untagged&seed=3")
    assert page.evaluate("location.hash") == "#m=untagged&seed=3"
    expected = open_generator(folders["untagged"]).images([3])[0]
    found = np.array(page.evaluate("[...tfanime.state.image.data]")).reshape(16, 16, 4)[..., :3]
    assert np.abs(found - expected.astype(int)).max() <= 1
    page.select_option("#model", "faces")
    drawn(page)
    assert page.evaluate("[...document.querySelectorAll('.cell')].length") >= 48


def test_page_requests_only_existing_files(visit):
    page = visit()
    page.wait_for_timeout(500)
    entries = "performance.getEntriesByType('resource').map(({ name, responseStatus }) => [name, responseStatus])"
    assert [name for name, status in page.evaluate(entries) if status >= 400] == []
