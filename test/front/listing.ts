/** Lists everything in a directory, with all that a copy has to keep. */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { toHex } from '../../src/bytes.ts'
import { loadNative } from '../../src/system/native.ts'

/**
 * Returns a line for each path: type and permissions, owner, time in nanoseconds, device, the path that has the same
 * inode and sorts first, attributes, and the target or the SHA-256 of the content. Names are shown byte by byte.
 */
export function listing(root: string): Record<string, string> {
  const found: [string, string][] = []
  const waiting = [Buffer.from('.')]
  const firstOf = new Map<string, string>()
  const paths: Buffer[] = []
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    paths.push(path)
    const full = fullPath(root, path)
    if (!lstatSync(full).isDirectory()) continue
    for (const name of readdirSync(full, { encoding: 'buffer' })) {
      waiting.push(Buffer.concat([path, Buffer.from('/'), name]))
    }
  }
  for (const path of paths.sort(Buffer.compare)) {
    const full = fullPath(root, path)
    const stat = lstatSync(full, { bigint: true })
    const inode = `${stat.dev}:${stat.ino}`
    const name = path.toString('latin1')
    const first = firstOf.get(inode) ?? name
    if (!stat.isDirectory()) firstOf.set(inode, first)
    const xattrs = (loadNative()?.readXattrs(full) ?? []).map(
      ([key, value]) => `${Buffer.from(key).toString('latin1')}=${toHex(value)}`,
    )
    const content = stat.isFile()
      ? createHash('sha256').update(readFileSync(full)).digest('hex')
      : stat.isSymbolicLink()
        ? readlinkSync(full, { encoding: 'buffer' }).toString('latin1')
        : ''
    const mode = stat.isSymbolicLink() ? 'link' : stat.mode.toString(8)
    const fields = [mode, stat.uid, stat.gid, stat.mtimeNs, stat.rdev, stat.nlink, first, ...xattrs, content]
    found.push([
      name,
      stat.isDirectory() ? [mode, stat.uid, stat.gid, stat.mtimeNs, ...xattrs].join(' ') : fields.join(' '),
    ])
  }
  return Object.fromEntries(found)
}

function fullPath(root: string, path: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), path])
}
