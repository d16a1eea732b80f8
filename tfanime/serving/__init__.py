"""Stage 6: a generator behind TF Serving's protocol, on a machine with nothing else installed.

A request goes through one module after the other: `services` (gRPC) or `rest` (HTTP, with `json_tensors`) ->
`prediction` (which model, which signature) -> `signatures` (is it what the signature wants?) and `tensors` (protos to
arrays) -> `schedule` (whose turn is it, and who is computed with whom?) -> the SavedModel that `models` loaded. What is
wrong with a request is a `status.StatusError`, whichever module sees it.

Around it, `server` has the ports (with keys from `tls`) and the event loop, `gate` and `metrics` count what goes
through, `manager` follows the base paths (`warmup` tries a version before it is served), `configuration` reads TF
Serving's files (`text_protos`), and `logs` are for those who run it. `client` is the other side.
`python -m tfanime.serving` runs the server, `python -m tfanime.serving.client` the client.
"""
