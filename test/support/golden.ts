/** Golden vectors: files that the real programs wrote. `test/golden/README.md` tells how. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { TarParser } from '../../src/tar/index.ts'

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

/** Unpacks a `.tar.gz` of directories and regular files into a directory, which has to exist. */
export function unpackGolden(name: string, into: string): void {
  let path = ''
  let parts: Uint8Array[] = []
  const parser = new TarParser({
    entry(header) {
      path = join(into, new TextDecoder().decode(header.path))
      parts = []
      if (header.type === 'directory') mkdirSync(path, { recursive: true })
      else if (header.type !== 'file') throw new Error(`${name} has an entry of type ${header.type}`)
    },
    data: (bytes) => void parts.push(bytes.slice()),
    end() {
      if (existsSync(path)) return
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, Buffer.concat(parts))
    },
  })
  parser.push(gunzipSync(goldenBytes(name)))
  parser.finish()
}
