"""min-tfs-client, whose protos need an old protobuf, is given the avatars that it asks for."""

import io
import sys

import numpy as np
from min_tfs_client.requests import TensorServingClient
from min_tfs_client.tensors import tensor_proto_to_ndarray
from PIL import Image

address, path = sys.argv[1:]
expected = np.load(path)
host, port = address.rsplit(":", 1)
client = TensorServingClient(host=host, port=int(port), credentials=None)
response = client.predict_request(model_name="tfanime", input_dict={"seed": expected["seeds"]}, timeout=60)
assert response.model_spec.version.value == 1, response.model_spec
pngs = tensor_proto_to_ndarray(response.outputs["image_bytes"])
images = np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])
assert np.abs(images.astype(int) - expected["images"]).max() <= 1
status = client.model_status_request(model_name="tfanime", timeout=60).model_version_status
assert [(each.version, each.state) for each in status] == [(1, 30)], status  # AVAILABLE
print(f"min-tfs-client: {len(images)} avatars")
