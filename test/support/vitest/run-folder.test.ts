import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { bundleScript } from '../bundle.ts'
import { Child, TALK } from '../child-process.ts'
import { isRoot } from '../machine.ts'
import { removeFolder } from '../remove-folder.ts'
import { temporaryFolder } from '../temporary.ts'
import { createRunFolder } from './run-folder.ts'

/** Starts a process that creates a run folder and waits. */
async function startRun(parent: string): Promise<{ child: Child; path: string }> {
  const script = bundleScript(
    'run',
    `${TALK}
    import { createRunFolder } from './test/support/vitest/run-folder.ts'
    say(createRunFolder(process.argv[2]))
    setInterval(() => {}, 1000)`,
  )
  const child = new Child([script, parent])
  return { child, path: (await child.nextLine()) ?? '' }
}

test('a folder is removed by the next run when its process was killed, and not before', async () => {
  const parent = temporaryFolder()
  const { child, path } = await startRun(parent)
  mkdirSync(join(path, 'a/b'), { recursive: true })
  const second = createRunFolder(parent)
  expect(existsSync(join(path, 'a/b'))).toBe(true)
  await child.kill()
  const third = createRunFolder(parent)
  expect(readdirSync(parent).sort()).toEqual([basename(second), basename(third)].sort())
})

test('a folder whose process id belongs to another process by now is removed', async () => {
  const parent = temporaryFolder()
  const own = createRunFolder(parent)
  const earlier = join(parent, basename(own).replace(/-\d+(?=-\w+$)/, '-1'))
  renameSync(own, earlier)
  createRunFolder(parent)
  expect(existsSync(earlier)).toBe(process.platform !== 'linux')
})

test('a folder of another machine or container is removed after a day', () => {
  const parent = temporaryFolder()
  const own = createRunFolder(parent)
  const [recent = '', old = ''] = ['01234567', '89abcdef'].map((namespace) =>
    join(parent, basename(own).replace(/[0-9a-f]{8}/, namespace)),
  )
  for (const path of [recent, old]) mkdirSync(path)
  const daysAgo = Date.now() / 1000 - 2 * 86_400
  utimesSync(old, daysAgo, daysAgo)
  createRunFolder(parent)
  expect([recent, old].map((path) => existsSync(path))).toEqual([true, false])
})

test('files with other names are left alone', () => {
  const parent = temporaryFolder()
  for (const name of ['ostree-ts-tests', 'ostree-ts-tests-x', 'other']) mkdirSync(join(parent, name))
  createRunFolder(parent)
  expect(readdirSync(parent)).toHaveLength(4)
})

test('a folder with directories that cannot be written is removed', () => {
  const path = createRunFolder(temporaryFolder())
  mkdirSync(join(path, 'closed/inner'), { recursive: true })
  chmodSync(join(path, 'closed/inner'), 0o000)
  chmodSync(join(path, 'closed'), 0o555)
  removeFolder(path)
  expect(existsSync(path)).toBe(false)
})

test.runIf(isRoot)('a folder with an immutable file is removed', () => {
  const path = createRunFolder(temporaryFolder('disk'))
  writeFileSync(join(path, 'file'), '')
  // Not every file system has this attribute.
  spawnSync('chattr', ['+i', join(path, 'file')])
  removeFolder(path)
  expect(existsSync(path)).toBe(false)
})

test.runIf(isRoot)('a folder in which a file system is mounted is removed, with what is mounted', () => {
  const path = createRunFolder(temporaryFolder())
  const mount = join(path, 'a b')
  mkdirSync(mount)
  // Not every container may mount.
  const mounted = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', mount]).status === 0
  if (mounted) writeFileSync(join(mount, 'file'), '')
  removeFolder(path)
  expect(existsSync(path)).toBe(false)
})
