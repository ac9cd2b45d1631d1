/** The command on a terminal, which the program `script` of util-linux provides. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
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
  })

  /** Runs a command with a terminal of the given width. @returns what it prints, with the line ends of a file */
  const run = (line: string, env: Record<string, string> = {}, columns = 80): string => {
    const shell = `stty cols ${columns}; ${program.shellCommand} ${line}`
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
    expect(program.run(['static-delta', 'verify', '--help'], folder)).toMatchObject({ rc: 1, stdout: '' })
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
})
