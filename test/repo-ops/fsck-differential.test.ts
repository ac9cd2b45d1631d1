/** Random repositories, one object of each damaged: what `ostree fsck` says of it, and leaves of it, and what we do. */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OstreeError } from '../../src/errors.ts'
import { type FsckOptions, formatFsckEvent, fsck, requireSound } from '../../src/repo/index.ts'
import { openRepo } from '../../src/repo/node/index.ts'
import { isRoot, testDirectory } from '../fs-store/places.ts'
import { describeReference } from '../reference.ts'
import { anyTree, place } from './places.ts'
import { type Outcome, ReferenceRepo } from './reference-repo.ts'

const root = testDirectory()
let count = 0

/** As the command prints it. */
async function ours(path: string, options: FsckOptions): Promise<Outcome> {
  const repo = await openRepo(path)
  let stdout = ''
  let stderr = ''
  try {
    const result = await fsck(repo, {
      ...options,
      onEvent: (event) => {
        if (event.kind === 'progress' && event.done !== 1 && event.done !== event.total) return
        const line = `${formatFsckEvent(event)}\n`
        if (event.kind === 'stage' || event.kind === 'progress' || event.kind === 'tombstone') stdout += line
        else stderr += line
      },
    })
    if (result.partial > 0 && !options.addTombstones) stdout += `${result.partial} partial commits not verified\n`
    requireSound(result)
    stdout += `object fsck of ${result.commits} commits completed successfully - no errors found.\n`
    return { stdout, stderr, status: 0 }
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    return { stdout, stderr: `${stderr}error: ${error.message}\n`, status: 1 }
  } finally {
    await repo.close()
  }
}

/** Commits in the order of a hash table, and lines of two that say the same of them. */
function unordered({ stdout, stderr, status }: Outcome, mode: string): object {
  const lines = stderr
    .replace(
      /ommits ([0-9a-f]{64}(?:, [0-9a-f]{64})+)/g,
      (_, list: string) => `ommits ${list.split(', ').sort().join(', ')}`,
    )
    // Which fault of a compressed file is seen first, and what zlib says of it.
    .replace(/(fsck content object [0-9a-f]{64}): .*/g, mode === 'archive' ? '$1: unreadable' : '$&')
    .split('\n')
  // Whether the first object came before the one that ended it.
  return {
    status,
    stdout: status === 0 ? stdout : stdout.replace(/^fsck objects \(1\/.*\n/m, ''),
    stderr: lines.sort(),
  }
}

type Damage = 'missing' | 'flipped' | 'truncated' | 'empty'

function damage(path: string, how: Damage, at: number): void {
  if (how === 'missing') {
    unlinkSync(path)
    return
  }
  chmodSync(path, 0o644)
  const bytes = readFileSync(path)
  if (how === 'truncated') truncateSync(path, bytes.length >> 1)
  else if (how === 'empty') truncateSync(path, 0)
  else {
    const index = at % Math.max(bytes.length, 1)
    bytes[index] = (bytes[index] ?? 0) ^ 0x55
    writeFileSync(path, bytes)
  }
}

/** Regular files only: what damage to a link is, is another question in each mode. */
function objectsOf(repo: ReferenceRepo, suffix: string): string[] {
  const objects = join(repo.path, 'objects')
  return readdirSync(objects, { recursive: true, encoding: 'utf8', withFileTypes: false })
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => join(objects, name))
}

const OPTIONS: readonly [FsckOptions, string[]][] = [
  [{}, []],
  [{ all: true }, ['--all']],
  [{ delete: true }, ['--delete']],
]

describeReference('ostree', 'fsck, beside ostree', () => {
  const modes = ['archive', 'bare', 'bare-user', 'bare-user-only']
  const tree = anyTree({ names: ['a', 'b', 'c', 'd'], depth: 2 })

  test.runIf(isRoot)('finds sound repositories sound, and a damaged object in them damaged', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...modes),
        tree,
        tree,
        fc.constantFrom('file', 'dirmeta', 'dirtree', 'commit'),
        fc.constantFrom<Damage>('missing', 'flipped', 'truncated', 'empty'),
        fc.nat(),
        fc.constantFrom(...OPTIONS),
        async (mode, one, two, type, how, at, [options, flags]) => {
          const here = join(root, String(count++))
          mkdirSync(here)
          place(join(here, 'one'), one)
          place(join(here, 'two'), two)
          const theirs = ReferenceRepo.create(join(here, 'repo'), mode)
          for (const [branch, name] of [
            ['main', 'one'],
            ['main', 'two'],
            ['other', 'one'],
          ] as const) {
            theirs.commit(branch, join(here, name), `--timestamp=@${count}`)
          }
          expect(unordered(await ours(theirs.path, {}), mode)).toEqual(unordered(theirs.attempt('fsck'), mode))

          const suffix = type === 'file' ? (mode === 'archive' ? '.filez' : '.file') : `.${type}`
          const files = objectsOf(theirs, suffix).filter((path) => type !== 'file' || isSizedFile(path, mode))
          const victim = files[at % Math.max(files.length, 1)]
          if (victim === undefined) return
          damage(victim, how, at)
          const copy = theirs.copy(join(here, 'copy'))
          const said = theirs.attempt('fsck', ...flags)
          const ourSaid = await ours(copy.path, options)
          expect(ourSaid.status).toBe(said.status)
          // What a broken dirtree or commit names is looked for by ostree, which then misses what never was.
          const isTree = type === 'dirtree' || type === 'commit'
          if (!isTree || how === 'missing') expect(unordered(ourSaid, mode)).toEqual(unordered(said, mode))
          else expect(ourSaid.stderr).toContain(`Corrupted ${type} object; checksum expected=`)

          const files2 = (repo: ReferenceRepo) => readdirSync(repo.path, { recursive: true, encoding: 'utf8' }).sort()
          const strict = (!isTree || how === 'missing') && !options.all
          if (strict) expect(files2(copy)).toEqual(files2(theirs))
          rmSync(here, { recursive: true })
        },
      ),
      { numRuns: Number(process.env['RUNS'] ?? 25) },
    )
  })
})

function isSizedFile(path: string, mode: string): boolean {
  return mode === 'archive' || readFileIfRegular(path) > 0
}

function readFileIfRegular(path: string): number {
  try {
    return readFileSync(path).length
  } catch {
    return 0
  }
}
