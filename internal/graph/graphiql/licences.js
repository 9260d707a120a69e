// Writes the licences of everything that GraphiQL's script was made of, as its source map tells, and of React. vendor.sh runs it.
"use strict";
const fs = require("fs");
const path = require("path");

const modules = process.argv[2];
const { sources } = JSON.parse(fs.readFileSync(path.join(modules, "graphiql/graphiql.min.js.map"), "utf8"));
const names = new Set(["graphiql", "react", "react-dom"]);
for (const source of sources) {
  const inside = source.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/);
  const sibling = source.match(/^(?:\.\.\/)+graphiql-([a-z-]+)\//); // @graphiql/react and its like, in GraphiQL's own repository
  if (inside) names.add(inside[1]);
  else if (sibling) names.add("@graphiql/" + sibling[1]);
  else if (source.startsWith("../../codemirror-graphql/")) names.add("codemirror-graphql");
  else if (source.startsWith("../../graphql-language-service/")) names.add("graphql-language-service");
}

// Where a package lies: below another one if that needs its own version.
function find(name) {
  const direct = path.join(modules, name);
  if (fs.existsSync(direct)) return direct;
  for (const holder of fs.readdirSync(modules, { recursive: true })) {
    if (holder.endsWith(path.join("node_modules", name))) return path.join(modules, holder);
  }
  throw new Error(name + " is in the script, and not among what npm installed");
}

const byText = new Map();
for (const name of [...names].sort()) {
  const folder = find(name);
  const about = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
  const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const author = typeof about.author === "object" ? about.author.name : about.author;
  const text = file
    ? fs.readFileSync(path.join(folder, file), "utf8").replace(/\r\n/g, "\n").trim()
    : `The package holds no text of its licence. It says: ${about.license}` + (author ? `, by ${author}` : "");
  byText.set(text, [...(byText.get(text) ?? []), name]);
}
for (const [text, of] of byText) process.stdout.write(`=== ${of.join(", ")}\n\n${text}\n\n`);
