"""Causes: what a signal ended, where nothing better tells why. "137" alone says no more than that it was killed."""

from mlops_desk.jobs.causes.cause import EndCause, Weight, faint, found, said

SIGNALS = (
    EndCause(
        "segfault", "Crashed (segmentation fault)", Weight.CONSEQUENCE,
        "The program crashed (segmentation fault).",
        'Mostly a library of native code that does not fit: set env: {PYTHONFAULTHANDLER: "1"} to see where.',
        said("Fatal Python error: Segmentation fault", "SIGSEGV")
        + found("segmentation fault", r"segmentation fault(?: |$|\))"),
        codes=(139,),
    ),
    EndCause(
        "illegal_instruction", "Unknown processor instruction", Weight.CONSEQUENCE,
        "The program uses an instruction that this processor does not have.",
        "It was built for a newer processor: use another build (of TensorFlow, say), or build it here.",
        said("Illegal instruction", "SIGILL", "instructions that your machine does not support",
             "The TensorFlow library was compiled to use"),
        codes=(132,),
    ),
    EndCause(
        "bus_error", "Crashed (bus error)", Weight.CONSEQUENCE,
        "The program reached for memory that is not behind its address (bus error).",
        "Mostly shared memory that is too small: resources: {shm: 16GiB}. Else a file that shrank, or a failing disk.",
        said("Bus error", "SIGBUS"),
        codes=(135,),
    ),
    EndCause(
        "aborted", "Aborted (SIGABRT)", Weight.CONSEQUENCE,
        "The program aborted itself (SIGABRT).",
        "What it said before tells why.",
        said("terminate called", "Fatal Python error: Aborted", "double free or corruption", "SIGABRT",
             "free(): invalid", "malloc(): ", "stack smashing detected", "Aborted (core dumped)"),
        codes=(134,),
    ),
    EndCause(
        "killed", "Killed (SIGKILL)", Weight.CODE,
        "Something sent SIGKILL to the program.",
        "Nobody reported that memory ran out. It may have been a person, a watchdog (earlyoom) or the program.",
        found("killed", r"^(?:\S+: line \d+: +\d+ )?Killed\b", weight=Weight.FAINT)
        + faint("SIGKILL", "Signal 9"),
        codes=(137,),
    ),
    EndCause(
        "terminated", "Ended by SIGTERM", Weight.CODE,
        "Something sent SIGTERM to the program.",
        "It was not MLOps Desk: a person, a program around it, or a shutdown. Submit the job again if need be.",
        found("terminated", r"^(?:\S+: line \d+: +\d+ )?Terminated\b", weight=Weight.FAINT)
        + faint("SIGTERM", "Signal 15"),
        codes=(143,),
    ),
    EndCause(
        "hung_up", "Ended by a signal", Weight.CODE,
        "The program was ended by SIGHUP, SIGQUIT, SIGPIPE or a timer.",
        "A program around it ended it, as timeout does. Submit the job again if need be.",
        codes=(124, 129, 131, 141, 142),
    ),
    EndCause(
        "cpu_limit", "Processor or file size limit", Weight.CODE,
        "The program used more processor time, or wrote a larger file, than a limit allows.",
        "See ulimit -a in the job.",
        said("CPU time limit exceeded", "File size limit exceeded", "SIGXCPU", "SIGXFSZ", weight=Weight.CONSEQUENCE),
        codes=(152, 153),
    ),
)  # fmt: skip
