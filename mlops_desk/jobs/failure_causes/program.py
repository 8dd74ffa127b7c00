"""Causes: the program and the image that it comes in: what is missing there, and what it does wrong itself."""

from collections.abc import Mapping

from mlops_desk.jobs.failure_causes.cause import EndCause, Weight, found, said
from mlops_desk.jobs.records.failure_facts import EndFacts


def _package(_facts: EndFacts, groups: Mapping[str, str]) -> Mapping[str, str]:
    """Name the package of a module: what stands before its first dot."""
    module = groups.get("module", "")
    return {"module": module or "that was imported", "package": module.partition(".")[0] or "the package"}


def _command(_facts: EndFacts, groups: Mapping[str, str]) -> Mapping[str, str]:
    return {"command": groups.get("command", "")}


STARTING = (
    EndCause(
        "wrong_architecture", "Built for another processor", Weight.SPECIFIC,
        "The program was built for another kind of processor.",
        "Use an image, or build the program, for the kind of processor that this machine has; a script needs a first"
        " line like #!/bin/sh.",
        said("Exec format error", "cannot execute binary file"),
    ),
    EndCause(
        "interpreter_missing", "What runs the command is missing", Weight.SPECIFIC,
        "What runs the command {command} is not in the image.",
        "Its first line (#!...) names an interpreter that is not there, or it needs a loader of another kind of Linux"
        " (musl, glibc). Start it by its interpreter, or use an image that has it.",
        found("no such file or directory", r"^exec (?P<command>/\S+): no such file or directory$")
        + found("missing dynamic library", r"missing dynamic library\?\) [\x60'\"](?P<command>[^\x60'\"]+)")
        + found("bad interpreter", r"(?P<command>[^\s:]+): .*bad interpreter: .*No such file")
        + found("required file not found", r"(?P<command>[^\s:]+): cannot execute: required file not found"),
        fields=_command,
    ),
    EndCause(
        "not_executable", "Command not executable", Weight.SPECIFIC,
        "The command is there but can't be executed.",
        "Make it executable (chmod +x) and give it a first line like #!/bin/sh; or start it by its interpreter.",
        found("permission denied", r"^\S*(?:sh|exec|env|wrapper)\S*: (?:line \d+: |\d+: )?\S+: Permission denied",
              weight=Weight.FAINT)
        + found("permission denied", r"FATAL tini.* exec \S+ failed: Permission denied"
                r"|catatonit.*failed to exec pid1: Permission denied")
        + said("bad interpreter"),
        codes=(126,),
    ),
    EndCause(
        "command_missing", "Command not found", Weight.SPECIFIC,
        "The command was not found.",
        "Check its name and PATH: those of the image, where it runs in one.",
        found("not found in the image", r"mlops-desk: (?P<command>.+): not found in the image")
        + found("no such file or directory", r"FATAL tini.* exec \S+ failed: No such file"
                r"|catatonit.*failed to exec pid1: No such file")
        + found("not found", r"(?:command not found|^\S*sh: (?:line \d+: |\d+: )?\S+: not found)", weight=Weight.FAINT),
        codes=(127,),
    ),
    EndCause(
        "library_missing", "Shared library missing", Weight.SPECIFIC,
        "A shared library is missing in the image, or does not fit.",
        "Install its package in the image, or use an image that has it; pip's packages bring most of their own.",
        said("undefined symbol:", "version `GLIBC", "version `CXXABI", "version `GLIBCXX", "wrong ELF class",
             "cannot allocate memory in static TLS block")
        + found("cannot open shared object", r"(?P<library>\S+): cannot open shared object file"),
    ),
    EndCause(
        "module_missing", "Python module {module} missing", Weight.SPECIFIC,
        "The Python module {module} is not in the image.",
        "Install it in the image (pip install {package}), or use an image that has it.",
        found("no module named", r"No module named ['\"]?(?P<module>[\w.]+)")
        + found("packagenotfounderror", r"PackageNotFoundError:.* metadata was found for (?P<module>[\w.-]+)")
        + found("this modeling file", r"requires the following packages that were not found[^:]*: (?P<module>[\w.-]+)"),
        fields=_package,
    ),
    EndCause(
        "import_failed", "Python packages don't fit together", Weight.SPECIFIC,
        "The versions of two Python packages don't fit together.",
        "Pin versions that fit in the image: pip check names what does not.",
        said("ImportError: cannot import name", "numpy.dtype size changed", "compiled using NumPy 1.x",
             "DistributionNotFound", "VersionConflict", "circular import")
        + found("importerror", r"\bImportError: ")
        + found("module '", r"AttributeError: module '[\w.]+' has no attribute"),
    ),
    EndCause(
        "syntax_error", "Python syntax error", Weight.SPECIFIC,
        "The program is not valid Python for the image's Python.",
        "Correct the line, or use an image with the Python that the program was written for.",
        found("syntaxerror", r"^\s*SyntaxError\b")
        + found("indentationerror", r"^\s*IndentationError\b")
        + found("taberror", r"^\s*TabError\b"),
    ),
    EndCause(
        "script_syntax", "Shell script not readable", Weight.SPECIFIC,
        "The shell could not read the script that it was given.",
        "Correct the line. A program that was built for another kind of processor looks so as well (file tells), and so"
        " does a script for bash that sh is asked to read.",
        found("syntax error", r": (?:line )?\d+: syntax error") + said("syntax error near unexpected token"),
    ),
    EndCause(
        "usage_error", "Wrong arguments", Weight.SPECIFIC,
        "The program was started with arguments that it does not take.",
        "Correct command: in the job file; the program's --help names what it takes.",
        said("error: unrecognized arguments", "error: the following arguments are required", "error: ambiguous option",
             "error: invalid choice", "Could not override", "Missing mandatory value")
        + found("argument -", r"error: argument -\S+.*: (?:invalid|expected)")
        + found("usageerror", r"UsageError|(?:Error: )?No such option"),
    ),
    EndCause(
        "input_wanted", "Waited for input", Weight.SPECIFIC,
        "The program asked a person for input, and nobody is there.",
        "Give what it asks for as an argument, in env: or as a secret.",
        said("EOFError: EOF when reading a line", "the input device is not a TTY", "Inappropriate ioctl for device"),
    ),
)  # fmt: skip

