#!/bin/sh
# Renders the charts into a directory (default: the expected files of the tests). Needs Debian's packages golang-go,
# golang-github-masterminds-sprig-dev and golang-gopkg-yaml.v3-dev.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
helm=$(dirname "$here")
to=${1:-$helm/../../test/golden/helm}
mkdir -p "$to"
binary=$(mktemp)
trap 'rm -f "$binary"' EXIT
GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= go build -o "$binary" "$here/main.go"
for values in "$here"/values/*.yaml; do
  "$binary" "$helm/chartwarden" "$values" >"$to/$(basename "$values")"
done
"$binary" "$helm/practice-app-example" - "$helm/chartwarden" >"$to/practice-app-example.yaml"
# What they were made of, so that a template that changed without them is noticed where Go is missing.
(cd "$helm" && find chartwarden practice-app-example render/values -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1) >"$to/sources.sha256"
