/** The command on a terminal, which the program `script` of util-linux provides. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { refForImage } from '../../src/container/index.ts'
import { BuiltCommand } from '../support/built-command.ts'
import { describeReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const IMAGE = `oci:${fileURLToPath(new URL('../../examples/exampleos', import.meta.url))}:1.0`
const RED = '\u001b[31m\u001b[1merror:\u001b[0m\u001b[22m'

describeReference('script', '`ostree-ts` on a terminal', () => {
  const folder = temporaryFolder()
  let program: BuiltCommand

  beforeAll(async () => {
    program = await BuiltCommand.build({ container: true })
    expect(program.run(['container', 'image', 'pull', 'a.sqlite', IMAGE], folder).rc).toBe(0)
    for (const columns of [80, 40, 12]) program.run(['init', `--repo=large${columns}.sqlite`], folder)
  })

  /** Runs a command with a terminal of the given width, and `input` in front of it, a command and a pipe. @returns what it prints, with the line ends of a file */
  const run = (line: string, env: Record<string, string> = {}, columns = 80, input = ''): string => {
    const shell = `stty cols ${columns}; ${input}${program.shellCommand} ${line}`
    const { stdout, status } = spawnSync('script', ['-qec', shell, '/dev/null'], {
      cwd: folder,
      encoding: 'utf8',
      input: '',
      env: { ...process.env, TERM: 'xterm', NO_COLOR: '', ...env },
    })
    expect(status === 0 || status === 1).toBe(true)
    return stdout.replaceAll('\r\n', '\n')
  }

  test('an error is followed by a hint, and only there', () => {
    expect(run('ls --recursve --repo=a.sqlite main')).toBe(
      `${RED} Unknown option --recursve\nhint: did you mean \`--recursive\`?\n`,
    )
    expect(program.run(['ls', '--recursve', '--repo=a.sqlite', 'main'], folder).stderr).toBe(
      'error: Unknown option --recursve\n',
    )
  })

  test.each([{ NO_COLOR: '1' }, { TERM: 'dumb' }])('%j turns colours off', (env) => {
    expect(run('ls --recursve --repo=a.sqlite main', env)).toBe(
      'error: Unknown option --recursve\nhint: did you mean `--recursive`?\n',
    )
  })

  test('a command that is not available fails with a hint, also with `--help`', () => {
    for (const words of ['admin', 'admin status', 'admin --help', '--help admin']) {
      expect(run(words, { NO_COLOR: '1' })).toMatch(
        /^error: Command 'admin' is not available in ostree-ts\nhint: `ostree-ts container image deploy/,
      )
      expect(program.run(words.split(' '), folder)).toEqual({
        rc: 1,
        stdout: '',
        stderr: "error: Command 'admin' is not available in ostree-ts\n",
      })
    }
    expect(program.run(['find-remotes', '--help'], folder)).toMatchObject({ rc: 1, stdout: '' })
  })

  test('an unknown command is followed by the nearest one', () => {
    expect(run('comit', { NO_COLOR: '1' })).toMatch(
      /\nerror: Unknown command 'comit'\nhint: did you mean `ostree-ts commit`\?\n$/,
    )
  })

  test('`container image list` prints the ref of each image', () => {
    expect(run('container image list --repo=a.sqlite')).toBe(`${IMAGE}\n  ref ${refForImage(IMAGE)}\n`)
    expect(program.run(['container', 'image', 'list', '--repo=a.sqlite'], folder).stdout).toBe(`${IMAGE}\n`)
  })

  /** Returns the lines that a terminal shows after an output, and how many times a line was erased. */
  const screenOf = (output: string, columns: number): { lines: string[]; erased: number } => {
    const lines = ['']
    let erased = 0
    for (const [piece] of output.replaceAll('\u001b', '^').matchAll(/\^\[K|\^|\r|\n|[^\r\n^]/gu)) {
      const last = lines.length - 1
      if (piece === '^[K') {
        erased++
        lines[last] = ''
      } else if (piece === '\n') lines.push('')
      else if (piece === '^') throw new Error('unknown escape sequence')
      else if (piece === '\r')
        continue // Only in front of an erased line, which the test of the width checks.
      else if ((lines[last] ?? '').length === columns) lines.push(piece)
      else lines[last] += piece
    }
    return { lines, erased }
  }

  describe.each([80, 40, 12])('with %d columns', (columns) => {
    beforeAll(() => {
      // Incompressible, so that a pull takes longer than the delay of the first update.
      mkdirSync(join(folder, 'large'), { recursive: true })
      for (let i = 0; i < 60; i++) writeFileSync(join(folder, 'large', `${i}`), randomBytes(1 << 20))
    })

    test('commit and checkout show one line, which is gone at the end', () => {
      // The archive arrives in two parts, so that the commit takes longer than the delay of the first update.
      const input = '(tar -c -C large . | (head -c 30000000; sleep 0.7; cat)) | '
      const commit = run(`commit --repo=large${columns}.sqlite -b main --tree=tar=-`, {}, columns, input)
      const shown = screenOf(commit, columns)
      expect(shown.erased).toBeGreaterThan(1)
      expect(commit).toContain('\r\u001b[KCommittin')
      const checkout = run(`checkout --repo=large${columns}.sqlite -U main out${columns}`, {}, columns)
      expect(screenOf(checkout, columns).lines).toEqual([''])
      expect(shown.lines.join('')).toMatch(/^[0-9a-f]{64}$/)
    })

    test('a pull shows one line, which is gone at the end', () => {
      program.run(
        ['container', 'encapsulate', `--repo=large${columns}.sqlite`, 'main', `oci:layout${columns}:t`],
        folder,
      )
      const output = run(`container image pull pulled${columns}.sqlite oci:layout${columns}:t`, {}, columns)
      const { lines, erased } = screenOf(output, columns)
      expect(erased).toBeGreaterThan(0)
      expect(output.replaceAll('\u001b', '^')).toMatch(/\r\^\[K\[[#-]+\]/)
      expect(lines.join('')).toMatch(/^layers already present: 0; layers needed: 1 \(.*\)Wrote: .* => [0-9a-f]{64}$/)
    })

    test('TERM=dumb shows no line', () => {
      const output = run(`container image pull dumb${columns}.sqlite oci:layout${columns}:t`, { TERM: 'dumb' }, columns)
      expect(output).not.toContain('\u001b')
      expect(output).not.toContain('\r')
    })
  })
})
