/**
 * A storage over a plain map of keys and values, which is kept in one file: every change is a line that is appended, and
 * a line counts when it is complete. `storageSuite` of ostree-ts/testing checks it.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'
import { createTableStorage } from 'ostree-ts/repo'

/** Opens the map in a file. Storages of one process share one map. */
export class KeyValueMap {
  #values = new Map()
  #file

  constructor(path) {
    const text = existsSync(path) ? readFileSync(path, 'latin1') : ''
    // The end of the process may have cut the last line off.
    const complete = text.lastIndexOf('\n') + 1
    for (const line of text.slice(0, complete).split('\n').filter(Boolean)) this.#apply(JSON.parse(line))
    this.#file = openSync(path, 'a')
    truncateSync(path, complete)
  }

  #apply(changes) {
    for (const [name, value] of changes) {
      const key = decodeURIComponent(name)
      if (value === null) this.#values.delete(key)
      else this.#values.set(key, new Uint8Array(Buffer.from(value, 'base64')))
    }
  }

  get(key) {
    return this.#values.get(key)
  }

  keys(prefix) {
    return [...this.#values.keys()].filter((key) => key.startsWith(prefix))
  }

  write(changes) {
    const plain = Array.from(changes, ([key, value]) => [
      encodeURIComponent(key),
      value === undefined ? null : Buffer.from(value).toString('base64'),
    ])
    const line = Buffer.from(`${JSON.stringify(plain)}\n`)
    for (let at = 0; at < line.length; ) at += writeSync(this.#file, line, at)
    fsyncSync(this.#file)
    this.#apply(plain)
  }

  close() {
    closeSync(this.#file)
  }
}

/** Opens the repository in a map, and creates it if there is none. */
export function openKeyValueStorage(map, platform, mode) {
  return createTableStorage({ table: map, platform, mode, location: 'key-value map' })
}
