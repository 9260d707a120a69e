#!/usr/bin/env bash
# Fetches the releases named below into release/. Run it by hand to change a version; nothing else in the repository needs npm or the
# network. The files are kept compressed, as they are sent; SHA256SUMS names the bytes inside, and a test compares them.
#
# GraphiQL 4.1.2 is the last release that comes as a plain script: 5 is made for bundlers, and brings an editor of several megabytes with
# workers. React 18 is the last that does.
set -euo pipefail
graphiql=4.1.2
react=18.3.1

cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The second line is for their licences: parts of GraphiQL's script that it does not ask for by itself.
npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$work" "graphiql@$graphiql" "react@$react" "react-dom@$react" \
	graphql@16 graphql-ws@5 @radix-ui/react-use-escape-keydown @react-aria/utils >/dev/null
from=$work/node_modules

mkdir -p "$work/files" release
# Two of three parts of the style sheet are fonts. Without them browsers take those of the system, as everywhere else in Propusk.
perl -0pe 's/\@font-face\s*\{[^}]*\}\s*//g' "$from/graphiql/graphiql.min.css" >"$work/files/graphiql.css"
# The script's last line names a map that is not served.
sed '/^\/\/# sourceMappingURL=/d' "$from/graphiql/graphiql.min.js" >"$work/files/graphiql.js"
cp "$from/react/umd/react.production.min.js" "$work/files/react.js"
cp "$from/react-dom/umd/react-dom.production.min.js" "$work/files/react-dom.js"

rm -f release/*
for file in "$work"/files/*; do
	gzip -9n <"$file" >"release/$(basename "$file").gz"
done
(cd "$work/files" && sha256sum -- *) >release/SHA256SUMS
printf 'graphiql %s\nreact %s\nreact-dom %s\n' "$graphiql" "$react" "$react" >release/VERSIONS
node licences.js "$from" >release/LICENSES.txt
