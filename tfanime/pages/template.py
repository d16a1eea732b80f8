"""Makes a page from a template: one HTML file that loads nothing from a network.

Templates and style sheets lie beside the code that fills them in. A page extends `pages/page.html.jinja`, which brings
`style.css` and a content security policy that allows the page's own scripts only.
"""

import base64
import hashlib

import jinja2
from markupsafe import Markup

from tfanime.files import replacing
from tfanime.pages.numbers import number, percent, whole_percent


def render(name, /, **values):
    """Fills in a template. All values are escaped, except `markupsafe.Markup`.

    Args:
        name: The template's path in the package, such as `evaluate/evaluation.html.jinja`.
        values: Its variables.

    Returns:
        HTML, as text.

    Raises:
        jinja2.UndefinedError: The template names a value that is not given.
    """
    return _environment.get_template(name).render(**values)


def write(path, html):
    """Writes a page through a temporary file. Characters that are not valid UTF-8, such as in file names, become
    question marks.
    """
    with replacing(path) as temporary:
        temporary.write_text(html, encoding="utf-8", errors="replace")


def _source(name):
    """The text of a style sheet or script of the package."""
    return Markup(_environment.loader.get_source(_environment, name)[0])


def _digest(script):
    """SHA-256 of a script, as a content security policy names it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("tfanime", ""),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_environment.filters |= {"number": number, "percent": percent, "whole_percent": whole_percent, "digest": _digest}
_environment.globals["source"] = _source
