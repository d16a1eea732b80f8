"""What the page is made of: pinned files, small networks, sites as folders."""

import json

import numpy as np
import page_sites
import pytest

from tfanime.generator import open_generator
from tfanime.page import __main__ as page
from tfanime.page import build, runtime
from tfanime.page.networks import networks
from tfanime.tags import KONACHAN26


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    return open_generator(page_sites.write(tmp_path_factory.mktemp("generators"), "faces", KONACHAN26))


@pytest.mark.slow
def test_runtime_refuses_files_that_are_not_pinned(tmp_path, monkeypatch):
    lock = json.loads(runtime.LOCK.read_text())
    name = "lit-html"
    try:
        content = runtime.fetch_from_npm(name, lock["npm"][name], tmp_path)
    except OSError as error:
        pytest.skip(f"{name} cannot be fetched: {error}")
    assert runtime._without_map(content[runtime.VIEW]) == (runtime.folder() / runtime.VIEW).read_bytes()
    with pytest.raises(ValueError, match="must have integrity sha512-other"):
        runtime.fetch_from_npm(name, lock["npm"][name] | {"integrity": "sha512-other"}, tmp_path)


def test_runtime_without_npm_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime.shutil, "which", lambda *_, **__: None)
    with pytest.raises(OSError, match="install Node"):
        runtime.fetch_from_npm("lit-html", {"version": "1", "integrity": "", "files": []}, tmp_path)


@pytest.mark.slow
def test_runtime_has_licences():
    text = (runtime.folder() / runtime.LICENCES).read_text(encoding="utf-8")
    assert "Microsoft Corporation" in text and "BSD 3-Clause" in text and "lit-html" in text


def test_networks_of_fewer_bits_are_smaller_and_close(generator):
    found = {bits: networks(generator, bits) for bits in (16, 8)}
    sizes = {bits: len(each.files["network"]) for bits, each in found.items()}
    assert sizes[8] < 0.65 * sizes[16]
    assert sizes[16] < 0.6 * 4 * generator.network.count_params() + 10_000
    assert found[16].difference <= 1 and found[8].difference <= 32
    with pytest.raises(ValueError, match="bits must be one of"):
        networks(generator, 4)


def test_networks_refuse_onnx_that_differs(generator, monkeypatch):
    from tfanime.page import networks as module

    monkeypatch.setattr(module, "TOLERANCE", 1e-9)
    with pytest.raises(ValueError, match="with 16 bits must be TensorFlow's"):
        networks(generator)


def test_site_names_files_by_their_contents(generator, tmp_path):
    model = build.page_model(generator, "faces", "faces")
    first = build.site([model])
    assert first == build.site([model])
    other = build.site([build.page_model(generator, "faces", "faces", bits=8)])
    assert {name for name in first if ".onnx" in name}.isdisjoint(other)
    build.write_folder(first, tmp_path / "site")
    build.write_folder(other, tmp_path / "site")
    files = {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert files == set(other)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "mine" / "sw.js").write_text("self.skipWaiting();")  # of another site
    with pytest.raises(ValueError, match="must be a new or empty folder"):
        build.write_folder(first, tmp_path / "mine")
    (tmp_path / "site" / "files" / "thesis.pdf").write_text("dear")
    build.write_folder(first, tmp_path / "site")
    assert (tmp_path / "site" / "files" / "thesis.pdf").is_file()


def test_page_is_made_without_directions_of_older_weights(tmp_path, capsys):
    folder = page_sites.write(tmp_path, "faces")
    page_sites.write_two_directions(folder)
    page_sites.write(tmp_path, "faces", seed=5)  # trained on
    assert not page.main([str(folder), "--out", str(tmp_path / "site"), "--bits", "8"])
    assert "is shown without its directions: " in capsys.readouterr().err
    assert '"directions": []' in (tmp_path / "site" / "index.html").read_text()


def test_site_escapes_names_in_data(generator):
    model = build.page_model(generator, "</script><script>alert(1)</script>", "x")
    html = build.site([model])["index.html"].decode()
    assert "<script>alert" not in html
    assert "<script>alert" not in build.single_file([model])


def test_page_command_writes_a_folder_or_a_file(tmp_path, capsys):
    folder = page_sites.write(tmp_path, "faces", KONACHAN26)
    page_sites.write_two_directions(folder)
    rows = [{"tag": "red_hair", "shown": {"judge": {"yes": 1, "count": 4}}, "unasked": {}}]
    report = tmp_path / "tags.json"
    report.write_text(json.dumps({"models": {str(folder): rows}}))
    assert not page.main([str(folder), "--out", str(tmp_path / "site"), "--obeyed", str(report)])
    html = (tmp_path / "site" / "index.html").read_text()
    assert '"obeyed": {"red_hair": 0.25}, "directions": [{"name": "smile", "step": "' in html
    assert str(tmp_path) not in html  # nothing of this machine's folders
    assert not page.main([str(folder), str(folder), "--single_file", str(tmp_path / "one.html"), "--bits", "8"])
    assert "faces-2" in (tmp_path / "one.html").read_text()
    assert "within" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out", "a", "--single_file", "b"], "--single_file must be left out with --out"),
        (["--bits", "4"], "--bits must be 16 or 8"),
        (["--port", "-1"], "--port must be from 0 to 65535"),
    ],
)
def test_page_command_errors_are_one_line(flags, message, capsys):
    with pytest.raises(SystemExit):
        page.main(["runs/none", *flags])
    assert message in capsys.readouterr().err


def test_onnx_metadata_describes_the_seeds(generator):
    """Its text, followed to the letter, gives TensorFlow's latents."""
    mask = 0xFFFFFFFF

    def philox(counter, key):
        a, b, c, d = counter
        k, h = key
        for _ in range(10):
            p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
            a, b, c, d = (q >> 32) ^ b ^ k, q & mask, (p >> 32) ^ d ^ h, p & mask
            k, h = (k + 0x9E3779B9) & mask, (h + 0xBB67AE85) & mask
        return a, b, c, d

    seed = 2**63 - 1
    m = philox((seed & mask, seed >> 32, 0, 0), (0x3EC8F720, 0x02461E29))
    words = [word for index in range(3) for word in philox((index, 0, m[2], m[3]), m[:2])]
    u = np.array([(word & 0x7FFFFF) / 2**23 for word in words]).reshape(-1, 2)
    radius = np.sqrt(-2 * np.log(np.maximum(u[:, 0], 1e-7)))
    pairs = np.stack([radius * np.sin(2 * np.pi * u[:, 1]), radius * np.cos(2 * np.pi * u[:, 1])], axis=1)
    np.testing.assert_allclose(pairs.ravel(), generator.latents.from_seeds([seed])[0], atol=1e-6)
