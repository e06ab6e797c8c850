/**
 * Builds autograd_magics/static from the TypeScript beside this file: `npm ci && npm run build`.
 *
 * The bundles are committed, so that installing from git or sdist needs no Node; they are the same bytes on every
 * machine, and `make front` fails where they are not what the source builds.
 *
 * Why each development dependency is there, and why pinned to that version:
 * - esbuild: one small compiler that bundles and minifies; other versions make other bytes.
 * - typescript: `npm run typecheck`, strict; esbuild itself does not look at types.
 * - vitest: runs the tests in tests/front without a build; the last line that runs on Node 20.
 * - jsdom: the page that those tests draw in; the last line that runs on Node 20.
 * - rollup (an override: vitest brings it): the newest whose builds for all platforms are published, without which
 *   `npm ci` refuses the lock file.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { inlineEngine } from "./layout/inline.mjs";

const front = dirname(fileURLToPath(import.meta.url));
const output = join(front, "..", "static");
/** Bytes; app.js is repeated in every saved output, large.js in those of large recordings. */
const LIMITS = { "app.js": 120_000, "widget.js": 120_000, "large.js": 50_000, "bridge.js": 1_500 };
const NAMESPACE = "http://www.w3.org/2000/svg";
/** Ways for text to become markup or code, what would end the script element, and addresses. */
const FORBIDDEN = [
  /(inner|outer)HTML/, /insertAdjacentHTML/, /document\.write/, /\beval\(/, /new Function/,
  /<\/script/i, /<!--/, /https?:/,
];

/** The style sheet as minified text. */
const cssText = {
  name: "css-text",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await esbuild.transform(await readFile(path, "utf8"), { loader: "css", minify: true, target });
      return { contents: code.trim(), loader: "text" };
    });
  },
};
const target = ["chrome100", "firefox100", "safari15.4"];

async function bundle(name, format) {
  const result = await esbuild.build({
    entryPoints: [join(front, `${name}.ts`)],
    bundle: true,
    minify: true,
    write: false,
    format,
    globalName: name === "large" ? "agmLarge" : undefined,
    target,
    charset: "utf8",
    legalComments: "none",
    plugins: [cssText, inlineEngine(target)],
    logLevel: "warning",
  });
  return result.outputFiles[0].text;
}

function check(file, text) {
  const size = Buffer.byteLength(text);
  if (size > LIMITS[file]) throw new Error(`${file} has ${size} bytes, at most ${LIMITS[file]} are allowed`);
  const rest = text.replaceAll(NAMESPACE, "");
  for (const pattern of FORBIDDEN) {
    if (pattern.test(rest)) throw new Error(`${file} contains ${pattern}, which must not be in an output`);
  }
  return size;
}

/** One number for all that the bundles are made of, so that they can be proved fresh without Node. */
async function fingerprint() {
  const entries = await readdir(front, { recursive: true, withFileTypes: true });
  const sources = entries.filter((entry) => entry.isFile() && /\.(ts|css|mjs)$/.test(entry.name));
  const files = sources.map((entry) => join(entry.parentPath, entry.name));
  const hash = createHash("sha256");
  for (const name of files.map((file) => relative(front, file).replaceAll("\\", "/")).sort()) {
    hash.update(`${name}\0`).update(await readFile(join(front, name))).update("\0");
  }
  return hash.digest("hex");
}

const built = { source: await fingerprint() };
await mkdir(output, { recursive: true });
for (const [name, format] of [["large", "iife"], ["app", "iife"], ["widget", "esm"], ["bridge", "esm"]]) {
  const text = await bundle(name, format);
  const size = check(`${name}.js`, text);
  built[`${name}.js`] = createHash("sha256").update(text).digest("hex");
  await writeFile(join(output, `${name}.js`), text);
  console.log(`${name}.js ${size} bytes`);
}
await writeFile(join(output, "built.json"), `${JSON.stringify(built, null, 1)}\n`);
