"""The name under which a compiled loop is kept: a digest of all that it depends on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

from seqkit.engine.compile.describing import describe
from seqkit.engine.trace.graphs import Stage

ENGINE = Path(__file__).parents[1]
VARIABLES = ("ATEN_CPU_CAPABILITY", "CXX", "TORCHINDUCTOR_CPP", "TORCHINDUCTOR_VEC_ISA_OK")
"""Environment variables, or their beginnings, that PyTorch's compiler reads."""


def key_of(stage: Stage, constants: int) -> str:
    """The digest for the loop of a stage, with this number of threads, on this machine.

    Raises:
        IndescribableError: see `describe`.
    """
    chosen = {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}
    modes = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    parts = [describe(stage, constants), modes, sorted(chosen.items()), *_installed()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@cache
def _installed() -> tuple[Any, ...]:
    """The engine's source, PyTorch, the compiler, and the processor."""
    return _source(), torch.__version__, torch.version.git_version, _compiler(), _processor()


def _source() -> str:
    """A digest of the files of the engine: an edited one compiles again."""
    digest = hashlib.sha256()
    for path in sorted(ENGINE.rglob("*")):
        if path.suffix in (".py", ".h"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _compiler() -> list[Any]:
    """The compiler's file; its content is taken to be the same if size and date are."""
    name = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    path = shutil.which(name)
    if path is None:
        return [name]
    status = os.stat(path)
    return [os.path.realpath(path), status.st_size, status.st_mtime_ns]


def _processor() -> list[str]:
    """Model and features of the first processor: the compiler makes code for them."""
    features = torch.backends.cpu.get_cpu_capability(), platform.machine(), platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n", 1)[0].splitlines()
    except OSError:
        return [*features]
    asked = ("model name", "flags", "Features", "CPU part", "cpu family", "model", "stepping")
    return [*features, *(line for line in lines if line.split(":")[0].strip() in asked)]
