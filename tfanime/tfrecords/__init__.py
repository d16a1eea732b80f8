"""Stage 1: pictures to shards of TFRecords. Run as `python -m tfanime.tfrecords SOURCE OUT`."""
