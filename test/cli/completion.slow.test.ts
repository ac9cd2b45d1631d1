/** Completions, asked of the shells themselves, and man pages, read by groff. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { COMMANDS } from '../../src/cli/command-list.ts'
import { type CommandNode, loadCommandTree, nodesOf } from '../../src/cli/completion/command-tree.ts'
import { completionScript, packageFiles } from '../../src/cli/completion/index.ts'
import { runInProcess } from '../support/in-process.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const folder = temporaryFolder()
let program: CommandNode
beforeAll(async () => {
  program = await loadCommandTree(COMMANDS)
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    writeFileSync(join(folder, shell), await completionScript(shell, COMMANDS))
  }
  mkdirSync(join(folder, 'files'))
  writeFileSync(join(folder, 'files/archive.tar'), '')
  // In place of the command: it prints what it was asked for.
  mkdirSync(join(folder, 'bin'))
  const script = `#!/bin/sh
case $* in
  'refs --repo=archive.tar') printf '%s\\n' main other/branch origin:main ;;
  'refs') echo default ;;
  'remote list --repo=archive.tar') echo origin ;;
  'container image list --repo=archive.tar') echo oci:layout:tag ;;
esac`
  writeFileSync(join(folder, 'bin/ostree-ts'), script, { mode: 0o755 })
})

/** Finds the command of the test first. */
const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH']}` }

/** Lines whose last word is a name of a repository, and names that are offered. */
const NAMES: readonly [line: string, offered: readonly string[], others: readonly string[]][] = [
  ['ostree-ts ls --repo=archive.tar ', ['main', 'other/branch'], ['origin', 'default']],
  ['ostree-ts ls --repo archive.tar oth', ['other/branch'], ['main']],
  ['ostree-ts ls ', ['default'], ['main']],
  ['ostree-ts diff --repo=archive.tar main ', ['other/branch'], []],
  ['ostree-ts pull --repo=archive.tar ', ['origin'], ['main']],
  ['ostree-ts remote delete --repo=archive.tar ', ['origin'], ['main']],
  ['ostree-ts container image verify --repo=archive.tar ', ['oci:layout:tag'], ['main']],
  ['ostree-ts remote add --repo=archive.tar ', [], ['origin']],
]

/** Lines of a shell whose last word is completed, words that are offered, and words that are not. */
const LINES: readonly [line: string, offered: readonly string[], others: readonly string[]][] = [
  ['ostree-ts ', ['checkout', 'container', 'ls'], ['image', 'archive.tar']],
  ['ostree-ts che', ['checkout', 'checksum'], ['ls']],
  ['ostree-ts container ', ['image', 'encapsulate'], ['pull']],
  ['ostree-ts container image pu', ['pull'], ['push', 'plan']],
  ['ostree-ts ls --rec', ['--recursive'], ['--checksum']],
  ['ostree-ts --verbose ls --js', ['--json'], []],
  // The value of an option is not a command.
  ['ostree-ts commit --branch remote --add-metadata-s', ['--add-metadata-string'], ['add']],
  ['ostree-ts checkout ', ['archive.tar'], ['checkout']],
  ['ostree-ts container image pull --authfile ', ['archive.tar'], ['pull']],
]

describeReference('bash', 'the completion of bash', () => {
  /** Splits a line as bash does for completions: `=` is a word of its own. */
  const complete = (line: string): string[] => {
    const words = line.split(/ |(?<==)|(?==)/)
    const script = `. ../bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ostree_ts; printf '%s\\n' "\${COMPREPLY[@]-}"`
    return run('bash', ['--norc', '-uc', script, 'bash', ...words], { cwd: join(folder, 'files'), env })
      .trim()
      .split('\n')
  }

  test.each(LINES)('after `%s` it offers %j', (line, offered, others) => {
    const found = complete(line).map((word) => word.replace(/=$/, ''))
    expect(found).toEqual(expect.arrayContaining([...offered]))
    for (const other of others) expect(found).not.toContain(other)
  })

  test.each(NAMES)('after `%s` it offers the names %j', (line, offered, others) => {
    const found = complete(line)
    expect(found).toEqual(expect.arrayContaining([...offered]))
    for (const other of others) expect(found).not.toContain(other)
  })

  test('it offers the rest of a name behind a colon', () => {
    const asked = (...words: string[]) => {
      const script = `. ../bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ostree_ts; printf '%s\\n' "\${COMPREPLY[@]-}"`
      const all = ['ostree-ts', 'ls', '--repo', 'archive.tar', ...words]
      return run('bash', ['--norc', '-uc', script, 'bash', ...all], { cwd: join(folder, 'files'), env }).trim()
    }
    expect(asked('origin', ':')).toBe('main')
    expect(asked('origin', ':', 'ma')).toBe('main')
    expect(asked('origin', ':', 'x')).toBe('')
  })

  test('it offers files for the value of an option behind `=`', () => {
    expect(complete('ostree-ts ls --repo=ar')).toEqual(['archive.tar'])
    expect(complete('ostree-ts commit --branch=ar')).toEqual([''])
  })
})

