"""The page with networks from pictures to pictures: it enlarges avatars, and redraws pictures of one's own."""

import numpy as np
import page_sites
import pytest
import tiny_pictures
from page_sites import drawn, running, until
from PIL import Image

from tfanime.generator import open_network
from tfanime.page import __main__ as page_command
from tfanime.page.build import page_model, page_tool, single_file, site
from tfanime.page.server import SiteServer

REDRAWN = """async ([index, pixels, width, height]) => {
  const image = new ImageData(Uint8ClampedArray.from(pixels), width, height);
  const { data, width: wide, height: high } = await tfanime.redraw(tfanime.site.tools[index], image);
  return [high, wide, Array.from(data)];
}"""
KINDS = ("upscale", "stylise")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def networks(folder):
    return [open_network(tiny_pictures.write(folder / kind, kind)) for kind in KINDS]


@pytest.fixture(scope="module")
def parts(folder, networks):
    """What `site` and `single_file` take: models, and tools."""
    avatars = page_model(open_network(page_sites.write(folder, "faces")), "faces", "faces")
    return [avatars], [page_tool(network, kind) for network, kind in zip(networks, KINDS, strict=True)]


@pytest.fixture(scope="module")
def chromium():
    with page_sites.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(chromium, parts):
    with running(SiteServer(site(*parts))) as server:
        context = chromium.new_context(locale="en", viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        page = context.new_page()
        page.add_init_script(page_sites.WATCH)
        requests, errors = [], []
        context.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.address)
        drawn(page)
        yield page
        strangers = [url for url in requests if not url.startswith((server.address, "blob:", "data:"))]
        assert (strangers, errors, page.evaluate("window.seen")) == ([], [], [])
        context.close()


def rgba(image):
    return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]).ravel().tolist()


@pytest.mark.browser
@pytest.mark.parametrize(
    "size", [pytest.param((16, 16), marks=pytest.mark.slow), (13, 37), pytest.param((1, 1), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("index", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_redrawn_pictures_equal_tensorflow(page, networks, index, size):
    image = tiny_pictures.pictures(1, *size, seed=3)[0]
    height, width, data = page.evaluate(REDRAWN, [index, rgba(image), size[1], size[0]])
    expected = networks[index].images(image[None])[0].astype(int)
    found = np.array(data).reshape(height, width, 4)
    assert found.shape[:2] == expected.shape[:2] and (found[..., 3] == 255).all()
    assert np.abs(found[..., :3] - expected).max() <= 1


@pytest.mark.slow
@pytest.mark.browser
def test_page_enlarges_and_saves_an_avatar(page, networks, tmp_path):
    page.check("[name=enlarged]")
    until(page, "document.getElementById('portrait').width === 32")
    small = np.array(page.evaluate("[...tfanime.state.image.data]"), np.uint8).reshape(16, 16, 4)[..., :3]
    expected = networks[0].images(small[None])[0].astype(int)
    page.click(".menu summary")
    with page.expect_download() as download:
        page.click("text=enlarged to 32 px")
    assert download.value.suggested_filename == "faces-0-upscale.png"
    download.value.save_as(tmp_path / "large.png")
    image = Image.open(tmp_path / "large.png")
    assert image.text["tfanime"].startswith("#m=faces&seed=0")
    assert np.abs(np.array(image.convert("RGB")).astype(int) - expected).max() <= 1
    page.uncheck("[name=enlarged]")
    until(page, "document.getElementById('portrait').width === 16")


@pytest.mark.slow
@pytest.mark.browser
def test_page_redraws_and_saves_an_own_picture(page, networks, tmp_path):
    own = tmp_path / "own.png"
    Image.fromarray(tiny_pictures.pictures(1, 40, 60, seed=5)[0]).save(own)
    page.set_input_files("#file", own)
    until(page, "document.getElementById('photo').open")
    page.evaluate(f"{page_sites.npm_file('axe-core')}; 0")
    assert page.evaluate("async () => (await axe.run()).violations.map(({id, nodes}) => [id, nodes[0].html])") == []
    cut = "[...document.getElementById('cut').getContext('2d').getImageData(0, 0, 320, 320).data]"
    before = page.evaluate(cut)
    page.focus("#cut")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    moved = np.array(page.evaluate(cut)).reshape(320, 320, 4)
    assert (moved.ravel() != before).any()
    expected = np.asarray(Image.open(own).crop((20, 0, 60, 40)).resize((320, 320), Image.Resampling.BICUBIC))
    assert np.abs(moved[..., :3].astype(int) - expected).mean() < 6  # the right end of the picture
    page.select_option("#tool", "upscale")
    page.click("dialog >> text=Enlarge")
    until(page, "document.getElementById('made').width === 80")
    page.select_option("#tool", "stylise")
    until(page, "document.getElementById('made').hidden")
    page.click("dialog >> text=Redraw")
    until(page, "document.getElementById('made').width === 256")
    with page.expect_download() as download:
        page.click("dialog >> text=Save")
    download.value.save_as(tmp_path / "redrawn.png")
    assert Image.open(tmp_path / "redrawn.png").size == (256, 256)
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('photo').open")
    (tmp_path / "text.png").write_text("no picture")
    page.set_input_files("#file", tmp_path / "text.png")
    until(page, "document.querySelector('.status').textContent.includes('no picture that the browser')")


@pytest.mark.browser
def test_single_file_redraws_pictures(chromium, parts, tmp_path):
    (tmp_path / "one.html").write_text(single_file(*parts), encoding="utf-8")
    page = chromium.new_page()
    page.goto((tmp_path / "one.html").as_uri())
    drawn(page)
    image = tiny_pictures.pictures(1, 16, 16)[0]
    assert page.evaluate(REDRAWN, [0, rgba(image), 16, 16])[:2] == [32, 32]
    page.close()


@pytest.mark.slow
def test_page_tool_refuses_a_network_without_its_keras_model(folder, networks):
    from tfanime.export import export_generator

    exported = export_generator(networks[0], folder / "exports")
    with pytest.raises(ValueError, match=r"that take pictures must be runs, folders or names. Received: 'upscale'"):
        page_tool(open_network(exported), "upscale")


def test_page_command_needs_a_model_of_avatars(folder, networks):
    with pytest.raises(ValueError, match="models must have one that draws avatars from seeds"):
        page_command.main([str(folder / "upscale"), f"--out={folder / 'site'}"])
    assert not (folder / "site").exists()
