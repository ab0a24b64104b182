#!/bin/sh
# Makes the virtual environment, or says exactly what to type. $1: the Python, $2: the folder.
set -eu
if ! command -v "$1" >/dev/null 2>&1; then
  echo "There is no '$1' here. Type:  sudo apt-get install python3 python3-venv" >&2
  exit 1
fi
if ! "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "jupyter-secure needs Python 3.11 or newer; '$1' is $("$1" -V 2>&1). Install one and type:  make PYTHON=python3.11 lab" >&2
  exit 1
fi
if ! "$1" -c 'import ensurepip' >/dev/null 2>&1; then
  version=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  sh "$(dirname "$0")/system.sh" "$version"
fi
"$1" -m venv "$2"
# The pip that comes with Python 3.11 fails to resolve some newer packages.
exec "$2/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25'
