"""The page: avatars drawn in a browser, by any generator; nothing is uploaded.

`build` makes a site of generators: `networks` writes them as ONNX, `runtime` fetches ONNX Runtime and other
dependencies of the page, which are not committed, and `static/` holds the page itself, plain modules of JavaScript.
"""
