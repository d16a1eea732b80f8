"""What all tests share: a cache folder of their own, two devices, and a small set of shards."""

import signal
import sys

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so shells start what runs behind `&`; Ctrl-C is tested here
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session):
    # Devices can only be configured before TensorFlow looks for them. Test modules that need no TensorFlow have not
    # imported it by now, and need not wait for it.
    if "tensorflow" in sys.modules:
        tensorflow = sys.modules["tensorflow"]
        device = tensorflow.config.list_physical_devices("CPU")[0]
        devices = [tensorflow.config.LogicalDeviceConfiguration()] * 2
        try:
            tensorflow.config.set_logical_device_configuration(device, devices)
        except RuntimeError as error:
            raise pytest.UsageError("a test module must make no tensor or variable while it is imported") from error


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """The folder for what can be made again, instead of the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFANIME_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """A folder of two shards with 48 drawn avatars of 32 px and their tags."""
    from tfanime.tfrecords.convert import convert
    from tfanime.tfrecords.settings import Settings

    folder = tmp_path_factory.mktemp("shards") / "drawn"
    settings = Settings("drawn", str(folder), count=48, size=32, shard_records=24, workers=1)
    convert(settings, progress=False)
    return folder


@pytest.fixture(scope="session")
def two_devices():
    """A strategy over two devices. One for all tests: a second one's collective operations would clash with its own."""
    from tfanime import devices

    return devices.join("cpu:2").strategy


@pytest.fixture(scope="session")
def run_folder(shards, tmp_path_factory):
    """A run of recipe dcgan after two steps: 16 px, uniform latents, trained in low precision. Only to be read."""
    from tfanime.recipes import dcgan

    folder = tmp_path_factory.mktemp("runs") / "dcgan"
    flags = "--image_size=16 --channels=4 --latent_size=5 --batch_size=4 --steps=2 --learning_rate=0.5 --devices=cpu:1"
    flags += f" --latent_distribution=uniform --precision=mixed_bfloat16 --data={shards} --run={folder}"
    assert dcgan.main(flags.split()) == 0
    return folder


@pytest.fixture(scope="session")
def tagged():
    """A generator with tags, of tiny networks that learned nothing."""
    import tiny_networks

    from tfanime.generator import Generator
    from tfanime.latents import Latents

    network = tiny_networks.generator(tags=len(tiny_networks.VOCABULARY))
    return Generator(None, tiny_networks.VOCABULARY, network, Latents(tiny_networks.LATENTS))


@pytest.fixture(scope="session")
def tagged_export(tagged, tmp_path_factory):
    """The first version of an export of it. Only to be read."""
    from tfanime.export import export_generator

    return export_generator(tagged, tmp_path_factory.mktemp("exports") / "tagged")


@pytest.fixture(scope="session")
def tagged_avatars(tagged_export):
    """What draws from that SavedModel, without a server."""
    from tfanime.generator import open_generator

    return open_generator(tagged_export)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of a tiny generator, as `tfanime`, for the tests of clients."""
    from tiny_generator import save

    from tfanime.serving.server.models import Models, load
    from tfanime.serving.server.server import Server

    folder = tmp_path_factory.mktemp("exports") / "1"
    save(folder)
    with Server(Models([load("tfanime", 1, folder)]), port=0, max_images=32) as server:
        yield server


@pytest.fixture(scope="module")
def tagged_server(tagged_export):
    """A server of `tagged_export`, as `tfanime`."""
    from tfanime.serving.server.models import Models, load
    from tfanime.serving.server.server import Server

    with Server(Models([load("tfanime", 1, tagged_export)]), port=0) as server:
        yield server


@pytest.fixture
def client(server):
    """A gRPC client of `server`."""
    from tfanime.serving.client import AvatarClient

    with AvatarClient(server.address, batch=16) as client:
        yield client


@pytest.fixture(scope="session")
def pem(tmp_path_factory):
    """Paths of PEM files: an authority (`ca`), a server at 127.0.0.1 and a client that it knows, and a stranger."""
    import trustme

    folder = tmp_path_factory.mktemp("pem")
    paths = {}
    for name, owners in (("", ("server", "client")), ("stranger_", ("stranger",))):
        authority = trustme.CA()
        paths[f"{name}ca"] = folder / f"{name}ca.pem"
        authority.cert_pem.write_to_path(paths[f"{name}ca"])
        for owner in owners:
            made = authority.issue_cert("127.0.0.1", "localhost")
            for kind, blob in (
                (owner, made.private_key_and_cert_chain_pem),
                (f"{owner}_key", made.private_key_pem),
                (f"{owner}_certificate", made.cert_chain_pems[0]),
            ):
                paths[kind] = folder / f"{kind}.pem"
                blob.write_to_path(paths[kind])
    return paths


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def styled_folder(tmp_path_factory):
    """The folder of a StyleGAN2 of 16 px with tags that learned nothing. Only to be read."""
    import tiny_stylegan2

    from tfanime.generator import write_generator
    from tfanime.inputs import Inputs
    from tfanime.latents import Latents

    network = tiny_stylegan2.generator()
    folder = tmp_path_factory.mktemp("styled") / "generator"
    inputs = Inputs.of_network(network, Latents(tiny_stylegan2.Z), tiny_stylegan2.VOCABULARY)
    write_generator(folder, network, inputs, {})
    return folder


@pytest.fixture(scope="session")
def styled(styled_folder):
    """Its latent space."""
    from tfanime.generator import open_generator
    from tfanime.latent_space.space import LatentSpace

    return LatentSpace(open_generator(styled_folder))
