"""The configuration files, and what is said about wrong ones."""

from pathlib import Path

import pytest

from tfanime.serving.server import configuration
from tfanime.serving.server.configuration import BatchingSettings, ModelSettings, TlsSettings, VersionPolicy

PEM = "-----BEGIN X-----\\nAAAA\\n-----END X-----\\n"


@pytest.fixture
def write(tmp_path):
    """Writes a text into a file; gives its path."""

    def write(text):
        path = tmp_path / "x.config"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def models(*fields, name="m", base_path="/models/m", platform="tensorflow"):
    head = f'name: "{name}" base_path: "{base_path}" model_platform: "{platform}"'
    return f"model_config_list {{ {' '.join(f'config {{ {head} {text} }}' for text in fields)} }}"


def test_read_models_defaults_to_the_latest_version(write):
    assert configuration.read_models(write(models(""))) == (ModelSettings("m", Path("/models/m")),)
    assert VersionPolicy().chosen([1, 3, 2]) == {3}


def test_read_models_ignores_a_byte_order_mark(write):
    text = models("")
    assert configuration.read_models(write(b"\xef\xbb\xbf" + text.encode())) == configuration.read_models(write(text))


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("latest { num_versions: 2 }", {3, 7}),
        ("latest { num_versions: 9 }", {1, 3, 7}),
        ("latest { }", {7}),
        ("all { }", {1, 3, 7}),
        ("specific { versions: 1 versions: 3 versions: 4 }", {1, 3}),
        ("specific { versions: 8 }", set()),
    ],
)
def test_read_models_reads_policies(write, policy, chosen):
    (model,) = configuration.read_models(write(models(f"model_version_policy {{ {policy} }}")))
    assert model.policy.chosen([3, 1, 7]) == chosen


def test_read_models_reads_labels(write):
    text = models('version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }')
    assert configuration.read_models(write(text))[0].labels == {"stable": 1, "canary": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_config_list {", ["model_config_file must be a text proto", "ModelServerConfig", "x.config"]),
        ("model_config_list { config { nam: 'm' } }", ["no field named", "nam", "1:"]),
        (b"\xff\xfe", ["text proto", "x.config"]),
        ("", ["must hold a model_config_list", "nothing"]),
        ("custom_model_config { }", ["must hold a model_config_list", "custom_model_config"]),
        (models("", ""), ["must list each model once", "'m' twice"]),
        (models("", base_path="relative"), ["base_path of model 'm' must be an absolute path", "'relative'"]),
        (models("", base_path="gs://bucket/m"), ["base_path of model 'm' must be an absolute path", "gs://"]),
        (models("", name="../m"), ["name of model '../m' must be of letters", "'../m'"]),
        (models("", name=""), ["name of model '' must be of letters"]),
        (models("", platform="pytorch"), ["model_platform of model 'm' must be tensorflow", "'pytorch'"]),
        (models("logging_config { }"), ["logging_config of model 'm' must be left out"]),
        (models("model_version_policy { specific { } }"), ["specific.versions of model 'm'", "at least one"]),
    ],
)
def test_read_models_refuses_wrong_files(write, text, words):
    with pytest.raises(ValueError) as caught:
        configuration.read_models(write(text))
    for word in words:
        assert word in str(caught.value)


def test_read_batching_has_defaults_and_reads_values(write):
    assert configuration.read_batching(write("")) == BatchingSettings()
    assert (BatchingSettings().max_batch_size, BatchingSettings().max_enqueued_batches) == (1000, 10)
    text = """
        max_batch_size { value: 32 }  # a comment
        batch_timeout_micros { value: 2000 }
        max_enqueued_batches { value: 4 }
        num_batch_threads { value: 3 }
        thread_pool_name { value: "x" }
        allowed_batch_sizes: 8
        allowed_batch_sizes: 32
        pad_variable_length_inputs: false
    """
    settings = configuration.read_batching(write(text))
    assert settings == BatchingSettings(32, 2000, 4, 3, (8, 32))
    assert [settings.padded(size) for size in (1, 8, 9, 32)] == [8, 8, 32, 32]
    assert BatchingSettings().padded(7) == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_batch_size: 32", ["batching_parameters_file must be a text proto", "BatchingParameters"]),
        ("max_batch_sizes { value: 32 }", ["no field named", "max_batch_sizes"]),
        ("max_batch_size { value: 0 }", ["max_batch_size must be at least 1", "0"]),
        ("batch_timeout_micros { value: -1 }", ["batch_timeout_micros must be at least 0", "-1"]),
        ("num_batch_threads { value: 1000000 }", ["num_batch_threads must be at most 1024", "1000000"]),
        ("allowed_batch_sizes: [8, 4, 1000]", ["allowed_batch_sizes must be above 0 and increase", "[8, 4, 1000]"]),
        ("allowed_batch_sizes: [0, 1000]", ["allowed_batch_sizes must be above 0 and increase", "[0, 1000]"]),
        ("allowed_batch_sizes: [8, 16]", ["allowed_batch_sizes must end with max_batch_size, 1000", "[8, 16]"]),
        ("pad_variable_length_inputs: true", ["pad_variable_length_inputs must be false"]),
    ],
)
def test_read_batching_refuses_wrong_files(write, text, words):
    path = write(text)
    with pytest.raises(ValueError) as caught:
        configuration.read_batching(path)
    for word in [*words, str(path)]:
        assert word in str(caught.value)


def test_read_tls_reads_contents_of_pem_files(write):
    pem = PEM.encode().decode("unicode_escape").encode()
    path = write(f'server_key: "{PEM}" server_cert: "{PEM}"')
    assert configuration.read_tls(path) == TlsSettings(pem, pem)
    path = write(f'server_key: "{PEM}" server_cert: "{PEM}" custom_ca: "{PEM}" client_verify: true')
    assert configuration.read_tls(path) == TlsSettings(pem, pem, pem, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'server_cert: "{PEM}"', ["server_key must be the contents of a PEM file", "nothing"]),
        (f'server_key: "{PEM}" server_cert: "cert.pem"', ["server_cert must be the contents", "8 characters"]),
        (f'server_key: "{PEM}" server_cert: "{PEM}" client_verify: true', ["custom_ca must be the contents"]),
    ],
)
def test_read_tls_refuses_wrong_files(write, text, words):
    with pytest.raises(ValueError) as caught:
        configuration.read_tls(write(text))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ('prometheus_config { enable: true path: "/metrics" }', "/metrics"),
        ('prometheus_config { path: "/metrics" }', None),
        ("", None),
    ],
)
def test_read_metrics_path_reads_the_path(write, text, expected):
    assert configuration.read_metrics_path(write(text)) == expected


@pytest.mark.parametrize("path", ["metrics", "/v1/metrics"])
def test_read_metrics_path_refuses_wrong_files(write, path):
    with pytest.raises(ValueError, match=r"prometheus_config\.path must begin with /"):
        configuration.read_metrics_path(write(f'prometheus_config {{ enable: true path: "{path}" }}'))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ssl_config_file must be a file.*missing"):
        configuration.read_tls(tmp_path / "missing")


def test_parse_model_splits_at_the_first_equals_sign():
    assert configuration.parse_model("a.b-1=/x=y") == ModelSettings("a.b-1", Path("/x=y"))


@pytest.mark.parametrize("text", ["m", "=x", "a/b=x", "..%2f=x", "m=", "a b=x"])
def test_parse_model_refuses_other_text(text):
    with pytest.raises(ValueError, match="model must be NAME=BASE_PATH"):
        configuration.parse_model(text)
