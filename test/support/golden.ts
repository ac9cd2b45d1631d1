/** Golden vectors: files that the real programs wrote. `test/golden/README.md` tells how. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Returns the path of a file. @param name its path below `test/golden`, such as `core/commits.json` */
export function goldenPath(name: string): string {
  return fileURLToPath(new URL(`../golden/${name}`, import.meta.url))
}

/** Reads a file. */
export function goldenBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(goldenPath(name)))
}

/** Reads a JSON file. The caller names its shape, which is not checked: a test that uses a wrong shape fails. */
export function goldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(goldenPath(name), 'utf8')) as T
}
