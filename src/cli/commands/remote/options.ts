/** Options that several `remote` commands share. */

import type { OptionTable } from '../../options.ts'

/** Options that name the repository, directly or by its sysroot. Commands that change remotes have both. */
export const REPO_OR_SYSROOT = {
  repo: {
    type: 'string',
    raw: true,
    arg: 'PATH',
    help: 'Path to OSTree repository (defaults to /sysroot/ostree/repo)',
  },
  sysroot: { type: 'string', arg: 'PATH', help: 'Use sysroot at PATH (overrides --repo)' },
} as const satisfies OptionTable

/** Signature types that a remote can be configured to require. */
export const SIGNATURE_TYPES: readonly string[] = ['ed25519', 'spki', 'dummy']

/** Keeps the cache of summaries in another directory than the repository's. */
export const CACHE_DIR = {
  'cache-dir': { type: 'string', help: 'Use custom cache dir' },
} as const satisfies OptionTable
