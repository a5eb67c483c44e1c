"""llama.cpp's programs on this system or in a root folder of their own, and the model files that both engines read.

On Debian as root llama.cpp is installed with debootstrap where it is not on the PATH, as the package is in sid. Files of
random weights are kept in the cache folder: 700 MB for the 1b shape, 4.5 GB for the 8b shape.
"""

import json
import os
import shutil
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


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{PROGRAM}: `{' '.join(map(str, command))}` failed:\n{done.stderr}")
    return done.stdout


class Peer:
    """llama.cpp's programs, on this system or in a root folder."""

    def __init__(self):
        self.root = None
        if shutil.which("llama-bench"):
            return
        if not (PEER_ROOT / "usr/bin/llama-bench").exists():
            self.install()
        self.root = PEER_ROOT

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
        models = self.root / "models"
        models.mkdir(exist_ok=True)
        place = models / file.name
        if not place.exists():
            try:
                os.link(file, place)
            except OSError:
                shutil.copy(file, place)
        return f"/models/{file.name}"

    def run(self, program, *arguments):
        prefix = ["chroot", self.root] if self.root else []
        return run(*prefix, program, *arguments)

    def version(self):
        prefix = ["chroot", self.root] if self.root else []
        out = subprocess.run([*prefix, "llama-bench", "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        return next((line.removeprefix("version: ") for line in out.splitlines() if line.startswith("version: ")), "of unknown version")

    def bench(self, file, prompt=0, output=0, context=0, batch=1, sampled=False):
        """As `nibble`, but it never draws its tokens."""
        if batch > 1:
            return {"prefill": None, "decode": max(self.batch(file, output, context, batch, attention) for attention in ("on", "off"))}
        depth = ["-d", context] if context else []
        out = self.run("llama-bench", "-m", self.path(file), "-t", THREADS, "-p", prompt, "-n", output, "-r", 1, "-fa", "on,off", "-o", "json", *depth)
        results = json.loads(out)
        speed = lambda prompts: max((r["avg_ts"] for r in results if bool(r["n_prompt"]) == prompts), default=None)
        return {"prefill": speed(True), "decode": speed(False)}

    def start(self, program, *arguments, output):
        """A program that goes on; what it prints goes to `output`."""
        prefix = ["chroot", self.root] if self.root else []
        command = [str(part) for part in (*prefix, program, *arguments)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def batch(self, file, output, context, batch, attention):
        """On a busy machine the program sometimes ends, without an error, before its lines are written."""
        prompt = max(context, 1)
        for _ in range(5):
            out = self.run("llama-batched-bench", "-m", self.path(file), "-t", THREADS, "-c", batch * (prompt + output), "-npp", prompt,
                           "-ntg", output, "-npl", batch, "-fa", attention, "--output-format", "jsonl")
            for line in out.splitlines():
                if line.startswith("{"):
                    return json.loads(line)["speed_tg"]
        sys.exit(f"{PROGRAM}: `llama-batched-bench` prints nothing")


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
    """The default model as it is (Q4_1), or with its blocks rounded to Q4_0 by the peer."""
    home = Path(os.environ.get("NIBBLE_HOME", CACHE / "nibble"))
    source = home / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not source.exists():
        run(NIBBLE, "tokenize", "--text", "x")
    if kind == "q4_1":
        return source
    file = WORK / f"SmolLM2-135M-Instruct.{kind.upper()}.gguf"
    if not file.exists():
        shutil.copy(source, file)
        copied = peer.path(file)
        made = copied + ".new" if peer.root else file.with_suffix(".new")
        peer.run("llama-quantize", "--allow-requantize", peer.path(source), made, kind.upper())
        made = peer.root / str(made).lstrip("/") if peer.root else Path(made)
        shutil.copy(made, file)
        made.unlink()
        if peer.root:
            (peer.root / str(copied).lstrip("/")).unlink()
    return file
