"""The page: avatars in a browser, drawn there, from any generator; nothing is uploaded.

`build` makes a site of generators: `networks` writes them as ONNX, `runtime` fetches what draws them in a browser (not
committed: it is a dependency), and `static/` holds the page itself, plain modules of JavaScript.
"""
