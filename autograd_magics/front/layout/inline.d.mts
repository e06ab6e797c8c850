import type { Plugin } from "esbuild";

export function inlineEngine(target: string | string[]): Plugin;