WORKING = (
    EndCause(
        "checkpoint_damaged", "Saved model unreadable", Weight.SPECIFIC,
        "A saved model could not be read.",
        "Was it written to its end, or fetched by git without LFS? Take an earlier one.",
        said("invalid load key", "UnpicklingError", "PytorchStreamReader failed", "failed finding central directory",
             "SafetensorError", "Error while deserializing header", "Ran out of input", "pickle data was truncated",
             "unexpected EOF, expected", "truncated header", "file signature not found"),
    ),
    EndCause(
        "checkpoint_mismatch", "Saved model does not fit", Weight.SPECIFIC,
        "A saved model does not fit the model in the program.",
        "Resume with the configuration that it was saved with, or start without the checkpoint.",
        said("Error(s) in loading state_dict", "Missing key(s) in state_dict", "Unexpected key(s) in state_dict",
             "Weights only load failed", "Unsupported operand 149", "loaded state dict contains a parameter group",
             "loaded state dict has a different number of parameter groups")
        + found("can't get attribute", r"Can't get attribute '.*' on <module"),
    ),
    EndCause(
        "shape_mismatch", "Shapes don't fit", Weight.SPECIFIC,
        "Two tensors or arrays don't fit in shape.",
        "Print the shapes before the line in question; mostly the model's first or last layer does not fit the data.",
        said("shapes cannot be multiplied", "size mismatch", "Incompatible shapes", "could not be broadcast",
             "mismatch in its core dimension", "stack expects each tensor to be equal size",
             "Sizes of tensors must match", "all the input array dimensions", "Dimensions must be equal")
        + found("the size of tensor", r"The size of tensor .* must match")
        + found("expected input", r"Expected (?:input batch_size|\d+-dimensional input)|to have \d+ channels")
        + found("shape '", r"shape '\[.*\]' is invalid for input of size")
        + found("is incompatible with", r"Input .* of layer .* is incompatible with"),
    ),
    EndCause(
        "dtype_mismatch", "Number types mixed", Weight.SPECIFIC,
        "The program mixed types of numbers.",
        "Cast one side, or let autocast do it.",
        said("expected scalar type", "must have the same dtype", "expected m1 and m2 to have the same dtype",
             "Found dtype", "result type Float can't be cast", "cannot be performed in"),
    ),
    EndCause(
        "index_range", "Index out of range", Weight.SPECIFIC,
        "The program reached beyond the end of something.",
        "Mostly a label or a token beyond the number that the model was made for.",
        said("IndexError:", "index out of range in self")
        + found("target", r"Target -?\d+ is out of bounds"),
    ),
    EndCause(
        "nan_loss", "Loss is NaN or infinite", Weight.SPECIFIC,
        "The loss became NaN or infinite.",
        "A smaller learning rate, gradient clipping or bf16 instead of fp16; look at the data of the step before.",
        said("NaN detected in loss", "NaN or Inf found in input tensor", "Minimum loss scale reached",
             "Current loss scale already at minimum", "Function 'LogSoftmaxBackward0' returned nan",
             "model diverged with loss = NaN")
        + found("nan", r"loss (?:is|became|was|went(?: to)?|turned) (?:nan|inf|infinite|not finite)|non-finite loss")
        + found("nan", r"FloatingPointError.*nan|(?:Error|Exception)\b.*\b(?:nan|NaN)\b.*loss|detected nan")
        + found("returned nan", r"returned nan values in its")
        + found("loss", r"\bloss\W{0,4}(?:nan|[-+]?inf)\b", weight=Weight.FAINT, in_warnings=True),
    ),
    EndCause(
        "assertion", "Assertion failed", Weight.SPECIFIC,
        "The program found a condition broken that it takes for granted (an assertion).",
        "See the assertion in the program: the evidence names it.",
        found("assertionerror", r"\bAssertionError\b")
        + found("assertion", r"Assertion [\x60'\"].* failed", weight=Weight.FAINT),
    ),
    EndCause(
        "division_by_zero", "Division by zero", Weight.SPECIFIC,
        "The program divided by zero.",
        "Mostly an empty batch, loader or mask: check that there is any data.",
        said("ZeroDivisionError"),
        codes=(136,),
    ),
    EndCause(
        "interrupted", "Interrupted (SIGINT)", Weight.CONSEQUENCE,
        "The program was interrupted (SIGINT).",
        "Somebody, or a program around it, interrupted it. Submit the job again if need be.",
        found("keyboardinterrupt", r"^\s*KeyboardInterrupt"),
        codes=(130,),
    ),
)  # fmt: skip
