import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'

/** Removes a folder with everything in it, also file systems that tests mounted, and files that they made immutable. */
export function removeFolder(path: string): void {
  for (const mount of mountsBelow(path)) spawnSync('umount', ['-l', mount])
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {
    spawnSync('chattr', ['-R', '-i', path])
    spawnSync('chmod', ['-R', 'u+rwX', path])
    rmSync(path, { recursive: true, force: true })
  }
}

/** The mount points below a directory, the innermost first. */
function mountsBelow(path: string): string[] {
  try {
    return readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) =>
        (line.split(' ')[1] ?? '').replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8))),
      )
      .filter((mount) => mount.startsWith(`${path}/`))
      .reverse()
  } catch {
    return []
  }
}
