/** Two copies of a repository: ostree works on one and `ostree-ts` on the other, to compare what they print and leave. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Outcome, runInProcess } from './in-process.ts'
import { run } from './reference.ts'
import { ReferenceRepo } from './reference-repo.ts'

export interface Both {
  readonly theirs: Outcome & { readonly left: string[] }
  readonly ours: Outcome & { readonly left: string[] }
}

/**
 * Runs a command on a copy each.
 * @param path the repository, which is not changed
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
      // ostree reads the number at the start of a file of fewer than 4 bytes beyond its end.
      .replace(/File header size \d+ exceeds size ([0-3])$/gm, 'File header of $1 bytes is truncated')
  return { stdout: one(stdout), stderr: one(stderr), status }
}

/** Lists every path below `root`: links with their target, and files with their content, unless they are objects. */
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
