/** Temporary directories, and the removal of those that killed processes left behind. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { nodeFiles } from '../../src/system/local-files.ts'
import { temporaryFolder } from '../support/temporary.ts'

const folder = temporaryFolder('disk')

/** Returns the path of a temporary directory as another process would name it, on this machine or another one. */
async function nameFor(pid: number, machine?: string): Promise<string> {
  const own = await nodeFiles.createTemporary(folder)
  await nodeFiles.remove(own)
  const renamed = basename(own).replace(/-\d+-(\w+)$/, `-${pid}-$1`)
  return join(folder, machine === undefined ? renamed : renamed.replace(/[0-9a-f]{8}-(?=\d)/, `${machine}-`))
}

function fill(path: string, days = 0): string {
  mkdirSync(path)
  writeFileSync(join(path, 'blob'), 'half of it')
  const time = Date.now() / 1000 - days * 86_400 - 60
  utimesSync(path, time, time)
  return path
}

test('a directory of a process that has ended is removed by the next call, and one of a running process is not', async () => {
  const dead = spawnSync('true').pid
  const left = fill(await nameFor(dead))
  const used = fill(await nameFor(process.ppid), 30)
  const first = await nodeFiles.createTemporary(folder)
  expect([existsSync(left), existsSync(used), existsSync(first)]).toEqual([false, true, true])
  const second = await nodeFiles.createTemporary(folder)
  expect([existsSync(first), existsSync(second)]).toEqual([true, true])
  for (const path of [used, first, second]) await nodeFiles.remove(path)
})

test('a directory of another machine is removed when it is older than a day', async () => {
  const dead = spawnSync('true').pid
  const [recent, old] = [fill(await nameFor(dead, '01234567')), fill(await nameFor(dead, '89abcdef'), 2)]
  await nodeFiles.remove(await nodeFiles.createTemporary(folder))
  expect([existsSync(recent), existsSync(old)]).toEqual([true, false])
  await nodeFiles.remove(recent)
})

test('files with other names, and symbolic links, are not removed', async () => {
  const dead = spawnSync('true').pid
  const name = await nameFor(dead)
  const outside = temporaryFolder('disk')
  writeFileSync(join(outside, 'precious'), '')
  symlinkSync(outside, name)
  writeFileSync(`${name}2`, '')
  const others = ['.tmp-abcdef', `${basename(name)}.old`].map((each) => fill(join(folder, each), 9))
  await nodeFiles.remove(await nodeFiles.createTemporary(folder))
  expect(readdirSync(outside)).toEqual(['precious'])
  expect(readdirSync(folder).sort()).toEqual([name, `${name}2`, ...others].map((path) => basename(path)).sort())
})
