import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "jsdom", include: ["tests/front/**/*.test.ts"], restoreMocks: true, testTimeout: 30_000,
    setupFiles: ["tests/front/large.setup.ts"],
  },
});
