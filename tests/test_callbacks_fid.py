import inception_graph
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_features
import tiny_networks
from keras import layers
from recipe_runs import metrics, points

from tfanime import checkpoints, data
from tfanime.callbacks import FID
from tfanime.images import to_uint8
from tfanime.metrics.features import open_network
from tfanime.metrics.frechet import frechet_distance
from tfanime.recipes import wgan
from tfanime.runs import RunFolder


def expected(gan, faces, network, samples):
    """The distance, from all pictures at once."""
    fakes = network(to_uint8(gan.ema_generator(gan.inputs_from_seeds(np.arange(samples)), training=False)).numpy())
    real = network(faces.images(np.arange(faces.count)))
    moments = [(rows.mean(axis=0), np.cov(rows, rowvar=False)) for rows in (real.astype(float), fakes.astype(float))]
    return frechet_distance(*moments[0], *moments[1])


@pytest.mark.parametrize("vocabulary", [None, tiny_networks.VOCABULARY])
def test_fid_is_the_distance_of_the_averaged_generator(tmp_path, vocabulary):
    faces, network, gan = (
        tiny_features.faces(tmp_path),
        tiny_features.network(),
        tiny_networks.gan(vocabulary=vocabulary),
    )
    for weight in gan.ema_generator.weights:  # not the generator's
        weight.assign(weight * 3)
    callback = FID(faces, every=10, samples=150, features=network)
    callback.set_model(gan)
    callback.on_train_begin()
    logs = {}
    gan.generator_optimizer.iterations.assign(9)
    callback.on_epoch_end(0, logs)
    assert logs == {}
    gan.generator_optimizer.iterations.assign(12)
    callback.on_epoch_end(1, logs)
    assert logs == {"fd_tiny0": pytest.approx(expected(gan, faces, network, 150), rel=1e-4)}
    assert logs["fd_tiny0"] > 0.01
    logs = {}
    callback.on_epoch_end(2, logs)  # still step 12
    assert logs == {}


def test_fid_is_logged_by_a_trained_game(tmp_path):
    faces, gan = tiny_features.faces(tmp_path), tiny_networks.gan()
    callback = FID(faces, every=2, samples=20, features=tiny_features.network())
    dataset = tf.data.Dataset.from_tensor_slices(tiny_networks.pictures(6, 4)).repeat()
    history = gan.fit(dataset, epochs=3, steps_per_epoch=2, shuffle=False, verbose=0, callbacks=[callback]).history
    assert len(history["fd_tiny0"]) == 3
    assert history["fd_tiny0"][-1] == pytest.approx(expected(gan, faces, callback.network, 20), rel=1e-4)


def test_fid_warns_of_few_samples(tmp_path, capsys):
    def said(samples):
        callback = FID(tiny_features.faces(tmp_path), every=1, samples=samples, features=tiny_features.network())
        callback.set_model(tiny_networks.gan())
        callback.on_train_begin()
        return capsys.readouterr().err

    assert said(30) == ""
    assert said(29).startswith(
        "warning: fd_tiny0: a Frechet distance in 6 dimensions needs more than 6 samples, and 30"
    )


def test_fid_has_the_first_workers_value_on_all_workers(tmp_path):
    said = []
    gather = lambda *numbers: said.append(numbers) or np.array([[7.0], [8.0]])  # noqa: E731
    callback = FID(tiny_features.faces(tmp_path), every=1, samples=9, features=tiny_features.network(), gather=gather)
    callback.set_model(tiny_networks.gan())
    callback.on_train_begin()
    assert callback.compute() == 7.0 and len(said) == 1


def test_fid_refuses_bad_arguments(tmp_path):
    faces, network = tiny_features.faces(tmp_path), tiny_features.network()
    for options, message in (
        ({"every": 0}, r"every must be at least 1. Received: 0"),
        ({"every": 1, "samples": 1}, r"samples must be at least 2. Received: 1"),
        ({"every": 1, "features": "nothing"}, r"a feature network must be one of .* Received: 'nothing'"),
    ):
        with pytest.raises(ValueError, match=message):
            FID(faces, **{"features": network} | options)
    other = FID(tiny_features.faces(tmp_path / "b", size=5), every=1, features=network)
    with pytest.raises(ValueError, match=r"faces must be of the generator's size, \(4, 4\). Received: 5 px"):
        other.set_model(tiny_networks.gan())
    broken = FID(faces, every=1, samples=9, features=tiny_features.network(broken=True))
    broken.set_model(tiny_networks.gan())
    with pytest.raises(ValueError, match=r"'tiny' must give finite features. Received: \d of 9 pictures"):
        broken.compute()


