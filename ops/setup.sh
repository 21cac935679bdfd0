#!/usr/bin/env bash
# Installs what is missing to build and to test Semper. Quiet and quick (well under a second) when nothing is missing.
#
#   ops/setup.sh build    what a build needs: a C++ compiler, libclang (bindgen for RocksDB), OpenSSL's headers, ccache
#   ops/setup.sh test     the foreign programs that judge our output: openssl, GnuTLS's, a JDK, BouncyCastle, osslsigncode, age,
#                         FUSE, faketime, SoftHSM, nginx, promtool, josekit (tests/strangers/josekit), and a Python venv with
#                         tests/strangers/requirements.txt;
#                         where there is a Python of 3.12 or newer, another one with tests/strangers/witness-requirements.txt
#   ops/setup.sh all      both (the default)
#
# Every item is checked by what is really there (a command, a header, a library), never by a note that an earlier run
# left, so it also serves machines where things were installed by other means. Only Debian and its kin are installed
# for; elsewhere the missing things are named and the exit code is 1. It never prompts.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/semper"
venv="$cache/venv"
tools="$cache/tools"
requirements="$here/tests/strangers/requirements.txt"
# The oldest Python for which every pinned package still has a release.
python_min="3, 10"
# Packages that no older Python runs; without one their tests say loudly that they did not run.
witness_venv="$cache/venv-witness"
witness_requirements="$here/tests/strangers/witness-requirements.txt"
witness_python_min="3, 12"

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
any_file() { compgen -G "$1" >/dev/null; }

# ---- what is missing: one Debian package name per line -------------------------------------------------------------

has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    local pattern library
    # llvm-N/lib is where Debian and Ubuntu put it, the others are for everyone else. libclang-cpp, which a machine may have alone,
    # is another library, and bindgen passes it over, too.
    for pattern in '/usr/lib/llvm-*/lib/libclang*.so*' '/usr/lib/*/libclang*.so*' '/usr/lib*/libclang*.so*' \
        '/usr/local/lib/libclang*.so*'; do
        while read -r library; do
            case "$library" in *libclang-cpp*) ;; *) return 0 ;; esac
        done < <(compgen -G "$pattern")
    done
    return 1
}

missing_for_build() {
    have c++ || echo g++
    has_libclang || echo libclang-dev
    if ! have pkg-config; then
        echo pkg-config
        echo libssl-dev
    elif ! pkg-config --exists openssl; then
        echo libssl-dev
    fi
    # A convenience, but it saves the 16 minutes of RocksDB when a target folder is lost.
    have ccache || echo ccache
}

has_softhsm() {
    have softhsm2-util || return 1
    local pattern
    for pattern in '/usr/lib/softhsm/libsofthsm2.so' '/usr/lib/*/softhsm/libsofthsm2.so' '/usr/local/lib/softhsm/libsofthsm2.so'; do
        any_file "$pattern" && return 0
    done
    return 1
}

missing_for_test() {
    have openssl || echo openssl
    have curl || echo curl
    if ! { have java && have javac && have jarsigner && have keytool; }; then echo default-jdk-headless; fi
    if ! { [ -e /usr/share/java/bcpkix.jar ] && [ -e /usr/share/java/bcprov.jar ] && [ -e /usr/share/java/bcutil.jar ]; }
    then echo libbcpkix-java; fi
    have osslsigncode || echo osslsigncode
    # ocsptool and certtool.
    have ocsptool || echo gnutls-bin
    # Reads our backups.
    have age || echo age
    # A clock that jumps, for a whole server.
    any_file '/usr/lib/*/faketime/libfaketimeMT.so.1' || echo faketime
    # Keys in a PKCS#11 token, without the token.
    has_softhsm || echo softhsm2
    # Without the device (most containers) the power-cut test says loudly that it did not run.
    if [ -e /dev/fuse ] && ! have fusermount3; then echo fuse3; fi
    if ! venv_complete && ! find_python "$python_min" >/dev/null; then
        echo python3
        echo python3-venv
    fi
    # Where there is apt-get, these are fetched below, without their packages.
    have_tool promtool || have apt-get || echo prometheus
    have_tool nginx || have apt-get || echo nginx
}

# ---- Debian packages -----------------------------------------------------------------------------------------------

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n -- "$@"; fi
}

