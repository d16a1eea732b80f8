"""A server that answers `predict` in TF Serving's REST forms, by nothing but the standard library."""

import base64
import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import tensorflow as tf


class RestServer(ThreadingHTTPServer):
    """Serves a SavedModel from the moment a `with` begins.

    Args:
        folder: The SavedModel; None for a server that only gives the scripted answers.
        name: The model's name.
        script: Answers `(status, body)` to give before any other; the body is sent as JSON, or as it is if it is bytes.
            A status of 0 closes the connection instead.
        certificates: Paths of `(certificate and key, authorities of clients or None)` for TLS.
    """

    daemon_threads = True

    def __init__(self, folder=None, name="tfanime", script=(), certificates=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = tf.saved_model.load(str(folder)) if folder else None
        self.name, self.script = name, list(script)
        self.requests, self.connections = [], 0
        self.address = f"127.0.0.1:{self.server_port}"
        if certificates:
            own, authorities = certificates
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authorities)
            context.load_cert_chain(own)
            if authorities:
                context.verify_mode = ssl.CERT_REQUIRED
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def get_request(self):
        accepted = super().get_request()
        self.connections += 1
        return accepted

    def handle_error(self, request, client_address):
        """Says nothing of clients that went away or were refused."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, body))
        if self.server.script:
            status, answer = self.server.script.pop(0)
        else:
            status, answer = self.answered(json.loads(body))
        if not status:
            self.close_connection = True
            return
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answered(self, request):
        name = re.fullmatch(r"/v1/models/([^/:]+):predict", self.path)
        if not name:
            return 404, {"error": f"Malformed request: POST {self.path}"}
        if name[1] != self.server.name:
            return 404, {"error": f"Servable not found for request: Latest({name[1]})"}
        key = request.get("signature_name", "serving_default")
        signatures = self.server.model.signatures
        if key not in signatures:
            return 400, {"error": f'Serving signature key "{key}" not found.'}
        signature = signatures[key]
        rows = "instances" in request
        given = request["instances"] if rows else request["inputs"]
        inputs = {
            alias: tf.constant([row[alias] for row in given] if rows else given[alias], spec.dtype)
            for alias, spec in signature.structured_input_signature[1].items()
        }
        ((alias, output),) = signature(**inputs).items()
        return 200, {"predictions" if rows else "outputs": _as_json(alias, output.numpy().tolist())}


def _as_json(alias, values):
    if isinstance(values, list):
        return [_as_json(alias, value) for value in values]
    if isinstance(values, bytes):
        return {"b64": base64.b64encode(values).decode()} if alias.endswith("_bytes") else values.decode()
    return values
