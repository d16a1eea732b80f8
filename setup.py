"""Fetches what the page needs of others, so that a wheel and `make setup` have it; all else is in setup.cfg."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent))
from tfanime.page import runtime


class BuildWithPage(build_py):
    """Where nothing can be fetched, the page fetches it at its first use."""

    def run(self):
        try:
            runtime.vendor()
        except (OSError, ValueError) as error:
            print(f"warning: {error}", file=sys.stderr)
        super().run()


setup(cmdclass={"build_py": BuildWithPage})
