"""The client's command line."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from rest_server import RestServer
from tiny_generator import HEIGHT, WIDTH

from tfanime.command_line import run
from tfanime.images import grid
from tfanime.serving.client import TLS
from tfanime.serving.client.__main__ import Config, main


def test_command_line_writes_a_sheet(server, client, tmp_path, capsys):
    out = tmp_path / "avatars.png"
    main(["--server", server.address, "--seeds", "0-4", "--out", str(out), "--batch", "3"])
    assert capsys.readouterr().out == f"wrote 5 avatars to {out}\n"
    sheet = np.asarray(Image.open(out))
    assert sheet.shape == (2 * (HEIGHT + 2) + 2, 3 * (WIDTH + 2) + 2, 3)
    fourth = sheet[HEIGHT + 4 : HEIGHT + 4 + HEIGHT, 2 : 2 + WIDTH]
    assert np.abs(fourth.astype(int) - client.generate([3])[0]).max() <= 1


def test_command_line_fills_a_folder(server, client, tmp_path):
    out = tmp_path / "avatars"
    main(["--server", server.address, "--seeds", "12,7,9", "--out", str(out), "--batch", "2"])
    assert sorted(path.name for path in out.iterdir()) == [f"seed-000000{seed}.png" for seed in ("07", "09", "12")]
    avatar = np.asarray(Image.open(out / "seed-00000009.png"))
    assert np.abs(avatar.astype(int) - client.generate([9])[0]).max() <= 1


@pytest.mark.parametrize("forced", [[], ["--allow_untrained_tags"]])
def test_command_line_draws_by_tags(tagged_server, tagged_avatars, tmp_path, forced):
    out = tmp_path / "avatars.png"
    main(["--server", tagged_server.address, "--seeds", "0-3", "--tags", "Blue, smile", "--out", str(out), *forced])
    expected = grid(tagged_avatars.images(range(4), "blue, smile"))
    assert np.abs(np.asarray(Image.open(out)).astype(int) - expected).max() <= 1


def test_command_line_lists_the_tags(tagged_server, capsys):
    main(["--server", tagged_server.address, "--list_tags"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "colour (one of)" and lines[4] == "more (any of)" and len(lines) == 7
    assert lines[1].split() == ["red", "33.3%"] and lines[5].split() == ["hat", "25.0%"]


def test_rest_client_does_not_load_tensorflow(tagged_export, tagged_avatars, tmp_path):
    out = tmp_path / "avatars.png"
    code = (
        "import sys\n"
        "from tfanime.serving.client.__main__ import main\n"
        "main(sys.argv[1:])\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    with RestServer(tagged_export, name="faces") as server:
        flags = ["--rest", "--server", server.address, "--model", "faces", "--seeds", "0-3", "--tags", "blue"]
        command = [sys.executable, "-c", code, *flags, "--out", str(out)]
        result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"wrote 4 avatars to {out}\n"
    expected = grid(tagged_avatars.images(range(4), "blue"))
    assert np.abs(np.asarray(Image.open(out)).astype(int) - expected).max() <= 1


def test_command_line_connects_with_tls(tagged_export, pem, tmp_path):
    with RestServer(tagged_export, certificates=(pem["server"], pem["ca"])) as server:
        flags = ["--rest", "--server", server.address, "--seeds", "7", "--out", str(tmp_path / "a.png")]
        own = ["--tls_certificate", str(pem["client_certificate"]), "--tls_key", str(pem["client_key"])]
        main([*flags, "--tls_ca", str(pem["ca"]), *own])
        (tmp_path / "a.png").unlink()
        with pytest.raises(ConnectionError):
            main([*flags, "--tls_ca", str(pem["stranger_ca"]), *own, "--retries", "0"])
    assert not list(tmp_path.iterdir())


def test_command_line_has_a_default_port_for_each_transport():
    assert Config(list_tags=True).address == "127.0.0.1:8500"
    assert Config(list_tags=True, rest=True).address == "127.0.0.1:8501"
    assert Config(list_tags=True, rest=True, server="a:1").address == "a:1"
    assert Config(list_tags=True).credentials() is None and Config(list_tags=True, tls=True).credentials() == TLS()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--seeds", "9-3", "--out", "{out}"], 2, "run upwards"),
        (["--out", "{out}"], 2, "--seeds must be given"),
        (["--seeds", "1"], 2, "--out must be given"),
        (["--seeds", "1", "--list_tags"], 2, "--list_tags must stand without"),
        (["--seeds", "1", "--out", "{out}", "--tls_key", "{file}"], 2, "tls_key must come with tls_certificate"),
        (["--seeds", "1", "--out", "{out}", "--tls_ca", "{file}"], 2, "tls_ca must be a PEM file of certificates"),
        (["--seeds", "1", "--out", "{out}", "--tags", "green"], 1, 'key "model_card" not found'),
        (["--seeds", "1", "--out", "{out}", "--model", "foo"], 1, "Latest(foo)"),
        (["--seeds", "1", "--out", "{out}", "--batch", "0"], 1, "batch must be at least 1"),
        (["--seeds", "0-99", "--out", "{out}", "--batch", "100"], 1, "Task size 100 is larger than"),
        (["--seeds", "1", "--out", "{out}", "--server", "127.0.0.1:1", "--retries", "1"], 1, "UNAVAILABLE"),
        (["--seeds", "1", "--out", "{file}"], 1, "out must be a folder"),
        (["--seeds", "0-10000", "--out", "{out}.png"], 1, "out must be a folder for more than 10,000"),
    ],
)
def test_command_line_errors_are_one_line(server, tmp_path, capfd, arguments, code, message):
    (tmp_path / "file").touch()
    arguments = [argument.format(out=tmp_path / "out", file=tmp_path / "file") for argument in arguments]
    with pytest.raises(SystemExit) as caught:
        run(lambda: main(["--server", server.address, *arguments]))
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert caught.value.code == code
    assert len(lines) == 1 and message in lines[0]
    assert not list(tmp_path.glob("**/*.png"))
