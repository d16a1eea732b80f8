"""What the embedded server costs beside the model that it serves.

    python benchmarks/serving.py
    python benchmarks/serving.py --export exports/faces/1 --memory_minutes 10

Each part compares with direct calls of the same SavedModel in the same run, in turns:

- latency: one avatar at a time, through gRPC and direct
- load: many clients in other processes, each asking for one avatar after the other. CPU seconds an avatar of the
  server's process, against those of the direct call at the batch size that is best for it, and against a plain server
  of one call a request, written below.
- memory: resident memory of the server at the beginning and the end of so many minutes of load

Without --export an untrained generator of the recipe dcgan is exported: pictures cost the same whatever they show.
Linux only.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tfanime import command_line

PREDICT = "/tensorflow.serving.PredictionService/Predict"
PROCESSES = 4  # that the clients are spread over
MODEL = "benchmark"
PARTS = ("latency", "load", "memory")


@dataclass(frozen=True)
class Config:
    """Measure serving.

    Args:
        export: Folder of a version of a model; without it an untrained one is made.
        signature: The signature that is called, of seeds alone.
        image_size: Height and width of the pictures of an untrained one.
        parts: Which parts, separated by commas: latency, load, memory.
        calls: Single avatars a round.
        rounds: Rounds; medians count.
        clients: Clients at once.
        seconds: Seconds of load a round.
        max_batch_size: The largest batch of the server. Half the clients fill one while the others are computed.
        batch_timeout_micros: How long the server waits for more.
        batch_threads: Batches that the server computes at once; each call of TensorFlow takes all cores.
        memory_minutes: Minutes of load between the two looks at the memory.
        plain: Serves plainly and does nothing else: for the processes that this one starts.
    """

    export: str | None = None
    signature: str = "images"
    image_size: int = 64
    parts: str = "latency,load"
    calls: int = 100
    rounds: int = 5
    clients: int = 32
    seconds: float = 10.0
    max_batch_size: int = 16
    batch_timeout_micros: int = 2000
    batch_threads: int = 1
    memory_minutes: float = 10.0
    plain: bool = False

    def __post_init__(self):
        if not self.parts or set(self.parts.split(",")) - set(PARTS):
            raise ValueError(f"parts must be some of {', '.join(PARTS)}. Received: {self.parts!r}")


def make_export(folder, image_size):
    """Exports an untrained generator; returns the folder of its version."""
    from tfanime.export import export
    from tfanime.recipes import dcgan
    from tfanime.tfrecords.convert import convert
    from tfanime.tfrecords.settings import Settings

    flags = f"--run={folder}/run --image_size={image_size} --steps=1 --batch_size=4 --data={folder}/shards"
    flags += " --devices=cpu:1"
    with contextlib.redirect_stdout(sys.stderr):
        convert(Settings("drawn", f"{folder}/shards", count=64, size=image_size, workers=1), progress=False)
        dcgan.main(flags.split())
        return export(f"{folder}/run", f"{folder}/exports")


def request_for(seed, signature):
    """A request for one avatar, as bytes."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    request.model_spec.signature_name = signature
    request.inputs["seed"].CopyFrom(tf.make_tensor_proto([seed], tf.int64))
    return request.SerializeToString()


def serve_plainly(config):
    """A server as one would write it first: a thread and a call of the model for each request."""
    tf = command_line.load_tensorflow()
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    function = tf.saved_model.load(config.export).signatures[config.signature]

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            inputs = {alias: tf.constant(tf.make_ndarray(proto)) for alias, proto in request.inputs.items()}
            response = predict_pb2.PredictResponse()
            for alias, output in function(**inputs).items():
                response.outputs[alias].CopyFrom(tf.make_tensor_proto(output.numpy()))
            return response

    server = grpc.server(ThreadPoolExecutor(config.clients))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"serving {MODEL} on 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


