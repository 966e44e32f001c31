#!/usr/bin/env bash
# Makes a checkout ready to use: Python, packages, Chromium, fonts, model. `make setup` runs it, and so do `make train`
# and `make test`. What is there already is left alone, so a second run takes a second or two.
#
#   VENV                      virtual environment to make or use (default .venv)
#   PYTHON                    Python to make it with (default: the first of python3, python3.13, … that is 3.11 or later)
#   MILEPOST_TORCH_INDEX_URL  package index to take torch from, e.g. one that carries CPU builds only
#   MILEPOST_CHROMIUM         Chromium to use instead of Playwright's or the system's
#   MILEPOST_CACHE            where the model goes (default ~/.cache/milepost)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv="${VENV:-.venv}"
log="$(mktemp "${TMPDIR:-/tmp}/milepost-setup.XXXXXX.log")"
made_venv=no

say() { printf '%-9s %s\n' "$1" "$2"; }

# One paragraph on standard error, then out; a virtual environment that this run began and could not finish goes too.
give_up() {
    printf '\n%s\n' "$*" | fold -s -w 100 >&2
    if [[ $made_venv == yes ]]; then rm -rf -- "$venv"; fi
    exit 1
}
trap 'give_up "Setup was interrupted; what was downloaded is kept in the caches. Run \`make setup\` again to go on."' INT TERM

# Runs a command with its output in the log; shows what it is at (every download on a terminal, the long ones elsewhere).
logged() {
    local step=$1 line item=""
    shift
    "$@" 2>&1 | while IFS= read -r line; do
        if [[ $line =~ ^Progress\ ([0-9]+)\ of\ ([0-9]+)$ ]]; then
            if [[ -t 1 && ${BASH_REMATCH[2]} -gt 0 ]]; then
                printf '\r\033[K%-9s %s  %d %%' "$step" "$item" $((100 * BASH_REMATCH[1] / BASH_REMATCH[2]))
            fi
            continue
        fi
        printf '%s\n' "$line" >>"$log"
        item="${line#"${line%%[![:space:]]*}"}"
        item="${item:0:80}"
        if [[ -t 1 ]]; then
            printf '\r\033[K%-9s %s' "$step" "$item"
        elif [[ $item =~ ^Downloading\ .*[0-9]{2}\.[0-9]\ MB ]]; then
            say "$step" "$item"
        fi
    done
    local status=${PIPESTATUS[0]}
    if [[ -t 1 ]]; then printf '\r\033[K'; fi
    return "$status"
}

reason() { grep -E '^(ERROR|E:|error:|Error:)' "$log" | tail -n 1 | cut -c 1-300 || true; }

as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

can_apt() { command -v apt-get >/dev/null && as_root true; }

