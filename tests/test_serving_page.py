"""The page on the REST port: drawn by the browser, or by the server."""

import numpy as np
import page_sites
import pytest
from page_sites import drawn, until

from tfanime.generator import open_generator
from tfanime.page.exported import Exported
from tfanime.serving.server import page as served_page
from tfanime.serving.server.models import Models, load
from tfanime.serving.server.server import Server


@pytest.fixture(scope="module")
def models(tagged_export):
    return Models([load("tagged", 1, tagged_export)])


def files(models, largest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served_page, "LARGEST", largest)
        return served_page.page_of(models)


def test_page_refuses_models_of_other_programs(tmp_path):
    import tiny_generator

    tiny_generator.save(tmp_path / "1")
    with pytest.raises(ValueError, match="must have a model that python"):
        served_page.page_of(Models([load("tiny", 1, tmp_path / "1")]))


def test_exported_generator_draws_by_its_signatures(tagged_export, tagged):
    opened = open_generator(tagged_export)
    exported = Exported(opened.signatures, opened)
    assert [spec.name for spec in exported.inputs.specs] == ["latents", "tags"]
    parts = tagged.inputs.from_seeds([3])
    expected = tagged.network(parts, training=False).numpy() * 127.5 + 127.5
    assert np.abs(exported.synthesize(*parts)["images"] - expected).max() <= 1
    assert np.abs(exported.images([3]) - expected).max() <= 1


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("engine", ["browser", "server"])
def test_page_of_a_server_draws(models, tagged_export, engine):
    largest = 0 if engine == "server" else served_page.LARGEST
    with (
        page_sites.chromium() as chromium,
        Server(models, port=0, rest_port=0, page=files(models, largest=largest)) as server,
    ):
        page = chromium.new_page(locale="en")
        page.add_init_script(page_sites.WATCH)
        asked = []
        page.context.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://{server.rest_address}/#seed=5")
        drawn(page)
        assert any("runtime" in address for address in asked) == (engine == "browser")
        expected = open_generator(tagged_export).images([5])[0]
        shape = (*expected.shape[:2], 4)

        def difference():
            found = np.array(page.evaluate("[...tfanime.state.image.data]")).reshape(shape)[..., :3]
            return np.abs(found - expected.astype(int)).max()

        assert difference() <= 1
        if engine == "browser":  # a switch, and the sentence that says what it does
            assert "Nothing is uploaded" in page.inner_text(".motto")
            # In the midst of an avatar, whose worker goes: it is drawn by the server then.
            switch = "document.querySelector('.switch input').click()"
            page.evaluate(f"drawing = tfanime.queue.image(tfanime.state.avatar); {switch}")
            until(page, "document.querySelector('.motto').textContent.includes('sent to it')")
            drawn(page)
            assert difference() <= 1
            assert page.evaluate("drawing.then(({ width }) => width)") == shape[1]
            page.evaluate(f"for (let click = 0; click < 4; click++) {switch}")
            drawn(page)
            assert difference() <= 1 and not page.locator(".notice").count()
        assert page.evaluate("seen") == []
