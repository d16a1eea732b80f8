# make demo       sets up .venv, draws avatars64, trains, exports, serves, and fetches avatars over gRPC
# make test       sets up .venv and passes the tests but those that are marked as slow
# make test-all   the same with all tests
# make bench      sets up .venv and measures speed

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint bench clean

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
MINUTES ?= 4

help:
	@sed -n 's/^# make /make /p' Makefile

setup: $(READY)

# Pillow and OpenCV are pinned by the extra `faces`; without it the newest are fine.
$(READY): setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), \
		f"tfanime needs Python 3.11, 3.12 or 3.13. Received: {sys.version.split()[0]}; name another with make PYTHON=..."'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(RUN) -m pip install --quiet --editable '.[faces,onnx,beam,judge,test,dev]'
	touch $(READY)

demo: $(READY)
	@step() { echo; echo "> $$*"; "$$@"; }
	step $(RUN) -m tfanime.generate avatars64 --seeds 0-63 --out demo/avatars64.png
	step $(RUN) -m tfanime.tfrecords drawn demo/shards --size 64 --count 10000
	step $(RUN) -m tfanime.recipes.dcgan --config dcgan_r1_32 --data demo/shards --run demo/run --minutes $(MINUTES)
	step $(RUN) -m tfanime.export demo/run demo/exports
	echo; echo "> $(RUN) -m tfanime.serving --model tfanime=demo/exports --port 0 &"
	$(RUN) -m tfanime.serving --model tfanime=demo/exports --port 0 > demo/server.log 2>&1 &
	server=$$!
	trap 'kill $$server 2>/dev/null || true' EXIT
	for _ in $$(seq 120); do
		grep -q '^serving' demo/server.log && break
		kill -0 $$server 2>/dev/null || { cat demo/server.log; exit 1; }
		sleep 0.5
	done
	cat demo/server.log
	address=$$(sed -n 's/^serving .* on //p' demo/server.log)
	step $(RUN) -m tfanime.serving.client --server "$$address" --model tfanime --seeds 0-63 --out demo/avatars.png
	kill -TERM $$server
	wait $$server
	trap - EXIT
	echo
	echo "avatars of the package:   demo/avatars64.png"
	echo "avatars from the server:  demo/avatars.png"
	echo "the run:                  demo/run (sheets by step in demo/run/samples)"
	echo "a page that draws them:   $(RUN) -m tfanime.page demo/run"
	echo "losses and sheets:        $(VENV)/bin/tensorboard --logdir demo/run"

# A file's tests stay in one process, where they share its fixtures; a process takes up to 3 GB.
test: MARKED := not slow and not kill
test test-all: lint
	$(RUN) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m '$(MARKED)'

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

bench: $(READY)
	$(RUN) benchmarks/drawing.py
	$(RUN) benchmarks/training.py --parts fit,startup --recipes dcgan,wgan_gp,dragan

clean:
	rm -rf $(VENV) demo build *.egg-info
