/** Decides for each file that has a similar one in the source commit how it is made of that. */

import { type Checksum, readAll } from '../../../bytes.ts'
import type { ProgressOptions } from '../../../progress.ts'
import { yieldToEventLoop } from '../../core/yield-to-event-loop.ts'
import type { Repo } from '../../repo.ts'
import { divide, findMatches, type RollsumMatches } from './rollsum.ts'

/** Permission of all others to read. */
const WORLD_READABLE = 0o004
/** Least part of the chunks that have to be in the other file, in percent. */
const LEAST_RATIO = 50

/** How a file is made of another one. */
export type FileDelta =
  | { readonly kind: 'rollsum'; readonly from: Checksum; readonly found: RollsumMatches }
  | { readonly kind: 'bsdiff'; readonly from: Checksum }

/** Options that decide. */
export interface FileDeltaOptions extends Pick<ProgressOptions, 'signal'> {
  /** Bytes that both files together may have for a bsdiff patch; 0 for none. */
  readonly maxBsdiffSize: number
}

/**
 * Decides how files are made of similar ones. A source that not everyone may read is not used, since the delta might be
 * applied by a user who cannot read it.
 * @param similar the file of the source by the one of the target
 */
export async function chooseFileDeltas(
  repo: Repo,
  similar: ReadonlyMap<Checksum, Checksum>,
  { maxBsdiffSize, signal }: FileDeltaOptions,
): Promise<Map<Checksum, FileDelta>> {
  const chosen = new Map<Checksum, FileDelta>()
  for (const [to, from] of similar) {
    // Each pair of files may take seconds.
    if (signal !== undefined) await yieldToEventLoop(signal)
    const source = await repo.objects.readFile(from)
    if ((source.header.mode & WORLD_READABLE) === 0) continue
    const target = await repo.objects.readFile(to)
    const found = findMatches(await divide(source.body, repo.platform), await divide(target.body, repo.platform))
    if (Math.floor((found.matches.length * 100) / found.total) >= LEAST_RATIO) {
      chosen.set(to, { kind: 'rollsum', from, found })
    } else if (source.size + target.size <= maxBsdiffSize) chosen.set(to, { kind: 'bsdiff', from })
  }
  return chosen
}

/** Reads the content of a file into memory. */
export async function readContent(repo: Repo, checksum: Checksum): Promise<Uint8Array> {
  const { body, size } = await repo.objects.readFile(checksum)
  return readAll(body, size)
}
