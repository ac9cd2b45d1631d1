import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { BuiltCommand } from '../support/built-command.ts'
import { temporaryFolder } from '../support/temporary.ts'

let program: BuiltCommand
const folder = temporaryFolder('disk')
beforeAll(async () => {
  program = await BuiltCommand.build()
  mkdirSync(join(folder, 'bin'))
  const place = (name: string, text: string, mode: number): void => {
    writeFileSync(join(folder, 'bin', name), text)
    chmodSync(join(folder, 'bin', name), mode)
  }
  place('ostree-hello', '#!/bin/sh\necho "$@"\nexit 7\n', 0o755)
  place('ostree-killed', '#!/bin/sh\nkill -9 $$\n', 0o755)
  place('ostree-data', 'no program', 0o644)
  place('ostree-refs', '#!/bin/sh\necho not this one\n', 0o755)
})
const run = (...words: string[]) => program.run(words, folder, '', { PATH: `${folder}/bin:${process.env['PATH']}` })

test('an unknown command runs the program `ostree-COMMAND`, with all arguments and its exit status', () => {
  expect(run('--x', 'hello', '--help')).toEqual({ rc: 7, stdout: '--x hello --help\n', stderr: '' })
  expect(run('killed').rc).toBe(137)
})

test('a file that is not executable, and a program with the name of a command, are not run', () => {
  for (const word of ['data', 'absent', '../bin/ostree-hello']) {
    const { rc, stderr } = run(word)
    expect({ rc, message: stderr.split('\n').at(-2) }).toEqual({ rc: 1, message: `error: Unknown command '${word}'` })
  }
  expect(run('refs', '--help').stdout).toContain('List refs')
})
