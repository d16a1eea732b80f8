"""min-tfs-client, whose protos need an old protobuf, is given the avatars that it asks for."""

import io
import sys

import numpy as np
from min_tfs_client.requests import TensorServingClient
from PIL import Image

address, path = sys.argv[1:]
expected = np.load(path)
host, port = address.rsplit(":", 1)
client = TensorServingClient(host=host, port=int(port), credentials=None)
response = client.predict_request(model_name="tfanime", input_dict={"seed": expected["seeds"]}, timeout=60)
assert response.model_spec.version.value == 1, response.model_spec
pngs = response.outputs["image_bytes"].string_val  # its own reader takes every string for text
images = np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])
assert np.abs(images.astype(int) - expected["images"]).max() <= 1
print(f"min-tfs-client: {len(images)} avatars")