TINY = "--image_size=16 --channels=1 --latent_size=4 --batch_size=4 --precision=float32 --critic_steps=1"


@pytest.fixture
def features(tmp_path):
    """A Keras file with a network of two features at 16 px, and the name of its value."""
    model = keras.Sequential([layers.Input((16, 16, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    model.save(tmp_path / "pool.keras")
    return tmp_path / "pool.keras"


@pytest.mark.slow
def test_fid_in_a_recipe_is_logged_and_decides_the_best(shards, features, in_tmp, capsys, two_devices):
    network = open_network(str(features))
    flags = [*TINY.split(), f"--data={shards}", "--epoch_steps=1", "--learning_rate=0.01", "--devices=cpu:2"]
    flags += ["--fid_every=2", "--fid_samples=70", f"--fid_features={features}", f"--best_by={network.value}"]
    assert wgan.main([*flags, "--run=a", "--steps=3"]) == 0
    assert wgan.main(["--run=a", "--steps=6"]) == 0
    values = {line["step"]: line[network.value] for line in metrics("a") if network.value in line}
    assert sorted(values) == [2, 4, 6]
    assert [step for step, _ in points("a")[f"judge/{network.value}"]] == [2, 4, 6]
    best = min(values, key=values.get)
    assert f"best {network.value} {values[best]:.4g} at step {best} -> a" in capsys.readouterr().out
    assert {path.name for path in (in_tmp / "a" / "best").glob("*.index")} == {f"ckpt-{best}.index"}

    # A budget that ends before its first value is told.
    assert wgan.main([*flags, "--run=b", "--steps=2", "--minutes=1e-9"]) == 0
    assert f"best:        none, {network.value} was never computed\n" in capsys.readouterr().out

    gan = wgan.build(wgan.Config(**RunFolder("a").load()["config"]))
    checkpoints.load(checkpoints.find(RunFolder("a")), gan=gan)
    assert values[6] == pytest.approx(expected(gan, data.load(shards, 16), network, 70), rel=1e-3)


@pytest.mark.slow
def test_fid_with_the_real_inception_graph_is_logged(shards, in_tmp):
    """It runs in a session of its own, beside the training's graphs."""
    path = inception_graph.write(in_tmp / "graph.pb")
    flags = [*TINY.split(), f"--data={shards}", "--run=a", "--epoch_steps=1", "--steps=1", "--devices=cpu:1"]
    flags += ["--fid_every=1", "--fid_samples=20", f"--fid_features=inception:file={path}", "--best_by=fid"]
    assert wgan.main(flags) == 0
    gan = wgan.build(wgan.Config(**RunFolder("a").load()["config"]))
    checkpoints.load(checkpoints.find(RunFolder("a")), gan=gan)
    network = open_network(f"inception:file={path}")
    assert metrics("a")[-1]["fid"] == pytest.approx(expected(gan, data.load(shards, 16), network, 20), rel=1e-3)


def test_best_by_refuses_distances_that_are_never_computed(shards, features, in_tmp):
    flags = [*TINY.split(), f"--data={shards}", "--run=a", "--devices=cpu:1"]
    with pytest.raises(ValueError, match=r"--fid_every must be above 0 with --best_by fd_tagger1. Received: 0"):
        wgan.main([*flags, "--best_by=fd_tagger1"])
    with pytest.raises(
        ValueError, match=r"--best_by must be fd_pool_\w{8} with --fid_features .*pool.keras. Received: 'fid'"
    ):
        wgan.main([*flags, "--best_by=fid", "--fid_every=1", f"--fid_features={features}"])
    network = open_network(str(features))
    flags += [f"--best_by={network.value}", f"--fid_features={features}", "--fid_every=4", "--epoch_steps=3"]
    message = (
        rf"--fid_every, in whole epochs of 3 steps, must be at most --steps, 5, with .*{network.value}. Received: 6"
    )
    with pytest.raises(ValueError, match=message):
        wgan.main([*flags, "--steps=5"])
    assert not (in_tmp / "a").exists()
