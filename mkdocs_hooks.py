"""Links of the docs to files outside of them (CONTRIBUTING.md, recipes/) become plain text in the site."""

import re
from pathlib import Path


def on_page_markdown(markdown, page, config, files):
    """Called by MkDocs for each page, before it is rendered."""
    docs = Path(config["docs_dir"])

    def link(match):
        text, target = match.groups()
        if re.match(r"https?:|#", target):
            return match[0]
        path = (docs / page.file.src_uri).parent / target.partition("#")[0]
        return match[0] if path.resolve().is_relative_to(docs) else text

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, markdown)
