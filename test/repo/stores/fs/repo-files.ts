/** A repository directory as plain data: taken down, compared, put up again. */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { decodeFilezHeader } from '../../../../src/objects/index.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { loadNative } from '../../../../src/system/native.ts'

/** As test/golden/core/repo-modes.json has it. */
export interface RepoFile {
  readonly path: string
  /** Octal. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  readonly size?: number
  readonly mtime?: 0 | 'now'
  readonly target?: string
  readonly content_b64?: string
  readonly xattrs_b64?: Record<string, string>
}

const text = new TextDecoder()

function xattrsOf(path: string): Record<string, string> {
  const all = loadNative()?.readXattrs(path) ?? []
  return Object.fromEntries(all.map(([name, value]) => [text.decode(name), Buffer.from(value).toString('base64')]))
}

/** Every file below `root`, sorted by path. */
export function takeDown(root: string): RepoFile[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  return names.map((path): RepoFile => {
    const full = join(root, path)
    const stat = lstatSync(full)
    const common = { path, mode: stat.mode.toString(8).padStart(6, '0'), uid: stat.uid, gid: stat.gid }
    if (stat.isDirectory()) return common
    if (stat.isSymbolicLink()) return { ...common, target: readlinkSync(full) }
    const xattrs = xattrsOf(full)
    return {
      ...common,
      size: stat.size,
      mtime: stat.mtimeMs === 0 ? 0 : 'now',
      content_b64: readFileSync(full).toString('base64'),
      ...(Object.keys(xattrs).length > 0 ? { xattrs_b64: xattrs } : {}),
    }
  })
}

/** What matters of a file, small enough to be read in a failing test. Deflated bytes may differ; what they say may not. */
export function essence(file: RepoFile): object {
  const { path, mode, uid, gid, mtime, target, content_b64, xattrs_b64 = {} } = file
  let content: Uint8Array = Buffer.from(content_b64 ?? '', 'base64')
  if (path.endsWith('.filez')) {
    const { info, bodyOffset } = decodeFilezHeader(new Uint8Array(content))
    const body = content.subarray(bodyOffset)
    const inflated = body.length === 0 ? body : nodePlatform.inflateRaw(new Uint8Array(body), info.size)
    content = Buffer.concat([content.subarray(0, bodyOffset), inflated])
  }
  const sha256 = createHash('sha256').update(content).digest('hex')
  return { path, mode, uid, gid, mtime, target, xattrs: xattrs_b64, ...(content_b64 === undefined ? {} : { sha256 }) }
}

/** Makes the files below `root`, which must exist. Owners are set for root only. */
export function putUp(root: string, files: readonly RepoFile[]): void {
  for (const file of files) {
    const path = join(root, file.path)
    const mode = Number.parseInt(file.mode, 8)
    mkdirSync(dirname(path), { recursive: true })
    if ((mode & 0o170000) === 0o040000) mkdirSync(path, { recursive: true })
    else if (file.target !== undefined) symlinkSync(file.target, path)
    else writeFileSync(path, Buffer.from(file.content_b64 ?? '', 'base64'))
    if (process.getuid?.() === 0) lchownSync(path, file.uid, file.gid)
    if (file.target !== undefined) continue
    chmodSync(path, mode & 0o7777)
    for (const [name, value] of Object.entries(file.xattrs_b64 ?? {})) {
      loadNative()?.setXattr(path, name, Buffer.from(value, 'base64'))
    }
    if (file.mtime === 0) utimesSync(path, 0, 0)
  }
}
