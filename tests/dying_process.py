"""Work that ends its process, for tests of those who wait for it; loads nothing, so that it dies soon."""

import os


def die(*arguments):
    os._exit(3)
