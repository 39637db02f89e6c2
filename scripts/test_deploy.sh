#!/usr/bin/env bash
# test_deploy.sh decodes the Kubernetes manifests strictly against the API's types
# and lets gen plan what they ask for. No cluster and no Docker engine is needed, and
# none is tried.
set -euo pipefail
cd "$(dirname "$0")/deploy"
go vet ./...
go test -count=1 ./...
