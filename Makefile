# What people and CI run. Everything the tests need is fetched by the targets that need it.

.PHONY: run test lint unit asan fuzz miri e2e soak abuse aarch64 compose-test dist bench bench-kernels load page-figures perplexity arm-count \
	fmt screenshot

run:
	cargo run --release

# The program of the image, where there is one, is the one that the browser tests: it was built a moment ago.
test: lint unit asan fuzz aarch64
	deploy/test/run site
	program=$(CURDIR)/target/image/nibble; [ ! -x $$program ] || export NIBBLE_BINARY=$$program; $(MAKE) e2e soak abuse
	@server/scripts/postgres --found || echo "test: passed, but for Postgres, which is not here: the store was tested on SQLite alone"

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check licenses bans sources; \
	else echo "lint: cargo deny is skipped: \`cargo install cargo-deny\` gets it"; fi

# The default model is fetched by the program itself, as for any user; then the tests that want it find it. It is the one
# that the tests build: `cargo run` would build most of it a second time, without what their crates ask of others. Without
# Python and its packages the tests of real vocabularies are skipped, and templates are compared with less of jinja2;
# without Postgres' programs the store is tested on SQLite alone.
unit:
	cargo test --workspace --locked --no-run
	$${CARGO_TARGET_DIR:-target}/debug/nibble tokenize --text "Hello" --json
	engine/scripts/vocabularies target/vocabularies || echo "no real vocabularies: their tests are skipped"
	engine/scripts/template_fragments || echo "no jinja2: templates are compared with what it wrote before"
	server/scripts/postgres || echo "no Postgres: its tests are left out"
	cargo test --workspace --locked

# The release build is what people run, so it is what the browser and the APIs' clients test; or the program that
# NIBBLE_BINARY names.
e2e:
	end2end/prepare
	[ -n "$$NIBBLE_BINARY" ] || cargo build --release --locked
	end2end/clients/check
	cd end2end && npx tsc -p jsconfig.json && npx playwright test
	end2end/firefox/check

# The page and the API under many clients who come and go, in no more memory than the program says that it needs; with
# the same program as the browser tests. For ten minutes: `engine/scripts/soak --seconds 600`.
soak:
	[ -n "$$NIBBLE_BINARY" ] || cargo build --release --locked
	engine/scripts/soak --seconds 60 --memory just

# Hostile clients, requests and files, each kind a script of deploy/test/abuse; `deploy/test/abuse/run --long` does more.
abuse:
	[ -n "$$NIBBLE_BINARY" ] || cargo build --release --locked
	deploy/test/abuse/run

# The engine's tests of what computes, built for Arm and run on emulated CPUs. `engine/scripts/aarch64 program` lets the program answer
# there, which `make compose-test` and `make dist` build for Arm.
aarch64:
	engine/scripts/aarch64 test

# The image and compose.yaml, checked from outside; where there can be no Docker daemon it says so and passes.
compose-test:
	deploy/test/run

# Tarballs, Debian packages, checksums and an SBOM for amd64 and arm64, in target/dist.
dist:
	deploy/dist

# On a quiet machine: before and after the kernels, steps of a few sequences beside their floor, the same figures by the
# benchmark and by answers, decoding behind long contexts, then beside llama.cpp on the same files. The last takes over four
# hours, most of them for long contexts and the 8b shape: `engine/scripts/bench-peer --help` says how long each group takes, and
# `--only` chooses.
bench:
	cargo build --release --locked
	target/release/nibble bench --compare scalar,$$(target/release/nibble kernels | awk '/taken/ {print $$1}')
	for shape in smollm2-135m llama-3.2-1b llama-3.1-8b; do for quantize in g32-min channel; do \
		target/release/nibble bench --sequences 1,2,3,4,6,8,12,16 --shape $$shape --quantize $$quantize; done; done
	engine/scripts/bench-answers
	engine/scripts/bench-context --out engine/benches/RESULTS.md
	engine/scripts/bench-peer --out engine/benches/RESULTS.md

# On a quiet machine: what many clients see of the default model over HTTP. `engine/scripts/load --peer --rounds 3` with
# `--out engine/benches/RESULTS.md`, and again with `--model 1b`, compares with llama.cpp's server and keeps the tables.
load:
	cargo build --release --locked
	engine/scripts/load

# On a quiet machine: the page's comparison of kernels beside `nibble bench`, what the composer foretells beside what answers
# take, and how long pages take behind 100,000 answers and 10,000 conversations.
page-figures:
	cargo build --release --locked
	engine/scripts/compare-page
	engine/scripts/estimates
	cargo test --release -p nibble --locked --lib -- --ignored --nocapture --test-threads 1 a_hundred_thousand ten_thousand

# One product of every kernel by itself, and one drawn token.
bench-kernels:
	cargo bench -p nibble-engine --locked

# Everything that reads files or memory by hand, under AddressSanitizer, whose runtime comes with Rust: kernels, packed
# weights, GGUF files, and the forward pass of a tiny model. Weights are plain allocations, whose ends it knows.
asan:
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address --cfg plain_memory" CARGO_TARGET_DIR=target/asan \
		cargo test -p nibble-engine --lib --locked --target $$(rustc --print host-tuple) -- \
		kernel packed gguf forward::tests threads --skip default_model

# Hostile GGUF files, safetensors, configurations, tokenizers, chat templates, answers with calls of tools, and bodies of
# requests, each kind for some seconds; for more, or for one kind, call it by hand.
fuzz:
	engine/fuzz/run 10

# Plain products, packed weights and threads under Miri, where a nightly toolchain has it or can get it.
miri:
	engine/scripts/miri

# Whether types of one to six bits give the probabilities that llama.cpp gives, and how well the default model foretells 23 k tokens
# with every kernel and rounding: under two hours on two cores, a part of them with `engine/scripts/perplexity --only`.
perplexity:
	cargo build --release --locked
	engine/scripts/logits --out engine/benches/PERPLEXITY.md
	engine/scripts/perplexity --out engine/benches/PERPLEXITY.md

# Executed instructions of the Arm kernels, and what llvm-mca makes of their loops.
arm-count:
	engine/scripts/arm-count >engine/benches/ARM.new
	mv engine/benches/ARM.new engine/benches/ARM.md

fmt:
	cargo fmt --all

# The README's picture.
screenshot:
	cd end2end && NIBBLE_SCREENSHOT=1 npx playwright test screenshot
