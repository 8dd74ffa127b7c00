"""What the numbers mean that the NVIDIA driver gives to its errors (XIDs): in plain words, whose fault, what next.

Levels: *alert* for what makes a GPU unusable or its results doubtful, *warning* for what ended a program or may grow
worse, *info* for what the driver has dealt with. A number that is not in the table is shown as it is, as a warning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.kit.base.errors import Hint


class Blame(StrEnum):
    """Where the cause most likely is."""

    APPLICATION = "application"
    DRIVER = "driver"
    HARDWARE = "hardware"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Xid:
    """One number. ``level`` is info, warning or alert; ``hint`` is the next safe step."""

    code: int
    text: str
    blame: Blame
    level: str
    hint: str

    @property
    def brief(self) -> str:
        """What happened in a few words for a title, without a full stop; "" for a number that nobody has explained."""
        return _TITLES.get(self.code, "")


_FIX_PROGRAM = "The driver is fine. Look for a bug in the program: compute-sanitizer finds most of them."
_RESTART_PROGRAM = "Start the program again. If it comes back with other programs, update the driver."
_UPDATE = "Update the driver; if it comes back, save nvidia-bug-report.sh's output for NVIDIA."
_RESET = Hint(
    "sudo nvidia-smi --gpu-reset",
    before="End what runs on the GPU, then: ",
    after=". If it comes back, have the board examined.",
)
_RESTART_MACHINE = "Save what can be saved and restart the machine. If it comes back, have the board examined."
_EXCHANGE = "Take the GPU out of use and have the board examined; results of running jobs may be wrong."
_WATCH = "Nothing now. If it comes often, have the board examined."
_CABLING = "Check the board's seat, its power cables and cooling, then restart the machine."
_LINKS = "End what runs on the GPUs and reset them together; if it comes back, check bridges, switches and cables."
_FABRIC = Hint(
    "systemctl status nvidia-fabricmanager",
    before="See the fabric manager: ",
    after=". Then end the jobs and reset the GPUs.",
)

_A, _D, _H, _U = Blame.APPLICATION, Blame.DRIVER, Blame.HARDWARE, Blame.UNKNOWN

_ROWS: tuple[tuple[int, Blame, str, str, str], ...] = (
    (1, _D, "warning", "Invalid or damaged commands reached the GPU.", _UPDATE),
    (2, _D, "warning", "Invalid or damaged commands reached the GPU.", _UPDATE),
    (3, _D, "warning", "Invalid or damaged commands reached the GPU.", _UPDATE),
    (4, _D, "warning", "Invalid or damaged commands reached the GPU.", _UPDATE),
    (6, _D, "warning", "Invalid or damaged commands reached the GPU.", _UPDATE),
    (7, _D, "warning", "Invalid or damaged commands reached the GPU.", _UPDATE),
    (8, _A, "warning", "The GPU stopped working on a program's commands and was stopped.", _RESTART_PROGRAM),
    (9, _D, "warning", "The driver has programmed the GPU wrongly.", _UPDATE),
    (11, _D, "warning", "Invalid or damaged commands reached the GPU.", _UPDATE),
    (12, _D, "warning", "The driver failed while it handled another error.", _UPDATE),
    (13, _A, "warning", "A program made an invalid access or instruction on the GPU and was ended.", _FIX_PROGRAM),
    (16, _D, "warning", "The display engine hung.", _UPDATE),
    (18, _D, "warning", "The bus mastering of the GPU failed.", _UPDATE),
    (19, _D, "warning", "The display engine failed.", _UPDATE),
    (24, _D, "warning", "A semaphore of the GPU timed out.", _RESTART_PROGRAM),
    (25, _D, "warning", "Invalid or damaged commands reached the GPU.", _UPDATE),
    (31, _A, "warning", "A program used GPU memory that it does not have and was ended.", _FIX_PROGRAM),
    (32, _D, "warning", "Damaged commands reached the GPU over PCIe or from the driver.", _RESTART_PROGRAM),
    (37, _D, "warning", "The driver's firmware failed.", _UPDATE),
    (38, _D, "warning", "The driver's firmware failed.", _UPDATE),
    (43, _A, "warning", "A program's work on the GPU stopped and was ended; the GPU goes on.", _FIX_PROGRAM),
    (44, _D, "warning", "The graphics engine failed while switching between programs.", _RESTART_PROGRAM),
    (45, _A, "warning", "The GPU ended a program's work, because the program was killed or after an error before.",
     "Look at the error before this one; alone it only means that a program was ended."),
    (46, _D, "alert", "The GPU stopped working.", _RESET),
    (47, _D, "warning", "The video engine failed.", _RESTART_PROGRAM),
    (48, _H, "alert", "An uncorrectable memory error: programs on the GPU were ended, results may be wrong.", _RESET),
    (54, _H, "alert", "The board's extra power is not connected or failed.", _CABLING),
    (56, _D, "warning", "The display engine failed.", _UPDATE),
    (57, _H, "alert", "The GPU failed while programming its memory.", _EXCHANGE),
    (58, _H, "alert", "The GPU's memory clock is unstable.", _EXCHANGE),
    (59, _D, "alert", "The GPU's power management controller failed.", _RESTART_MACHINE),
    (60, _D, "warning", "The video processor failed.", _RESTART_PROGRAM),
    (61, _D, "alert", "The GPU's power management controller stopped.", _RESTART_MACHINE),
    (62, _H, "alert", "The GPU's power management controller halted; the GPU no longer works.", _RESTART_MACHINE),
    (63, _H, "info", "A damaged memory row was noted and will be replaced at the next reset.",
     "Nothing urgent: reset the GPU when the running jobs are done."),
    (64, _H, "alert", "A damaged memory row could not be noted for replacement.", _RESET),
    (65, _D, "warning", "The video processor failed.", _RESTART_PROGRAM),
    (66, _D, "warning", "The driver made an illegal access.", _UPDATE),
    (67, _D, "warning", "The driver made an illegal access.", _UPDATE),
    (68, _A, "warning", "The video decoder failed on a program's data.", _RESTART_PROGRAM),
    (69, _A, "warning", "A program gave the graphics engine an invalid method.", _FIX_PROGRAM),
    (70, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (71, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (72, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (73, _D, "warning", "The video encoder failed.", _RESTART_PROGRAM),
    (74, _H, "alert", "An NVLink failed; what used it may have been ended.", _LINKS),
    (75, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (76, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (77, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (78, _D, "warning", "A virtual GPU could not start.", _UPDATE),
    (79, _H, "alert", "The GPU has fallen off the bus: it can't be reached any more.", _CABLING),
    (80, _D, "warning", "Damaged data reached the GPU.", _RESTART_PROGRAM),
    (81, _D, "warning", "The display engine failed.", _UPDATE),
    (82, _D, "warning", "A JPEG engine failed.", _RESTART_PROGRAM),
    (83, _D, "warning", "A video decoder failed.", _RESTART_PROGRAM),
    (84, _D, "warning", "A video decoder failed.", _RESTART_PROGRAM),
    (85, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (86, _D, "warning", "The optical flow accelerator failed.", _RESTART_PROGRAM),
    (88, _D, "warning", "A video decoder failed.", _RESTART_PROGRAM),
    (89, _D, "warning", "A video decoder failed.", _RESTART_PROGRAM),
    (92, _H, "info", "Many corrected memory errors; results are right.", _WATCH),
    (93, _D, "info", "The firmware could not write to the board's InfoROM.", _WATCH),
    (94, _H, "warning", "An uncorrectable memory error hit one program, which was ended; others go on.",
     "Start the program again; reset the GPU when the running jobs are done."),
    (95, _H, "alert", "An uncorrectable memory error may have hit every program on the GPU.", _RESET),
    (96, _D, "warning", "A video decoder failed.", _RESTART_PROGRAM),
    (97, _D, "warning", "A video decoder failed.", _RESTART_PROGRAM),
    (98, _D, "warning", "A video decoder failed.", _RESTART_PROGRAM),
    (99, _D, "warning", "A JPEG engine failed.", _RESTART_PROGRAM),
    (100, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (101, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (102, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (103, _D, "warning", "A copy engine failed.", _RESTART_PROGRAM),
    (109, _D, "warning", "Switching between programs on the GPU timed out; a program was ended.", _RESTART_PROGRAM),
    (110, _H, "alert", "A security fault stopped the GPU.", _EXCHANGE),
    (111, _D, "warning", "The display engine failed.", _UPDATE),
    (112, _D, "warning", "The display supervisor failed.", _UPDATE),
    (113, _D, "warning", "A display link could not be trained.", _UPDATE),
    (114, _D, "warning", "The display failed to take new data in time.", _UPDATE),
    (116, _D, "warning", "The display head failed.", _UPDATE),
    (118, _D, "warning", "The driver's firmware took long to answer.", _UPDATE),
    (119, _D, "alert", "The GPU's system processor (GSP) no longer answers the driver.", _RESET),
    (120, _D, "alert", "The GPU's system processor (GSP) crashed.", _RESET),
    (121, _H, "warning", "An error on the link between processor and GPU was corrected.", _WATCH),
    (122, _H, "warning", "The board's own memory (SPI) could not be read or written.", _WATCH),
    (123, _H, "alert", "The GPU's power management controller could not be started.", _RESTART_MACHINE),
    (124, _D, "warning", "The driver's firmware could not be read.", _UPDATE),
    (125, _H, "warning", "The board's InfoROM could not be read or written.", _WATCH),
    (126, _D, "warning", "A fault of memory access between GPUs.", _RESTART_PROGRAM),
    (127, _D, "warning", "A fault of memory access between GPUs.", _RESTART_PROGRAM),
    (134, _D, "warning", "The firmware's service was ended.", _UPDATE),
    (135, _D, "warning", "The firmware's service was ended.", _UPDATE),
    (136, _H, "alert", "A link could not be trained.", _LINKS),
    (137, _A, "warning", "A program on another GPU made an invalid access over NVLink and was ended.", _FIX_PROGRAM),
    (140, _H, "alert", "An uncorrectable error that the driver could not tie to a cause.", _RESET),
    (141, _D, "warning", "The GPU's firmware made an invalid access.", _UPDATE),
    (143, _H, "alert", "The GPU could not be started.", _RESTART_MACHINE),
    (144, _H, "warning", "An NVLink reported a fault in its serialiser.", _LINKS),
    (145, _H, "warning", "An NVLink reported a fault in its receiver.", _LINKS),
    (146, _H, "warning", "An NVLink reported a fault in its sender.", _LINKS),
    (147, _H, "warning", "An NVLink reported a fault in its routing.", _FABRIC),
    (148, _H, "warning", "An NVLink reported a fault in its protection.", _LINKS),
    (149, _H, "warning", "An NVLink reported a fault of its network part.", _FABRIC),
    (150, _H, "warning", "An NVLink reported a fault of its management.", _FABRIC),
    (151, _D, "warning", "A key for protected memory was lost.", _RESET),
    (154, _U, "warning", "The driver changed what it asks for to recover the GPU.",
     "See the GPU's recovery action: reset, restart or nothing."),
    (155, _H, "warning", "An NVLink was taken out of use.", _LINKS),
    (156, _H, "info", "A damaged part of the GPU was noted for repair.", _WATCH),
    (157, _H, "info", "A damaged part of the GPU could be repaired at the next reset.", _WATCH),
    (158, _H, "alert", "A fatal time-out inside the GPU.", _RESET),
    (159, _H, "warning", "An error between the chips of the GPU was corrected.", _WATCH),
    (160, _H, "info", "A memory channel will be repaired at the next reset.",
     "Nothing urgent: reset the GPU when the running jobs are done."),
    (161, _H, "warning", "A memory channel's repair failed.", _EXCHANGE),
    (162, _H, "warning", "The power supply's smoothing hardware reported a fault.", _WATCH),
    (163, _H, "warning", "The power supply's smoothing hardware has little life left.", _WATCH),
    (164, _H, "alert", "The power supply's smoothing hardware is worn out.", _EXCHANGE),
    (165, _D, "warning", "A firmware part reported an error.", _UPDATE),
    (166, _D, "warning", "The firmware reported an illegal access.", _UPDATE),
    (167, _H, "alert", "A fatal time-out on PCIe.", _CABLING),
    (168, _D, "warning", "Protected memory is used up.", _RESTART_PROGRAM),
    (169, _H, "warning", "The firmware processor reported an uncorrectable error.", _RESET),
    (170, _D, "warning", "An interrupt of the GPU could not be handled.", _UPDATE),
    (171, _H, "info", "Further detail of an uncorrectable memory error: in DRAM.", _WATCH),
    (172, _H, "info", "Further detail of an uncorrectable memory error: in SRAM.", _WATCH),
)  # fmt: skip

_TITLES: Mapping[int, str] = {
    1: "invalid or damaged commands reached the GPU",
    2: "invalid or damaged commands reached the GPU",
    3: "invalid or damaged commands reached the GPU",
    4: "invalid or damaged commands reached the GPU",
    6: "invalid or damaged commands reached the GPU",
    7: "invalid or damaged commands reached the GPU",
    8: "GPU stopped working on a program",
    9: "driver has programmed the GPU wrongly",
    11: "invalid or damaged commands reached the GPU",
    12: "driver failed twice",
    13: "invalid access or instruction",
    16: "display engine hung",
    18: "bus mastering of the GPU failed",
    19: "display engine failed",
    24: "semaphore of the GPU timed out",
    25: "invalid or damaged commands reached the GPU",
    31: "memory page fault",
    32: "damaged commands",
    37: "driver's firmware failed",
    38: "driver's firmware failed",
    43: "a program's work stopped",
    44: "graphics engine failed",
    45: "a program's work was ended",
    46: "GPU stopped working",
    47: "video engine failed",
    48: "uncorrectable memory error",
    54: "board's extra power failed",
    56: "display engine failed",
    57: "GPU failed while programming its memory",
    58: "GPU's memory clock is unstable",
    59: "GPU's power management controller failed",
    60: "video processor failed",
    61: "GPU's power management controller stopped",
    62: "GPU's power management controller halted",
    63: "damaged memory row noted",
    64: "damaged memory row not noted",
    65: "video processor failed",
    66: "driver made an illegal access",
    67: "driver made an illegal access",
    68: "video decoder failed on a program's data",
    69: "invalid graphics method",
    70: "copy engine failed",
    71: "copy engine failed",
    72: "copy engine failed",
    73: "video encoder failed",
    74: "NVLink failed",
    75: "copy engine failed",
    76: "copy engine failed",
    77: "copy engine failed",
    78: "virtual GPU could not start",
    79: "GPU has fallen off the bus",
    80: "damaged data reached the GPU",
    81: "display engine failed",
    82: "JPEG engine failed",
    83: "video decoder failed",
    84: "video decoder failed",
    85: "copy engine failed",
    86: "optical flow accelerator failed",
    88: "video decoder failed",
    89: "video decoder failed",
    92: "many corrected memory errors",
    93: "InfoROM not written",
    94: "contained memory error",
    95: "uncontained memory error",
    96: "video decoder failed",
    97: "video decoder failed",
    98: "video decoder failed",
    99: "JPEG engine failed",
    100: "copy engine failed",
    101: "copy engine failed",
    102: "copy engine failed",
    103: "copy engine failed",
    109: "switch between programs timed out",
    110: "security fault stopped the GPU",
    111: "display engine failed",
    112: "display supervisor failed",
    113: "display link could not be trained",
    114: "display failed to take new data in time",
    116: "display head failed",
    118: "driver's firmware took long to answer",
    119: "GSP no longer answers",
    120: "GPU's system processor (GSP) crashed",
    121: "corrected error on the processor's link",
    122: "board's own memory failed",
    123: "power management could not be started",
    124: "driver's firmware could not be read",
    125: "board's InfoROM could not be read or written",
    126: "fault of memory access between GPUs",
    127: "fault of memory access between GPUs",
    134: "firmware's service was ended",
    135: "firmware's service was ended",
    136: "link could not be trained",
    137: "invalid access over NVLink",
    140: "uncorrectable error of unknown cause",
    141: "GPU's firmware made an invalid access",
    143: "GPU could not be started",
    144: "NVLink reported a fault in its serialiser",
    145: "NVLink reported a fault in its receiver",
    146: "NVLink reported a fault in its sender",
    147: "NVLink reported a fault in its routing",
    148: "NVLink reported a fault in its protection",
    149: "NVLink reported a fault of its network part",
    150: "NVLink reported a fault of its management",
    151: "key for protected memory was lost",
    154: "GPU wants another recovery",
    155: "NVLink was taken out of use",
    156: "damaged part of the GPU was noted for repair",
    157: "damaged part can be repaired at the next reset",
    158: "fatal time-out inside the GPU",
    159: "corrected error between chips",
    160: "memory channel repaired at the next reset",
    161: "memory channel's repair failed",
    162: "power smoothing reported a fault",
    163: "power smoothing has little life left",
    164: "power smoothing is worn out",
    165: "firmware part reported an error",
    166: "firmware reported an illegal access",
    167: "fatal time-out on PCIe",
    168: "protected memory is used up",
    169: "firmware processor's uncorrectable error",
    170: "interrupt of the GPU could not be handled",
    171: "detail of a memory error, in DRAM",
    172: "detail of a memory error, in SRAM",
}
"""Each number in a few words for a title."""

CATALOGUE: Mapping[int, Xid] = {code: Xid(code, text, blame, level, hint) for code, blame, level, text, hint in _ROWS}


def explain_xid(code: int) -> Xid:
    """Return what ``code`` means; a number that nobody has explained is a warning that says so."""
    known = CATALOGUE.get(code)
    if known is not None:
        return known
    hint = Hint(
        "sudo dmesg | grep -i xid",
        before="Look the number up in NVIDIA's list of XIDs; ",
        after=" shows the driver's own words.",
    )
    return Xid(code, "An error of the NVIDIA driver that has no explanation here.", _U, "warning", hint)
