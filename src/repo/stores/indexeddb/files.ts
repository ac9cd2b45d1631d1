/** Files beside the objects of a repository in IndexedDB. */

import { compareUtf8 } from '../../../bytes.ts'
import { type RepoFiles, requireFilePath } from '../../core/repo-files.ts'
import { namesBelow, requireFilePlace } from '../named-files.ts'
import { answer, type Connection } from './connection.ts'

export class IndexedDbFiles implements RepoFiles {
  readonly location: string
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.location = connection.location
    this.#connection = connection
  }

  async has(path: string): Promise<boolean> {
    return (await this.read(path)) !== undefined
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    requireFilePath(path)
    return this.#connection.get('files', path)
  }

  async list(path: string): Promise<string[]> {
    if (path !== '') requireFilePath(path)
    const paths = await this.#connection.read(['files'], pathsOf)
    return namesBelow(path === '' ? paths : below(paths, path), path)
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    requireFilePath(path)
    const copy = new Uint8Array(bytes)
    await this.#connection.write(['files'], async (tx) => {
      const paths = await pathsOf(tx)
      requireFilePlace({ has: (other) => paths.includes(other), below: (other) => below(paths, other) }, path)
      tx.objectStore('files').put(copy, path)
    })
  }

  async delete(path: string): Promise<boolean> {
    requireFilePath(path)
    return this.#connection.write(['files'], async (tx) => {
      const files = tx.objectStore('files')
      const existed = (await answer(files.getKey(path))) !== undefined
      files.delete(path)
      return existed
    })
  }
}

async function pathsOf(tx: IDBTransaction): Promise<string[]> {
  return (await answer(tx.objectStore('files').getAllKeys())) as string[]
}

function below(paths: readonly string[], path: string): string[] {
  return paths.filter((other) => other.startsWith(`${path}/`)).sort(compareUtf8)
}
