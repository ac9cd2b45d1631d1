/** Random commits checked out to random destinations by both programs: the files and errors have to be the same. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OstreeError } from '../../../src/errors.ts'
import { type CheckoutOptions, checkout, type OverwriteMode, type RepoMode } from '../../../src/repo/index.ts'
import { createCheckoutTarget, openRepo } from '../../../src/repo/local.ts'
import { anyCollidingTree, createEntry, type Directory, type Entry } from '../../support/colliding-trees.ts'
import { describeDisk } from '../../support/disk.ts'
import { isRoot } from '../../support/machine.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const FLAGS: Readonly<Record<OverwriteMode, readonly string[]>> = {
  none: [],
  'union-files': ['--union'],
  add: ['--union-add'],
  'union-identical': ['--union-identical'],
}

/** Returns arguments of `ostree checkout`. With `-z`, ostree uses the code that supports all options. */
function flagsOf(options: CheckoutOptions): string[] {
  return [
    '-z',
    ...(options.mode === 'user' ? ['-U'] : []),
    ...FLAGS[options.overwrite ?? 'none'],
    ...(options.requireHardlinks ? ['-H'] : []),
    ...(options.forceCopy ? ['-C'] : []),
    ...(options.whiteouts ? ['--whiteouts'] : []),
    ...(options.passthroughWhiteouts ? ['--process-passthrough-whiteouts'] : []),
    ...(options.bareUserOnlyDirs ? ['-M'] : []),
    ...(options.subpath === undefined ? [] : [`--subpath=${options.subpath}`]),
  ]
}

const anyOptions: fc.Arbitrary<CheckoutOptions> = fc
  .record({
    mode: fc.constantFrom('none', 'user'),
    overwrite: fc.constantFrom('none', 'union-files', 'union-files', 'add', 'union-identical'),
    requireHardlinks: fc.boolean(),
    forceCopy: fc.boolean(),
    whiteouts: fc.boolean(),
    passthroughWhiteouts: fc.boolean(),
    bareUserOnlyDirs: fc.boolean(),
    subpath: fc.constantFrom(undefined, undefined, undefined, '/a', '/b/a', '/nope'),
  } as const)
  .map((options) => ({
    ...options,
    requireHardlinks: options.requireHardlinks || options.overwrite === 'union-identical',
    forceCopy: options.forceCopy && !options.requireHardlinks && options.overwrite !== 'union-identical',
  }))

const committed = anyCollidingTree({ names: ['a', 'b', 'c', 'é', '.wh.a', '.wh.', '.wh..wh..opq', '.ostree-wh.d'] })
const present = fc.option(
  anyCollidingTree({ names: ['a', 'b', 'c', 'd', '.wh.a'], targets: ['nowhere', 'a', 'b'], depth: 2 }),
  {
    nil: undefined,
  },
)

/**
 * Whether ostree 2022.7 gives the same result as later versions. Since 2024.5 a directory of a layer replaces a file, and
 * ostree does not abort.
 */
function sameInBothVersions(tree: Entry, there: Entry | undefined, options: CheckoutOptions): boolean {
  if (options.passthroughWhiteouts && options.overwrite === 'none' && there !== undefined) return false
  if (!options.whiteouts || options.overwrite !== 'union-files' || there === undefined) return true
  if (tree.kind !== 'directory') return true
  if (there.kind !== 'directory') return false
  return Object.entries(tree.children).every(([name, child]) => {
    const below = there.children[name]
    return below === undefined || sameInBothVersions(child, below, options)
  })
}

function subtree(tree: Directory, path: string | undefined): Entry {
  let at: Entry = tree
  for (const name of (path ?? '').split('/').filter((part) => part !== '')) {
    const child: Entry | undefined = at.kind === 'directory' ? at.children[name] : undefined
    if (child === undefined) return tree
    at = child
  }
  return at
}

const root = temporaryFolder()
const masked = (message: string) => message.replace(/renameat\([^,]*,/, 'renameat(TMP,')
let count = 0

async function ours(path: string, target: string, options: CheckoutOptions): Promise<string> {
  const repo = await openRepo(path)
  try {
    await checkout(repo, await repo.resolve('main'), createCheckoutTarget(target), options)
    return ''
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    return `error: ${error.message}\n`
  } finally {
    await repo.close()
  }
}

function theirs(path: string, target: string, options: CheckoutOptions): string {
  const result = spawnSync('ostree', [`--repo=${path}`, 'checkout', ...flagsOf(options), 'main', target])
  if (result.signal !== null) throw new Error(`ostree died of ${result.signal}: ${result.stderr}`)
  // ostree prints a warning when it sets an error twice.
  return result.stderr.toString().replace(/^\n?\(ostree [\s\S]*?\n(?=error: )/, '')
}

describeReference('ostree', 'checkout and `ostree checkout`', () => {
  test.runIf(isRoot).each(['bare', 'bare-user', 'bare-user-only', 'archive'] as RepoMode[])(
    'random checkouts from mode %s leave the same files and print the same errors',
    async (mode) => {
      await fc.assert(
        fc.asyncProperty(committed, present, anyOptions, fc.boolean(), async (tree, there, options, twice) => {
          fc.pre(sameInBothVersions(subtree(tree, options.subpath), there, options))
          const at = join(root, `${mode}-${count++}`)
          mkdirSync(at)
          createEntry(join(at, 'tree'), tree)
          const repo = join(at, 'repo')
          run('ostree', [`--repo=${repo}`, 'init', `--mode=${mode}`])
          const canonical = mode === 'bare-user-only' ? ['--canonical-permissions', '--no-xattrs'] : []
          run('ostree', [`--repo=${repo}`, 'commit', '--fsync=0', '-b', 'main', ...canonical, join(at, 'tree')])
          const results = []
          // Both destinations have the same name, because it is in messages.
          for (const who of ['theirs', 'ours'] as const) {
            const target = join(at, 'co')
            if (there !== undefined) createEntry(target, there)
            const says = []
            for (let round = twice ? 0 : 1; round < 2; round++) {
              says.push(who === 'ours' ? await ours(repo, target, options) : theirs(repo, target, options))
            }
            const made = spawnSync('test', ['-e', target]).status === 0 ? describeDisk(target, repo) : undefined
            results.push({ says: says.map(masked), made })
            rmSync(target, { recursive: true, force: true })
          }
          expect(results[1]).toEqual(results[0])
          rmSync(at, { recursive: true })
        }),
        { numRuns: Number(process.env['RUNS'] ?? 25) },
      )
    },
  )
})
