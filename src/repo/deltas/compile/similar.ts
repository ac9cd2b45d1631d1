/**
 * Finds for each new file a file of the source commit that it may be a later version of: about as large, and of the same
 * name in some directory, or at least of the same name up to the first dot.
 *
 * Source: ostree-repo-static-delta-compilation-analysis.c, _ostree_delta_compute_similar_objects.
 */

import type { Checksum } from '../../../bytes.ts'
import { isSymlink } from '../../../objects/index.ts'
import type { ProgressOptions } from '../../../progress.ts'
import { Pauses } from '../../core/yield-to-event-loop.ts'
import type { Repo } from '../../repo.ts'

/** How much larger or smaller the other file may be. */
const SIMILARITY = 0.3
/** Compressed files have nothing in common after a change. gzip may have, with its option `--rsyncable`. */
const COMPRESSED = ['xz', 'bz2']

/** A file of a commit. */
interface SizedFile {
  readonly checksum: Checksum
  readonly size: number
  /** Its names, without directories. */
  readonly names: ReadonlySet<string>
}

/**
 * Finds similar files.
 * @param isNew whether a file of the target is one to look for
 * @returns the file of the source by the one of the target, in the order of size
 */
export async function findSimilar(
  repo: Repo,
  from: Checksum,
  to: Checksum,
  isNew: (checksum: Checksum) => boolean,
  options: Pick<ProgressOptions, 'signal'>,
): Promise<Map<Checksum, Checksum>> {
  const old = await sizedFiles(repo, from, () => true, options)
  const wanted = await sizedFiles(repo, to, isNew, options)
  const similar = new Map<Checksum, Checksum>()
  // As in libostree the bound counts files that are too small, also those that a second search sees again.
  let lower = 0
  for (const target of wanted) {
    if (!isCandidate(target)) continue
    const least = Math.floor(target.size * (1 - SIMILARITY))
    const most = Math.floor(target.size * (1 + SIMILARITY))
    for (const isSame of [sharesName, sharesStem]) {
      let found: SizedFile | undefined
      for (let i = lower; i < old.length; i++) {
        const source = old[i] as SizedFile
        if (!isCandidate(source)) continue
        if (source.size < least) {
          lower++
          continue
        }
        if (source.size > most) break
        if (!isSame(source.names, target.names)) continue
        found = source
        break
      }
      if (found === undefined) continue
      similar.set(target.checksum, found.checksum)
      break
    }
  }
  return similar
}

/** Lists the regular files of a commit, sorted by size. */
async function sizedFiles(
  repo: Repo,
  commit: Checksum,
  isWanted: (checksum: Checksum) => boolean,
  { signal }: Pick<ProgressOptions, 'signal'>,
): Promise<SizedFile[]> {
  const names = new Map<Checksum, Set<string>>()
  const waiting = [(await repo.readCommit(commit)).rootTree]
  const seen = new Set(waiting)
  const pauses = new Pauses(signal)
  for (let tree = waiting.pop(); tree !== undefined; tree = waiting.pop()) {
    await pauses.next()
    const { files, dirs } = await repo.readDirTree(tree)
    for (const { name, checksum } of files) {
      if (!isWanted(checksum)) continue
      const known = names.get(checksum)
      if (known === undefined) names.set(checksum, new Set([name]))
      else known.add(name)
    }
    for (const dir of dirs) {
      if (seen.has(dir.tree)) continue
      seen.add(dir.tree)
      waiting.push(dir.tree)
    }
  }
  const sized: SizedFile[] = []
  for (const [checksum, each] of names) {
    await pauses.next()
    const { header, size } = await repo.objects.statFile(checksum)
    if (!isSymlink(header)) sized.push({ checksum, size, names: each })
  }
  return sized.sort((a, b) => a.size - b.size)
}

function isCandidate({ size, names }: SizedFile): boolean {
  if (size === 0) return false
  for (const name of names) {
    const dot = name.lastIndexOf('.')
    if (dot >= 0 && COMPRESSED.includes(name.slice(dot + 1))) return false
  }
  return true
}

function sharesName(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const name of a) if (b.has(name)) return true
  return false
}

/** Compares what is before the first dot, if both have one at the same place behind the first character; else all. */
function sharesStem(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const one of a) {
    for (const other of b) {
      const dot = one.indexOf('.')
      const stems = dot > 0 && dot === other.indexOf('.')
      if (stems ? one.slice(0, dot) === other.slice(0, dot) : one === other) return true
    }
  }
  return false
}
