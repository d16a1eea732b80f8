"""The tagger `tfanime`: the network that tfanime carries, for untagged faces (docs/tagger.md)."""

import multiprocessing

import numpy as np

from tfanime import command_line

LEAST_CONFIDENCE = 0.5  # probability of a tag from which on it is said to hold


class NetworkTagger:
    """Predicts the tags of a crop: hair colour, hair length and eye colour.

    The network's names are matched with the vocabulary's tags by aliases; if several match one tag, the likeliest
    counts. In an exclusive group the likeliest tag holds if its probability is at least `LEAST_CONFIDENCE`, otherwise
    the group is unknown. An independent tag holds if its probability is at least that. Other tags are unknown.

    It can be pickled: the network is loaded at its first use, with one thread, because workers run in parallel.

    Args:
        vocabulary: The `TagVocabulary`.
        settings: Not used; all taggers take the same arguments.
        used_words: Not used.

    Raises:
        FileNotFoundError: This installation has no network.
        ValueError: Its files are damaged, or it has no tag of the vocabulary.
    """

    name = "tfanime"

    def __init__(self, vocabulary, settings=None, used_words=None):
        from tfanime.tagger import files as tagger_files

        self.vocabulary = vocabulary
        network = tagger_files.open_tagger()  # finds errors before the work begins
        self.version = str(tagger_files.VERSION)
        places = {tag: place for place, tag in enumerate(vocabulary.tags)}
        pairs = [
            (output, places[tag])
            for output, name in enumerate(network.vocabulary.tags)
            if (tag := vocabulary.canonical(name))
        ]
        if not pairs:
            raise ValueError(
                "--vocabulary must have some of the network's tags with --tagger tfanime. Received: "
                f"{vocabulary.name!r}, which has none of {', '.join(network.vocabulary.tags[:5])} ..."
            )
        self._outputs, self._places = np.array(pairs).T
        self._network = None

    def __getstate__(self):
        return {**self.__dict__, "_network": None}

    def __call__(self, sight):
        probabilities = self._probabilities(np.asarray(sight.crop))[self._outputs]
        return self.vocabulary.from_probabilities(self._places, probabilities, LEAST_CONFIDENCE)

    def _probabilities(self, crop):
        """The probability of each of the network's tags, float64 `[its tags]`, in a crop, uint8 `[side, side, 3]`."""
        if self._network is None:
            from tfanime.tagger import files as tagger_files

            command_line.load_tensorflow(threads=1 if multiprocessing.parent_process() else None)
            self._network = tagger_files.open_tagger()
        logits = self._network.predict(crop[None])[1][0].astype(np.float64)
        probabilities = (1 + np.tanh(logits / 2)) / 2  # the logistic function, without overflow
        for group, where in self._network.vocabulary.slices:
            if group.exclusive:
                probabilities[where] = np.exp(logits[where] - np.logaddexp.reduce(logits[where]))
        return probabilities
