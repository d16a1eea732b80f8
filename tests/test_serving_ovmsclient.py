"""The client of OpenVINO Model Server, which speaks TF Serving's protocol and knows nothing of tfanime."""

import base64
import io

import numpy as np
import ovmsclient
import pytest
from PIL import Image

from tfanime.serving.server.models import Models, load
from tfanime.serving.server.server import Server

SEEDS = np.array([3, 0, 2**40, 7], np.int64)
# Without a version it asks for version 0, which is TF Serving's "latest" no more than it is ours.
MODEL = {"model_name": "tfanime", "model_version": 1}


@pytest.fixture(scope="module")
def server(tagged_export):
    with Server(Models([load("tfanime", 1, tagged_export)]), port=0, rest_port=0) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return ovmsclient.make_grpc_client(server.address)


def test_ovmsclient_predicts(client, tagged_avatars):
    pngs = client.predict(inputs={"seed": SEEDS}, **MODEL)
    images = np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])
    assert np.abs(images.astype(int) - tagged_avatars.images(SEEDS)).max() <= 1


def test_ovmsclient_reads_metadata(client):
    assert client.get_model_metadata(**MODEL) == {
        "model_version": 1,
        "inputs": {"seed": {"shape": [-1], "dtype": "DT_INT64"}},
        "outputs": {"image_bytes": {"shape": [-1], "dtype": "DT_STRING"}},
    }


def test_ovmsclient_reads_the_status(client):
    assert client.get_model_status(**MODEL) == {1: {"state": "AVAILABLE", "error_code": 0, "error_message": ""}}


def test_ovmsclient_predicts_by_rest(server, tagged_avatars):
    client = ovmsclient.make_http_client(server.rest_address)
    found = client.predict(inputs={"seed": SEEDS}, **MODEL)
    images = [np.asarray(Image.open(io.BytesIO(base64.b64decode(each["b64"])))) for each in found]
    assert np.abs(np.stack(images).astype(int) - tagged_avatars.images(SEEDS)).max() <= 1
    assert client.get_model_status(**MODEL) == {1: {"state": "AVAILABLE", "error_code": 0, "error_message": ""}}
    signatures = client.get_model_metadata(**MODEL)["metadata"]["signature_def"]["signature_def"]
    assert signatures["generate"]["inputs"]["seed"]["dtype"] == "DT_INT64"
    with pytest.raises(Exception, match="Servable not found for request: Specific"):
        client.predict(inputs={"seed": SEEDS}, model_name="tfanime")


@pytest.mark.parametrize(
    ("inputs", "model", "error", "message"),
    [
        ({"seed": SEEDS.astype(np.float64)}, MODEL, "InvalidInputError", "to be int64 but double is provided"),
        ({"seed": SEEDS, "more": SEEDS}, MODEL, "InvalidInputError", "Sent extra: {more}"),
        ({"seed": SEEDS}, {"model_name": "foo", "model_version": 1}, "ModelNotFoundError", r"Specific(foo, 1)"),
        ({"seed": SEEDS}, {"model_name": "tfanime"}, "ModelNotFoundError", r"Specific(tfanime, 0)"),
    ],
)
def test_ovmsclient_raises_its_own_errors(client, inputs, model, error, message):
    with pytest.raises(Exception) as raised:  # it has no name for all of its own
        client.predict(inputs=inputs, **model)
    assert type(raised.value).__name__ == error and message in str(raised.value)
