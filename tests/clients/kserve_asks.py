"""The REST client of kserve is given the avatars that it asks for, row by row."""

import asyncio
import base64
import io
import sys

import numpy as np
from kserve import InferenceRESTClient, RESTConfig
from PIL import Image


async def main(address, path):
    expected = np.load(path)
    client = InferenceRESTClient(RESTConfig(protocol="v1", timeout=60))
    rows = {"instances": [{"seed": int(seed)} for seed in expected["seeds"]]}
    answer = await client.infer(address, rows, model_name="tfanime")
    pngs = [base64.b64decode(row["b64"]) for row in answer["predictions"]]
    images = np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])
    assert np.abs(images.astype(int) - expected["images"]).max() <= 1
    print(f"kserve: {len(images)} avatars")


asyncio.run(main(*sys.argv[1:]))
