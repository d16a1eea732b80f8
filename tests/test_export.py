import io
import json
import re

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tiny_networks
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from tfanime import __version__, command_line, export, generate
from tfanime.export import __main__ as command
from tfanime.export import onnx as export_onnx
from tfanime.export import saved_model
from tfanime.generator import Generator, open_network
from tfanime.images import to_uint8
from tfanime.latent_space.mixing import mix
from tfanime.page.build import page_model
from tfanime.page.exported import Exported
from tfanime.tag_sampling import TagSampler

SEEDS = np.array([3, 0, 12, 2**40, 7, 5])


@pytest.fixture(scope="module")
def exported(run_folder, tmp_path_factory):
    return export.export(run_folder, tmp_path_factory.mktemp("exports") / "deep" / "dcgan")


@pytest.fixture(scope="module")
def here(run_folder):
    return generate.open_generator(run_folder)


def decoded(pngs):
    return np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs.numpy()])


def difference(first, second):
    return np.abs(np.asarray(first).astype(int) - np.asarray(second)).max()


def test_exported_seed_is_the_same_avatar(exported, here):
    expected = here.images(SEEDS)
    there = generate.open_generator(exported.parent)
    for batch in (1, 3, 6):
        assert difference(there.images(SEEDS, batch=batch), expected) <= 1


def test_export_has_all_signatures(exported, here):
    signatures = tf.saved_model.load(str(exported))
    signatures, _model = signatures.signatures, signatures
    assert set(signatures) == {"generate", "images", "synthesize", "interpolate", "model_card", "serving_default"}
    expected = here.images(SEEDS)
    for name in ("generate", "serving_default"):
        encoded = signatures[name](seed=tf.constant(SEEDS))["image_bytes"].numpy()
        pictures = [Image.open(io.BytesIO(data)) for data in encoded]
        assert {picture.format for picture in pictures} == {"PNG"}
        assert difference(np.stack(pictures), expected) <= 1
    assert signatures["images"](seed=tf.constant(SEEDS))["images"].dtype == tf.uint8
    latents = here.latents.from_seeds(SEEDS)
    drawn = signatures["synthesize"](latents=latents)["images"]
    assert drawn.dtype == tf.uint8 and difference(drawn, to_uint8(here.network(latents, training=False))) <= 1
    for name, argument, dtype, size in (("images", "seed", tf.int64, [None]), ("synthesize", "latents", "float32", 5)):
        (spec,) = signatures[name].structured_input_signature[1].values()
        assert spec.name == argument and spec.dtype == dtype and spec.shape[0] is None
        assert size == [None] or spec.shape[1] == size


def test_export_of_a_conditional_generator_has_tag_signatures(tagged_export, tagged):
    signatures = (model := tf.saved_model.load(str(tagged_export))).signatures
    assert {"generate_with_tags", "images_with_tags"} < set(signatures) and model
    sampler = TagSampler(tagged.vocabulary)
    wanted = np.tile(tagged.vocabulary.wanted("green, no hat"), (6, 1)).astype(np.float32)
    latents = tagged.latents.from_seeds(SEEDS)
    for rows, with_tags in ((None, {}), (wanted, {"tags": tf.constant(wanted)})):
        expected = to_uint8(tagged.network([latents, sampler.from_seeds(SEEDS, rows)]))
        suffix = "_with_tags" if with_tags else ""
        images = signatures[f"images{suffix}"](seed=tf.constant(SEEDS), **with_tags)["images"]
        pngs = signatures[f"generate{suffix}"](seed=tf.constant(SEEDS), **with_tags)["image_bytes"]
        assert difference(images, expected) <= 1 and difference(decoded(pngs), expected) <= 1
    given = signatures["synthesize"](latents=latents, tags=tf.constant(wanted))["images"]
    assert difference(given, to_uint8(tagged.network([latents, tf.constant(wanted)]))) <= 1


@pytest.fixture(scope="module")
def styled_export(styled_folder, tmp_path_factory):
    """The export of a StyleGAN2, with an ONNX file beside it."""
    folder = tmp_path_factory.mktemp("exports")
    return export.export(styled_folder, folder / "out", onnx=folder / "a.onnx"), folder / "a.onnx"


