"""Stage 6: a generator behind TF Serving's protocol, on a machine with nothing else installed.

A request goes through one module after the other: `server` (gRPC) -> `prediction` (which model, which signature) ->
`signatures` (is it what the signature wants?) and `tensors` (protos to arrays) -> `schedule` (whose turn is it?) -> the
SavedModel that `models` loaded. What is wrong with a request is a `status.StatusError`, whichever module sees it.
`client` is the other side. `python -m tfanime.serving` runs the server, `python -m tfanime.serving.client` the client.
"""