may_be_root() { [ "$(id -u)" -eq 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        --no-install-recommends "$@"
}

# Runs a command with its output in a log; on failure once more, since downloads fail by chance; then shows the log.
twice() {
    local log="$cache/setup.log"
    "$@" >"$log" 2>&1 </dev/null && return 0
    say "failed once, trying again: $*"
    "$@" >"$log" 2>&1 </dev/null && return 0
    tail -n 40 "$log" >&2
    return 1
}

install_packages() {
    local packages=("$@")
    if ! have apt-get; then
        say "this is not Debian or Ubuntu; please install what these packages of theirs hold:"
        printf '  %s\n' "${packages[@]}" >&2
        exit 1
    fi
    if ! may_be_root; then
        die "needs root; please run: sudo apt-get update && sudo apt-get install --no-install-recommends ${packages[*]}"
    fi
    say "installing ${packages[*]}"
    # A failed update alone is no failure: the lists that are there may do.
    twice apt update || say "apt-get update failed; going on with the package lists that are there"
    twice apt install "${packages[@]}" || die "apt-get could not install: ${packages[*]}"
}

# ---- the Python venv -----------------------------------------------------------------------------------------------

# The first Python that is at least $1.
find_python() {
    local python
    for python in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3.10 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
        have "$python" || continue
        if "$python" -c "import sys, ensurepip, venv; sys.exit(sys.version_info < ($1))" 2>/dev/null; then
            echo "$python"
            return 0
        fi
    done
    return 1
}

# Whether the venv $1 holds what the file $2 pins, and these modules. The stamp tells that the pins are these; the look at
# the modules tells that they are still there.
complete() {
    local venv="$1" pins="$2" module
    shift 2
    [ -x "$venv/bin/python" ] && [ -f "$venv/semper-stamp" ] || return 1
    [ "$(cat "$venv/semper-stamp")" = "$(sha256sum <"$pins")" ] || return 1
    # A system upgrade can take away the Python that a venv points to.
    "$venv/bin/python" -I -S -c '' 2>/dev/null || return 1
    for module; do
        any_file "$venv/lib/python3*/site-packages/$module" || return 1
    done
}

venv_complete() {
    complete "$venv" "$requirements" aiohttp asn1crypto cbor2 cryptography cryptography_vectors joserfc jwcrypto pkilint \
        pyhanko pyhanko_certvalidator rfc3161_client rfc3161ng scitt_cose
}

witness_venv_complete() {
    complete "$witness_venv" "$witness_requirements" aics_tlog aics_witness cryptography
}

# Makes the venv $1 with what the file $2 pins, by a Python that is at least $3.
make_venv() {
    local venv="$1" pins="$2" python
    python="$(find_python "$3")" || die "no Python (at least ${3/, /.}) with the modules venv and ensurepip was found"
    say "making the Python venv in $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv" || die "$python could not make a venv in $venv"
    twice "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --prefer-binary \
        --requirement "$pins" || die "pip could not install $pins"
    sha256sum <"$pins" >"$venv/semper-stamp"
}

# ---- programs whose packages would leave a server running -----------------------------------------------------------

have_tool() { [ -x "$tools/$1" ] || have "$1"; }

# The one program that is wanted needs nothing but libraries that are there, so it is taken out of its package; nothing is
# installed, and no root is needed. fetch_tool PACKAGE PATH-IN-IT OPTION-THAT-ONLY-PRINTS
fetch_tool() (
    package="$1" name="$(basename "$2")"
    say "fetching $name"
    mkdir -p "$tools"
    work="$(mktemp -d "$tools/$name.XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    download "$package" "$work" || die "apt-get could not download the package $package, in which $name is"
    dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work" "./$2" || die "there is no $name in the package $package"
    "$work/$2" "$3" >"$cache/setup.log" 2>&1 || die "$name does not run: see $cache/setup.log"
    # At its place only when it is whole: what is there is not looked into again.
    mv "$work/$2" "$tools/$name"
)

download() (
    cd "$2" || return
    twice apt-get -q -o Dpkg::Use-Pty=0 download "$1" && return
    # The package lists may be missing or old.
    may_be_root && twice apt update && twice apt-get -q -o Dpkg::Use-Pty=0 download "$1"
)

# ---- main ----------------------------------------------------------------------------------------------------------

what="${1:-all}"
case "$what" in
build | test | all) ;;
*) say "usage: ops/setup.sh [build|test|all]"; exit 64 ;;
esac

have cargo || die "no cargo; install a Rust toolchain (at least 1.95) first, for example with rustup"

missing=()
add_missing() { local line; while read -r line; do missing+=("$line"); done; }
[ "$what" = test ] || add_missing < <(missing_for_build)
[ "$what" = build ] || add_missing < <(missing_for_test)
mkdir -p "$cache"
[ "${#missing[@]}" -eq 0 ] || install_packages "${missing[@]}"

# Two checkouts on one machine share what lies in the cache; the second waits and then finds it complete.
lock() {
    exec 9>"$cache/setup.lock"
    ! have flock || flock 9
}

if [ "$what" != build ] && ! venv_complete; then
    lock
    venv_complete || make_venv "$venv" "$requirements" "$python_min"
    venv_complete || die "the venv in $venv lacks modules although pip reported success"
fi
if [ "$what" != build ] && ! witness_venv_complete; then
    if find_python "$witness_python_min" >/dev/null; then
        lock
        witness_venv_complete || make_venv "$witness_venv" "$witness_requirements" "$witness_python_min"
        witness_venv_complete || die "the venv in $witness_venv lacks modules although pip reported success"
    else
        say "no Python of at least ${witness_python_min/, /.}: the tests with aics-witness will not run"
    fi
fi
need_tool() {
    have_tool "$(basename "$2")" && return
    lock
    have_tool "$(basename "$2")" || fetch_tool "$@"
}

# josekit is a crate: a small program around it, with a lock of its own (its Cargo.toml says why it is no member of the workspace).
josekit="$here/tests/strangers/josekit"
josekit_pins() { cat "$josekit"/Cargo.{toml,lock} "$josekit/src/main.rs" | sha256sum; }
josekit_complete() {
    [ -x "$tools/semper-josekit" ] && [ "$(cat "$tools/semper-josekit.stamp" 2>/dev/null)" = "$(josekit_pins)" ]
}
make_josekit() {
    say "building josekit's judge"
    mkdir -p "$tools"
    twice cargo build --release --locked --manifest-path "$josekit/Cargo.toml" --target-dir "$cache/josekit-target" ||
        die "cargo could not build $josekit"
    # At its place only when it is whole: a test may run the old one.
    cp "$cache/josekit-target/release/semper-josekit" "$tools/semper-josekit.new"
    mv "$tools/semper-josekit.new" "$tools/semper-josekit"
    josekit_pins >"$tools/semper-josekit.stamp"
}

if [ "$what" != build ]; then
    if ! josekit_complete; then
        lock
        josekit_complete || make_josekit
    fi
    need_tool prometheus usr/bin/promtool --version
    need_tool nginx usr/sbin/nginx -v
fi
