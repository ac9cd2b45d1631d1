/** Two directories that go through the same commands: one with ostree, one with ours, held against each other each time. */
import { spawnSync } from 'node:child_process'
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { run } from '../support/reference.ts'
import { type Outcome, runInProcess } from './in-process.ts'

/** Before a slash, stands for the directory of each in what is given; and in what is compared. */
const HERE = '@'

export interface Differences {
  /** Of a version later than the ostree at hand: what it says instead. */
  readonly stdout?: (theirs: string) => string
  readonly stderr?: (theirs: string) => string
}

export class Twins {
  readonly theirs: string
  readonly ours: string
  readonly #root: string

  constructor() {
    this.#root = mkdtempSync(join(tmpdir(), 'ostree-ts-twins-'))
    this.theirs = join(this.#root, 'theirs')
    this.ours = join(this.#root, 'ours')
    for (const place of [this.theirs, this.ours]) mkdirSync(place)
  }

  /** @param script runs in both, `@` in its text is not replaced: paths are relative */
  shell(script: string): void {
    for (const cwd of [this.theirs, this.ours]) run('sh', ['-e', '-c', script], { cwd })
  }

  /** Runs a command with both, and compares what they say. @returns what was said */
  async run(words: readonly string[], { stdout = same, stderr = same }: Differences = {}): Promise<Outcome> {
    const [theirs, ours] = await this.runBoth(words)
    const shown = words.join(' ')
    expect({ shown, ...ours }).toEqual({
      shown,
      status: theirs.status,
      stdout: stdout(theirs.stdout),
      stderr: stderr(theirs.stderr),
    })
    return ours
  }

  /** Runs a command with both. */
  async runBoth(words: readonly string[]): Promise<[theirs: Outcome, ours: Outcome]> {
    const { status, stdout, stderr } = spawnSync('ostree', at(words, this.theirs), {
      cwd: this.theirs,
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
    })
    const ours = await runInProcess(at(words, this.ours), this.#root)
    return [clean({ status, stdout, stderr }, this.theirs), clean(ours, this.ours)]
  }

  /** Compares all that is below, or at, a path in both: names, kinds, permissions, links, content. */
  expectSame(path: string, ignore: (name: string) => boolean = () => false): void {
    expect(listed(this.ours, path, ignore)).toEqual(listed(this.theirs, path, ignore))
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true })
  }
}

function same(text: string): string {
  return text
}

function at(words: readonly string[], place: string): string[] {
  return words.map((word) => word.replaceAll(`${HERE}/`, `${place}/`))
}

function clean({ status, stdout, stderr }: Outcome, place: string): Outcome {
  return { status, stdout: stdout.replaceAll(place, HERE), stderr: stderr.replaceAll(place, HERE) }
}

function listed(root: string, path: string, ignore: (name: string) => boolean): string[] {
  const top = join(root, path)
  const names = lstatSync(top).isDirectory() ? ['', ...readdirSync(top, { recursive: true, encoding: 'utf8' })] : ['']
  return names
    .filter((name) => !ignore(name))
    .map((name) => describe(join(top, name), name, root))
    .sort()
}

function describe(full: string, name: string, root: string): string {
  const stat = lstatSync(full)
  const mode = stat.mode.toString(8)
  if (stat.isSymbolicLink()) return `${name} -> ${readlinkSync(full).replaceAll(root, HERE)}`
  if (!stat.isFile()) return `${name} ${mode}`
  const text = readFileSync(full).toString('latin1').replaceAll(root, HERE)
  return `${name} ${mode} ${/[^\t\n -~]/.test(text) ? JSON.stringify(text) : text}`
}
