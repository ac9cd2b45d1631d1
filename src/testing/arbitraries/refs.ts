/** fast-check generators of refs and their targets. */

import fc from 'fast-check'
import type { Checksum } from '../../bytes.ts'
import type { RefPath, RefTarget } from '../../repo/index.ts'

/** Ref paths of which some conflict: they are directories of others. */
export const refPool: readonly RefPath[] = [
  'heads/a',
  'heads/a/b',
  'heads/a/b/c',
  'heads/a-b',
  'heads/b/c',
  'heads/b',
  'remotes/origin/a',
  'remotes/origin/a/b',
  'mirrors/org.example.C/a',
]

/** One part of a ref name by libostree's grammar: `[\w\d][-._\w\d]*`, any script. */
export const anyRefPart: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(...'abzAZ09_éßж字'),
    fc.array(fc.constantFrom(...'abzAZ09_-.éßж字'), { maxLength: 12 }).map((chars) => chars.join('')),
  )
  .map(([first, rest]) => first + rest)

/** A ref name: parts joined by `/`. */
export const anyRefName: fc.Arbitrary<string> = fc
  .array(anyRefPart, { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('/'))

/** A change of one ref; `undefined` deletes it. */
export interface RefUpdate {
  readonly path: RefPath
  readonly target: RefTarget | undefined
}

/** Aliases of refs lead here: these are never directories of refs. */
const ALIAS_TARGETS: readonly RefPath[] = ['heads/a-b', 'heads/none']

/**
 * Generates a change of a ref in `refPool`: it is set to one of `commits`, made an alias (local refs only), or deleted.
 * Aliases do not lead in a circle or to a directory of refs, for which a store of files may fail as ostree does.
 */
export function anyRefUpdate(commits: readonly Checksum[]): fc.Arbitrary<RefUpdate> {
  const local = fc.constantFrom(...refPool.filter((path) => path.startsWith('heads/')))
  const any = fc.constantFrom(...refPool)
  const alias = fc.tuple(local, fc.constantFrom(...ALIAS_TARGETS)).map(([path, to]) => {
    return { path, target: { alias: path === to ? 'heads/none' : to } }
  })
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ path: any, target: fc.record({ commit: fc.constantFrom(...commits) }) }) },
    { weight: 1, arbitrary: alias },
    { weight: 2, arbitrary: any.map((path) => ({ path, target: undefined })) },
  )
}
