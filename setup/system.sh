#!/bin/sh
# Installs system packages with apt where that is permitted, else says exactly what to type.
# With --try, a package that cannot be installed is announced and passed over.
set -eu
required=yes
if [ "${1:-}" = --try ]; then required=no; shift; fi

program() {
  case "$1" in
    bubblewrap) echo bwrap ;;
    default-jdk-headless) echo javac ;;
    softhsm2) echo softhsm2-util ;;
    *) echo "$1" ;;
  esac
}

# Debian keeps PostgreSQL's programs off the PATH.
present() {
  case "$1" in
    python*-venv) return 1 ;;
    postgresql) command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb ;;
    *) command -v "$(program "$1")" ;;
  esac >/dev/null 2>&1
}

missing=""
for package in "$@"; do
  present "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  as_root="sudo"
  sudo -n true 2>/dev/null || as_root=none
fi
if [ "$as_root" != none ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing$missing ..."
  # shellcheck disable=SC2086
  if DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $missing >/dev/null 2>&1 ||
    { $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $missing >/dev/null; }; then
    exit 0
  fi
fi
echo "Missing here:$missing. Type:  sudo apt-get install$missing" >&2
[ "$required" = no ] || exit 1
echo "Going on without; the guard will say what it cannot enforce." >&2
