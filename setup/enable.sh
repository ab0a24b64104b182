#!/bin/sh
# An editable install copies shared data; links follow every rebuild instead. $1: the environment.
set -eu
here=$(pwd)
mkdir -p "$1/etc/jupyter/jupyter_server_config.d" "$1/share/jupyter/labextensions"
rm -f "$1/etc/jupyter/jupyter_server_config.d/jupyter_secure.json"
ln -s "$here/jupyter-config/server-config/jupyter_secure.json" "$1/etc/jupyter/jupyter_server_config.d/"
rm -rf "$1/share/jupyter/labextensions/jupyter-secure"
ln -s "$here/jupyter_secure/labextension" "$1/share/jupyter/labextensions/jupyter-secure"
