import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: {
    // For examples, which import the package by its name.
    alias: { 'ostree-ts/repo': fileURLToPath(new URL('src/repo/index.ts', import.meta.url)) },
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['./test/support/vitest/global-setup.ts'],
    setupFiles: ['./test/support/vitest/setup.ts'],
    // Most tests wait for other programs or the disk now and then.
    maxWorkers: '100%',
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: [process.env['CI'] === undefined ? 'default' : 'dot', './test/support/vitest/reporter.ts'],
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
  },
})
