import ast
import dataclasses
import importlib
import re
import tomllib
from pathlib import Path

import pytest
import recipe_flags

from tfanime import command_line
from tfanime.recipes import dcgan, dragan, driver, tagger, wgan
from tfanime.recipes.gan import GANSettings
from tfanime.runs import RunFolder
from tfanime.tags import JIN34

# The tests that vary a shared flag and see what it does, for those that `recipe_flags` cannot read off a game.
EXERCISED = {
    "test_recipes_driver": {
        "test_resumed_training_equals_an_undisturbed_one": ("run", "steps", "epoch_steps", "sample_steps"),
        "test_bad_settings_leave_no_run_folder": ("data",),
        "test_precision_seed_and_batches_follow_the_flags": ("precision", "batch_size", "horizontal_flip"),
        "test_training_without_data_draws_avatars_and_obeys_minutes": ("minutes",),
        "test_deterministic_training_resumed_in_a_new_process_has_the_same_bits": ("deterministic",),
        "test_best_state_is_kept_over_restarts_and_drawn": ("checkpoint_minutes", "best_by", "best_mode"),
        "test_profile_belongs_to_one_start": ("profile",),
    },
    "test_devices": {"test_two_devices_train_as_one": ("devices",)},
    "test_recipes_begin": {"test_begin_with_is_ignored_by_a_resumed_run": ("begin_with",)},
    "test_recipes_dragan": {"test_dragan_trains_on_shards_and_draws_by_tags": ("tags",)},
    "test_recipes_settings": {"test_decay_begin_sets_when_rates_fall": ("decay_begin",)},
    "test_callbacks_fid": {
        "test_fid_in_a_recipe_is_logged_and_decides_the_best": ("fid_every", "fid_samples", "fid_features"),
    },
}


def test_shared_flags_are_all_tested():
    flags = {field.name for field in dataclasses.fields(GANSettings)}
    named = {flag for tests in EXERCISED.values() for names in tests.values() for flag in names}
    assert flags == set(recipe_flags.shared(1)) | set(recipe_flags.ADAM) | named
    for file, tests in EXERCISED.items():
        text = (Path(__file__).parent / f"{file}.py").read_text()
        functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
        for test, names in tests.items():
            source = ast.get_source_segment(text, functions[test])
            for flag in names:
                assert re.search(rf"--{flag}\b|\b{flag}=", source), (flag, test)


def test_decay_begin_sets_when_rates_fall():
    for begin, step in ((0.25, 25), (0.5, 50)):
        gan = wgan.build(wgan.Config(image_size=16, channels=1, steps=100, decay="linear", decay_begin=begin))
        assert [rate.begin for rate in recipe_flags.rates(gan)] == [step, 5 * step]


def test_resumable_lists_flags_that_may_change():
    budget = {"run", "data", "steps", "minutes", "devices", "begin_with"}
    reports = {"epoch_steps", "sample_steps", "checkpoint_minutes", "profile"}
    judging = {"fid_every", "fid_samples", "fid_features", "best_by", "best_mode"}
    assert wgan.Config().resumable == budget | reports | judging
    assert wgan.Config(decay="linear").resumable == wgan.Config().resumable - {"steps"}  # at which the rate ends
    further = {"run", "data", "minutes", "epoch_steps", "checkpoint_minutes", "out", "name", "terms"}
    assert tagger.Config(data="a").resumable == further


def wgan_config(*arguments):
    return wgan.recipe.parse(arguments)


def test_defaults_are_shared(in_tmp):
    config = wgan_config("--precision=float32")
    assert config == wgan.Config(run="runs/wgan", precision="float32")


def test_critic_steps_is_a_flag_of_methods_with_several(in_tmp):
    assert wgan.Config(batch_size=8).pictures_per_step == 40 and dcgan.Config(batch_size=8).pictures_per_step == 8
    assert "critic_steps" not in {field.name for field in dataclasses.fields(dcgan.Config)}
    for name in ("sngan", "wgan", "wgan_gp"):
        with pytest.raises(ValueError, match=r"--critic_steps must be at least 1. Received: 0"):
            importlib.import_module(f"tfanime.recipes.{name}").Config(critic_steps=0)


def test_flags_override_the_file_before_them(in_tmp):
    Path("mine.toml").write_text("batch_size = 8\nclip = 0.5\nrun = 'x'\n")
    config = wgan_config("--config", "mine.toml", "--clip", "0.25")
    assert (config.batch_size, config.clip, config.run) == (8, 0.25, "x")


def test_published_run_is_found_by_its_name(in_tmp):
    config = dcgan.recipe.parse(["--config", "dcgan_r1_64", "--r1_gamma=0.5"])
    assert config.r1_gamma == 0.5 and config.r1_every == 8 and config.discriminator_norm == "none"


PUBLISHED = command_line.published_names(("tfanime.recipes", "published"))
LARGE = re.compile(r".*_(128|256)|(stylegan2|r3gan|dragan|cartoongan)_64")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if LARGE.fullmatch(name) else ()) for name in PUBLISHED]
)
def test_published_runs_can_be_read_and_built(in_tmp, name):
    text = (Path(driver.__file__).parent / "published" / f"{name}.toml").read_text()
    command = re.search(r"^#   python -m tfanime.recipes.(\w+) --config (\w+)", text, re.MULTILINE)
    assert command[2] == name
    module = importlib.import_module(f"tfanime.recipes.{command[1]}")
    config = module.recipe.parse(["--config", name, "--precision=float32"])
    for key, value in tomllib.loads(text).items():
        assert getattr(config, key) == value
    gan = module.build(config, None if getattr(config, "tags", "none") == "none" else JIN34)
    if gan.form:  # pictures of any size become pictures
        assert gan.generator.output_shape == gan.generator.input_shape == (None, None, None, 3)
    else:
        assert gan.generator.output_shape == (None, config.image_size, config.image_size, 3)
        assert gan.discriminator.input_shape == gan.generator.output_shape


