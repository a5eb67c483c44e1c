"""A control group with little memory for a server, of version 1 or 2, where this system lets us make one."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
# Below what any model needs, so that the program says what it needs.
TOO_LITTLE_BYTES = 48 << 20


class Group:
    """A group without limits: nothing is entered, nothing killed."""

    killed, grows = None, False

    def __init__(self, says):
        self.says, self.enter = says, None


class MemoryGroup:
    """A folder of the system's tree of groups."""

    def __init__(self, folder, bytes_, grows):
        self.folder, self.version, self.grows = folder, 2 if (folder / "memory.max").exists() else 1, grows
        self.limit(bytes_)

    def limit(self, bytes_):
        self.bytes = bytes_
        self.says = f"the server has {bytes_ / 1e6:.0f} MB and no swap"
        if self.version == 2:
            self.write("memory.max", bytes_)
            self.write("memory.swap.max", 0)
        else:
            self.write("memory.limit_in_bytes", bytes_)
            self.write("memory.swappiness", 0)

    def write(self, name, value):
        if (self.folder / name).exists():
            (self.folder / name).write_text(str(value))

    def enter(self):
        """Moves the process that calls it."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def killed(self):
        """How many of its processes the system has killed."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        found = re.search(r"^oom_kill (\d+)", (self.folder / name).read_text(), re.M)
        return int(found[1]) if found else 0


@contextmanager
def memory(limit):
    """A group with `limit` megabytes, or with `just` what the server that is started in it needs; without a limit, or where no
    group can be made, one that limits nothing and says so."""
    if limit is None:
        yield Group("the server has as much memory as it wants")
        return
    try:
        group = made(limit)
    except OSError as error:
        yield Group(f"skipped: no control group can be made here, so memory is not limited: {error}")
        return
    try:
        yield group
    finally:
        group.folder.rmdir()


def made(limit):
    """A group below the one that this process is in."""
    folder = own_folder() / f"nibble-soak-{os.getpid()}"
    folder.mkdir()
    try:
        return MemoryGroup(folder, TOO_LITTLE_BYTES if limit == "just" else int(limit) * 1_000_000, limit == "just")
    except OSError:
        folder.rmdir()
        raise


def own_folder():
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        folder = MOUNT / controllers / path.lstrip("/")
        if "memory" in controllers.split(",") and folder.exists():
            return folder
        if not controllers and (MOUNT / path.lstrip("/") / "memory.max").exists():
            return MOUNT / path.lstrip("/")
    raise OSError("there is no memory controller")


def start_in(group, start):
    """The server that `start` makes; a group that is to be just large enough grows by what it says that it lacks."""
    while not (server := start()).becomes_well():
        said = server.tail()
        lacks = re.search(r"needs (\d+) MB, and (\d+) MB are available", said)
        if not lacks or not group.grows:
            raise SystemExit(f"the server does not start; {group.says}:\n{said}")
        needed, available = map(int, lacks.groups())
        # Both are rounded down.
        group.limit(group.bytes + (needed - available + 2) * 1_000_000)
    return server
