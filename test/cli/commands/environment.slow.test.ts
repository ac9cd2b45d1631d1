/** Environment variables that libostree reads itself: the command passes them to the library, which reads none. */
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { BuiltCommand, type RunResult, spawn } from '../../support/built-command.ts'
import { describeDisk } from '../../support/disk.ts'
import { describeReference } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

let program: BuiltCommand
const folder = temporaryFolder()
beforeAll(async () => {
  program = await BuiltCommand.build()
  mkdirSync(join(folder, 'tree'))
  writeFileSync(join(folder, 'tree', 'file'), 'content\n')
  mkdirSync(join(folder, 'modes'))
  writeFileSync(join(folder, 'modes', 'file'), 'content\n', { mode: 0o750 })
  symlinkSync('file', join(folder, 'modes', 'link'))
})

type Run = (args: readonly string[], env?: Record<string, string>) => RunResult
const ours: Run = (args, env) => program.run(args, folder, '', env)
const theirs: Run = (args, env) => spawn('ostree', args, folder, '', env)
let made = 0

/** Runs a commit that fails on demand, and then one that succeeds. The random end of the staging directory is replaced. */
function failOnDemand(run: Run): unknown {
  const repo = `repo-${made++}`
  run(['init', `--repo=${repo}`, '--mode=archive'])
  const env = { OSTREE_BOOTID: 'this-boot', OSTREE_REPO_TEST_ERROR: 'pre-commit' }
  const failed = run(['commit', `--repo=${repo}`, '-b', 'main', 'tree'], env)
  const left = readdirSync(join(folder, repo, 'tmp')).map((name) => name.replace(/\w{6}$/, 'XXXXXX'))
  const refs = run(['refs', `--repo=${repo}`])
  // The same boot uses the staging directory again, and removes it.
  const next = run(['commit', `--repo=${repo}`, '-b', 'main', 'tree', '--timestamp=@0'], { OSTREE_BOOTID: 'this-boot' })
  return { failed, left: left.sort(), refs, next, after: readdirSync(join(folder, repo, 'tmp')) }
}

/** Creates a repository. @returns the names in its directory `tmp` */
function initWith(run: Run, env: Record<string, string>): string[] {
  const repo = `repo-${made++}`
  run(['init', `--repo=${repo}`, '--mode=archive'], env)
  run(['refs', `--repo=${repo}`], env)
  return readdirSync(join(folder, repo, 'tmp'))
}

/** Commits to a repository of mode bare-split-xattrs, first without the variable. */
function writeSplitXattrs(run: Run): unknown {
  const repo = `repo-${made++}`
  run(['init', `--repo=${repo}`, '--mode=bare-split-xattrs'])
  const args = ['commit', `--repo=${repo}`, '--orphan', '--timestamp=@0', 'modes']
  const refused = run(args)
  const committed = run(args, { OSTREE_EXP_WRITE_BARE_SPLIT_XATTRS: '' })
  const { rc } = run(['fsck', `--repo=${repo}`])
  return { refused, committed, fsck: rc, objects: describeDisk(join(folder, repo, 'objects')) }
}

describe('environment variables of the command', () => {
  test('OSTREE_REPO_TEST_ERROR fails a commit before it is published, and OSTREE_BOOTID names its staging directory', () => {
    expect(failOnDemand(ours)).toEqual({
      failed: { rc: 1, stdout: '', stderr: 'error: OSTREE_REPO_TEST_ERROR_PRE_COMMIT specified\n' },
      left: ['cache', 'staging-this-boot-XXXXXX'],
      refs: { rc: 0, stdout: '', stderr: '' },
      next: { rc: 0, stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/), stderr: '' },
      after: ['cache'],
    })
  })

  test('OSTREE_SKIP_CACHE prevents the creation of tmp/cache', () => {
    expect(initWith(ours, {})).toEqual(['cache'])
    expect(initWith(ours, { OSTREE_SKIP_CACHE: '1' })).toEqual([])
  })
})

describeReference('ostree', 'environment variables of `ostree-ts` and of `ostree`', () => {
  test('the variables have the same effect in both', () => {
    expect(failOnDemand(ours)).toEqual(failOnDemand(theirs))
    for (const env of [{}, { OSTREE_SKIP_CACHE: '1' }]) expect(initWith(ours, env)).toEqual(initWith(theirs, env))
  })

  test('OSTREE_EXP_WRITE_BARE_SPLIT_XATTRS lets both write the same files, which have lost all but the content', () => {
    expect(writeSplitXattrs(ours)).toEqual(writeSplitXattrs(theirs))
  })
})
