"""Refuse the system calls that lead out of the cage, then become another program.

It is run as a file by the Python of the worker, without anything of ours: `python -I -S system_calls.py COMMAND ...`.
A seccomp filter (https://docs.kernel.org/userspace-api/seccomp_filter.html) answers "not permitted" to what scoring
never needs: sockets of any kind, new namespaces, mounts, tracing, keys, io_uring. It holds for all that is started.
"""

import ctypes
import errno
import os
import platform
import resource
import sys

MOST_PROCESSES = 256
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions of the filter's machine
ALLOW, ERROR, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # bytes of what the filter is given
NEW_NAMESPACES = 0x7E020000  # flags of clone
X32 = 0x40000000  # system calls of x86-64's other numbering
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2  # of prctl
CLONE, CLONE3 = "clone", "clone3"
# Machine -> how the kernel names it, and the numbers of its system calls.
EVERYWHERE = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, CLONE3: 435, "pidfd_getfd": 438,
    "mount_setattr": 442,
}  # fmt: skip
NUMBERS = {
    "x86_64": (0xC000003E, EVERYWHERE | {
        "socket": 41, CLONE: 56, "ptrace": 101, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166,
        "swapon": 167, "reboot": 169, "init_module": 175, "delete_module": 176, "kexec_load": 246, "add_key": 248,
        "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298, "name_to_handle_at": 303,
        "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
        "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
    }),
    "aarch64": (0xC00000B7, EVERYWHERE | {
        "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "unshare": 97, "kexec_load": 104,
        "init_module": 105, "delete_module": 106, "ptrace": 117, "reboot": 142, "socket": 198, "add_key": 217,
        "request_key": 218, "keyctl": 219, CLONE: 220, "swapon": 224, "perf_event_open": 241,
        "name_to_handle_at": 264, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
        "process_vm_writev": 271, "finit_module": 273, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294,
    }),
}  # fmt: skip


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def instructions(machine: str) -> list[tuple[int, int, int, int]]:
    """Return the filter for a machine: (code, steps to skip if so, if not, value) each.

    Raises:
        ValueError: If the numbers of its system calls are not known here.
    """
    if machine not in NUMBERS:
        raise ValueError(f"unknown machine {machine!r}; known: {', '.join(NUMBERS)}")
    architecture, numbers = NUMBERS[machine]
    program = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    if machine == "x86_64":
        program += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, ERROR | errno.EPERM)]
    for name, number in sorted(numbers.items()):
        if name != CLONE:  # clone3's flags are behind a pointer: programs fall back to clone
            answer = errno.ENOSYS if name == CLONE3 else errno.EPERM
            program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ERROR | answer)]
    program += [(EQUAL, 0, 3, numbers[CLONE]), (LOAD, 0, 0, FIRST_ARGUMENT), (ANY_BIT, 0, 1, NEW_NAMESPACES)]
    return [*program, (RETURN, 0, 0, ERROR | errno.EPERM), (RETURN, 0, 0, ALLOW)]


def refuse_system_calls(machine: str) -> None:
    """Put the filter on this process and all that it starts.

    Raises:
        OSError: If the kernel has no such filters.
        ValueError: As `instructions`.
    """
    found = [_Instruction(*one) for one in instructions(machine)]
    program = _Program(len(found), (_Instruction * len(found))(*found))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in ((NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0)):
        if prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "the system calls cannot be filtered")


def main(command: list[str]) -> None:
    """Become a command that is held to the filter, where there is one, and to a number of processes."""
    resource.setrlimit(resource.RLIMIT_NPROC, (MOST_PROCESSES, MOST_PROCESSES))  # the kernel exempts root
    try:
        refuse_system_calls(platform.machine())
    except (OSError, ValueError) as error:  # `worker --check` says that it is so
        sys.stderr.write(f"{error}\n")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
