import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emptyTransient, isOstreeContainer } from '../../../src/cli/container/container-environment.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')

let count = 0
function root(...files: string[]): string {
  const path = join(folder, String(count++))
  mkdirSync(path)
  for (const file of files) {
    mkdirSync(dirname(join(path, file)), { recursive: true })
    writeFileSync(join(path, file), file.endsWith('repo/config') ? '[core]\nmode=bare-split-xattrs\n' : file)
  }
  return path
}

describe('emptyTransient (case K3)', () => {
  test('nothing is created in an empty root', () => {
    const path = root()
    emptyTransient(path)
    expect(readdirSync(path)).toEqual([])
  })

  test('the content of transient directories is removed, and everything else is kept', () => {
    const path = root('run/a/b', 'tmp/x', 'var/tmp/d/e', 'var/cache/f', 'var/foo', 'var/lib/nested/foo', 'usr/bin/sh')
    symlinkSync('../../usr', join(path, 'var/tmp/link'))
    emptyTransient(path)
    for (const empty of ['run', 'tmp', 'var/tmp', 'var/cache']) expect(readdirSync(join(path, empty))).toEqual([])
    for (const kept of ['var/foo', 'var/lib/nested/foo', 'usr/bin/sh']) expect(existsSync(join(path, kept))).toBe(true)
  })

  test('a symbolic link in place of a directory is not followed', () => {
    const path = root('usr/keep')
    symlinkSync('usr', join(path, 'tmp'))
    emptyTransient(path)
    expect(existsSync(join(path, 'usr/keep'))).toBe(true)
  })
})

test('isOstreeContainer recognises a container by its repository and its environment', () => {
  const config = 'sysroot/ostree/repo/config'
  expect(isOstreeContainer(root(), { container: 'podman' })).toBe(false)
  expect(isOstreeContainer(root(config), { container: 'podman' })).toBe(true)
  expect(isOstreeContainer(root(config, '.dockerenv'), { INVOCATION_ID: 'x' })).toBe(true)
  expect(isOstreeContainer(root(config, 'run/.containerenv'), { INVOCATION_ID: 'x' })).toBe(true)
  expect(isOstreeContainer(root(config), { INVOCATION_ID: 'x' })).toBe(false)
  expect(isOstreeContainer(root(config), {})).toBe(true)
  expect(isOstreeContainer(root(config, 'run/ostree-booted'), {})).toBe(false)
})
