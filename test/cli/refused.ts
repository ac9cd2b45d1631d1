/** What has to hold for every command that fails. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { createRepo } from '../../src/repo/local.ts'
import { runInProcess } from '../support/in-process.ts'
import { hasReference, run } from '../support/reference.ts'

let count = 0

export interface Place {
  readonly path: string
  /** Paths of two empty repositories: a directory, and an SQLite file. */
  readonly repos: readonly string[]
}

/** Creates a directory with two empty repositories, and a file outside of them that must not change. */
export async function makePlace(root: string): Promise<Place> {
  const path = join(root, `place${count++}`)
  mkdirSync(path)
  const repos = [join(path, 'repo'), join(path, 'repo.sqlite')]
  for (const repo of repos) await (await createRepo(repo, { mode: 'bare-user' })).close()
  writeFileSync(join(path, 'outside'), 'as it was')
  return { path, repos }
}

const beside = ({ path }: Place): string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => !/^repo(\/|\.sqlite|$)/.test(name))

/**
 * Runs a command that has to fail. It must not leave a ref, an object with which fsck finds an error, or a file outside of
 * the repository.
 * @returns the error
 */
export async function refusal(place: Place, repo: string, words: readonly string[]): Promise<string> {
  const before = beside(place)
  const { status, stderr } = await runInProcess(words, place.path)
  const said = stderr.split('\n').at(-2) ?? ''
  expect({ status, said: said.slice(0, 7) }, stderr).toEqual({ status: 1, said: 'error: ' })
  expect(beside(place)).toEqual(before)
  const refs = await runInProcess(['refs', `--repo=${repo}`], place.path)
  expect(refs.stdout.split('\n').filter((ref) => !ref.startsWith('ostree/container/blob/'))).toEqual([''])
  expect(await runInProcess(['fsck', `--repo=${repo}`], place.path)).toMatchObject({ status: 0, stderr: '' })
  if (!repo.endsWith('.sqlite') && hasReference('ostree')) run('ostree', [`--repo=${repo}`, 'fsck'])
  return said
}
