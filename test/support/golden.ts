/** Vectors written by the real programs; how, is told in test/golden/README.md. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** @param name path below test/golden, such as `core/commits.json` */
export function goldenPath(name: string): string {
  return fileURLToPath(new URL(`../golden/${name}`, import.meta.url))
}

export function goldenBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(goldenPath(name)))
}

/** The caller names the shape: the files are ours and the tests fail where they do not fit. */
export function goldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(goldenPath(name), 'utf8')) as T
}
