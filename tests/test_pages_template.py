import base64
import hashlib
import re

import jinja2
import pytest
from markupsafe import Markup

from tfanime.pages import template


@pytest.fixture
def add(monkeypatch):
    """Adds a template of a page with this inside."""

    def add(name, source):
        own = jinja2.DictLoader({name: '{% extends "pages/page.html.jinja" %}' + source})
        loader = jinja2.ChoiceLoader([own, template._environment.loader])
        monkeypatch.setattr(template, "_environment", template._environment.overlay(loader=loader))

    return add


def test_render_escapes_values_except_markup(add):
    add("own", "{% block title %}{{ name }}{% endblock %}{% block body %}{{ table }}{{ count | number }}{% endblock %}")
    page = template.render("own", name="<i>a</i>", table=Markup("<table></table>"), count=1234)
    assert "<title>&lt;i&gt;a&lt;/i&gt;</title>" in page and "<table></table>1,234" in page
    assert "--accent" in page and "http" not in page.replace("http-equiv", "")


def test_render_refuses_missing_values(add):
    add("own", "{% block body %}{{ table }}{% endblock %}")
    with pytest.raises(jinja2.UndefinedError, match="table"):
        template.render("own")


@pytest.mark.parametrize("script", ["", '{% set script = source("tfrecords/report/report.js") %}'])
def test_render_allows_the_pages_own_scripts_only(add, script):
    add("own", script)
    page = template.render("own")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; ") and "&" not in page.split("</style>")[0]  # not escaped
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests and len(digests) == bool(script)


def test_write_replaces_invalid_utf_8_by_question_marks(tmp_path):
    template.write(tmp_path / "page.html", "caf\u00e9 \udcff")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "caf\u00e9 ?"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
