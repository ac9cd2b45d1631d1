/** Signs with the GnuPG of the user, by its program `gpg`. Source: ostree-repo.c, sign_data; ot-gpg-utils.c. */

import { spawn } from 'node:child_process'
import { concatBytes, decodeUtf8 } from '../../bytes.ts'
import { DeniedError, NotFoundError, UnsupportedError } from '../../errors.ts'
import type { Signer } from '../../sign/index.ts'

/** The key that `createGpgSigner` signs with. */
export interface GpgSignerOptions {
  /** Directory of keyrings. Default: that of the user, `$GNUPGHOME` or `~/.gnupg`. */
  readonly homedir?: string | undefined
  /** The program. Default `gpg`. */
  readonly program?: string | undefined
}

/**
 * Creates a signer of OpenPGP signatures. Nothing is run before it signs; a passphrase is asked for by the agent of GnuPG.
 * When it signs it throws NotFoundError `No gpg key found with ID …` unless there is such a secret key, DeniedError when
 * several match or gpg fails, and UnsupportedError when the program is not installed.
 * @param keyId key ID, fingerprint or user id, as of `gpg --local-user`
 */
export function createGpgSigner(keyId: string, { homedir, program = 'gpg' }: GpgSignerOptions = {}): Signer {
  const common = ['--batch', '--no-tty', ...(homedir === undefined ? [] : ['--homedir', homedir])]
  return {
    engine: 'gpg',
    async sign(data) {
      const fingerprint = await findSecretKey(program, common, keyId, homedir)
      const args = [...common, '--no-armor', '--local-user', fingerprint, '--detach-sign']
      const { status, stdout, stderr } = await run(program, args, data)
      if (status !== 0 || stdout.length === 0) {
        throw new DeniedError('gpg', `Signing with GPG key ${keyId}: ${stderr.trim() || 'gpg failed'}`)
      }
      return stdout
    },
  }
}

/** Returns the fingerprint of the one secret key that matches. */
async function findSecretKey(
  program: string,
  common: readonly string[],
  keyId: string,
  homedir: string | undefined,
): Promise<string> {
  const { stdout } = await run(program, [...common, '--with-colons', '--list-secret-keys', '--', keyId])
  const records = (decodeUtf8(stdout) ?? '').split('\n').map((line) => line.split(':'))
  const keys = records.flatMap(([type], at) =>
    type === 'sec' ? [records.slice(at).find(([kind]) => kind === 'fpr')] : [],
  )
  const fingerprint = keys[0]?.[9]
  if (keyId === '' || fingerprint === undefined) {
    throw new NotFoundError(keyId, `No gpg key found with ID ${keyId} (homedir: ${homedir ?? '<default>'})`)
  }
  if (keys.length > 1) throw new DeniedError(keyId, `Unable to lookup key ID ${keyId}: GPGME: Ambiguous name`)
  return fingerprint
}

interface Finished {
  readonly status: number | null
  readonly stdout: Uint8Array
  readonly stderr: string
}

function run(program: string, args: readonly string[], input: Uint8Array = new Uint8Array()): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const out: Uint8Array[] = []
    const err: Uint8Array[] = []
    child.on('error', (cause) => {
      const message = `Signing with GPG needs the program ${program}, which was not found`
      reject(new UnsupportedError('gpg', message, { cause }))
    })
    child.stdout.on('data', (bytes: Uint8Array) => out.push(bytes))
    child.stderr.on('data', (bytes: Uint8Array) => err.push(bytes))
    // A program that ends without reading its input is judged by its status.
    child.stdin.on('error', () => {})
    child.on('close', (status) =>
      resolve({ status, stdout: concatBytes(out), stderr: new TextDecoder().decode(concatBytes(err)) }),
    )
    child.stdin.end(input)
  })
}
