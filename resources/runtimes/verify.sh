#!/bin/sh
# Checks the signature and every file of this folder, and loads the image into the engine.
#   ./verify.sh [--no-load] [ALLOWED_SIGNERS]
# Compare the fingerprint that it prints with the one of whoever gave you the folder, or hand in
# a file of signers that you have from them by another way (ssh-keygen(1), ALLOWED SIGNERS).
set -eu
cd "$(dirname "$0")"
load=yes
[ "${1:-}" = --no-load ] && { load=no; shift; }
signers=${1:-allowed_signers}

fail() { echo "verify: $1" >&2; exit 1; }

[ -f SHA256SUMS ] && [ -f SHA256SUMS.sig ] || fail "SHA256SUMS or its signature is missing"
ssh-keygen -Y verify -f "$signers" -I mlops-desk -n mlops-desk-export -s SHA256SUMS.sig < SHA256SUMS \
  || fail "the signature does not hold: this folder is not what was exported"
sha256sum -c --strict --quiet SHA256SUMS || fail "a file was changed"
listed=$(wc -l < SHA256SUMS)
there=$(find . ! -type d ! -path ./SHA256SUMS ! -path ./SHA256SUMS.sig | wc -l)
[ "$listed" -eq "$there" ] || fail "the folder holds $there files, and $listed were exported"
echo "verify: signature and $listed files are as they were exported"
made=$(sed -n 's/^ "platform": "linux\/\([a-z0-9]*\).*/\1/p' export.json)
here=$(uname -m)
case $here in x86_64) here=amd64 ;; aarch64) here=arm64 ;; esac
[ -z "$made" ] || [ "$made" = "$here" ] || echo "verify: the image is made for $made, and this machine is $here: it will not run here" >&2
[ "$load" = no ] && exit 0
engine=$(command -v docker || command -v podman) || fail "there is neither docker nor podman to load the image"
"$engine" load -i image.tar
