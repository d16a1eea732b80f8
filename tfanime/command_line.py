"""Shared parts of all command lines: reads flags into a dataclass, and prints errors in one line.

    @dataclass(frozen=True)
    class Config:
        '''Train a DCGAN.

        Args:
            run: The run folder.
            steps: Total number of steps.
        '''
        run: str
        steps: int = 1000

    def main(arguments=None):
        config = parse(Config, program="python -m tfanime.recipes.dcgan", positional=("run",),
                       published=("tfanime.recipes", "published"), arguments=arguments)

    if __name__ == "__main__":
        run(main)

Importing this module loads neither TensorFlow nor NumPy, so that `--help` answers at once.
"""

import contextlib
import dataclasses
import difflib
import functools
import importlib.resources
import operator
import os
import re
import sys
import tempfile
import tomllib
import typing
from pathlib import Path

import jsonargparse

from tfanime.files import remove_empty_folders
from tfanime.limits import limits_of

# Windows' editor begins files with a byte order mark, which TOML does not allow.
jsonargparse.set_loader(
    "toml",
    lambda text: tomllib.loads(text.removeprefix("\ufeff")),
    (tomllib.TOMLDecodeError,),
    json_superset=False,  # otherwise a list on the command line would be read as TOML
)


class UsageError(ValueError):
    """A wrong command line; `run` ends with status 2."""


