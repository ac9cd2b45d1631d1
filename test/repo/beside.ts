/** One repository twice: ostree works on one, we on the other, and then they are compared. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Outcome, runInProcess } from '../cli/in-process.ts'
import { run } from '../support/reference.ts'
import { ReferenceRepo } from './reference-repo.ts'

export interface Both {
  readonly theirs: Outcome & { readonly left: string[] }
  readonly ours: Outcome & { readonly left: string[] }
}

/**
 * @param path the repository; it stays as it is
 * @param scratch an empty directory, for the two copies
 */
export async function runBoth(path: string, scratch: string, words: readonly string[]): Promise<Both> {
  const [a, b] = [join(scratch, 'theirs'), join(scratch, 'ours')]
  for (const copy of [a, b]) run('cp', ['-a', path, copy])
  const theirs = new ReferenceRepo(a, '').attempt(...words)
  const ours = await runInProcess([words[0] as string, `--repo=${b}`, ...words.slice(1)], scratch)
  return { theirs: { ...clean(theirs, a), left: leftIn(a) }, ours: { ...clean(ours, b), left: leftIn(b) } }
}

function clean({ stdout, stderr, status }: Outcome, path: string): Outcome {
  const one = (text: string) =>
    text
      .replaceAll(path, 'REPO')
      // Of a file that has no whole number ostree reads one nonetheless.
      .replace(/File header size \d+ exceeds size ([0-3])$/gm, 'File header of $1 bytes is truncated')
  return { stdout: one(stdout), stderr: one(stderr), status }
}

/** Every path below, with what is in it unless it is an object. */
export function leftIn(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path !== '.lock' && path !== 'tmp/cache')
    .map((path) => {
      const full = join(root, path)
      const stat = lstatSync(full)
      if (stat.isSymbolicLink()) return `${path} -> ${readlinkSync(full)}`
      return stat.isFile() && !path.startsWith('objects/') ? `${path}: ${readFileSync(full, 'utf8')}` : path
    })
    .sort()
}
