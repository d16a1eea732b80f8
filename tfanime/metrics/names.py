"""Names of metrics. Importing it loads nothing else, so command lines can use it."""


def is_frechet(name):
    """Whether a metric of this name is a Frechet distance: `fid`, `fid_...` of the Inception of 2015, `fd_...` else."""
    return name == "fid" or name.startswith(("fid_", "fd_"))
