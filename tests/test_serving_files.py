"""The deployment files are what their readers take, and agree with one another. No container engine runs here."""

import importlib.metadata
import json
import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfanime.serving.client import AvatarClient
from tfanime.serving.client.__main__ import Config
from tfanime.serving.server import configuration

ROOT = Path(__file__).parent.parent
SERVING = ROOT / "serving"


def documents(name):
    return list(yaml.safe_load_all((SERVING / name).read_text()))


def fields(name):
    """The top fields of a text proto whose values are bare or wrapped in `{ value: ... }`, each a list."""
    text = re.sub(r"(?m)#.*$", "", (SERVING / name).read_text())
    found = {}
    for field, wrapped, bare in re.findall(r'(\w+)\s*(?:\{\s*value:\s*(\S+)\s*\}|:\s*("(?:[^"\\]|\\.)*"|\S+))', text):
        found.setdefault(field, []).append(wrapped or bare)
    return found


def models():
    text = (SERVING / "models.config").read_text()
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config


def test_models_config_example_is_read():
    (model,) = models()
    assert (model.name, model.base_path, model.model_platform) == (Config.model, "/models/faces", "tensorflow")
    assert model.model_version_policy.latest.num_versions == 1


def test_batching_config_example_is_read():
    found = fields("batching.config")
    sizes = [int(size) for size in found["allowed_batch_sizes"]]
    assert sizes == sorted(set(sizes)) and sizes[-1] == int(found["max_batch_size"][0])
    assert sizes[-1] >= Config.batch == AvatarClient.__init__.__defaults__[3]  # what our clients send is taken
    assert set(found) == {
        "max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads", "allowed_batch_sizes",
    }  # fmt: skip


def test_prometheus_example_has_the_metrics_path():
    (path,) = re.findall(r'path: "(.*)"', (SERVING / "monitoring.config").read_text())
    assert fields("monitoring.config")["enable"] == ["true"]
    ((config,), (compose,), (deployment, _)) = (
        documents(name) for name in ("prometheus.yml", "compose.yaml", "kubernetes.yaml")
    )
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == path == "/monitoring/prometheus/metrics"
    (target,) = job["static_configs"][0]["targets"]
    assert target.split(":")[0] in compose["services"] and target.endswith(":8501")
    assert deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"] == path


def test_example_files_are_read_by_the_server(tmp_path):
    (model,) = configuration.read_models(SERVING / "models.config")
    assert (model.name, str(model.base_path)) == ("tfanime", "/models/faces")
    batching = configuration.read_batching(SERVING / "batching.config")
    assert batching.max_batch_size == 64 and batching.allowed_batch_sizes == (1, 2, 4, 8, 16, 32, 64)
    assert (batching.batch_timeout_micros, batching.max_enqueued_batches) == (2000, 64)
    assert configuration.read_metrics_path(SERVING / "monitoring.config") == "/monitoring/prometheus/metrics"
    tls = configuration.read_tls(SERVING / "ssl.config.example")
    assert tls.client_verify and tls.server_key.startswith(b"-----BEGIN PRIVATE KEY-----\n(")


def test_tls_example_has_no_key():
    found = fields("ssl.config.example")
    assert set(found) == {"server_key", "server_cert", "custom_ca", "client_verify"} and found["client_verify"] == [
        "true"
    ]
    for name in ("server_key", "server_cert", "custom_ca"):
        assert re.fullmatch(
            r"-----BEGIN [A-Z ]+-----\n\(lines of .*\)\n-----END [A-Z ]+-----\n", json.loads(found[name][0])
        )


def test_tls_command_writes_the_contents_of_files(tmp_path, pem):
    (code,) = re.findall(r"> ssl.config <<'END'\n(.*?)END\n", (SERVING / "README.md").read_text(), re.DOTALL)
    files = [pem[name] for name in ("server_key", "server_certificate", "ca")]
    written = subprocess.run(
        [sys.executable, "-", *files], input=code, capture_output=True, text=True, check=True
    ).stdout
    found = dict(line.split(": ", 1) for line in written.splitlines())
    for name, path in zip(("server_key", "server_cert", "custom_ca"), files, strict=True):
        assert json.loads(found[name]) == path.read_text()
    assert found["client_verify"] == "true"


