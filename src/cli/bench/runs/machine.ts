/** Describes the machine and the versions of the programs, without which measurements say little. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { COMPATIBLE_VERSION } from '../../../compatible-version.ts'
import { PACKAGE_VERSION } from '../../version.ts'

/** The machine. */
export interface Machine {
  readonly processor: string
  readonly processors: number
  /** Bytes. */
  readonly memory: number
  readonly system: string
  /** Processes that ran or waited to run, on average of the last minute before the measurements. */
  readonly load: number
  /** The type of the file system that is measured on. */
  readonly fileSystem: string
  /** Versions by program. */
  readonly versions: Readonly<Record<string, string>>
}

/** @param programs other programs, whose versions are included */
export function describeMachine(place: string, programs: readonly string[]): Machine {
  const versions: Record<string, string> = {
    'ostree-ts': `${PACKAGE_VERSION} (as libostree ${COMPATIBLE_VERSION})`,
    node: process.version,
    zlib: process.versions.zlib ?? '',
    openssl: process.versions.openssl ?? '',
  }
  for (const program of new Set(programs)) versions[program] = versionOf(program)
  return {
    processor: cpus()[0]?.model.trim() ?? process.arch,
    processors: availableParallelism(),
    memory: totalmem(),
    system: `${process.platform} ${release()} ${process.arch}`,
    load: loadavg()[0] ?? 0,
    fileSystem: fileSystemOf(place),
    versions,
  }
}

/** Returns the first version in what a program prints for `--version`, or for `version`, as some have it. */
function versionOf(program: string): string {
  const printed = ['--version', 'version'].map((word) =>
    spawnSync(program, [word], { encoding: 'utf8', timeout: 10_000 }),
  )
  const { stdout, stderr } = printed.find(({ status }) => status === 0) ?? { stdout: '', stderr: '' }
  return /(?<![\w.])\d+(?:\.\d+)*\S*?(?=[\s,;'")]|$)/m.exec(`${stdout ?? ''}\n${stderr ?? ''}`)?.[0] ?? 'unknown'
}

/** Returns the type of the file system of a path: that of the longest mount point that contains it. */
function fileSystemOf(place: string): string {
  let [found, length] = ['unknown', -1]
  let mounts = ''
  try {
    mounts = readFileSync('/proc/self/mounts', 'utf8')
  } catch {
    return found // not on Linux
  }
  for (const line of mounts.split('\n')) {
    const [, escaped = '', type = ''] = line.split(' ')
    const point = escaped.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    )
    if (point.length < length || !`${place}/`.startsWith(point.endsWith('/') ? point : `${point}/`)) continue
    found = type
    length = point.length
  }
  return found
}
