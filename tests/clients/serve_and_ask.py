"""Serves an export and lets a client of another environment ask it: serve_and_ask.py PYTHON SCRIPT [SERVER FLAG ...]

SCRIPT is called with the server's address and a file of seeds and their avatars; it ends with an error if it is given
anything else.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

import tiny_networks

from tfanime.export import export_generator
from tfanime.generator import Generator, open_generator
from tfanime.latents import Latents

SEEDS = [3, 0, 2**40, 7, 12]


def main():
    python, script, *flags = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        exports, avatars = Path(folder) / "exports", Path(folder) / "avatars.npz"
        network = tiny_networks.generator(tags=len(tiny_networks.VOCABULARY))
        export_generator(Generator(None, tiny_networks.VOCABULARY, network, Latents(tiny_networks.LATENTS)), exports)
        np.savez(avatars, seeds=np.array(SEEDS, np.int64), images=open_generator(exports).images(SEEDS))
        command = [sys.executable, "-m", "tfanime.serving", "--model", f"tfanime={exports}", "--port", "0", *flags]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            address = server.stdout.readline().split()[-1]  # "serving tfanime version 1 on HOST:PORT"
            if "--rest_api_port" in flags:
                address = server.stdout.readline().split()[-1]  # "REST on http://HOST:PORT"
            subprocess.run([python, script, address, str(avatars)], check=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
