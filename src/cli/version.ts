/** What `--version` prints: YAML in the form scripts and test suites read, naming only what is truly there. */

/** The libostree whose formats, options and messages we answer with. */
export const COMPATIBLE_VERSION = '2026.4'

/** Names as libostree's build lists them. `libarchive` stands for committing tar archives. */
export const FEATURES: readonly string[] = ['libarchive']

export function formatVersion(): string {
  const features = FEATURES.map((feature) => `  - ${feature}\n`).join('')
  return `libostree:\n Version: '${COMPATIBLE_VERSION}'\n Features:\n${features}`
}
