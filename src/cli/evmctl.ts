/** Creates IMA signatures with the program evmctl, which supports keys in files and in hardware tokens. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { IoError, UnsupportedError } from '../errors.ts'
import type { FileObject } from '../objects/index.ts'
import type { ImaSigner } from '../repo/index.ts'
import { loadNative } from '../repo/local.ts'
import { withIo, withIoAsync } from '../system/errno.ts'

const ATTRIBUTE = 'user.ima'

/** Disposing of it removes its temporary directory. */
export interface EvmctlSigner extends Disposable {
  readonly sign: ImaSigner
}

/**
 * Creates a signer. Each file is copied into a temporary directory, where evmctl signs it.
 * @param algorithm hash algorithm, as in `evmctl --hashalgo`
 * @param key path of the private key
 * @param near parent of the temporary directory; its file system must support user xattrs. Default: `os.tmpdir()`
 * @throws {UnsupportedError} when evmctl, or koffi to read the extended attribute, is not installed
 */
export function createEvmctlSigner(algorithm: string, key: string, near: string | undefined): EvmctlSigner {
  const native = loadNative()
  if (native === undefined) throw new UnsupportedError('xattrs', 'Signing for IMA needs the package koffi')
  if (spawnSync('evmctl', ['--version']).error !== undefined) {
    throw new UnsupportedError(
      'evmctl',
      'Signing for IMA needs the program evmctl (ima-evm-utils), which was not found',
    )
  }
  const parent = near ?? tmpdir()
  const folder = withIo(parent, () => mkdtempSync(join(parent, 'ima-')))
  const path = join(folder, 'file')
  const args = ['ima_sign', '--xattr-user', '--key', resolve(key), '--hashalgo', algorithm, path]
  return {
    async sign(file) {
      await withIoAsync(path, () => writeFile(path, file))
      const { status, stderr } = spawnSync('evmctl', args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
      if (status !== 0) throw new IoError(`evmctl failed: ${stderr.trim()}`, 'EIO', key)
      const value = native.getXattr(path, ATTRIBUTE)
      if (value === undefined) throw new IoError(`evmctl did not set the attribute ${ATTRIBUTE}`, 'ENODATA', path)
      return value
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

async function writeFile(path: string, { body }: FileObject): Promise<void> {
  rmSync(path, { force: true })
  const fd = openSync(path, 'wx', 0o600)
  try {
    if (body instanceof Uint8Array) writeWhole(fd, body)
    else for await (const bytes of body) writeWhole(fd, bytes)
  } finally {
    closeSync(fd)
  }
}

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
}
