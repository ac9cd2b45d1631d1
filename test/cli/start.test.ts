import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { formatVersion } from '../../src/cli/version.ts'
import { temporaryFolder } from '../support/temporary.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Tests a copy of the built command, because they change its files. */
describe.skipIf(!existsSync(join(root, 'dist/bin/main.js.cache')))('the built command', () => {
  let place: string
  let caches: string[]

  beforeAll(() => {
    place = temporaryFolder('disk')
    for (const folder of ['bin', 'dist/bin']) cpSync(join(root, folder), join(place, folder), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'))
    const folder = join(place, 'dist/bin')
    caches = readdirSync(folder).flatMap((name) => (name.endsWith('.cache') ? [join(folder, name)] : []))
  })

  function run(args: readonly string[], flags: readonly string[] = []): { stdout: string; stderr: string } {
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, join(place, 'bin/ostree-ts'), ...args], {
      encoding: 'utf8',
      cwd: place,
    })
    return { stdout, stderr }
  }

  test('the command starts by its path and through a symbolic link', () => {
    const link = join(place, 'link')
    symlinkSync(join(place, 'bin/ostree-ts'), link)
    expect(spawnSync(link, ['--version'], { encoding: 'utf8' })).toMatchObject({ stdout: formatVersion(), status: 0 })
  })

  test('`--version` works without Node, and without the file of the version with Node', () => {
    const tell = (path: string) =>
      spawnSync(join(place, 'bin/ostree-ts'), ['--version'], { encoding: 'utf8', env: { PATH: path } })
    expect(tell('/usr/bin:/bin')).toMatchObject({ stdout: formatVersion(), stderr: '', status: 0 })
    const empty = mkdtempSync(join(place, 'path-'))
    symlinkSync('/bin/cat', join(empty, 'cat'))
    expect(tell(empty)).toMatchObject({ stdout: formatVersion(), stderr: '', status: 0 })
    rmSync(join(place, 'dist/bin/version'))
    expect(tell(empty)).toMatchObject({ stdout: '', status: 127 })
    expect(tell(process.env['PATH'] ?? '')).toMatchObject({ stdout: formatVersion(), stderr: '', status: 0 })
  })

  test('a command that can never finish its work fails, and does not end silently', () => {
    const preload = join(place, 'preload.cjs')
    // The files of the layout are never opened, and nothing else keeps the process alive.
    const never = '() => new Promise(() => {})'
    writeFileSync(preload, `Object.assign(require('node:fs/promises'), { open: ${never}, stat: ${never} })`)
    const args = ['container', 'image', 'pull', join(place, 'new.sqlite'), `oci:${place}:tag`]
    const command = ['--require', preload, join(place, 'bin/ostree-ts'), ...args]
    expect(spawnSync(process.execPath, command, { encoding: 'utf8' })).toMatchObject({
      stdout: '',
      stderr: 'error: The command ended before its work was done\n',
      status: 1,
    })
  })

  test('the command runs with flags of V8 with which its code cache is not valid', () => {
    expect(run(['--version'], ['--no-opt'])).toEqual({ stdout: formatVersion(), stderr: '' })
  })

  test('the command runs with invalid code caches and without them', () => {
    expect(caches.length).toBeGreaterThan(20)
    for (const cache of caches) writeFileSync(cache, 'nothing that V8 knows of')
    expect(run(['--version'])).toEqual({ stdout: formatVersion(), stderr: '' })
    for (const cache of caches) writeFileSync(cache, '')
    expect(run(['--version'])).toEqual({ stdout: formatVersion(), stderr: '' })
    for (const cache of caches) rmSync(cache)
    expect(run(['--version'])).toEqual({ stdout: formatVersion(), stderr: '' })
    expect(run(['init', '--repo=repo', '--mode=archive'])).toEqual({ stdout: '', stderr: '' })
    expect(run(['refs', '--repo=missing']).stderr).toMatch(/^error: .*missing/)
  })
})