@pytest.mark.slow
def test_export_of_a_stylegan2_draws_with_its_noise(styled_export, styled):
    signatures = (model := tf.saved_model.load(str(styled_export[0]))).signatures
    inputs = styled.inputs.from_seeds(SEEDS)
    expected = to_uint8(styled.network(inputs, training=False))
    assert model and difference(signatures["images"](seed=tf.constant(SEEDS))["images"], expected) <= 1
    given = {"latents": inputs[0], "tags": inputs[1], "noise": inputs[3]}
    assert difference(signatures["synthesize"](**given)["images"], expected) <= 1


@pytest.mark.slow
def test_onnx_of_a_stylegan2_takes_any_batch_and_psi(styled_export, styled):
    session = onnxruntime.InferenceSession(str(styled_export[1]), providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["latents", "tags", "noise", "psi"]
    for count in (1, 6):
        inputs = styled.inputs.from_seeds(SEEDS[:count])
        given = {name: inputs[place].numpy() for name, place in (("latents", 0), ("tags", 1), ("noise", 3))}
        for psi in (1.0, 0.3):
            (images,) = session.run(["images"], given | {"psi": np.full(count, psi, np.float32)})
            points = styled.truncated(styled.from_seeds(SEEDS[:count]), psi)
            assert difference(to_uint8(images), styled.images(points)) <= 1


@pytest.mark.slow
def test_exported_stylegan2_has_no_variety_on_the_page(styled_export):
    """Latents are normalised in it, so that longer ones are the same avatar."""
    generator = open_network(styled_export[0])
    model = page_model(Exported(generator.signatures, generator), "styles", "styles", bits=None)
    assert model.description["variety"] is False


@pytest.mark.slow
def test_export_of_a_stylegan2_has_style_signatures(styled_export, styled):
    signatures = (model := tf.saved_model.load(str(styled_export[0]))).signatures
    seeds, wanted = tf.constant(SEEDS), np.tile(styled.vocabulary.wanted("green, no hat"), (6, 1)).astype(np.float32)
    psi = tf.constant([0, 0.3, 0.7, 1, 2, float("nan")], tf.float32)
    for suffix, tags, more in (("", "", {}), ("_with_tags", "green, no hat", {"tags": tf.constant(wanted)})):
        pngs = signatures[f"generate_truncated{suffix}"](seed=seeds, psi=psi, **more)["image_bytes"]
        points = styled.from_seeds(SEEDS, tags)
        clipped = zip(range(6), (0.0, 0.3, 0.7, 1, 1, 0.0), strict=True)
        expected = [styled.images(styled.truncated(points[row : row + 1], each))[0] for row, each in clipped]
        assert difference(decoded(pngs), np.stack(expected)) <= 1
        w = signatures[f"styles{suffix}"](seed=seeds, **more)["w"]
        np.testing.assert_allclose(w, points.codes, atol=1e-5)
        images = signatures["synthesize_styles"](w=w, noise=points.others["noise"])["images"]
        assert model and difference(images, styled.images(points)) <= 1


@pytest.mark.slow
def test_mix_signature_takes_layers_of_another_seed(styled_export, styled):
    signatures = (model := tf.saved_model.load(str(styled_export[0]))).signatures
    first, second = tf.constant([3] * 5, tf.int64), tf.constant([7] * 5, tf.int64)
    layers = tf.constant([6, 0, 2, -1, 9], tf.int64)
    pngs = signatures["mix"](seed_a=first, seed_b=second, layers=layers)["image_bytes"]
    a, b = styled.from_seeds([3]), styled.from_seeds([7])
    expected = [styled.images(mix(styled, a, b, range(count, 6)))[0] for count in (6, 0, 2, 0, 6)]
    assert model and difference(decoded(pngs), np.stack(expected)) <= 1


@pytest.mark.parametrize("tags", [False, True])
def test_interpolate_signature_goes_from_seed_to_seed(exported, tagged_export, here, tagged, tags):
    generator = tagged if tags else here
    signatures = (model := tf.saved_model.load(str(tagged_export if tags else exported))).signatures
    first, second = tf.constant([3] * 7, tf.int64), tf.constant([7] * 7, tf.int64)
    t = np.array([0.0, 0.25, 0.5, 1.0, -2.0, 7.0, np.nan], np.float32)
    pngs = signatures["interpolate"](seed_a=first, seed_b=second, t=tf.constant(t))["image_bytes"]
    share = np.array([0.0, 0.25, 0.5, 1.0, 0.0, 1.0, 0.0], np.float32)
    latents = generator.latents
    inputs = latents.interpolate(latents.from_seeds(first), latents.from_seeds(second), share)
    if tags:
        ends = (TagSampler(generator.vocabulary).from_seeds(seeds).numpy() for seeds in (first, second))
        first_tags, second_tags = ends
        assert (first_tags[0] != second_tags[0]).any()
        inputs = [inputs, tf.constant((1 - share[:, None]) * first_tags + share[:, None] * second_tags)]
    images = decoded(pngs)
    assert difference(images, to_uint8(generator.network(inputs))) <= 1
    ends = signatures["images"](seed=tf.constant([3, 7], tf.int64))["images"]
    assert model and difference(images[[0, 3]], ends) <= 1
    assert difference(images[1], images[0]) > 1 and difference(images[1], images[3]) > 1


def test_model_card_describes_the_generator(exported, run_folder):
    card = json.loads((exported / "assets" / "model_card.json").read_text())
    details = json.loads((run_folder / "run.json").read_text())
    assert card["tfanime"] == __version__ and card["image_size"] == [16, 16]
    assert card["latents"] == {"size": 5, "distribution": "uniform"}
    assert card["vocabulary"] is None and "licences of the pictures" in card["licence"]
    training = card["training"]
    assert training["recipe"] == "dcgan" and training["step"] == 2 and training["data"] == details["data"]
    assert training["config"]["precision"] == "mixed_bfloat16"
    assert str(run_folder.parent) not in json.dumps(card)  # nothing of this machine's folders


def test_model_card_states_every_prior(tagged_export):
    card = json.loads((tagged_export / "assets" / "model_card.json").read_text())
    assert [group["name"] for group in card["vocabulary"]["groups"]] == ["colour", "more"]
    assert card["vocabulary"]["priors"] == {"red": 1 / 3, "green": 1 / 3, "blue": 1 / 3, "hat": 0.25, "smile": 0.25}


@pytest.mark.parametrize("tags", [False, True])
def test_model_card_lists_the_actual_signatures(exported, tagged_export, tags):
    folder = tagged_export if tags else exported
    card = json.loads((folder / "assets" / "model_card.json").read_text())
    signatures = (model := tf.saved_model.load(str(folder))).signatures
    assert model and set(signatures) == {*card["signatures"], "serving_default"}
    for name, listed in card["signatures"].items():
        wanted = signatures[name].structured_input_signature[1]
        assert listed["inputs"] == {
            alias: f"{spec.dtype.name} [{', '.join(['batch', *map(str, spec.shape[1:])])}]"
            for alias, spec in wanted.items()
        }
        outputs = signatures[name].structured_outputs
        assert set(listed["outputs"]) == set(outputs)
        for alias, form in listed["outputs"].items():
            assert form.startswith(outputs[alias].dtype.name)


def test_model_card_signature_returns_the_card(tagged_export):
    signatures = (model := tf.saved_model.load(str(tagged_export))).signatures
    texts = signatures["model_card"](seed=tf.constant([5, 6], tf.int64))["model_card"].numpy()
    expected = json.loads((tagged_export / "assets" / "model_card.json").read_text())
    assert model and [json.loads(text) for text in texts] == [expected, expected]


def test_warm_up_requests_cover_every_signature(tagged_export):
    signatures = (model := tf.saved_model.load(str(tagged_export))).signatures
    path = tagged_export / "assets.extra" / "tf_serving_warmup_requests"
    batches = {}
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        inputs = {alias: tf.constant(tf.make_ndarray(proto)) for alias, proto in request.inputs.items()}
        (output,) = signatures[request.model_spec.signature_name](**inputs).values()
        batches.setdefault(request.model_spec.signature_name, []).append(len(output))
    assert model and batches == {name: [1, 8] for name in set(signatures) - {"serving_default"}}


def test_onnx_draws_the_same_avatars(tagged, tmp_path):
    path = tmp_path / "new" / "tagged.onnx"
    export.export_generator(tagged, tmp_path / "exports", path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [(each.name, each.type, each.shape[1]) for each in session.get_inputs()] == [
        ("latents", "tensor(float)", tiny_networks.LATENTS),
        ("tags", "tensor(float)", len(tiny_networks.VOCABULARY)),
    ]
    latents = tagged.latents.from_seeds(SEEDS).numpy()
    tags = TagSampler(tagged.vocabulary).from_seeds(SEEDS).numpy()
    (images,) = session.run(["images"], {"latents": latents, "tags": tags})
    assert images.shape == (6, 4, 4, 3) and images.min() < -0.1 and images.max() > 0.1
    np.testing.assert_allclose(images, tagged.network([latents, tags]), atol=1e-5)
    card = json.loads(session.get_modelmeta().custom_metadata_map["model_card"])
    assert card["vocabulary"]["name"] == "tiny" and card["training"] is None


def test_onnx_that_differs_is_not_kept(here, tmp_path, monkeypatch):
    monkeypatch.setattr(export_onnx, "_difference", lambda *arguments: 2.1 / 127.5)
    with pytest.raises(ValueError, match=r"within one grey level\. Received: 2\.1 grey levels"):
        export.export_generator(here, tmp_path / "out", tmp_path / "a.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and not list((tmp_path / "out").iterdir())


def test_onnx_refuses_a_network_that_it_cannot_express(tmp_path, here):
    inputs = keras.Input((5,))
    random = keras.layers.Lambda(lambda x: x + tf.random.stateless_normal(tf.shape(x), [1, 2], alg="philox"))(inputs)
    network = keras.Model(inputs, keras.layers.Reshape((1, 1, 3))(keras.layers.Dense(3)(random)))
    generator = Generator(None, None, network, here.latents, {})
    with pytest.raises(ValueError, match=r"must be one that ONNX can express\. Received: .*Stateless"):
        export_onnx.write_onnx(tmp_path / "a.onnx", generator, {})
    assert not list(tmp_path.iterdir())


def test_onnx_without_its_packages_names_the_extra(run_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export_onnx, "PACKAGES", ("onnx", "missing_here"))
    with pytest.raises(ImportError, match=r"Not installed: missing_here. Run pip install 'tfanime\[onnx\]'"):
        export.export(run_folder, tmp_path / "out", onnx=tmp_path / "a.onnx")
    with pytest.raises(SystemExit) as end:
        command.main([str(run_folder), str(tmp_path / "out"), "--onnx=a.onnx"])
    assert end.value.code == 2 and "pip install" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_export_versions_count_up(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "_write", lambda network, found, folder: folder.mkdir())
    assert [export.export(run_folder, tmp_path).name for _ in range(2)] == ["1", "2"]
    (tmp_path / "9").mkdir()
    (tmp_path / "old").mkdir()
    assert export.export(run_folder, str(tmp_path)) == tmp_path / "10"


def test_export_that_fails_leaves_no_files(run_folder, tmp_path, monkeypatch):
    def full(network, found, folder):
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(saved_model, "_write", full)
        export.export(run_folder, tmp_path)
    assert not list(tmp_path.iterdir())


def test_export_command_writes_a_version(run_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(saved_model, "_write", lambda network, found, folder: folder.mkdir())
    command.main([str(run_folder), str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert f"exported: {tmp_path / 'out' / '1'}\n" in out and f"--model tfanime={tmp_path / 'out'} --port" in out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["{run}"], 2, "out_dir"),
        (["{run}", "out", "--version=3"], 2, "Received: --version=3"),
        (["exported", "out"], 1, "model must be a run folder, .* 'exported', which is exported already"),
        (["nowhere", "out"], 1, "model must be a run folder .* Received: 'nowhere', which does not exist"),
        (["{run}", "out", "--onnx=."], 1, "onnx must be a file, such as faces.onnx. Received the folder: ."),
        (["{run}", "file"], 1, "out_dir must be a folder that can be written .*Received: 'file'"),
    ],
)
def test_export_errors_are_one_line_and_a_status(
    run_folder, exported, arguments, status, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "exported").symlink_to(exported)
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: command.main([argument.format(run=run_folder) for argument in arguments]))
    assert raised.value.code == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error
    assert {path.name for path in tmp_path.glob("*") if path.name != "out"} == {"exported", "file"}
