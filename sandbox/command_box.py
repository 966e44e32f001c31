"""The box that commands run in: bubblewrap, and what of this machine is to be seen inside.

Inside there is the workspace at /work, the only place that can be written; the machine's /usr (and /bin, /lib, …),
read only, with its Python; an empty network, own processes, an own user, and hardly anything of /etc. Neither the
user's home nor Python's virtual environments are there. Root does not enter the box: where milepost runs as root,
commands run as `nobody`, because the kernel's root owns much (such as /proc/sys) that no namespace takes from it.
"""

from __future__ import annotations

import functools
import glob
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .command_filter import open_filter
from .errors import SandboxError

HOME = "/work"
PATH = "/usr/local/bin:/usr/bin:/bin:/run/bin"
ENVIRONMENT = {
    "HOME": HOME,
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": PATH,
    "PWD": HOME,
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
    "TERM": "dumb",
    "TMPDIR": HOME,
    "TZ": "UTC",
}
NOBODY = 65534
SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/python3*")
PROBE_DEADLINE_S = 20.0
CURE_ABSENT = "install it, on Debian or Ubuntu with `apt-get install bubblewrap`"
CURE_UNUSABLE = (
    "it needs user namespaces: `sysctl -w kernel.unprivileged_userns_clone=1` (old Debian) or "
    "`kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu 24.04 and later); within Docker, a seccomp and AppArmor "
    "profile that allows them"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A bubblewrap that works here.

    Attributes:
        bwrap: the executable.
        owner: the user and group that commands run as, who must own their folder; None is ourselves.
    """

    bwrap: str
    owner: int | None

    def argv(self, folder: Path, command: tuple[str, ...], *, status_fd: int, filter_fd: int) -> tuple[str, ...]:
        """Return what starts `command` with `folder` as its workspace.

        Args:
            folder: what is to be /work.
            command: program and arguments, as found inside.
            status_fd: where bubblewrap writes the child's process id and exit code, as lines of JSON.
            filter_fd: where it reads the filter of system calls.
        """
        drop = ("setpriv", f"--reuid={self.owner}", f"--regid={self.owner}", "--clear-groups", "--inh-caps=-all", "--")
        return (
            *(drop if self.owner is not None else ()),
            *(self.bwrap, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *("--uid", "1000", "--gid", "1000", "--hostname", "milepost"),
            *_system(),
            *("--proc", "/proc", "--tmpfs", "/proc/sys", "--remount-ro", "/proc/sys"),
            *("--dev", "/dev", "--remount-ro", "/dev", "--dir", "/tmp"),
            *("--bind", str(folder), HOME, "--remount-ro", "/", "--chdir", HOME),
            *("--seccomp", str(filter_fd), "--json-status-fd", str(status_fd), "--"),
            *command,
        )


def find_box() -> Box:
    """Return the box that commands can be run in. Starts bubblewrap once per process, to see whether it works.

    Raises:
        SandboxError: it is absent or unusable here; the message names the cure. Commands are then not run at all.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxError(f"commands need bubblewrap, but there is no `bwrap` on PATH; {CURE_ABSENT}")
    return _tried(bwrap, os.geteuid())


@functools.cache
def _tried(bwrap: str, user: int) -> Box:
    for tool in ("prlimit", "sh", *(("setpriv",) if user == 0 else ())):
        if shutil.which(tool, path=PATH) is None:
            raise SandboxError(f"commands need `{tool}`, which is not installed; install util-linux and a shell")
    box = Box(bwrap=bwrap, owner=NOBODY if user == 0 else None)
    with tempfile.TemporaryDirectory(prefix="milepost-probe-") as name, open(os.devnull, "wb") as nowhere:
        folder = Path(name)
        filter_fd = open_filter()
        try:
            if box.owner is not None:
                os.chown(folder, box.owner, box.owner)
            argv = box.argv(folder, ("true",), status_fd=nowhere.fileno(), filter_fd=filter_fd)
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=ENVIRONMENT,
                pass_fds=(nowhere.fileno(), filter_fd),
                timeout=PROBE_DEADLINE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxError(f"commands need bubblewrap, but {bwrap} failed ({error}); {CURE_UNUSABLE}") from error
        finally:
            os.close(filter_fd)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise SandboxError(f"commands need bubblewrap, but {bwrap} does not work here ({said}); {CURE_UNUSABLE}")
    return box


def _system() -> tuple[str, ...]:
    """Return the read-only part: /usr and what stands for parts of it, a little of /etc, and `python`."""
    parts: list[str] = ["--ro-bind", "/usr", "/usr"]
    for name in SYSTEM_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            parts += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            parts += ["--ro-bind", str(path), str(path)]
    for pattern in ETC:
        for found in sorted(glob.glob(pattern)):
            parts += ["--ro-bind", found, found]
    python = shutil.which("python3", path=PATH)
    if python is not None:
        parts += ["--symlink", python, "/run/bin/python"]
    return tuple(parts)


__all__ = ["ENVIRONMENT", "HOME", "NOBODY", "PATH", "Box", "find_box"]
