/** Lists of what is in sysroots, to compare two of them. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Lists type, permissions, owner, target and content of everything but objects and temporary files. */
export function listing(sysroot: string): string[] {
  const lines: string[] = []
  const walk = (path: string, shown: string): void => {
    for (const name of readdirSync(path).sort()) {
      const [at, where] = [join(path, name), `${shown}/${name}`]
      if (/^\/ostree\/repo\/(objects|tmp|state|extensions|\.lock)/.test(where)) continue
      const stats = lstatSync(at)
      const kind = stats.isDirectory() ? 'd' : stats.isSymbolicLink() ? `l ${readlinkSync(at)}` : 'f'
      const content = kind === 'f' ? JSON.stringify(readFileSync(at, 'utf8')) : ''
      lines.push(`${where} ${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid} ${kind} ${content}`)
      if (kind === 'd') walk(at, where)
    }
  }
  walk(sysroot, '')
  return lines
}
