/** Commands that a signal ends: they print nothing, end by the signal, and leave nothing half done. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { BuiltCommand } from '../support/built-command.ts'
import { temporaryFolder } from '../support/temporary.ts'

const FOLDERS = 40
const FILES = 250

describe('commands that are interrupted', () => {
  let program: BuiltCommand
  let root: string

  beforeAll(async () => {
    program = await BuiltCommand.build()
    root = temporaryFolder('disk')
    for (let i = 0; i < FOLDERS; i++) {
      const folder = join(root, 'tree', `${i}`)
      mkdirSync(folder, { recursive: true })
      for (let j = 0; j < FILES; j++) writeFileSync(join(folder, `${j}`), `${i} ${j}`)
    }
    for (const name of ['full', 'empty']) program.run(['init', `--repo=${name}`, '--mode=archive'], root)
    const commit = program.run(['commit', '--repo=full', '-b', 'main', 'tree', '--fsync=no'], root)
    expect(commit).toMatchObject({ rc: 0, stderr: '' })
  })

  /** Starts a command and sends a signal. @param underWay whether it is time to send it */
  async function interrupt(words: readonly string[], name: NodeJS.Signals, underWay: () => boolean) {
    const child = spawn('sh', ['-c', `exec ${program.shellCommand} "$@"`, 'sh', ...words], { cwd: root })
    let said = ''
    child.stdout.on('data', (text) => (said += text))
    child.stderr.on('data', (text) => (said += text))
    const ended = once(child, 'close')
    while (child.exitCode === null && !underWay()) await new Promise((resolve) => setTimeout(resolve, 1))
    child.kill(name)
    const [, signal] = await ended
    return { signal, said }
  }

  const temporary = (repo: string): string[] => readdirSync(join(root, repo, 'tmp')).filter((name) => name !== 'cache')

  test.each(['SIGINT', 'SIGTERM'] as const)('a commit that is ended by %s removes its staged objects', async (name) => {
    const words = ['commit', '--repo=empty', '-b', 'main', 'tree', '--fsync=no']
    expect(await interrupt(words, name, () => temporary('empty').length > 0)).toEqual({ signal: name, said: '' })
    expect(temporary('empty')).toEqual([])
    expect(readdirSync(join(root, 'empty/objects'))).toEqual([])
    expect(existsSync(join(root, 'empty/refs/heads/main'))).toBe(false)
  })

  test('a commit of objects that all exist is ended', async () => {
    const words = ['commit', '--repo=full', '-b', 'again', 'tree']
    expect(await interrupt(words, 'SIGINT', () => temporary('full').length > 0)).toEqual({ signal: 'SIGINT', said: '' })
    expect(temporary('full')).toEqual([])
    expect(existsSync(join(root, 'full/refs/heads/again'))).toBe(false)
  })

  // These read the whole repository without waiting for anything.
  test.each([
    ['fsck', '--repo=full'],
    ['prune', '--repo=full', '--refs-only'],
    ['static-delta', 'generate', '--repo=full', '--empty', 'main'],
    ['ls', '--repo=full', '-R', 'main'],
    ['composefs', 'image', '--repo=full', 'main', 'image'],
  ])('%s is ended', async (...words) => {
    const start = performance.now()
    expect(program.run(words, root).rc).toBe(0)
    const whole = performance.now() - start
    const half = performance.now() + whole / 2
    expect((await interrupt(words, 'SIGINT', () => performance.now() > half)).signal).toBe('SIGINT')
    expect(program.run(['fsck', '--repo=full'], root)).toMatchObject({ rc: 0, stderr: '' })
  })

  test('an export is ended', async () => {
    const words = ['export', '--repo=full', '-o', join(root, 'tar'), 'main']
    const started = () => existsSync(join(root, 'tar'))
    expect(await interrupt(words, 'SIGINT', started)).toEqual({ signal: 'SIGINT', said: '' })
    expect(program.run(['fsck', '--repo=full'], root)).toMatchObject({ rc: 0, stderr: '' })
  })
})
