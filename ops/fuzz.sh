#!/usr/bin/env bash
# Runs every fuzz target of tests/fuzz for FUZZ_SECONDS (60) each, or only those named as arguments. Exit 1 when one
# found something; the input then lies in tests/fuzz/artifacts.
#
# With a nightly toolchain the address sanitizer is on. Stable knows no `-Z sanitizer`, but coverage guidance works there
# as well (it is plain `-C passes=sancov-module`), so panics, overflows and endless loops are found on stable too.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
fuzz="$here/tests/fuzz"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/semper"
seconds="${FUZZ_SECONDS:-60}"
# Other flags than every other build has, so a folder of its own; RocksDB is not in it (targets are parsers only).
export CARGO_TARGET_DIR="$cache/fuzz-target"

shopt -s nullglob
targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then
    for file in "$fuzz"/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi
if [ "${#targets[@]}" -eq 0 ]; then
    echo "fuzz: no targets in $fuzz/fuzz_targets" >&2
    exit 1
fi

if ! command -v cargo-fuzz >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz" >&2
    CARGO_TARGET_DIR="$cache/cargo-fuzz" cargo install cargo-fuzz --locked --quiet
    # Where cargo installs to need not be in PATH; `cargo fuzz` finds it all the same.
fi

if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    toolchain=(+nightly) sanitizer=address
else
    toolchain=() sanitizer=none
fi
# The versions of every other build: cargo takes from the lock what it needs and adds what the fuzzer alone does.
[ "$fuzz/Cargo.lock" -nt "$here/Cargo.lock" ] || cp "$here/Cargo.lock" "$fuzz/Cargo.lock"
echo "fuzz: ${#targets[@]} targets, $seconds s each, sanitizer $sanitizer" >&2

found=()
for target in "${targets[@]}"; do
    # What this machine has found so far grows in the cache; seeds of the repository are read, never written.
    corpus="$cache/fuzz-corpus/$target"
    mkdir -p "$corpus"
    dirs=("$corpus")
    [ ! -d "$fuzz/seeds/$target" ] || dirs+=("$fuzz/seeds/$target")
    # 65,537 octets: one more than any listener accepts. 25 s for one input is an endless loop.
    cargo "${toolchain[@]}" fuzz run --fuzz-dir "$fuzz" --sanitizer "$sanitizer" "$target" "${dirs[@]}" -- \
        -max_total_time="$seconds" -max_len=65537 -timeout=25 -print_final_stats=1 || found+=("$target")
done

if [ "${#found[@]}" -ne 0 ]; then
    echo "fuzz: failed: ${found[*]}" >&2
    exit 1
fi
echo "fuzz: ${#targets[@]} targets, nothing found" >&2
