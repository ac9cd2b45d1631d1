/** What commands about remotes share. */

import type { OptionTable } from '../../options.ts'

/** Commands that change remotes can be told the system, too, whose repository is meant. */
export const REPO_OR_SYSROOT = {
  repo: { type: 'string', arg: 'PATH', help: 'Path to OSTree repository (defaults to /sysroot/ostree/repo)' },
  sysroot: { type: 'string', arg: 'PATH', help: 'Use sysroot at PATH (overrides --repo)' },
} as const satisfies OptionTable

/** Kinds of signatures a remote may be configured to want. */
export const SIGNATURE_TYPES: readonly string[] = ['ed25519', 'spki', 'dummy']

/** For what is fetched. What is read from a local remote is not kept, so there is nothing to put there. */
export const CACHE_DIR = {
  'cache-dir': { type: 'string', help: 'Use custom cache dir' },
} as const satisfies OptionTable