def instructions():
    text = re.sub(r"\\\n\s*", "", (SERVING / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.split(" ", 1) for line in lines]


def stage(name):
    """The instructions of one stage of the Dockerfile."""
    found, current = [], None
    for word, rest in instructions():
        if word == "FROM":
            current = rest.split(" AS ")[1]
        elif current == name:
            found.append((word, rest))
    return found


def test_server_image_has_the_files_that_it_names():
    bases = [rest for word, rest in instructions() if word == "FROM"]
    assert bases[0] == "tensorflow/serving:${TF_SERVING} AS server"
    ((_, copied),) = [each for each in stage("server") if each[0] == "COPY"]
    *sources, target = copied.split()
    assert all((ROOT / source).is_file() for source in sources)
    ((_, command),) = [each for each in stage("server") if each[0] == "CMD"]
    flags = dict(flag.lstrip("-").split("=") for flag in json.loads(command))
    named = {value for flag, value in flags.items() if flag.endswith("_file")}
    assert named == {f"{target}{Path(source).name}" for source in sources}
    assert flags["enable_batching"] == "true"


def test_client_image_runs_the_client():
    ((_, command),) = [each for each in stage("client") if each[0] == "ENTRYPOINT"]
    assert json.loads(command) == ["python", "-m", "tfanime.serving.client", "--rest"]
    ((_, installed), _) = [each for each in stage("client") if each[0] == "RUN"]
    assert "tensorflow" not in installed
    packages = {re.split(r"[\[>=<]", word)[0] for word in shlex.split(installed)[3:]}
    # What the client loads, by a process that loads nothing else.
    code = (
        "import sys\n"
        # grpc takes its sisters along where they are installed, and does without them.
        "sys.modules.update(dict.fromkeys(('grpc_health', 'grpc_reflection', 'grpc_status', 'grpc_tools')))\n"
        "import tfanime.images, tfanime.serving.client as client\n"
        "from tqdm import tqdm\n"
        "client.RestAvatarClient('a:1')\n"
        "print(*{name.partition('.')[0] for name, module in sys.modules.items() if module})\n"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    required = ConfigParser()
    required.read(ROOT / "setup.cfg")
    of_ours = {re.split(r"[\[>=< ]", line)[0] for line in required["options"]["install_requires"].split("\n") if line}
    assert packages <= of_ours
    owners = importlib.metadata.packages_distributions()
    for module in loaded.split():
        # Several packages may own a module's name.
        possible = {name.lower().replace("_", "-") for name in owners.get(module, ())} & of_ours
        assert not possible or possible & packages, module


def test_compose_builds_and_connects_the_images():
    (compose,) = documents("compose.yaml")
    services = compose["services"]
    for name in ("server", "client"):
        build = services[name]["build"]
        assert (SERVING / build["context"]).resolve() == ROOT and (ROOT / build["dockerfile"]).is_file()
        assert build["target"] == name and stage(name)
    assert services["server"]["volumes"] == ["../exports:/models:ro"]
    assert models()[0].base_path == "/models/faces"  # exports/faces, where the commands of the README export to
    assert f"/v1/models/{models()[0].name} " in services["server"]["healthcheck"]["test"][-1]
    assert services["client"]["entrypoint"][-2:] == ["--server", "server:8501"]
    assert services["client"]["entrypoint"][:-2] == json.loads(dict(stage("client"))["ENTRYPOINT"])
    for name in ("server", "prometheus"):
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])
    for volume in services["prometheus"]["volumes"]:
        assert (SERVING / volume.split(":")[0]).is_file()


def test_health_check_passes_for_a_server_with_the_model():
    """By the shell command itself, against servers that answer as TF Serving does."""
    import socketserver
    import threading

    class Answer(socketserver.StreamRequestHandler):
        def handle(self):
            request = self.rfile.readline().decode()
            state = self.server.state if "/v1/models/tfanime " in request else "nothing"
            self.wfile.write(f'HTTP/1.0 200 OK\r\n\r\n{{"state": "{state}"}}'.encode())

    (compose,) = documents("compose.yaml")
    _, *command = compose["services"]["server"]["healthcheck"]["test"]
    for state, status in (("AVAILABLE", 0), ("LOADING", 1)):
        with socketserver.TCPServer(("127.0.0.1", 0), Answer) as server:
            server.state = state
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            here = [word.replace("/8501;", f"/{server.server_address[1]};") for word in command]
            assert here != command
            assert subprocess.run(here, timeout=10).returncode == status
            thread.join()
    assert subprocess.run(here, timeout=10, stderr=subprocess.DEVNULL).returncode != 0  # nobody there


def test_kubernetes_example_probes_and_drains():
    deployment, service = documents("kubernetes.yaml")
    assert (deployment["kind"], service["kind"]) == ("Deployment", "Service")
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert {port["name"]: port["port"] for port in service["spec"]["ports"]} == ports
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": f"/v1/models/{models()[0].name}", "port": "rest"}
    assert container["livenessProbe"]["tcpSocket"] == {"port": "grpc"}
    sleep = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert Config.timeout <= sleep < pod["spec"]["terminationGracePeriodSeconds"]
    (mount,) = container["volumeMounts"]
    assert mount["mountPath"] == "/models" and mount["readOnly"]
    assert mount["name"] in {volume["name"] for volume in pod["spec"]["volumes"]}


def test_serving_readme_names_every_file():
    text = (SERVING / "README.md").read_text()
    for path in SERVING.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in text
