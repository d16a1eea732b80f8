"""`python -m tfanime.export RUN OUT_DIR`: the next version of a SavedModel, `OUT_DIR/1`, `OUT_DIR/2` ..."""

import shlex
from dataclasses import dataclass

from tfanime import command_line
from tfanime.export.onnx import require_packages
from tfanime.export.saved_model import export


@dataclass(frozen=True)
class Config:
    """Export a generator.

    Args:
        model: A run folder with a checkpoint, a generator's folder (with card.json), or the name of a pretrained
            generator.
        out_dir: Base path of the model; the next version is written below it.
        checkpoint: Checkpoint of a run: newest, best (of a run trained with --best_by), or the step of one that is
            there.
        onnx: A file for the network as ONNX, latents (and tags) -> pictures; it is checked against TensorFlow, and
            needs the extra onnx.
    """

    model: str
    out_dir: str
    checkpoint: str = "newest"
    onnx: str | None = None

    def __post_init__(self):
        if self.onnx is not None:
            require_packages()


def main(arguments=None):
    """Exports; `--help` lists the arguments."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.export",
        description="Export a trained generator as a SavedModel, OUT_DIR/VERSION.",
        epilog="""example:
  python -m tfanime.export runs/wgan exports/tfanime
  python -m tfanime.serving --model tfanime=exports/tfanime
  python -m tfanime.export runs/wgan exports/tfanime --onnx exports/tfanime.onnx
""",
        positional=("model", "out_dir"),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    target = export(config.model, config.out_dir, config.checkpoint, config.onnx)
    if config.onnx:
        print(f"as ONNX: {config.onnx}")
    print(f"exported: {target}")
    print(f"serve it: python -m tfanime.serving --model tfanime={shlex.quote(str(target.parent))} --port 8500")


if __name__ == "__main__":
    command_line.run(main)