describeReference('zsh', 'the completion of zsh', () => {
  /** Runs the completion with functions that print what they are given, in place of those that show it. */
  const complete = (line: string): string => {
    const words = line.split(' ').map((word) => `'${word}'`)
    const script = `_describe() { print -l -- "\${(@P)4}" }; _arguments() { print -l -- "$@" }
      words=(${words.join(' ')}); CURRENT=$#words; . ../zsh`
    return run('zsh', ['-fec', script], { cwd: join(folder, 'files') })
  }

  test.each(LINES)('after `%s` it offers %j', (line, offered) => {
    // Which words begin as the last one does, zsh decides itself.
    const found = complete(line)
    for (const word of offered) expect(found).toContain(word === 'archive.tar' ? ':_files' : word)
  })
})

describeReference('zsh', 'the names that zsh offers', () => {
  test.each(NAMES)('after `%s` it offers the names %j', (line, offered, others) => {
    const words = line.split(' ').map((word) => `'${word}'`)
    const script = `_describe() {}; _arguments() { [[ $* == *_ostree_ts_add* ]] && _ostree_ts_add }
      compadd() { print -l -- "$@" }; words=(${words.join(' ')}); CURRENT=$#words; . ../zsh || true`
    const found = run('zsh', ['-fc', script], { cwd: join(folder, 'files'), env })
      .trim()
      .split('\n')
    // Which words begin as the last one does, zsh decides itself.
    expect(found).toEqual(expect.arrayContaining([...offered]))
    for (const other of line.endsWith(' ') ? others : []) expect(found).not.toContain(other)
  })
})

describeReference('fish', 'the completion of fish', () => {
  test.each(NAMES)('after `%s` it offers the names %j', (line, offered, others) => {
    const script = `source ../fish; complete -C '${line}'`
    const found = run('fish', ['--no-config', '-c', script], { cwd: join(folder, 'files'), env })
      .split('\n')
      .map((row) => row.split('\t')[0])
    expect(found).toEqual(expect.arrayContaining([...offered]))
    for (const other of others) expect(found).not.toContain(other)
  })

  test.each(LINES)('after `%s` it offers %j', (line, offered, others) => {
    const script = `source ../fish; complete -C '${line}'`
    const found = run('fish', ['--no-config', '-c', script], { cwd: join(folder, 'files') })
      .split('\n')
      .map((row) => row.split('\t')[0]?.replace(/=$/, ''))
    expect(found).toEqual(expect.arrayContaining([...offered]))
    for (const other of others) expect(found).not.toContain(other)
  })
})

describe('`ostree-ts completion`', () => {
  test('it prints the script of each shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish'] as const) {
      const { status, stdout } = await runInProcess(['completion', shell], folder)
      expect({ status, stdout }).toEqual({ status: 0, stdout: await completionScript(shell, COMMANDS) })
    }
  })

  test.each([[], ['tcsh'], ['bash', 'zsh']])('the arguments %j are refused', async (...words) => {
    expect(await runInProcess(['completion', ...words], folder)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: 'error: SHELL must be one of bash, fish, zsh\n',
    })
  })
})

describe('man pages', () => {
  test('every command has a page with its summary and all of its options', async () => {
    const files = await packageFiles(COMMANDS)
    const pages = [...files.keys()].filter((name) => name.startsWith('man/'))
    const nodes = [...nodesOf(program)]
    expect(pages).toHaveLength(nodes.length)
    expect(nodes.length).toBeGreaterThan(60)
    for (const { path, summary, options, members } of nodes) {
      const page = files.get(`man/${['ostree-ts', ...path].join('-')}.1`)?.replaceAll('\\', '')
      expect(page).toContain(`- ${summary}\n`)
      for (const { name } of options) expect(page).toContain(`fB--${name}fR`)
      for (const member of members) expect(page).toContain(`fBostree-ts-${member.path.join('-')}fR(1)`)
    }
  })
})

describeReference('groff', 'man pages in groff', () => {
  test('groff formats them without a warning, with their text', async () => {
    for (const [name, text] of await packageFiles(COMMANDS)) {
      if (!name.startsWith('man/')) continue
      const { stdout, stderr, status } = spawnSync('groff', ['-man', '-Tascii', '-ww', '-P-cbou'], {
        input: text,
        encoding: 'utf8',
      })
      expect({ name, stderr, status }).toEqual({ name, stderr: '', status: 0 })
      if (name !== 'man/ostree-ts-ls.1') continue
      expect(stdout).toMatch(/ls.*- *List file paths/)
      expect(stdout).toContain('-R, --recursive')
    }
  })
})