@contextlib.contextmanager
def process(*arguments):
    """A server in a process of its own; gives its process and address."""
    server = subprocess.Popen([sys.executable, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        if not line.startswith("serving "):
            raise ChildProcessError(f"the server must start. Received: {line!r}")
        yield server, line.split()[-1]
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def embedded_server(config, folder):
    """`python -m tfanime.serving` with batching."""
    base_path = Path(folder) / "served"
    base_path.mkdir(exist_ok=True)
    if not (base_path / "1").exists():
        (base_path / "1").symlink_to(Path(config.export).resolve())
    batching = Path(folder) / "batching.config"
    batching.write_text(
        f"max_batch_size {{ value: {config.max_batch_size} }}\n"
        f"batch_timeout_micros {{ value: {config.batch_timeout_micros} }}\n"
        f"max_enqueued_batches {{ value: 100 }}\nnum_batch_threads {{ value: {config.batch_threads} }}\n"
    )
    flags = ["--model", f"{MODEL}={base_path}", "--port", 0, "--enable_batching"]
    with process("-m", "tfanime.serving", *flags, "--batching_parameters_file", batching) as served:
        yield served


def cpu_seconds(pid):
    """CPU seconds that a process has taken, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid):
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


CLIENT = """
import json, sys, threading, time
import grpc

address, clients, seconds, path = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
requests = [bytes.fromhex(line) for line in sys.stdin]
times, errors = [], []

def ask(first):
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=options) as channel:
        call = channel.unary_unary(path)
        begin, number = time.monotonic(), first
        while time.monotonic() - begin < seconds:
            start = time.monotonic()
            try:
                call(requests[number % len(requests)], timeout=60)
                times.append(time.monotonic() - start)
            except grpc.RpcError as error:
                errors.append(error.code().name)
            number += clients

threads = [threading.Thread(target=ask, args=(first,)) for first in range(clients)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps({"times": times, "errors": errors}))
"""


def load(address, config, seconds):
    """Answers of many clients: a list of seconds each took, and a list of codes of errors."""
    requests = "\n".join(request_for(seed, config.signature).hex() for seed in range(256))
    each = max(1, config.clients // PROCESSES)
    command = [sys.executable, "-c", CLIENT, address, str(each), str(seconds), PREDICT]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(config.clients // each)
    ]
    answers = [None] * len(processes)

    def wait(index):
        answers[index] = json.loads(processes[index].communicate(requests)[0])

    threads = [threading.Thread(target=wait, args=(index,)) for index in range(len(processes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [time for answer in answers for time in answer["times"]], [
        code for answer in answers for code in answer["errors"]
    ]


class Direct:
    """Calls of the SavedModel in this process."""

    def __init__(self, config):
        import tensorflow as tf

        self._tf = tf
        self._loaded = tf.saved_model.load(config.export)
        self._function = self._loaded.signatures[config.signature]

    def call(self, seeds):
        return [output.numpy() for output in self._function(seed=self._tf.constant(seeds, self._tf.int64)).values()]

    def cpu_an_avatar(self, batch, seconds):
        """CPU seconds an avatar of calls with `batch` seeds."""
        self.call(list(range(batch)))
        begin, cpu, count = time.monotonic(), time.process_time(), 0
        while time.monotonic() - begin < seconds:
            self.call(list(range(count, count + batch)))
            count += batch
        return (time.process_time() - cpu) / count

    def best_batch(self, seconds):
        """The batch size with the least CPU seconds an avatar."""
        return min((1, 2, 4, 8, 16, 32, 64), key=lambda size: self.cpu_an_avatar(size, seconds))


def measure_latency(config, direct, folder):
    """Prints the middle time of one avatar, direct and through gRPC, and the difference."""
    import grpc

    requests = [request_for(seed, config.signature) for seed in range(config.calls)]
    medians = {"direct": [], "gRPC": [], "gRPC, no wait for more": []}
    servers = {"gRPC": config.batch_timeout_micros, "gRPC, no wait for more": 0}
    with contextlib.ExitStack() as stack:
        calls = {"direct": lambda index: direct.call([index])}
        for name, micros in servers.items():
            own = Path(folder) / name.replace(" ", "_")
            own.mkdir()
            settings = Config(**{**vars(config), "batch_timeout_micros": micros})
            _, address = stack.enter_context(embedded_server(settings, own))
            channel = stack.enter_context(
                grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
            )
            send = channel.unary_unary(PREDICT)
            calls[name] = lambda index, send=send: send(requests[index])
        for _ in range(config.rounds + 1):
            for name, call in calls.items():
                times = []
                for index in range(config.calls):
                    begin = time.perf_counter()
                    call(index)
                    times.append(time.perf_counter() - begin)
                medians[name].append(statistics.median(times) * 1000)
    print("\n| one avatar | ms, p50 | beyond direct |\n|---|---|---|")
    for name, values in medians.items():
        pairs = list(zip(values[1:], medians["direct"][1:], strict=True))  # the first round warms up
        beyond = statistics.median(value - reference for value, reference in pairs)
        print(f"| {name} | {statistics.median(values[1:]):.2f} | {beyond:+.2f} |", flush=True)


def measure_load(config, direct, folder):
    """Prints CPU seconds an avatar and times of answers under load."""
    best = direct.best_batch(min(2.0, config.seconds))
    rows = {"direct": [], "embedded": [], "plain": []}
    plain = [__file__, "--plain", "--export", config.export, f"--signature={config.signature}"]
    with embedded_server(config, folder) as embedded, process(*plain, f"--clients={config.clients}") as plain:
        servers = {"embedded": embedded, "plain": plain}
        for _, address in servers.values():
            load(address, config, min(2.0, config.seconds))  # warms up
        for _ in range(config.rounds):
            rows["direct"].append({"cpu": direct.cpu_an_avatar(best, min(3.0, config.seconds))})
            for name, (server, address) in servers.items():
                cpu = cpu_seconds(server.pid)
                times, errors = load(address, config, config.seconds)
                rows[name].append(
                    {
                        "cpu": (cpu_seconds(server.pid) - cpu) / len(times),
                        "pace": len(times) / config.seconds,
                        "p50": statistics.median(times) * 1000,
                        "p99": statistics.quantiles(times, n=100)[98] * 1000,
                        "errors": len(errors),
                    }
                )
    print(f"\n{config.clients} clients in {PROCESSES} processes; the direct call is best at batch {best}.\n")
    print("| | CPU ms an avatar | relative to direct | avatars/s | p50 ms | p99 ms | errors |")
    print("|---|---|---|---|---|---|---|")
    for name, rounds in rows.items():
        cpu = statistics.median(row["cpu"] for row in rounds) * 1000
        ratio = statistics.median(
            row["cpu"] / reference["cpu"] for row, reference in zip(rounds, rows["direct"], strict=True)
        )
        shown = ["", "", "", ""]
        if name != "direct":
            shown = [f"{statistics.median(row[key] for row in rounds):.0f}" for key in ("pace", "p50", "p99")]
            shown.append(str(sum(row["errors"] for row in rounds)))
        print(f"| {name} | {cpu:.2f} | {ratio:.2f} | {' | '.join(shown)} |")
    pairs = zip(rows["embedded"], rows["plain"], strict=True)
    faster = statistics.median(embedded["pace"] / plain["pace"] for embedded, plain in pairs)
    print(f"\nThe embedded server answers {faster:.2f} times as many as the plain one.", flush=True)


def measure_memory(config, folder):
    """Prints the server's memory by minutes of load."""
    print("\n| minutes of load | MB resident | avatars | errors |\n|---|---|---|---|")
    with embedded_server(config, folder) as (server, address):
        load(address, config, min(10.0, config.memory_minutes * 60))  # what is allocated once
        parts = 5
        count = errors = 0
        for part in range(parts + 1):
            minutes = config.memory_minutes * part / parts
            print(f"| {minutes:.1f} | {resident_megabytes(server.pid):.0f} | {count:,} | {errors} |", flush=True)
            if part < parts:
                times, codes = load(address, config, config.memory_minutes * 60 / parts)
                count, errors = count + len(times), errors + len(codes)


def main(arguments=None):
    """Measures and prints Markdown tables."""
    config = command_line.parse(
        Config, program="python benchmarks/serving.py", description="Measure serving.", arguments=arguments
    )
    if config.plain:
        serve_plainly(config)
        return
    command_line.load_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        if not config.export:
            made = make_export(folder, config.image_size)
            config = Config(**{**vars(config), "export": str(made)})
        direct = Direct(config)
        parts = config.parts.split(",")
        if "latency" in parts:
            measure_latency(config, direct, folder)
        if "load" in parts:
            measure_load(config, direct, folder)
        if "memory" in parts:
            measure_memory(config, folder)


if __name__ == "__main__":
    command_line.run(main)
