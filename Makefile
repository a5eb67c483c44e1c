# What people and CI run. Everything the tests need is fetched by the targets that need it.

.PHONY: run test lint unit e2e bench fmt screenshot

run:
	cargo run --release

test: lint unit e2e

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

# The default model is fetched by the program itself, as for any user; then the tests that want it find it.
unit:
	cargo run --locked -- tokenize --text "Hello" --json
	cargo test --workspace --locked

# The release build is what people run, so it is what the browser and OpenAI's client test.
e2e:
	end2end/prepare
	cargo build --release --locked
	end2end/openai_client/check
	cd end2end && npx tsc -p jsconfig.json && npx playwright test

# One decode and prefill measurement of the default model on this machine.
bench:
	cargo run --release --locked -- generate --prompt "Write a long story about a lighthouse." --max-tokens 250 --temperature 0 --json

fmt:
	cargo fmt --all

# The README's picture.
screenshot:
	cd end2end && NIBBLE_SCREENSHOT=1 npx playwright test screenshot
