// Reads AsyncAPI documents with the official parser: the folder of @asyncapi/parser, then files. Prints what it says.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, ...files] = process.argv.slice(2);
const { Parser } = createRequire(`${folder}/`)("@asyncapi/parser");
const parser = new Parser();
let errors = 0;
for (const file of files) {
  const { document, diagnostics } = await parser.parse(readFileSync(file, "utf-8"));
  for (const { severity, code, path, message } of diagnostics) {
    if (severity === 0) errors += 1;
    console.log(`${file}: ${["error", "warning", "information", "hint"][severity]} ${code} ${path.join(".")}: ${message}`);
  }
  if (!document) { errors += 1; console.log(`${file}: not parsed`); }
}
console.log(`${files.length} documents, ${errors} errors`);
process.exit(errors ? 1 : 0);
