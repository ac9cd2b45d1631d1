/**
 * The kept inputs: a text file for each target, with one input in base64 on a line. They are those that once broke a rule,
 * and a few that reached much of the code.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Returns the path of the file of a target. */
export function corpusPath(target: string): string {
  const name = target.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  return fileURLToPath(new URL(`../fuzz/corpus/${name}.txt`, import.meta.url))
}

/** Returns the kept inputs of a target. */
export function readCorpus(target: string): Uint8Array[] {
  const path = corpusPath(target)
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => new Uint8Array(Buffer.from(line, 'base64')))
}
