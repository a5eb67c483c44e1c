"""llama.cpp's programs on this system or in a root folder of their own, and the model files that both engines read.

On Debian as root llama.cpp is installed with debootstrap where it is not on the PATH, as the package is in sid. Files of
random weights are kept in the cache folder: 700 MB for the 1b shape, 4.5 GB for the 8b shape, and those that llama.cpp makes of
them in fewer bits.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import venv
from pathlib import Path

PROGRAM = Path(sys.argv[0]).name
ROOT = Path(__file__).resolve().parents[2]
NIBBLE = ROOT / "target/release/nibble"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
WORK = CACHE / "nibble-bench"
PEER_ROOT = Path(os.environ.get("NIBBLE_PEER_ROOT", WORK / "llama.cpp"))
THREADS = len(os.sched_getaffinity(0))


def completed(*command, cwd=None):
    """A command that has ended well, with what it printed."""
    try:
        done = subprocess.run([str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        sys.exit(f"{PROGRAM}: there is no program `{command[0]}`")
    if done.returncode:
        sys.exit(f"{PROGRAM}: `{' '.join(map(str, command))}` failed:\n{done.stderr}")
    return done


def run(*command):
    return completed(*command).stdout


class Peer:
    """llama.cpp's programs, on this system or in a root folder."""

    def __init__(self):
        if not self.is_installed():
            self.install()
        self.root = None if shutil.which("llama-bench") else PEER_ROOT
        # What goes before a program's name.
        self.prefix = ["chroot", self.root] if self.root else []

    @staticmethod
    def is_installed():
        return bool(shutil.which("llama-bench")) or (PEER_ROOT / "usr/bin/llama-bench").exists()

    @staticmethod
    def install():
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            sys.exit(f"{PROGRAM}: `llama-bench` is not on the PATH: install llama.cpp first")
        if not shutil.which("debootstrap"):
            run("apt-get", "install", "-qq", "-y", "debootstrap")
        run("debootstrap", "--variant=minbase", "--include=llama.cpp-tools,llama.cpp-tools-extra", "sid", PEER_ROOT, *mirror())

    def path(self, file):
        """The file's name for the peer, which sees only its own root folder."""
        if self.root is None:
            return file
        name, place = self.new_file(file.name)
        if not place.exists() or stamp(place) != stamp(file):
            place.unlink(missing_ok=True)
            try:
                os.link(file, place)
            except OSError:
                shutil.copy2(file, place)
        return name

    def new_file(self, name):
        """A file that the peer is to write: its name for the peer, and where it then is."""
        if self.root is None:
            return WORK / name, WORK / name
        models = self.root / "models"
        models.mkdir(exist_ok=True)
        return f"/models/{name}", models / name

    def run(self, program, *arguments):
        return run(*self.prefix, program, *arguments)

    def version(self):
        out = subprocess.run([*self.prefix, "llama-bench", "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        return next((line.removeprefix("version: ") for line in out.splitlines() if line.startswith("version: ")), "of unknown version")

    def bench(self, file, prompt=0, output=0, context=0, batch=1, sampled=False, repetitions=1):
        """As ours, but it never draws its tokens."""
        if batch > 1 or 0 < prompt == context:
            # The context is a prompt that is read before each decode, so one of its length need not be read once more.
            prefill, decode = map(max, zip(*(self.batch(file, output, context, batch, attention) for attention in ("on", "off"))))
            return {"prefill": prefill if prompt else None, "decode": decode}
        depth = ["-d", context] if context else []
        out = self.run("llama-bench", "-m", self.path(file), "-t", THREADS, "-p", prompt, "-n", output, "-r", repetitions,
                       "-fa", "on,off", "-o", "json", *depth)
        results = json.loads(out)
        speeds = lambda prompts: (statistics.median(r["samples_ts"]) for r in results if bool(r["n_prompt"]) == prompts)
        return {"prefill": max(speeds(True), default=None), "decode": max(speeds(False), default=None)}

    def perplexity(self, file, text, window, *options):
        """Of a model file on a text, by the windows that ours has."""
        done = completed(*self.prefix, "llama-perplexity", "-m", self.path(file), "-f", self.path(text), "-c", window, "-t", THREADS, *options)
        found = re.search(r"PPL = ([0-9.]+)", done.stdout + done.stderr)
        if found is None:
            sys.exit(f"{PROGRAM}: `llama-perplexity` tells no perplexity of {file.name}:\n{done.stderr[-2000:]}")
        return float(found.group(1))

    def start(self, program, *arguments, output):
        """A program that goes on; what it prints goes to `output`."""
        command = [str(part) for part in (*self.prefix, program, *arguments)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def batch(self, file, output, context, batch, attention):
        """Prefill of the context and decode behind it. On a busy machine the program sometimes ends, without an error, before its
        lines are written."""
        prompt = max(context, 1)
        for _ in range(5):
            out = self.run("llama-batched-bench", "-m", self.path(file), "-t", THREADS, "-c", batch * (prompt + output), "-npp", prompt,
                           "-ntg", output, "-npl", batch, "-fa", attention, "--output-format", "jsonl")
            for line in out.splitlines():
                if line.startswith("{"):
                    speeds = json.loads(line)
                    return speeds["speed_pp"], speeds["speed_tg"]
        sys.exit(f"{PROGRAM}: `llama-batched-bench` prints nothing")


def stamp(file):
    """What a copy of a file has from it, to the second, which all file systems keep."""
    found = file.stat()
    return found.st_size, int(found.st_mtime)


def mirror():
    """The mirror that this system uses, where it names one."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    lines = sources.read_text().splitlines() if sources.exists() else []
    return [line.split()[1] for line in lines if line.startswith("URIs:")][:1]


def random_model(shape, kind, vocabulary=None):
    """A model of random weights; to serve chats it needs the vocabulary of another one."""
    file = WORK / f"{shape}-{kind}{'-chat' if vocabulary else ''}.gguf"
    if not file.exists():
        environment = WORK / "python"
        if not environment.exists():
            venv.create(environment, with_pip=True)
            run(environment / "bin/pip", "install", "-q", "gguf", "numpy")
        partial = file.with_suffix(".partial")
        run(environment / "bin/python", ROOT / "engine/scripts/random_gguf.py", shape, kind, partial, *(["--vocabulary", vocabulary] if vocabulary else []))
        partial.rename(file)
    return file


def default_model(peer, kind):
    """The default model as it is (Q4_1), or with its blocks rounded anew by the peer."""
    home = Path(os.environ.get("NIBBLE_HOME", CACHE / "nibble"))
    source = home / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not source.exists():
        run(NIBBLE, "tokenize", "--text", "x")
    if kind == "q4_1":
        return source
    return quantized(peer, source, kind)


def quantized(peer, source, kind, pure=False):
    """A model file whose matrices the peer has rounded to what files of this kind have, or where it is pure all to this type."""
    name = re.sub(r"[.-][fqFQ]\d+(_\w+)?$", "", source.stem) + ("-pure" if pure else "")
    file = WORK / f"{name}.{kind.upper()}.gguf"
    if not file.exists():
        there, here = peer.new_file(f"{file.name}.new")
        peer.run("llama-quantize", "--allow-requantize", *(["--pure"] if pure else []), peer.path(source), there, kind.upper())
        shutil.move(here, file)
    return file
