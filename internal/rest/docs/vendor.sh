#!/usr/bin/env bash
# Fetches the Swagger UI release named below into swagger-ui/. Run it by hand to change the version; nothing else in the
# repository needs npm or the network. The two large files are kept compressed, as they are sent; SHA256SUMS names the
# bytes inside, which are the release's own, and a test compares them.
set -euo pipefail
version=5.35.0

cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "swagger-ui-dist@$version" >/dev/null && tar xzf ./*.tgz)

for file in swagger-ui-bundle.js swagger-ui.css; do
	gzip -9n <"$work/package/$file" >"swagger-ui/$file.gz"
done
cp "$work/package/"{LICENSE,NOTICE,swagger-ui-bundle.js.LICENSE.txt} swagger-ui/
echo "$version" >swagger-ui/VERSION
(cd "$work/package" && sha256sum swagger-ui-bundle.js swagger-ui.css) >swagger-ui/SHA256SUMS
