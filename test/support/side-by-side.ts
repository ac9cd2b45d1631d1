/** Two directories in which ostree and `ostree-ts` run the same commands, and what the two print and store is compared. */
import { spawnSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Outcome, runInProcess } from './in-process.ts'
import { run } from './reference.ts'
import { temporaryFolder } from './temporary.ts'

/** Stands for the directory of a program, in words before a slash, and in all that is compared. */
const HERE = '@'

export interface Differences {
  /** Turns what this version of ostree prints into what a later version prints, which `ostree-ts` follows. */
  readonly stdout?: (theirs: string) => string
  readonly stderr?: (theirs: string) => string
  /** Whether lines may come in another order, as in lists of a directory, which both programs sort by inode number. */
  readonly anyOrder?: boolean
}

export class SideBySide {
  readonly theirs: string
  readonly ours: string
  readonly #root: string

  constructor() {
    this.#root = temporaryFolder('disk')
    this.theirs = join(this.#root, 'theirs')
    this.ours = join(this.#root, 'ours')
    for (const place of [this.theirs, this.ours]) mkdirSync(place)
  }

  /** Runs a shell script in both directories. Its paths are relative, because `@` is not replaced in it. */
  shell(script: string): void {
    for (const cwd of [this.theirs, this.ours]) run('sh', ['-e', '-c', script], { cwd })
  }

  /**
   * Runs a command with both programs, and compares what they print.
   * @param env variables to set
   * @returns what they printed
   */
  async run(
    words: readonly string[],
    { stdout = same, stderr = same, anyOrder = false }: Differences = {},
    env: Record<string, string> = {},
  ): Promise<Outcome> {
    const [theirs, ours] = await this.runBoth(words, env)
    const shown = words.join(' ')
    const lines = (text: string) => (anyOrder ? text.split('\n').sort().join('\n') : text)
    expect({ shown, ...ours, stdout: lines(ours.stdout) }).toEqual({
      shown,
      status: theirs.status,
      stdout: lines(stdout(theirs.stdout)),
      stderr: stderr(theirs.stderr),
    })
    return ours
  }

  /** Runs a command with both programs. */
  async runBoth(words: readonly string[], env: Record<string, string> = {}): Promise<[theirs: Outcome, ours: Outcome]> {
    const { status, stdout, stderr } = spawnSync('ostree', at(words, this.theirs), {
      cwd: this.theirs,
      maxBuffer: 1 << 28,
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...env },
    })
    const ours = await runInProcess(at(words, this.ours), this.#root, env)
    return [clean({ status, stdout, stderr }, this.theirs), clean(ours, this.ours)]
  }

  /** Compares everything at and below a path: names, types, permissions, targets of links, content. */
  expectSame(path: string, ignore: (name: string) => boolean = () => false): void {
    expect(listed(this.ours, path, ignore)).toEqual(listed(this.theirs, path, ignore))
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
