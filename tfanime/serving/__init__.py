"""Serves generators by TF Serving's protocol, without any other server.

A request goes through these modules: `services` (gRPC) or `rest` (HTTP, with `json_tensors`) -> `prediction` (finds
model and signature) -> `signatures` (checks the inputs) and `tensors` (protos to arrays) -> `schedule` (batches
concurrent requests) -> the SavedModel that `models` loaded. An error in a request is a `status.StatusError`, whichever
module finds it.

Around it, `server` has the ports (with keys from `tls`) and the event loop, `gate` and `metrics` count requests,
`manager` watches the base paths (`warmup` tries a version before it is served), `configuration` reads TF Serving's
files (`text_protos`), and `logs` writes the server's log. `client` has the clients. `python -m tfanime.serving` runs
the server, `python -m tfanime.serving.client` the client.
"""
