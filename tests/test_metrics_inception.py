import hashlib
import tarfile

import inception_graph
import numpy as np
import pytest
from PIL import Image

from tfanime.metrics.features import open_network
from tfanime.metrics.inception import clean_resize

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.integers(0, 256, (3, 20, 20, 3), np.uint8)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return inception_graph.write(tmp_path_factory.mktemp("inception") / "classify_image_graph_def.pb")


def original_resize(images, side=299):
    """TensorFlow 1's bilinear rule: the corners of pixels on each other, no antialiasing."""
    for axis in (1, 2):
        count = images.shape[axis]
        place = np.arange(side) * (count / side)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, count - 1)
        share = (place - low).reshape([-1 if each == axis else 1 for each in range(4)])
        images = np.take(images, low, axis) * (1 - share) + np.take(images, high, axis) * share
    return images


@pytest.mark.parametrize("shape", [(3, 20, 20, 3), (2, 400, 310, 3)])
def test_inception_uses_the_graphs_resize(path, shape):
    images = RANDOM.integers(0, 256, shape, np.uint8)
    network = open_network(f"inception:file={path}")
    expected = inception_graph.features(original_resize(images.astype(np.float64)))
    np.testing.assert_allclose(network(images), expected, rtol=1e-3, atol=1e-3)
    assert (network.value, network.dimensions, network.size) == ("fid", 2048, 299)
    np.testing.assert_allclose(network(images[:1]), expected[:1], rtol=1e-3, atol=1e-3)  # any batch


def test_inception_clean_resizes_before_the_graph(path):
    network = open_network(f"inception_clean:file={path}")
    resized = clean_resize(IMAGES)
    assert network.value == "fid_clean" and network.weights == open_network(f"inception:file={path}").weights
    np.testing.assert_allclose(network(IMAGES), inception_graph.features(resized), rtol=1e-3, atol=1e-3)
    assert np.abs(network(IMAGES) - open_network(f"inception:file={path}")(IMAGES)).max() > 0.01


@pytest.mark.parametrize("name", ["inception", "inception_clean"])
def test_inception_does_not_round_floats(path, name):
    network = open_network(f"{name}:file={path}")
    np.testing.assert_array_equal(network.of_floats(IMAGES), network(IMAGES))
    halves = IMAGES.clip(1, 254) + np.float32(0.5)
    assert np.abs(network.of_floats(halves) - network(IMAGES.clip(1, 254))).max() > 0


def test_clean_resize_equals_pillow():
    smooth = np.add.outer(np.arange(20) * 7, np.arange(20) * 4)[..., None] + np.uint8([0, 10, 20])
    images = np.stack([smooth[::-1], smooth]).astype(np.uint8)
    for side in (299, 7):  # enlarged, and shrunk with antialiasing
        resized = clean_resize(images, side)
        expected = np.asarray(Image.fromarray(images[1]).resize((side, side), Image.Resampling.BICUBIC))
        assert np.abs(resized[1] - expected).max() <= 1.01  # Pillow rounds bytes twice
        assert np.abs(resized - np.round(resized)).max() > 0.1
    black_and_white = np.repeat(np.tile(np.uint8([0, 255]), 10)[None, None, :, None], 20, 1).repeat(3, 3)
    assert clean_resize(black_and_white).min() == 0  # the filter swings below


def test_inception_takes_the_file_from_the_environment(path, monkeypatch):
    monkeypatch.setenv("TFANIME_INCEPTION", str(path))
    assert open_network("inception").protocol == open_network(f"inception:file={path}").protocol
    monkeypatch.delenv("TFANIME_INCEPTION")
    with pytest.raises(ValueError, match=r"inception:file=PATH .* TFANIME_INCEPTION. Received: neither; it is class"):
        open_network("inception")


def test_inception_downloads_the_file(path, tmp_path, monkeypatch):
    monkeypatch.setenv("TFANIME_CACHE", str(tmp_path / "cache"))
    with tarfile.open(tmp_path / "inception.tgz", "w:gz") as archive:
        archive.add(path, path.name)
        archive.add(__file__, "LICENSE")
    wanted = open_network(f"inception:file={path}").protocol
    for file in (path, tmp_path / "inception.tgz"):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        text = f"url=file://{file},sha256={digest.upper()}"
        assert open_network(f"inception:{text}").protocol == wanted
        assert open_network(f"inception_clean:{text}").weights == wanted["weights"]
        assert (tmp_path / "cache" / "inception" / digest).is_dir()
    file.unlink()
    assert open_network(f"inception:{text}").protocol == wanted  # it is there already
    with pytest.raises(OSError, match=r"url must be reachable, and what lies there have sha256. Received: 'file:"):
        open_network(f"inception:url=file://{path},sha256={'0' * 64}")
    assert len(list((tmp_path / "cache" / "inception").iterdir())) == 2
    with pytest.raises(ValueError, match=r"sha256 must be 64 hexadecimal digits. Received: '../12'"):
        open_network(f"inception:url=file://{path},sha256=../12")
    for options in (f"url=file://{path}", f"file={path},url=file://{path},sha256={'0' * 64}"):
        with pytest.raises(ValueError, match=r"either a file or both a url and the sha256 .* Received: file="):
            open_network(f"inception:{options}")


def test_inception_checks_the_files_hash(path, tmp_path):
    """One bit of the weights that is another can be told by the hash alone."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    wanted = open_network(f"inception:file={path}").protocol
    assert open_network(f"inception:file={path},sha256={digest.upper()}").protocol == wanted
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "flipped.pb").write_bytes(content)
    with pytest.raises(ValueError, match=rf"must have sha256 {digest}. Received: '.*flipped.pb' with [0-9a-f]{{64}}"):
        open_network(f"inception_clean:file={tmp_path / 'flipped.pb'},sha256={digest}")


def test_inception_of_another_file_has_another_hash(path, tmp_path):
    other = inception_graph.write(tmp_path / "other.pb", seed=1)
    assert open_network(f"inception:file={path}").weights != open_network(f"inception:file={other}").weights


def test_inception_refuses_other_graphs(tmp_path, path):
    with pytest.raises(FileNotFoundError, match=r"the file of inception must exist. Received: '.*nowhere'"):
        open_network(f"inception:file={tmp_path / 'nowhere'}")
    (tmp_path / "cut.pb").write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ValueError, match=r"must be a frozen graph. Received: '.*cut.pb'"):
        open_network(f"inception:file={tmp_path / 'cut.pb'}")
    other = inception_graph.write(tmp_path / "other.pb", pool="pool_4")
    with pytest.raises(ValueError, match=r"the graph of 2015, with ExpandDims:0 and pool_3:0. Received: '.*other.pb'"):
        open_network(f"inception:file={other}")

    small = inception_graph.write(tmp_path / "small.pb", dimensions=5)
    with pytest.raises(
        ValueError, match=r"of 2015, whose pool_3:0 has 2,048 components. Received: '.*small.pb' with 5"
    ):
        open_network(f"inception:file={small}")


def test_extract_refuses_features_that_are_not_finite(tmp_path):
    network = open_network(f"inception:file={inception_graph.write(tmp_path / 'a.pb', broken=True)}")
    with pytest.raises(ValueError, match=r"'inception' must give finite features. Received: 3 of 3 pictures"):
        network(IMAGES)
