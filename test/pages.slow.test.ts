/**
 * Runs what the pages for users show, with the outputs that they show: `…` stands for any text, also of several lines.
 *
 *     ```console    lines `$ COMMAND` with what each prints, all of a page in one folder
 *     ```ts         a program; the block ```text below it is what it prints
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { BuiltCommand, spawn } from './support/built-command.ts'
import { bundlePrograms } from './support/bundle.ts'
import { isRoot } from './support/machine.ts'
import { temporaryFolder } from './support/temporary.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const textOf = (page: string) => readFileSync(join(root, 'docs', page), 'utf8')

/** Makes a folder that has the examples of the repository. */
function workFolder(): string {
  const folder = temporaryFolder()
  symlinkSync(join(root, 'examples'), join(folder, 'examples'))
  return folder
}

/** The pattern of an output in which `…` stands for any text. Sizes are printed with non-breaking blanks. */
function pattern(shown: string): RegExp {
  const parts = shown.trim().split('…')
  return new RegExp(`^${parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*')}$`)
}
const printed = (text: string) => text.replaceAll('\u00a0', ' ').trim()

describe('docs/images.md', () => {
  let command: BuiltCommand
  let folder: string
  beforeAll(async () => {
    command = await BuiltCommand.build({ container: true })
    folder = workFolder()
    mkdirSync(join(folder, '.bin'))
    writeFileSync(join(folder, '.bin/ostree-ts'), `#!/bin/sh\nexec ${command.shellCommand} "$@"\n`, { mode: 0o755 })
  })

  const steps = Array.from(textOf('images.md').matchAll(/^```console\n(.*?)^```$/gms), ([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((step) => [step.slice(0, step.indexOf('\n')), step.slice(step.indexOf('\n') + 1)] as const),
  ).flat()

  test('the commands of the page are found', () => {
    expect(steps.length).toBeGreaterThan(10)
  })

  test.each(steps)('`%s` prints what the page shows', (line, output) => {
    const script = `exec 2>&1; PATH=$PWD/.bin:$PATH; ${line}`
    const { stdout } = spawnSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8' })
    expect(printed(stdout)).toMatch(pattern(output))
  })

  const rows = Array.from(
    textOf('images.md').matchAll(/^\| `(images\.sqlite|--mode=[\w-]+)` \| `(\w{8})` \| `(\w{8})` \|$/gm),
    ([, store = '', commit = '', exact = '']) => [store, commit, exact] as const,
  )

  test.runIf(isRoot).each(rows)(
    'an image pulled into %s is commit %s, and %s with exact metadata',
    (store, ...commits) => {
      expect(rows).toHaveLength(5)
      for (const [i, commit] of commits.entries()) {
        const path = `${store.replace('--mode=', '').replace('.sqlite', '')}-${i}${store.endsWith('.sqlite') ? '.sqlite' : ''}`
        if (store.startsWith('--mode=')) command.run(['init', `--repo=${path}`, store], folder)
        const options = i === 0 ? [] : ['--metadata=exact']
        const pull = ['container', 'image', 'pull', '-q', ...options, path, 'oci:examples/exampleos:1.0']
        expect(command.run(pull, folder).stdout).toContain(` => ${commit}`)
      }
    },
  )
})

describe.each(['embedding.md', 'benchmarks.md'])('docs/%s', (page) => {
  const programs = Array.from(
    textOf(page).matchAll(/^```ts\n(.*?)^```\n\n```text\n(.*?)^```$/gms),
    ([, code = '', output = '']) => [/^(?!import).+$/m.exec(code)?.[0] ?? '', code, output] as const,
  )

  test('its programs are found', () => {
    expect(programs.length).toBeGreaterThan(0)
    expect(textOf(page).match(/^```ts$/gm)).toHaveLength(programs.length)
  })

  test.each(programs)('`%s` prints what the page shows', async (_, code, output) => {
    const source = join(temporaryFolder('modules'), 'program.mts')
    writeFileSync(source, code)
    const modules = bundlePrograms([source])
    const { rc, stdout, stderr } = spawn(process.execPath, [join(modules, 'program.mjs')], workFolder())
    expect({ rc, stderr }).toEqual({ rc: 0, stderr: '' })
    expect(printed(stdout)).toMatch(pattern(output))
  })
})