def parse(
    config_class,
    *,
    program,
    description=None,
    epilog=None,
    published=None,
    flag="--config",
    positional=(),
    arguments=None,
):
    """Reads a command line, and the TOML file it may name, into a dataclass.

    Later arguments override earlier ones, so flags behind `--config FILE` override the file. Unknown flags and
    unknown keys are refused. `--print_config` prints the result as TOML and ends.

    Args:
        config_class: A dataclass whose fields have types and mostly defaults; the `Args:` section of its docstring
            explains the flags in `--help`. A field `with_` is the flag `--with`. A `ValueError`, `FileNotFoundError` or
            `ImportError` of its `__post_init__` is a usage error.
        program: The command as the user types it, such as `"python -m tfanime.recipes.wgan"`.
        description: Text at the head of `--help`.
        epilog: Text at its end, such as examples; line breaks are kept.
        published: `(package, folder)` of the TOML files that can be named without a path, such as `("tfanime.recipes",
            "published")`; None for a command without such a file.
        flag: Name of the flag that takes the TOML file.
        positional: Names of the fields that are given by position, in order; one whose type is a list takes one word
            or more.
        arguments: The arguments; default: those of this process.

    Returns:
        An instance of `config_class`.

    Raises:
        SystemExit: With status 2 and one line on stderr if the command line is wrong, with 0 after `--help`.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = _Parser(
        prog=program,
        description=description,
        epilog=epilog,
        formatter_class=_Formatter,
        parser_mode="toml",
        allow_abbrev=False,
    )
    help_of = _documented(config_class)
    rules = {name: [limit.rule for limit in found] for name, found in limits_of(config_class).items()}
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    for name in positional:
        required = fields[name].default is dataclasses.MISSING
        parser.add_argument(
            name,
            metavar=name.upper(),
            type=str,
            help=help_of.get(name),
            **({} if required else {"nargs": "?", "default": fields[name].default}),
            **({"nargs": "+"} if typing.get_origin(fields[name].type) is list else {}),
        )
    if published:
        names = ", ".join(published_names(published)) or "none yet"
        parser.add_argument(
            flag,
            action="config",
            metavar="FILE.toml",
            help=f"TOML file of flags, by path or by the name of a published one ({names}); flags behind it override",
        )
        arguments = _with_paths(arguments, flag, published, parser)
    parser.add_class_arguments(config_class, skip=set(positional))
    for name in fields:
        if name.endswith("_"):  # a keyword of Python, such as `--with`
            action = parser._option_string_actions.pop(f"--{name}")
            action.option_strings, action.metavar = [f"--{name[:-1]}"], name[:-1].upper()
            parser._option_string_actions |= dict.fromkeys(action.option_strings, action)
    for action in parser._actions:
        if not hasattr(action, "_typehint"):
            continue
        hint = action._typehint = _plain(action._typehint)
        if hint is bool:  # `--overwrite` alone means `--overwrite true`
            action.nargs, action.const = "?", True
        if typing.get_origin(hint) is typing.Literal:
            action.metavar = f"{{{','.join(map(str, typing.get_args(hint)))}}}"
        if action.dest in rules:
            action.help = f"{action.help} Must be {' and '.join(rules[action.dest])}."
    return _made(config_class, parser, parser.parse_args(arguments))


def from_values(config_class, values, *, program):
    """Reads values of a file into a dataclass, by the rules of `parse`.

    Args:
        config_class: As for `parse`.
        values: A dictionary of values by the name of the field, as a TOML file gives them.
        program: The command that has the flags.

    Returns:
        An instance of `config_class`.

    Raises:
        UsageError: A name or a value is wrong; the message is the line that `parse` would print for the flag.
    """
    parser = _Parser(prog=program, parser_mode="toml")
    parser.raises = True
    parser.add_class_arguments(config_class)
    return _made(config_class, parser, parser.parse_object(dict(values)))


def published_names(published):
    """The names of the TOML files in `(package, folder)`, sorted."""
    package, folder = published
    directory = importlib.resources.files(package) / folder
    if not directory.is_dir():
        return []
    return sorted(entry.name.removesuffix(".toml") for entry in directory.iterdir() if entry.name.endswith(".toml"))


def published_path(value, published, flag):
    """The path of a TOML file that is given by its path or, if published, by its name.

    Raises:
        UsageError: There is no such file; the message lists the published names.
    """
    if Path(value).is_file():
        try:
            tomllib.loads(Path(value).read_text(encoding="utf-8-sig"))
        except ValueError as error:
            raise UsageError(f"{flag} must be a file in TOML. Received: {value!r}: {error}") from error
        return str(value)
    package, folder = published
    if value.removesuffix(".toml") in published_names(published):
        return str(importlib.resources.files(package) / folder / f"{value.removesuffix('.toml')}.toml")
    names = ", ".join(published_names(published)) or "none"
    raise UsageError(f"{flag} must be a TOML file or the name of a published one ({names}). Received: {value!r}")


def run(main):
    """Calls `main()` and ends the process: bad input becomes one line on stderr instead of a traceback.

    Status 0 after success, 2 for a wrong command line (see `parse`), 130 after Ctrl-C, 1 for all other expected errors
    (`ValueError`, `OSError`, `ImportError`, `ArithmeticError`). Other exceptions are bugs and keep their traceback, and
    so does everything with `TFANIME_DEBUG=1`. Folders that the command made and left empty are removed.
    """
    try:
        sys.exit(main() if _debugging() else _guarded(main))
    finally:
        remove_empty_folders()


def _guarded(main):
    """Calls `main()` and returns a status, also after an expected error."""
    try:
        return main()
    except KeyboardInterrupt as error:
        _complain(str(error) or "interrupted")
        return 130
    except BrokenPipeError:  # `... | head` has read enough
        sys.stdout = None
        return 1
    except UsageError as error:
        _complain(error)
        return 2
    except (ValueError, OSError, ImportError, ArithmeticError) as error:
        _complain(error)
        return 1


@contextlib.contextmanager
def quiet():
    """Hides what libraries print on stderr while they are imported.

        with quiet():
            import tensorflow as tf

    TensorFlow 2.21 prints its greetings before any log level is read, so only the file descriptor can be turned
    away. The output is shown after all if the import fails, and always with `TFANIME_DEBUG=1`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for messages after the import; errors are raised anyway
    if _debugging():
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 2)
        try:
            yield
        except BaseException:
            printed.seek(0)
            os.write(kept, printed.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def load_tensorflow(threads=None):
    """Imports TensorFlow and lists its devices, without its messages on stderr.

    Args:
        threads: How many threads it may use, for workers that run in parallel; without effect in a process in which it
            computes already.

    Returns:
        The module.
    """
    with quiet():
        import tensorflow

        tensorflow.config.list_physical_devices()
    threading = tensorflow.config.threading
    for set_threads in (threading.set_intra_op_parallelism_threads, threading.set_inter_op_parallelism_threads):
        with contextlib.suppress(RuntimeError):
            if threads:
                set_threads(threads)
    return tensorflow


def _made(config_class, parser, values):
    try:
        values = parser.instantiate(values)
        return config_class(
            **{field.name: values[field.name] for field in dataclasses.fields(config_class) if field.name in values}
        )
    except (ValueError, FileNotFoundError, ImportError) as error:
        parser.error(str(error))


def _debugging():
    return os.environ.get("TFANIME_DEBUG", "") not in ("", "0")


def _complain(message):
    text = re.sub(r"\s+", " ", str(message)).strip() or type(message).__name__
    text = re.sub(r"^\[Errno -?\d+\] ", "", text)
    print(f"error: {text}", file=sys.stderr, flush=True)


def _documented(config_class):
    """The help text of each field, from the `Args:` sections of the class's docstring and its bases'."""
    import docstring_parser

    help_of = {}
    for documented_class in reversed(config_class.__mro__[:-1]):
        for entry in docstring_parser.parse(documented_class.__doc__ or "").params:
            help_of[entry.arg_name] = re.sub(r"\s+", " ", entry.description or "")
    return help_of


def _plain(hint):
    """A type hint without the marks of `Annotated`."""
    if typing.get_origin(hint) is typing.Annotated:
        return _plain(hint.__origin__)
    if typing.get_origin(hint) is typing.Union:
        return functools.reduce(operator.or_, map(_plain, typing.get_args(hint)))
    return hint


def _with_paths(arguments, flag, published, parser):
    """The arguments with the names of published files replaced by their paths."""
    resolved = []
    for argument in arguments:
        before, equals, value = argument.partition("=")
        try:
            if before == flag and equals:
                argument = f"{flag}={published_path(value, published, flag)}"
            elif resolved and resolved[-1] == flag:
                argument = published_path(argument, published, flag)
        except UsageError as error:
            parser.error(str(error))
        resolved.append(argument)
    return resolved


class _Formatter(jsonargparse.DefaultHelpFormatter):
    def _fill_text(self, text, width, indent):
        return "".join(indent + line for line in text.splitlines(keepends=True))


class _Parser(jsonargparse.ArgumentParser):
    """A parser that reports errors in one line: the flag, the rule, the value received."""

    raises = False  # instead of ending the process

    def error(self, message, ex=None):
        if _debugging() and ex is not None:
            raise ex
        if self.raises:
            raise UsageError(self._explain(str(message)))
        _complain(self._explain(str(message)))
        sys.exit(2)

    def _explain(self, message):
        message = re.sub(r"\b(\w+[^\W_])_\b", r"\1", message)  # `with_` is `--with`
        known = sorted(option for option in self._option_string_actions if option.startswith("--"))
        unknown = re.search(r"unrecognized arguments: (.+)", message, re.DOTALL)
        if unknown:
            word = next((word for word in unknown[1].split() if word.startswith("-")), unknown[1])
            hint = _near(word.partition("=")[0], known)
            return f"arguments must be ones that `{self.prog} --help` lists. Received: {unknown[1]}{hint}"
        bare = re.search(r"argument (--\w+): expected one argument", message)
        if bare:
            return f'{bare[1]} must have a value, written {bare[1]}="..." if it begins with a dash. Received: none'
        unknown = re.search(r"(?:Option|Key) '([^']+)' is not (?:accepted|expected)", message)
        if unknown:
            hint = _near(unknown[1], [option[2:] for option in known])
            return f"keys of a TOML file must be flags of `{self.prog}`. Received: {unknown[1]!r}{hint}"
        wrong = re.search(r'[Pp]arser key "([^"]+)":\s*(.*)', message, re.DOTALL)
        if wrong:
            rule = wrong[2]
            received = re.search(r"(?:Got value|Given value): (.*?)\s*$", rule, re.DOTALL)
            expected = list(
                dict.fromkeys(re.findall(r"Expected an? (\S.*?)(?:\. Got value|\.?\s*$)", rule, re.MULTILINE))
            )
            if received and expected:
                types = [re.sub(r"<class '(?:\w+\.)*(\w+)'>|typing\.", r"\1", text) for text in expected]
                types = " or ".join(text.replace("NoneType", "null") for text in types)
                types = re.sub(r"Literal\[(.*?)\]", r"one of \1", types)
                return f"--{wrong[1]} must be {types}. Received: {received[1]}"
        return message


def _near(word, known):
    # Compared without the dashes, which make all flags alike.
    names = {option.lstrip("-"): option for option in known}
    near = [names[name] for name in difflib.get_close_matches(word.lstrip("-"), names, n=3, cutoff=0.65)]
    return f". Did you mean {' or '.join(near)}?" if near else ""
