/** The machine as container images name it. */

/** Go's names of the architectures that Node names differently. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
}

/**
 * Returns the platform whose images this machine runs. `os` is `linux` on every system, since OSTree images are for
 * Linux.
 */
export function hostPlatform(): { architecture: string; os: string } {
  return { architecture: ARCHITECTURES[process.arch] ?? process.arch, os: 'linux' }
}
