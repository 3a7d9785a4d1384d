# SPDX-License-Identifier: Apache-2.0
# For people: everything behind these names is CMake (see CMakePresets.json) and scripts under tools/.
.DEFAULT_GOAL := release
.PHONY: release dev setup demo test lint format fuzz bench tsan coverage install clean help

PREFIX ?= /usr/local
DESTDIR ?=
T ?= 60
ONCE ?=
PORT ?= 8000
SUITES ?=

release: ## Build the hardened program: build/release/writ (the default)
	@tools/dev/build.sh release

dev: ## Build with AddressSanitizer and UndefinedBehaviorSanitizer: build/dev/writ
	@tools/dev/build.sh dev

setup: ## Install or fetch what the build needs, nothing else
	@tools/setup/setup.py demo

demo: ## Build, start the example and ask it once; ONCE=1 stops after the answer
	@ONCE=$(ONCE) PORT=$(PORT) tools/dev/demo.sh

test: ## Run every test; SUITES="unit/base lint" runs those whose name contains a word
	@tools/dev/test.sh $(SUITES)

lint: ## Check layers, sizes, banned calls and format
	@tools/lint/lint.py

format: ## Format every C file in place
	@tools/lint/format.sh

fuzz: ## Run each fuzzer for T seconds (default 60)
	@tools/dev/fuzz.sh $(T)

bench: ## Measure against the peers
	@tools/dev/bench.sh

tsan: ## Unit tests under ThreadSanitizer
	@tools/dev/tsan.sh

coverage: ## Unit tests with coverage: build/coverage/report
	@tools/dev/coverage.sh

install: ## Install below PREFIX (default /usr/local), staged below DESTDIR
	@tools/dev/install.sh "$(PREFIX)" "$(DESTDIR)"

clean: ## Remove build/ (the cache of downloads stays)
	rm -rf build

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18
