/** Reads from a sysroot what the container commands need: its repository and the origins of its deployments. */
import { ORIGIN_GROUP, ORIGIN_IMAGE_KEY } from '../container/internal.ts'
import { KeyFile } from '../keyfile/index.ts'
import { namesIn } from '../system/directories.ts'
import { readTextFile } from './values.ts'

/** Returns the path of a sysroot's repository. */
export function sysrootRepo(sysroot: string): string {
  return `${sysroot}/ostree/repo`
}

/**
 * Returns the image references of all origin files, `ostree/deploy/STATEROOT/deploy/*.origin`.
 * @throws {FormatError} when an origin is not a key file, so that the image of its deployment is not pruned
 */
export function listOrigins(sysroot: string): string[] {
  const deploy = `${sysroot}/ostree/deploy`
  const origins: string[] = []
  for (const stateroot of namesIn(deploy)) {
    const folder = `${deploy}/${stateroot}/deploy`
    for (const name of namesIn(folder).filter((name) => name.endsWith('.origin'))) {
      const path = `${folder}/${name}`
      const origin = KeyFile.parse(readTextFile(path), path)
      if (origin.has(ORIGIN_GROUP, ORIGIN_IMAGE_KEY)) origins.push(origin.getString(ORIGIN_GROUP, ORIGIN_IMAGE_KEY))
    }
  }
  return origins
}
