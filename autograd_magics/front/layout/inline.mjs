/**
 * For esbuild: `engine.ts` becomes one function that holds everything it needs, so that its text is a whole program.
 *
 * A worker is made of that text: the bundle has the layout once, and nothing is loaded from anywhere.
 */
import * as esbuild from "esbuild";

/**
 * Properties of the layout's own objects, to be shortened: none is a name of the language or the browser, none is in
 * what goes in or comes out (`Nest` and `Arrangement` in nest.ts, `Engine` in engine.ts), none is a key in a text.
 */
const OURS = `above across along around at below blocks breadth breadths candidate cores count crossings depth direction
  distance edgeGap edges ends extents gaps graph hang held ins inside laid last leans left legs lengths level link lower
  members nodeGap nodes of order outs owner pairs parent piece pins place position rank rankGap ranks reach right routes
  rows span stamp start starts stiff sum tails trunk upper waiting xs ys`.split(/\s+/);

export function inlineEngine(target) {
  return {
    name: "inline-engine",
    setup(build) {
      build.onLoad({ filter: /layout[\\/]engine\.ts$/ }, async ({ path }) => {
        const made = await esbuild.build({
          entryPoints: [path], bundle: true, minify: true, write: false, format: "esm", target,
          charset: "utf8", mangleProps: new RegExp(`^(${OURS.join("|")})$`), logLevel: "warning",
        });
        const text = made.outputFiles[0].text.replace(/export\s*\{\s*(\w+) as engine\s*\};?\s*$/, "return $1()");
        if (/\bexport\b/.test(text)) throw new Error("engine.ts exports something else than engine");
        return { contents: `export function engine() { ${text} }`, loader: "js" };
      });
    },
  };
}
