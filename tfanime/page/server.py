"""The page on this machine."""

from pathlib import PurePath

from tfanime.page.build import policy
from tfanime.pages.server import PageServer

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".png": "image/png",
    ".gz": "application/gzip",
}


def answer(files, path):
    """The answer to a request for a site: bytes and media type, or None.

    Args:
        files: The result of `tfanime.page.build.site`.
        path: The request's path, `/` for the page.
    """
    name = path.partition("?")[0].removeprefix("/") or "index.html"
    return (files[name], KINDS[PurePath(name).suffix]) if name in files else None


class SiteServer(PageServer):
    """Serves a site on 127.0.0.1.

    Args:
        site: The result of `tfanime.page.build.site`.
        port: Port to listen on; 0 for any free one.

    Raises:
        OSError: The port is taken.
    """

    policy = f"{policy()}; frame-ancestors 'none'"

    def __init__(self, site, port=0):
        self.site = site
        super().__init__({}, port)

    def get(self, path):
        """A file of the site."""
        return answer(self.site, path)

    def post(self, path, values):
        """Returns None: the page sends nothing."""
        return None
