import numpy as np
import pytest
import tiny_networks
import tiny_pictures

from tfanime.images import grid, to_float, to_uint8
from tfanime.sheets import PictureSheet, Sheet, captioned, enlarged, sheets

SEEDS = list(range(10))


@pytest.fixture(scope="module")
def gan():
    return tiny_networks.gan(vocabulary=tiny_networks.VOCABULARY)


def test_sheets_of_a_game_without_tags():
    gan = tiny_networks.gan()
    made = sheets(gan, SEEDS)
    assert list(made) == ["samples", "interpolation"]
    np.testing.assert_array_equal(made["samples"].inputs, gan.latents.from_seeds(SEEDS))
    expected = grid(to_uint8(gan.ema_generator(gan.latents.from_seeds(SEEDS))).numpy())
    np.testing.assert_array_equal(made["samples"].draw(gan), expected)
    assert len(sheets(gan, [3])["interpolation"].inputs) == 8  # one seed: from itself to itself


def test_interpolation_sheet_goes_from_seed_to_seed(gan):
    sheet = sheets(gan, SEEDS)["interpolation"]
    latents, tags = sheet.inputs
    assert sheet.columns == 8 and latents.shape == (40, 3)
    ends = gan.latents.from_seeds(SEEDS).numpy()
    np.testing.assert_allclose(latents[::8], ends[:5], atol=1e-5)
    np.testing.assert_allclose(latents[7::8], ends[5:], atol=1e-5)
    np.testing.assert_array_equal(tags[:8], np.tile(gan.tag_sampler.from_seeds([0]), (8, 1)))


def test_tags_sheet_shows_each_tag_on_the_same_latents(gan):
    sheet = sheets(gan, SEEDS)["tags"]
    latents, tags = (np.asarray(part) for part in sheet.inputs)
    assert sheet.captions == tiny_networks.VOCABULARY.tags and sheet.columns == 8
    latents, tags = latents.reshape(5, 8, 3), tags.reshape(5, 8, 5)
    np.testing.assert_array_equal(latents, np.tile(gan.latents.from_seeds(SEEDS[:8]), (5, 1, 1)))
    assert (tags == tags[:, :1]).all()
    colour = tags[3, 0, :3].tolist()
    assert sorted(colour) == [-1, -1, 1]
    assert tags[:, 0].tolist() == [
        [1, -1, -1, -1, -1],
        [-1, 1, -1, -1, -1],
        [-1, -1, 1, -1, -1],
        [*colour, 1, -1],
        [*colour, -1, 1],
    ]


def test_latents_sheet_shows_the_same_tags_on_other_latents(gan):
    sheet = sheets(gan, SEEDS)["latents"]
    latents, tags = (np.asarray(part).reshape(8, 8, -1) for part in sheet.inputs)
    np.testing.assert_array_equal(tags[:, 5], gan.tag_sampler.from_seeds(SEEDS[:8]))
    np.testing.assert_array_equal(latents[5], gan.latents.from_seeds(SEEDS[:8]))
    for caption, row in zip(sheet.captions, tags[:, 0], strict=True):
        assert caption.replace("\n", ", ") == ", ".join(tiny_networks.VOCABULARY.decode(row))


def test_sheet_is_drawn_in_batches():
    sheet = Sheet(np.arange(150, dtype=np.float32), 150)
    drawn = sheet.draw(lambda rows: np.tile((rows / 127.5 - 1)[:, None, None, None], (1, 2, 2, 3)))
    assert drawn[2, 2::4, 0].tolist() == list(range(150))


def test_captions_are_beside_their_rows():
    sheet = np.zeros((3 * 22 + 2, 24, 3), np.uint8)
    made = captioned(sheet, ["a", "", "long words\nin two lines"], 22)
    margin = made.shape[1] - 24
    assert made.shape[0] == 68 and (made[:, margin:] == 0).all()
    ink = [(made[row * 22 : row * 22 + 24, :margin] < 128).sum() for row in range(3)]
    assert ink[0] > 0 and ink[2] > 5 * ink[0] and ink[1] == 0 and margin > 30


def test_enlarged_shows_inputs_results_and_targets():
    pictures, truth = tiny_pictures.pictures(3, 6, 8), tiny_pictures.pictures(3, 12, 16, seed=1)
    network = tiny_pictures.enlarger()
    made = to_uint8(network(to_float(pictures))).numpy()
    given = np.stack([np.kron(image, np.ones((2, 2, 1), np.uint8)) for image in pictures])
    np.testing.assert_array_equal(
        enlarged(pictures, truth)["samples"].draw(network), grid(np.concatenate([given, made, truth]), 3)
    )
    np.testing.assert_array_equal(PictureSheet(pictures).draw(network), grid(np.concatenate([given, made]), 3))


def test_enlarged_splits_many_pictures_into_rows():
    pictures = tiny_pictures.pictures(6, 8, 8)
    rows = [pictures[:4], 255 - pictures[:4], pictures[4:], 255 - pictures[4:]]
    sheet = PictureSheet(pictures, columns=4).draw(lambda images: -images)
    np.testing.assert_array_equal(sheet, grid(np.concatenate(rows), 4))
    few = PictureSheet(pictures, columns=9).draw(lambda images: -images)
    np.testing.assert_array_equal(few, grid(np.concatenate([pictures, 255 - pictures]), 6))