apt_install() { # step, package...
    local step=$1
    shift
    can_apt || return 1
    logged "$step" as_root apt-get update || return 1
    logged "$step" as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# --- Python --------------------------------------------------------------------------------------------------------
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
if [[ ! -x $venv/bin/python ]] || ! "$venv/bin/python" -c "$new_enough" 2>/dev/null; then
    if [[ -e $venv ]]; then
        [[ -f $venv/pyvenv.cfg ]] || give_up "$venv exists but is not a virtual environment. Move it away, or name another" \
            "place with VENV=…, and run \`make setup\` again."
        rm -rf -- "$venv" # broken, or of an older Python: it cannot run milepost
    fi
    base=""
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null && "$candidate" -c "$new_enough" 2>/dev/null; then
            base="$(command -v "$candidate")"
            break
        fi
    done
    [[ -n $base ]] || give_up "milepost needs Python 3.11 or later, and none was found here as ${PYTHON:-python3} or" \
        "python3.11 to python3.14. On Debian 12, Ubuntu 24.04 or later: sudo apt-get install python3 python3-venv." \
        "Elsewhere, install one and run: PYTHON=/path/to/python3.11 make setup"
    if ! "$base" -c 'import venv, ensurepip' 2>/dev/null; then
        apt_install python python3-venv && "$base" -c 'import venv, ensurepip' 2>/dev/null ||
            give_up "$base has no venv module, which Debian and Ubuntu package apart. Install it with" \
                "\`sudo apt-get install python3-venv\` and run \`make setup\` again."
    fi
    made_venv=yes
    logged python "$base" -m venv "$venv" || give_up "Making the virtual environment $venv failed ($(reason)). See $log."
fi
python="$(cd "$venv/bin" && pwd)/python"
say python "$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])') in $venv"

# --- Packages ------------------------------------------------------------------------------------------------------
stamp="$venv/.milepost-setup"
wanted="$({ cat pyproject.toml constraints.txt && pwd; } | sha256sum | cut -d ' ' -f 1)"
pip() { env PYTHONUNBUFFERED=1 "$python" -m pip "$@"; }
pip_install() { # step, what for people, arguments...
    local step=$1 what=$2
    shift 2
    logged "$step" pip install --disable-pip-version-check "$@" ||
        give_up "$what could not be installed: $(reason) If this machine is offline, connect it or point pip at an" \
            "index that it reaches (pip config set global.index-url …), then run \`make setup\` again; what was" \
            "already downloaded stays in pip's cache. Everything pip said is in $log."
}
if [[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]]; then
    rm -f -- "$stamp"
    progress=()
    if [[ -t 1 ]]; then # pip before 24.1 cannot report its progress to a program
        pip_install packages "A current pip" --upgrade 'pip>=24.1'
        progress=(--progress-bar raw)
    fi
    # torch first and alone, so that a CPU build which pip is offered locally or by its configuration is taken.
    torch="$(grep '^torch==' constraints.txt)"
    index=()
    if [[ -n ${MILEPOST_TORCH_INDEX_URL:-} ]]; then index=(--index-url "$MILEPOST_TORCH_INDEX_URL"); fi
    pip_install torch "$torch" "${progress[@]}" "${index[@]}" "$torch"
    say torch "$("$python" -c 'from importlib.metadata import version; print(version("torch"))')"
    pip_install packages "milepost's packages" "${progress[@]}" --constraint constraints.txt --editable '.[train,dev,miniwob]'
    printf '%s\n' "$wanted" >"$stamp"
    say packages "installed as pinned in constraints.txt"
else
    say packages "up to date"
fi
made_venv=no # from here on it is whole: keep it whatever happens

# --- Chromium and fonts --------------------------------------------------------------------------------------------
chromium() {
    "$python" -c 'from milepost.sandbox.chromium import find_chromium as f; c = f(); print(f"{c.path} ({c.source})")' 2>/dev/null
}
if ! found="$(chromium)"; then
    if [[ -n ${MILEPOST_CHROMIUM:-} ]]; then
        give_up "MILEPOST_CHROMIUM is set to $MILEPOST_CHROMIUM, which is not a program that can be run. Correct it, or" \
            "unset it to let setup find or install one."
    fi
    { apt_install chromium chromium-headless-shell && chromium >/dev/null; } ||
        { apt_install chromium chromium && chromium >/dev/null; } ||
        { as_root true && logged chromium "$python" -m playwright install --with-deps --only-shell chromium; } ||
        logged chromium "$python" -m playwright install --only-shell chromium || true
    found="$(chromium)" || give_up "No Chromium could be installed: $(reason) If this machine is offline, connect it and" \
        "run \`make setup\` again. Otherwise install one by hand (Debian: sudo apt-get install chromium-headless-shell;" \
        "elsewhere: $venv/bin/playwright install --with-deps --only-shell chromium), or set MILEPOST_CHROMIUM to one" \
        "that you have. Everything that was said is in $log."
fi
say chromium "$found"

fonts() { find /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" "$HOME/.local/share/fonts" -name 'DejaVuSans.ttf' -print -quit 2>/dev/null; }
if [[ -n "$(fonts || true)" ]]; then
    say fonts "DejaVu"
elif apt_install fonts fonts-dejavu-core; then
    say fonts "DejaVu, installed"
else
    say fonts "no DejaVu fonts: pages may be laid out differently here (sudo apt-get install fonts-dejavu-core)"
fi

if command -v bwrap >/dev/null; then
    say bubblewrap "$(bwrap --version)"
elif [[ "$(uname)" == Linux ]] && apt_install bubblewrap bubblewrap; then
    say bubblewrap "$(bwrap --version), installed"
else
    say bubblewrap "absent: tasks that run commands will be refused (sudo apt-get install bubblewrap)"
fi

# --- Model ---------------------------------------------------------------------------------------------------------
if ! model="$("$python" -m milepost.agents.models)"; then
    exit 1 # it has said why
fi
say model "$model"
rm -f -- "$log"
