/** The files of a static delta: in a directory, beside a superblock, or in the repository by the name of the delta. */

import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { IoError } from '../../errors.ts'
import {
  type DeltaPartInfo,
  type DeltaPartSource,
  parseDeltaName,
  type Repo,
  type RepoFiles,
} from '../../repo/index.ts'
import { deltaPath, requireRepoFiles } from '../../repo/internal.ts'
import { FOLLOW_FLAGS, streamFile } from '../../system/file-io.ts'
import { fsPath } from '../../system/raw-path.ts'
import { fileError } from '../values.ts'

/** A superblock, and where its parts are. */
export interface DeltaFiles {
  readonly superblock: Uint8Array
  /** Returns the bytes of a part. They throw an IoError if its file cannot be read. */
  openPart(part: DeltaPartInfo): DeltaPartSource
}

/**
 * Reads a delta that is given as a directory with a file `superblock`, or as that file.
 * @throws {IoError} `openat(…): REASON` if it cannot be read
 */
export function readDeltaAt(path: string): DeltaFiles {
  let isDirectory: boolean
  try {
    isDirectory = statSync(fsPath(path)).isDirectory()
  } catch (error) {
    throw fileError(error, path, (reason) => `openat(O_DIRECTORY): ${reason}`)
  }
  const directory = isDirectory ? path : dirname(path)
  const name = isDirectory ? 'superblock' : basename(path)
  return {
    superblock: read(join(directory, name), name),
    openPart: ({ index }) =>
      partAt(join(directory, String(index)), (reason) => `Opening deltapart '${index}': ${reason}`),
  }
}

/**
 * Reads a superblock that is given by its path, which has a slash, or by the name of a delta of the repository. Its parts
 * are those of the repository in both cases.
 * @throws {InvalidNameError} if it is not a name; {IoError} `openat(…): REASON` if it cannot be read
 */
export async function readDelta(repo: Repo, nameOrPath: string): Promise<DeltaFiles> {
  const files = requireRepoFiles(repo, 'A static delta')
  if (repo.storage.directory === undefined) return readStored(files, nameOrPath)
  const root = files.location
  const inRepo = (path: string) => read(join(root, path), path)
  const superblock = nameOrPath.includes('/')
    ? read(nameOrPath, nameOrPath)
    : inRepo(`${deltaPath(parseDeltaName(nameOrPath))}/superblock`)
  return {
    superblock,
    openPart: ({ path }) => partAt(join(root, path), (reason) => `openat(${path}): ${reason}`),
  }
}

/** Reads a delta of a store that is not a directory. */
async function readStored(files: RepoFiles, nameOrPath: string): Promise<DeltaFiles> {
  const stored = async (path: string): Promise<Uint8Array> => {
    const bytes = await files.read(path)
    if (bytes !== undefined) return bytes
    throw new IoError(`openat(${path}): No such file or directory`, 'ENOENT', path)
  }
  return {
    superblock: nameOrPath.includes('/')
      ? read(nameOrPath, nameOrPath)
      : await stored(`${deltaPath(parseDeltaName(nameOrPath))}/superblock`),
    openPart: ({ path }) =>
      async function* open() {
        yield await stored(path)
      },
  }
}

function read(path: string, shown: string): Uint8Array {
  try {
    return readFileSync(fsPath(path))
  } catch (error) {
    const { syscall } = error as NodeJS.ErrnoException
    throw fileError(error, path, (reason) => (syscall === 'read' ? reason : `openat(${shown}): ${reason}`))
  }
}

function partAt(path: string, message: (reason: string) => string): () => AsyncIterable<Uint8Array> {
  return async function* open() {
    try {
      statSync(fsPath(path))
    } catch (error) {
      throw fileError(error, path, message)
    }
    try {
      yield* streamFile(path, 0, FOLLOW_FLAGS)
    } catch (error) {
      throw error instanceof IoError ? error.withMessage(message(error.message), { cause: error }) : error
    }
  }
}
