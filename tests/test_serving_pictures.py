"""Pictures through servers and clients: networks of the kinds `upscale` and `stylise`, over gRPC and REST."""

import asyncio

import numpy as np
import pytest
import tensorflow as tf
import tiny_pictures
from PIL import Image

from tfanime import command_line, export
from tfanime.export.warmup import FILE
from tfanime.generator import open_network, tiles
from tfanime.serving.client import AsyncAvatarClient, AvatarClient, RestAvatarClient, ServerError
from tfanime.serving.client import __main__ as command
from tfanime.serving.server.configuration import BatchingSettings
from tfanime.serving.server.models import Models, load
from tfanime.serving.server.server import Server
from tfanime.serving.server.warmup import warm_up

NAMES = {"upscale": "larger", "stylise": "drawn"}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return {kind: open_network(tiny_pictures.write(folder / kind, kind)) for kind in NAMES}


@pytest.fixture(scope="module")
def exported(networks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    return {kind: export.export_generator(network, folder / kind) for kind, network in networks.items()}


@pytest.fixture(scope="module")
def server(exported, tagged_export):
    models = [load(NAMES[kind], 1, folder) for kind, folder in exported.items()]
    batching = BatchingSettings(max_batch_size=8, batch_timeout_micros=20_000)
    with Server(Models([*models, load("avatars", 1, tagged_export)]), port=0, rest_port=0, batching=batching) as server:
        yield server


def client_of(server, kind, rest, **options):
    if rest:
        return RestAvatarClient(server.rest_address, NAMES.get(kind, kind), **options)
    return AvatarClient(server.address, NAMES.get(kind, kind), **options)


def difference(first, second):
    return np.abs(np.asarray(first).astype(int) - np.asarray(second)).max()


@pytest.mark.parametrize("rest", [False, True])
@pytest.mark.parametrize("kind", list(NAMES))
def test_picture_signatures_enlarge_pictures(server, networks, kind, rest):
    pictures = tiny_pictures.pictures(5, 24, 40)
    with client_of(server, kind, rest, batch=2) as client:
        images = getattr(client, kind)(pictures)
        assert images.dtype == np.uint8 and difference(images, networks[kind].images(pictures)) <= 1
        assert client.model_card()["kind"] == kind
        for wrong in (pictures[0], pictures.astype(float), pictures[:0]):
            with pytest.raises(ValueError, match=r"pictures must be uint8 \[batch, height, width, 3\], all at least 1"):
                getattr(client, kind)(wrong)
        with pytest.raises(ValueError, match=r"larger|drawn"):
            getattr(client, "stylise" if kind == "upscale" else "upscale")(pictures)


def test_batching_joins_pictures_of_one_size_only(server, networks):
    sizes = [(1, 24, 40), (2, 17, 33), (1, 24, 40), (3, 17, 33)]

    async def ask():
        async with (
            AsyncAvatarClient(server.address, "larger") as client,
            AsyncAvatarClient(server.address, "drawn") as other,
        ):
            asked = [tiny_pictures.pictures(*size, seed=seed) for seed, size in enumerate(sizes)]
            answers = await asyncio.gather(*map(client.upscale, asked), other.stylise(asked[0]))
            return asked, answers

    asked, (*answers, drawn) = asyncio.run(ask())
    for pictures, answer in zip(asked, answers, strict=True):
        assert difference(answer, networks["upscale"].images(pictures)) <= 1
    assert difference(drawn, networks["stylise"].images(asked[0])) <= 1


def test_picture_network_export_is_warmed_up(exported):
    requests = list(tf.data.TFRecordDataset(str(exported["upscale"] / FILE)).as_numpy_iterator())
    assert len(requests) == 6  # three signatures, two sizes of batch
    assert warm_up(load("larger", 1, exported["upscale"]), exported["upscale"]) == 6


@pytest.mark.parametrize("rest", [False, True])
def test_command_line_enlarges_a_file(server, networks, tmp_path, rest, capsys, monkeypatch):
    monkeypatch.setattr(tiles.in_tiles, "__defaults__", (32, None))
    (pixels,) = tiny_pictures.pictures(1, 50, 40)
    alpha = np.tile(np.arange(40, dtype=np.uint8) * 6, (50, 1)) + 1
    Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / "small.png")
    where = [f"--server={server.rest_address if rest else server.address}", *(["--rest"] if rest else [])]
    command.main([*where, "--model=larger", f"--picture={tmp_path / 'small.png'}", f"--out={tmp_path / 'large.png'}"])
    assert capsys.readouterr().out == f"wrote {tmp_path / 'large.png'}\n"
    made = np.asarray(Image.open(tmp_path / "large.png"))
    assert made.shape == (100, 80, 4) and np.ptp(made[..., 3]) > 200
    assert difference(made[..., :3], networks["upscale"].images(pixels[None])[0]) <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--picture=small.png", "--out=a"], "--out must end in one of .png"),
        (["--picture=small.png", "--seeds=3", "--out=a.png"], "--picture must stand without --seeds and --tags"),
        (["--picture=small.png", "--list_tags"], "--list_tags must stand without"),
        (["--picture=none.png", "--out=a.png"], "none.png"),
        (["--picture=no.png", "--out=a.png"], "a picture must be a PNG"),
        (["--model=avatars", "--picture=small.png", "--out=a.png"], "draws avatars from seeds"),
    ],
)
def test_command_line_errors_are_one_line(server, arguments, message, in_tmp, capsys):
    Image.fromarray(tiny_pictures.pictures(1, 9, 9)[0]).save("small.png")
    (in_tmp / "no.png").write_bytes(b"no")
    with pytest.raises(SystemExit):
        command_line.run(lambda: command.main([f"--server={server.address}", *arguments]))
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error, error
    assert not list(in_tmp.glob("a*"))


def test_client_refuses_unexpected_pictures():
    with AvatarClient("127.0.0.1:1") as client:
        for answer, rule in ((np.zeros((1, 2, 2, 3)), "send images as uint8"), (np.zeros((2, 2)), "one images a row")):
            plan = client._plan_pictures("upscale", tiny_pictures.pictures(1, 8, 8))
            assert next(plan).signature == "upscale"
            with pytest.raises(ServerError, match=rule):
                plan.send(answer)
