/**
 * The output of `--version`: YAML as libostree prints it, which scripts and test suites parse, and a key of its own.
 *
 *     libostree:
 *      Version: '2026.4'
 *      Features:
 *       - libarchive
 *     ostree-ts: '0.1.0'
 */

import { COMPATIBLE_VERSION } from '../compatible-version.ts'

/** The version of this package, as in package.json. */
export const PACKAGE_VERSION = '0.1.0'

/** Features by the names of libostree's build. `composefs` means that images of
 * that format can be written, `libarchive` that tar archives can be committed. */
export const FEATURES: readonly string[] = ['composefs', 'gpgme', 'libarchive', 'sign-ed25519', 'sign-spki']

/** Returns the text that `--version` prints. */
export function formatVersion(): string {
  const features = FEATURES.map((feature) => `  - ${feature}\n`).join('')
  return `libostree:\n Version: '${COMPATIBLE_VERSION}'\n Features:\n${features}ostree-ts: '${PACKAGE_VERSION}'\n`
}