def test_run_settings_are_the_defaults_of_a_resumed_run(in_tmp):
    first = wgan_config("--run=a", "--clip=0.5", "--precision=float32", "--minutes=7")
    RunFolder("a").start("wgan", first, {}, first.resumable)
    assert wgan_config("--run", "a") == first
    assert wgan_config("--run", "b", "--run=a", "--steps=5").clip == 0.5
    assert wgan_config("--run=a", "--minutes=null").minutes is None
    other = wgan_config("--config", "a/config.toml")  # another run with the same settings
    assert other.run == "runs/wgan" and other.clip == 0.5
    Path("mine.toml").write_text("clip = 0.125\nrun = 'a'\n")
    assert wgan_config("--config=mine.toml") == dataclasses.replace(first, clip=0.125)
    new = wgan_config("--config", "mine.toml", "--run=c")
    assert (new.run, new.clip, new.minutes) == ("c", 0.125, None)
    RunFolder("runs/wgan").start("wgan", first, {}, first.resumable)
    Path("new.toml").write_text("run = 'new'\n")  # that folder has no settings, and no other's are its
    assert wgan_config("--config", "new.toml").minutes is None
    # Of another recipe they are not, so that the folder is refused instead.
    assert dcgan.recipe.parse(["--run=a"]).minutes is None


@pytest.mark.parametrize(("module", "flag"), [(dcgan, "adversarial_weight"), (dragan, "tag_weight")])
def test_setting_of_none_stays_none_when_resumed(in_tmp, module, flag):
    def parsed(*arguments):
        return module.recipe.parse(arguments)

    first = parsed("--run=a", f"--{flag}=null", "--precision=float32")
    assert getattr(first, flag) is None is not getattr(module.Config(), flag)
    RunFolder("a").start(module.recipe.name, first, {}, first.resumable)
    assert parsed("--run=a") == first
    assert getattr(parsed("--config=a/config.toml", "--run=b"), flag) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--crit_steps=3"], r"Received: --crit_steps=3. Did you mean .*--critic_steps"),
        (["--critic_steps=0"], r"--critic_steps must be at least 1. Received: 0"),
        (["--batch_size=-1"], r"--batch_size must be at least 1. Received: -1"),
        (["--augment=ada", "--batch_size=1"], r"--batch_size must be at least 2 with --augment ada"),
        (["--steps=many"], r"--steps must be int. Received: many"),
        (["--minutes=0"], r"--minutes must be above 0. Received: 0"),
        (["--image_size=48"], r"--image_size must be a power of two from 16. Received: 48"),
        (["--seed=-1"], r"--seed must be from 0 to 2\*\*32 - 1. Received: -1"),
        (["--clip=0"], r"--clip must be above 0. Received: 0"),
        (["--learning_rate=-1"], r"--learning_rate must be above 0. Received: -1"),
        (["--channels=0"], r"--channels must be at least 1. Received: 0"),
        (["--accumulate=0"], r"--accumulate must be at least 1. Received: 0"),
        (["--jit_compile", "--deterministic"], r"--jit_compile must be false with --deterministic. Received: True"),
        (["--profile=30,20"], r"--profile must be two steps in order, such as 20,30. Received: '30,20'"),
        (["--profile=0,2"], r"--profile must be two steps in order, such as 20,30. Received: '0,2'"),
        (
            ["--profile=7,9", "--steps=6"],
            r"--profile must be steps that begin at one up to --steps, 6. Received: '7,9'",
        ),
        (["--profile=20"], r"--profile must be two steps in order, such as 20,30. Received: '20'"),
        (["--fid_every=-1"], r"--fid_every must be at least 0. Received: -1"),
        (["--fid_samples=1"], r"--fid_samples must be at least 2. Received: 1"),
        (["--fid_every=5", "--fid_features=i2v"], r"feature network must be one of tagger, .* Received: 'i2v'"),
        (["--best_mode=least"], r"--best_mode must be .* Received: least"),
        (["--precision=float16"], r"--precision must be .* Received: float16"),
        (["--config=nowhere"], r"--config must be a TOML file or the name of a published one .* Received: 'nowhere'"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(in_tmp, capsys, arguments, message):
    with pytest.raises(SystemExit) as raised:
        wgan_config(*arguments)
    assert raised.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error
    assert not list(in_tmp.iterdir())


def test_best_by_waits_for_a_frechet_distance_only():
    def within(**options):
        return wgan.Config(epoch_steps=100, **options).best_within

    assert within(fid_every=1000, best_by="fd_tagger1") == 11 and within(fid_every=950, best_by="fid") == 11
    assert within(fid_every=1000, best_by="kid") == within(fid_every=1000) == within(best_by="generator_loss") == 1


def test_config_file_with_unknown_keys_is_refused(in_tmp, capsys):
    Path("mine.toml").write_text("clips = 0.5\n")
    with pytest.raises(SystemExit):
        wgan_config("--config=mine.toml")
    assert "Received: 'clips'. Did you mean clip?" in capsys.readouterr().err
